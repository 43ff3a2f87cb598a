"""The messages of a rehearsal: the last ones are kept, in memory while it runs, in the test inbox when it is over.

Most of a rehearsal's thousands never touch the disk, and none is parsed: the index learns of them when somebody looks
(`store`), and of their envelopes from here.
"""

import itertools
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from newsletter.inbox.index import Arrival, open_index, unusable
from newsletter.inbox.maildir import Entry, Maildir
from newsletter.inbox.store import LIMIT

MAX_HELD = 64_000_000
"""Bytes of messages that are held in memory; more are written as they come."""


@dataclass(slots=True)
class _Kept:
    entry: Entry
    arrival: Arrival
    data: bytes | None  # None: it is a file already
    size: int


class RehearsalStore:
    """The last `limit` messages, and where `close` puts them; a crash loses those that are in memory.

    Raises NewsletterError if the folder can't be used.
    """

    waiting = 0  # for the index, as far as who adds need care

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self.path, self._limit = path, limit
        try:
            self._maildir = Maildir(path)
        except OSError as error:
            raise unusable(path, error) from None
        self._index = open_index(path)
        self._kept: deque[_Kept] = deque()
        self._held = 0  # bytes in memory
        self._received = self._dropped = 0

    def add(self, mail_from: str, rcpt_tos: Sequence[str], message: bytes) -> Entry:
        """Keep a message and its envelope. Raises OSError if it can't be written."""
        if len(self._kept) >= self._limit:
            self._let_go(self._kept.popleft())
        entry = self._maildir.name()
        data: bytes | None = message
        if self._held + len(message) > MAX_HELD:
            self._maildir.write(entry, message)
            data = None
        else:
            self._held += len(message)
        arrival = Arrival(entry.key, mail_from, tuple(rcpt_tos), time.time())
        self._kept.append(_Kept(entry, arrival, data, len(message)))
        self._received += 1
        return entry

    def flush(self, limit: int | None = None, progress: Callable[[], None] = lambda: None) -> int:
        """Nothing waits for the index."""
        return 0

    def compact(self) -> bool:
        """There is nothing to make smaller."""
        return False

    def newest(self) -> bytes | None:
        """The message that came last; None where none did."""
        if not self._kept:
            return None
        last = self._kept[-1]
        return last.data if last.data is not None else self._maildir.read(last.entry)

    def close(self) -> None:
        """Make files of what is kept, and note whose they are; older messages of the inbox make room."""
        try:
            for one in self._kept:
                if one.data is not None:
                    self._maildir.write(one.entry, one.data)
            self._make_room(self._limit - len(self._kept))
            self._index.note([one.arrival for one in self._kept])
            self._index.count_up("received", self._received)
            self._index.count_up("dropped", self._dropped)
        except (OSError, sqlite3.Error) as error:
            raise unusable(self.path, error) from None
        finally:
            self._index.close()

    def _make_room(self, room: int) -> None:
        """Let go of the inbox's oldest: `room` of those before this rehearsal may stay."""
        indexed, noted = self._index.total(), self._index.arrivals()
        rows = self._index.oldest(max(indexed + len(noted) - room, 0))
        for _, entry in rows:
            self._maildir.remove(entry)
        self._index.remove(number for number, _ in rows)
        for key in itertools.islice(noted, max(len(noted) - room, 0)):
            self._maildir.remove(Entry(key, "new", ""))
        self._dropped += len(rows) + max(len(noted) - room, 0)

    def _let_go(self, one: _Kept) -> None:
        self._dropped += 1
        if one.data is None:
            self._maildir.remove(one.entry)
        else:
            self._held -= one.size
