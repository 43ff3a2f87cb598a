"""Bring messages that are files into the index, batch by batch: here, or in processes of their own.

To take messages apart and to index their words is most of what the inbox does for them. Processes of their own
(`Indexer` stands for them) leave the interpreter to the conversations, and the index to other processors.
"""

import itertools
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from newsletter.errors import NewsletterError
from newsletter.inbox.index import Index, IndexRow
from newsletter.inbox.maildir import Entry, Maildir
from newsletter.inbox.tags import tags_brought
from newsletter.mime.message import read_message, searched_words

BATCH = 100
"""Messages in one commit of the index, at most."""
ENOUGH = 40
"""Messages that are worth a batch of their own while another is under way."""


class Unindexed(NamedTuple):
    """A message that is a file, and waits for the index. `received`: seconds since 1970.

    A tuple, as `Entry` is: a dataclass takes several times as long to another process, and each message goes there."""

    entry: Entry
    mail_from: str
    rcpt_tos: tuple[str, ...]
    received: float


class Indexer(Protocol):
    """Takes batches: after `ask`, sooner or later, `receive`; one more may be asked for in between."""

    def ask(self, batch: Sequence[Unindexed]) -> None:
        """Begin with these."""

    def receive(self) -> list[int]:
        """Write the batch that was asked for first; the ids of those that were not in the index, and have a file.

        Raises NewsletterError where the other process is gone, sqlite3.Error where it can't write; nothing of the
        batch is in the index then."""


class OwnIndexer:
    """Indexes a batch when it is asked what came of it."""

    def __init__(self, maildir: Maildir, index: Index) -> None:
        self._maildir, self._index = maildir, index
        self._asked: deque[Sequence[Unindexed]] = deque()

    def ask(self, batch: Sequence[Unindexed]) -> None:
        self._asked.append(batch)

    def receive(self) -> list[int]:
        return self._index.add(describe_files(self._maildir, self._asked.popleft()))


def describe_files(maildir: Maildir, batch: Sequence[Unindexed]) -> list[IndexRow]:
    """The rows of messages, without those whose files are gone."""
    found = ((one, maildir.read(one.entry)) for one in batch)
    return [
        describe(one.entry, one.mail_from, one.rcpt_tos, one.received, data) for one, data in found if data is not None
    ]


def describe(entry: Entry, mail_from: str, rcpt_tos: tuple[str, ...], received: float, data: bytes) -> IndexRow:
    """What the list and the search know of a message."""
    message = read_message(data)
    words, first_words = searched_words(message)
    tags = tags_brought(message.root.get("x-tags"), rcpt_tos)
    return IndexRow(
        id=0, entry=entry, mail_from=_plain(mail_from, 500), rcpt_tos=tuple(_plain(one, 500) for one in rcpt_tos),
        sender=message.sender[:500], recipients=tuple(one[:500] for one in message.to[:100]),
        subject=message.subject[:1000], date=message.date.isoformat() if message.date else "", received=received,
        size=len(data), attachments=len(message.attachments), snippet=first_words,
        message_id=message.message_id[:500], words=words, tags=tags,
    )  # fmt: skip


def _plain(text: str, limit: int) -> str:
    """SMTP gives undecodable bytes as surrogates, which no database takes."""
    return text[:limit].encode("utf-8", "replace").decode()


class IndexQueue:
    """Messages that wait for the index, the oldest first, and those that `indexer` has in hand.

    `own` makes the indexer that takes over if that one's process is gone. `tell` is told "new" and the ids of what is
    in the index now, or "reset" where they are not known. Any thread may call; one at a time calls `run`.
    """

    def __init__(
        self, indexer: Indexer, own: Callable[[], Indexer], tell: Callable[[str, tuple[int, ...]], None]
    ) -> None:
        self._indexer, self._own, self._tell = indexer, own, tell
        self._waiting: dict[str, Unindexed] = {}  # by key
        self._in_hand: deque[list[Unindexed]] = deque()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._waiting) + sum(map(len, self._in_hand))

    def keys(self) -> set[str]:
        """Of those that nobody has in hand."""
        with self._lock:
            return set(self._waiting)

    def put(self, messages: Iterable[Unindexed]) -> None:
        """Have them wait, but none twice."""
        with self._lock:
            for one in messages:
                self._waiting.setdefault(one.entry.key, one)

    def take(self, count: int) -> list[Unindexed]:
        """Take out up to `count` of the oldest that nobody has in hand."""
        with self._lock:
            keys = list(itertools.islice(self._waiting, count))
            return [self._waiting.pop(key) for key in keys]

    def run(self, limit: int, progress: Callable[[], None]) -> int:
        """Bring up to `limit` messages into the index, calling `progress` after each batch; how many.

        Raises sqlite3.Error or OSError where they can't be written; they wait on then.
        """
        done = 0
        try:
            while True:
                # A second batch, to be described while the first is written, where it is worth it.
                if (not self._in_hand or (len(self._in_hand) == 1 and len(self._waiting) >= ENOUGH)) and (
                    asked := self._ask(limit)
                ):
                    limit -= asked
                elif self._in_hand:
                    done += self._receive()
                    progress()
                else:
                    return done
        except BaseException:
            self._put_back()
            raise

    def _ask(self, most: int) -> int:
        """Have some described; how many."""
        batch = self.take(min(BATCH, most))
        if batch:
            with self._lock:
                self._in_hand.append(batch)
            self._indexer.ask(batch)
        return len(batch)

    def _receive(self) -> int:
        """Wait for the first batch in hand, which is done then; how many it had."""
        try:
            ids = self._indexer.receive()
        except NewsletterError:  # its process is gone, and some of it may be in the index
            self._indexer = self._own()
            for batch in self._in_hand:
                self._indexer.ask(batch)
            ids = self._indexer.receive()
            self._tell("reset", ())
        with self._lock:
            count = len(self._in_hand.popleft())
        self._tell("new", tuple(ids))
        return count

    def _put_back(self) -> None:
        """The first batch in hand waits again, and those behind it unless they can be written."""
        again: list[Unindexed] = []
        with self._lock:
            again += self._in_hand.popleft() if self._in_hand else ()
        while self._in_hand:
            try:
                self._receive()
            except (NewsletterError, sqlite3.Error, OSError):
                with self._lock:
                    again += self._in_hand.popleft()
        with self._lock:
            self._waiting = {one.entry.key: one for one in again} | self._waiting
