"""The test inbox's messages: a Maildir, which is the truth, and an index beside it, which is made from it.

A message is a file as soon as `add` returns; the index learns of it in batches (`flush`), so that a rehearsal of many
thousand messages does not wait for their parsing. Whatever is asked flushes first: what was added before is in the
answer, and who adds keeps `waiting` small enough for that to be quick. After a crash or a rehearsal, or when a mail
program has changed the Maildir, `sync` makes the index agree again. Beyond `limit`, `max_bytes` and `max_age` the
oldest go, and are counted.

Methods may be called from any thread; those that read many messages take a while (a web page calls them in a thread).
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

from newsletter.errors import NewsletterError
from newsletter.inbox.index import Arrival, IndexRow, open_index, unusable
from newsletter.inbox.indexing import Indexer, IndexQueue, OwnIndexer, Unindexed
from newsletter.inbox.maildir import Entry, Maildir
from newsletter.inbox.search import compile_search
from newsletter.inbox.tags import MessageTags
from newsletter.mime.message import Message, read_message

LIMIT = 1_000
"""Messages kept unless more are asked for: enough to look at a rehearsal."""
MAX_BYTES = 2_000_000_000
"""Bytes of all messages kept, unless another bound is asked for."""
YOUNG = 3.0
"""Seconds that a file new to us is left alone: another process that writes here indexes its own, and knows more."""


@dataclass(frozen=True, slots=True)
class Matches:
    """A page of matches, newest first."""

    rows: tuple[IndexRow, ...]
    total: int  # matches in all
    exact: bool  # whether `total` is exact, or "at least"
    more: bool  # whether older ones follow


@dataclass(frozen=True, slots=True)
class StoreChange:
    """Something has changed: "new", "deleted", "changed" (read, tags), "reset" (look again), and for which ids."""

    kind: str
    ids: tuple[int, ...] = ()


class Store:
    """The messages in the folder `path`, made where it is missing.

    `limit` is how many are kept, `max_bytes` how much of them in all, `max_age` for how many seconds (for ever if
    None); `indexer` brings them into the index, in another process perhaps; `clock` gives seconds since 1970. Raises
    NewsletterError if the folder can't be used.
    """

    def __init__(
        self, path: Path, *, limit: int = LIMIT, max_bytes: int = MAX_BYTES, max_age: float | None = None,
        indexer: Indexer | None = None, clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        if limit < 1:
            raise NewsletterError(f"the inbox can't keep {limit} messages; give a limit of at least 1")
        self.path, self.limit, self._clock = path, limit, clock
        self.max_bytes, self.max_age = max_bytes, max_age
        try:
            self._maildir = Maildir(path)
        except OSError as error:
            raise unusable(path, error) from None
        self._index = open_index(path)
        own = OwnIndexer(self._maildir, self._index)
        self._queue = IndexQueue(indexer or own, lambda: own, self._tell)
        self.tags = MessageTags(self._index, lambda ids: self._tell("changed", ids))
        self._lock, self._flush_lock = threading.Lock(), threading.Lock()
        self._files_lock = threading.Lock()  # held while files and index differ by our own doing
        self._listeners: list[Callable[[StoreChange], None]] = []
        self._counts = {"received": 0, "dropped": 0}
        self._untrimmed = 0
        self._version = 0  # of the index, as it is known
        self._seen: tuple[tuple[int, int], int] | None = None  # the files' stamp and the index's version
        self.sync(young=0)

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Index what waits, and let go of the database."""
        self.flush()
        self._index.close()

    # What comes in

    def add(self, mail_from: str, rcpt_tos: Sequence[str], message: bytes) -> Entry:
        """Keep a message and its envelope. Raises OSError if it can't be written."""
        entry = self._maildir.name()
        self._maildir.write(entry, message)
        self._queue.put([Unindexed(entry, mail_from, tuple(rcpt_tos), self._clock())])
        with self._lock:
            self._counts["received"] += 1
            self._untrimmed += 1
            full = self._untrimmed > max(10, self.limit // 10)
        if full and not self._files_lock.locked():
            self.trim()
        return entry

    @property
    def waiting(self) -> int:
        """Messages that are kept and not yet in the index."""
        return len(self._queue)

    def flush(self, limit: int | None = None, progress: Callable[[], None] = lambda: None) -> int:
        """Bring up to `limit` waiting messages into the index; how many. `progress` is called after each batch."""
        with self._flush_lock:
            done = self._queue.run(len(self._queue) if limit is None else limit, progress)
        self.trim()
        with self._lock:
            counts, self._counts = self._counts, {"received": 0, "dropped": 0}
        if done:
            self._settle()
        for name, value in counts.items():
            if value:
                self._index.count_up(name, value)
        return done

    def compact(self) -> bool:
        """Do some of what may wait for a quiet moment, tens of milliseconds; False where nothing is left to do."""
        with self._flush_lock, self._files_lock:
            ours = self._index.version() == self._version
            more = self._index.compact()
            if ours and self._seen:  # what others did to files since the last look is theirs still
                self._version = self._index.version()
                self._seen = (self._seen[0], self._version)
        return more

    def trim(self) -> None:
        """Let go of the oldest beyond the bounds."""
        with self._lock:
            self._untrimmed = 0
        born = None if self.max_age is None else self._clock() - self.max_age
        excess = max(0, self._index.total() + len(self._queue) - self.limit)
        gone = self._index.oldest(max(excess, self._index.beyond(self.max_bytes, born)))
        if not excess and not gone:
            return
        self._forget(gone)
        unindexed = self._queue.take(max(0, excess - len(gone)))
        for one in unindexed:
            self._maildir.remove(one.entry)
        with self._lock:
            self._counts["dropped"] += len(gone) + len(unindexed)

    def sync(self, young: float = YOUNG) -> bool:
        """Make the index agree with the Maildir; whether anything differed. Files new to it wait for `flush`, those
        younger than `young` seconds for the next time."""
        with self._flush_lock, self._files_lock:
            waiting = self._queue.keys()
            # Rows first: a file that comes in between is found, and added once more at worst, which changes nothing.
            noted = self._index.arrivals()
            rows = {entry.key: (number, entry) for number, entry in self._index.all()}
            files = {entry.key: entry for entry in self._maildir.entries()}
            lost = [number for key, (number, _) in rows.items() if key not in files]
            moved = [(rows[key][0], entry) for key, entry in files.items() if key in rows and rows[key][1] != entry]
            found = [entry for key, entry in files.items() if key not in rows and key not in waiting]
            if lost:
                self._index.remove(lost)
            if moved:
                self._index.mark(moved)
            if gone := noted.keys() - files.keys():
                self._index.unnote(gone)
            came = [noted.get(one.key) or Arrival(one.key, "", (), self._maildir.came(one)) for one in found]
            born = self._clock() - young if young else float("inf")
            fresh = {one.key for one in came if one.received > born and one.key not in noted}
            came = sorted((one for one in came if one.key not in fresh), key=lambda one: (one.received, one.key))
            self._queue.put(Unindexed(files[one.key], one.mail_from, one.rcpt_tos, one.received) for one in came)
        self._settle()
        if fresh:
            self._seen = None
        if lost or moved:
            self._tell("reset")
        return bool(lost or moved or found)

    def follow(self) -> bool:
        """Notice what other programs have done to the Maildir or the index since the last look; cheap if nothing."""
        if self.waiting or self._files_lock.locked():
            return False  # our own changes are not over; look again when they are in the index
        version = self._index.version()
        if (self._maildir.stamp(), version) == self._seen:
            return False
        elsewhere = version != self._version
        changed = self.sync()
        if elsewhere:
            self._tell("reset")
        return changed or elsewhere

    def _settle(self) -> None:
        """Remember the state of things as known: what differs later is somebody else's doing."""
        self._version = self._index.version()
        self._seen = (self._maildir.stamp(), self._version)

    # What is asked

    def search(self, query: str = "", *, limit: int = 50, below: int | None = None, offset: int = 0) -> Matches:
        """Messages that match, newest first; with `below`, those with a smaller id. Raises SearchError."""
        condition = compile_search(query, self._now(), self._index.fts)
        self.flush()
        rows, total, exact = self._index.page(condition, limit + 1, below, offset)
        return Matches(tuple(rows[:limit]), total, exact, len(rows) > limit)

    def get(self, number: int) -> IndexRow | None:
        """The message of that id, or None."""
        if not 0 < number < 2**63:
            return None
        row = self._index.get(number)
        if row is None and self.waiting:
            self.flush()
            row = self._index.get(number)
        return row

    def raw(self, number: int) -> bytes | None:
        """A message's bytes as they arrived; None if it is gone."""
        row = self.get(number)
        if row is None:
            return None
        data = self._maildir.read(row.entry)
        if data is None:
            self.sync()
        return data

    def message(self, number: int) -> Message | None:
        data = self.raw(number)
        return None if data is None else read_message(data)

    def dump(self, folder: Path) -> int:
        """Write each message into `folder`, as a file that is named by its id; how many. Raises NewsletterError."""
        self.flush()
        written = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for number, entry in self._index.all():
                if (data := self._maildir.read(entry)) is not None:
                    (folder / f"{number:06d}.eml").write_bytes(data)
                    written += 1
        except OSError as error:
            raise NewsletterError(f"can't be written ({error.strerror}); name another folder", path=folder) from None
        return written

    def neighbours(self, number: int, query: str = "") -> tuple[int | None, int | None]:
        """The next newer and the next older message among the matches."""
        return self._index.neighbours(number, compile_search(query, self._now(), self._index.fts))

    def counts(self) -> dict[str, int]:
        """`kept`, `unread`, `received` (ever) and `dropped` (gone because of the limit)."""
        self.flush()
        ever = self._index.counters()
        return {
            "kept": self._index.total(), "unread": self._index.unread(),
            "received": ever.get("received", 0), "dropped": ever.get("dropped", 0),
        }  # fmt: skip

    def size(self) -> int:
        """Bytes of all messages kept."""
        return self._index.size()

    # What is done to them

    def mark(self, numbers: Iterable[int], *, unread: bool) -> int:
        """Mark messages as unread or read; how many have changed."""
        rows = [row for number in dict.fromkeys(numbers) if (row := self.get(number))]
        return self._mark([(row.id, row.entry) for row in rows], unread)

    def _mark(self, rows: Sequence[tuple[int, Entry]], unread: bool) -> int:
        with self._files_lock:
            marks = [(number, self._maildir.mark(entry, unread)) for number, entry in rows if entry.unread != unread]
            self._index.mark(marks)
            self._settle()
        if marks:
            self._tell("changed", tuple(number for number, _ in marks))
        return len(marks)

    def delete(self, numbers: Iterable[int]) -> int:
        """Delete messages; how many there were."""
        rows = [(row.id, row.entry) for number in dict.fromkeys(numbers) if (row := self.get(number))]
        self._forget(rows)
        return len(rows)

    def delete_matching(self, query: str) -> int:
        """Delete all matches of a search; how many there were. An empty query is `clear`. Raises SearchError."""
        condition = compile_search(query, self._now(), self._index.fts)
        self.flush()
        if condition.sql == "1":
            return self.clear()
        rows = self._index.ids(condition)
        self._forget(rows)
        return len(rows)

    def mark_matching(self, query: str, *, unread: bool) -> int:
        """Mark all matches of a search; how many have changed. Raises SearchError."""
        condition = compile_search(query, self._now(), self._index.fts)
        self.flush()
        return self._mark(self._index.ids(condition), unread)

    def clear(self) -> int:
        """Delete everything; how many there were. The counters begin again."""
        with self._flush_lock, self._files_lock:
            gone = [one.entry for one in self._queue.take(len(self._queue))]
            with self._lock:
                self._counts = {"received": 0, "dropped": 0}
            gone += [entry for _, entry in self._index.all()]
            self._index.clear()
            self._tell("reset")  # the files of a hundred thousand take seconds
            for entry in gone:
                self._maildir.remove(entry)
            self._settle()
        return len(gone)

    # Who wants to know

    def subscribe(self, listener: Callable[[StoreChange], None]) -> Callable[[], None]:
        """Have `listener` called on each change, in the thread that made it; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def _tell(self, kind: str, ids: tuple[int, ...] = ()) -> None:
        if kind == "reset" or ids:
            for listener in tuple(self._listeners):
                listener(StoreChange(kind, ids))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock()).astimezone()

    def _forget(self, rows: Sequence[tuple[int, Entry]]) -> None:
        with self._files_lock:
            for _, entry in rows:
                self._maildir.remove(entry)
            self._index.remove(number for number, _ in rows)
            self._settle()
        self._tell("deleted", tuple(number for number, _ in rows))


def erase_from_inbox(folder: Path, email: str) -> int:
    """Delete every message that names the address, and write the index anew; how many there were."""
    if not folder.is_dir():
        return 0
    with Store(folder) as store:
        found = store.delete_matching(f'"{email}"') + store.delete_matching(f'to:"{email}"')
    if found:
        index = sqlite3.connect(folder / "index.sqlite", isolation_level=None)
        # Where it is in use, its free pages are written over in time.
        with contextlib.closing(index), contextlib.suppress(sqlite3.OperationalError):
            index.execute("INSERT INTO words (words) VALUES ('optimize')")  # FTS5 keeps deleted words until it merges
            index.execute("VACUUM")
            index.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return found
