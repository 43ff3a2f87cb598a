"""People on their way into the list: a scratch database that compares them with the list, so that memory is flat.

Every row of the file is put down once; comparing says of each whether it is new, changes somebody, or changes nobody.
Nothing outside the scratch file is touched here. A list in SQLite's own tables reads it from there.
"""

import contextlib
import fcntl
import json
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import chain
from pathlib import Path

from newsletter.audience.imports.people import Block, Subscribed
from newsletter.audience.imports.reader import listed
from newsletter.audience.subscriber import JOINED, TAGS, PackedColumns, Subscriber, join_tags, pack_columns

_CHUNK = 250
_PREFIX = "newsletter-import-"
_YOUNG = 60  # seconds: who makes a folder may not hold it yet
_PERSON = "(line INTEGER PRIMARY KEY, other_key TEXT, email TEXT, name TEXT, columns TEXT"
_KEY = "key TEXT AS (coalesce(other_key, email)))"
_SCHEMA = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -1000;
PRAGMA temp_store = FILE;
CREATE TABLE incoming {_PERSON}, fate TEXT DEFAULT 'subscriber', moment REAL, occasion TEXT, place INTEGER, {_KEY};
CREATE TABLE refused (line INTEGER, email TEXT, reason TEXT);
"""
_LISTED = f"CREATE TABLE listed {_PERSON}, {_KEY}"
_OUTSIDERS = """
INSERT INTO incoming (line, other_key, email, name, columns, fate, moment, occasion) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_MARK_SAME = """
UPDATE incoming SET fate = 'same' FROM listed l
WHERE l.key = incoming.key AND fate = 'subscriber' AND l.columns = incoming.columns AND incoming.name IN ('', l.name)
"""
_MARK_SAME_AT = _MARK_SAME + "AND l.line = incoming.line + ?"
_MARK_PLACES = """
UPDATE incoming SET place = l.line, fate = iif(fate = 'unconfirmed', 'same', fate) FROM listed l
WHERE l.key = incoming.key AND fate != 'same'
"""
_MEANT = """
CREATE TEMP TABLE meant AS
SELECT i.line, i.key, l.email, l.name, l.columns, i.name AS new_name, i.columns AS new_columns
FROM incoming i CROSS JOIN listed l ON l.line = i.place WHERE i.fate = 'subscriber'
"""
_NEWCOMERS = "SELECT email, name, columns FROM incoming WHERE fate = 'subscriber' ORDER BY line"
_LEFT = ("unsubscribe", "bounce", "complaint", "manual")
_GONE = str(_LEFT)
ADD, UPDATE, SAME, SUPPRESSED, UNCONFIRMED = "subscriber", "update", "same", "suppressed", "unconfirmed"
"""What a subscriber of the file comes to; whoever left keeps the fate that the file says."""


class _Inserting:
    """People on their way into a table, fifty to a statement: a third of the time that as many statements take."""

    _TOGETHER = 50

    def __init__(self, db: sqlite3.Connection, table: str) -> None:
        self._db = db
        self._one = f"INSERT INTO {table} (line, other_key, email, name, columns) VALUES (?, ?, ?, ?, ?)"  # noqa: S608
        self._many = self._one + ", (?, ?, ?, ?, ?)" * (self._TOGETHER - 1)
        self._waiting: list[Subscribed] = []

    def add(self, people: Sequence[Subscribed]) -> None:
        self._waiting += people
        whole = len(self._waiting) // self._TOGETHER * self._TOGETHER
        for start in range(0, whole, self._TOGETHER):
            self._db.execute(self._many, list(chain.from_iterable(self._waiting[start : start + self._TOGETHER])))
        del self._waiting[:whole]

    def rest(self) -> None:
        """Put down those who still wait."""
        self._db.executemany(self._one, self._waiting)


class Staging:
    """A file's people in a scratch database; a context manager that throws it away."""

    def __init__(self) -> None:
        _remove_left()
        self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX)
        self._held = _hold(Path(self._folder.name))
        self.path = Path(self._folder.name) / "import.db"
        self._db = sqlite3.connect(self.path, isolation_level=None)
        self._db.executescript(_SCHEMA)
        self.read = self._outsiders = 0
        self._digests: list[tuple[bytes, int]] = []  # of each block: what it says, and its last line

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        self._folder.cleanup()
        os.close(self._held)

    def load(self, blocks: Iterable[Block]) -> None:
        """Put every row down. Of two rows with one address the first counts, unless a later one says that it left."""
        put = _Inserting(self._db, "incoming")
        self._db.execute("BEGIN")
        for block in blocks:
            self.read += len(block.subscribers) + len(block.outsiders) + len(block.refused)
            self._outsiders += len(block.outsiders)
            self._db.executemany(_OUTSIDERS, block.outsiders)
            self._db.executemany("INSERT INTO refused VALUES (?, ?, ?)", block.refused)
            put.add(block.subscribers)
            if block.subscribers:
                self._digests.append((_digest(block.subscribers), block.subscribers[-1][0]))
        put.rest()
        self._db.execute("CREATE INDEX incoming_key ON incoming (key)")
        self._settle_duplicates()
        self._db.execute("COMMIT")

    def _settle_duplicates(self) -> None:
        """Keep one row an address: the first that says somebody left, else the first; the others are refused."""
        for key in self._twice("incoming"):
            every = "SELECT line, email, fate FROM incoming WHERE key = ? ORDER BY line"
            rows = self._db.execute(every, (key,)).fetchall()
            kept = next((row for row in rows if row[2] != ADD), rows[0])
            for line, email, _ in rows:
                if line != kept[0]:
                    self._db.execute("DELETE FROM incoming WHERE line = ?", (line,))
                    reason = f"{email} is on line {kept[0]} too; delete one of them"
                    self._db.execute("INSERT INTO refused VALUES (?, ?, ?)", (line, email, reason))

    def _twice(self, table: str) -> list[str]:
        """The keys of which a table has several rows."""
        query = f"SELECT key FROM {table} GROUP BY key HAVING count(*) > 1"  # noqa: S608 (fixed words)
        return [key for (key,) in self._db.execute(query)]

    def refuse_strangers(self) -> None:
        """Who never signed up in the other house is refused: there is no consent to take over."""
        if not self._outsiders:
            return
        reason = "never signed up there, by what the export says; leave the row out"
        self._db.execute("INSERT INTO refused SELECT line, email, ? FROM incoming WHERE fate = 'stranger'", (reason,))
        self._db.execute("DELETE FROM incoming WHERE fate = 'stranger'")

    def compare(self, everybody: Iterable[Sequence[Subscribed]]) -> None:
        """Say of each whether the list has them already; `everybody` are its people, with their places for lines.

        As long as both go on alike from the first person, they are compared some hundred at once.
        """
        self._db.execute("BEGIN")
        self._db.execute(_LISTED)
        put = _Inserting(self._db, "listed")
        alike, same = iter(() if self._outsiders else self._digests), 0
        for people in everybody:
            digest, line = next(alike, (b"", 0))
            if digest and digest == _digest(people):
                same = line
            else:
                alike = iter(())
                put.add(people)
        put.rest()
        self._db.execute(f"UPDATE incoming SET fate = '{SAME}' WHERE line <= ?", (same,))  # noqa: S608
        if self._differs():
            self._db.execute("CREATE INDEX listed_key ON listed (key)")
            for key in self._twice("listed"):
                first = "SELECT min(line) FROM listed WHERE key = ?"
                self._db.execute(f"DELETE FROM listed WHERE key = ? AND line > ({first})", (key, key))  # noqa: S608
            self._compare()
        self._db.execute("COMMIT")

    def compare_with_csv(self, path: Path) -> None:
        """`compare` with the list in a file of its own; there may be none yet."""
        if path.exists():
            self.compare(listed(path))

    def compare_with_state(self, state: Path) -> None:
        """`compare` with the list in the tables of SQLite's file `state`."""
        self._db.execute("ATTACH ? AS state", (str(state),))
        self._db.execute(
            "CREATE TEMP VIEW listed AS SELECT id AS line, key, email, name, columns FROM state.subscribers"
        )
        self._db.execute("BEGIN")
        if self._differs():
            self._compare()
        self._db.execute("COMMIT")
        self._db.execute("DROP VIEW listed")
        self._db.execute("DETACH state")

    def _differs(self) -> bool:
        """Whether the list has people whom the file knows otherwise, or in another order.

        Most who are on it as the file says came with this very file: one behind the other, and no search for each.
        """
        first = f"SELECT key FROM incoming WHERE fate = '{ADD}' ORDER BY line LIMIT 1"  # noqa: S608 (fixed words)
        (key,) = self._db.execute(first).fetchone() or ("",)
        shift = self._db.execute(
            "SELECT l.line - i.line FROM listed l, incoming i WHERE l.key = ? AND i.key = ? LIMIT 1", (key, key)
        ).fetchone()
        if shift is not None:
            self._db.execute(_MARK_SAME_AT, shift)
        return bool(
            self._db.execute(
                "SELECT 1 FROM incoming, (SELECT 1 FROM listed LIMIT 1) WHERE fate != 'same' LIMIT 1"
            ).fetchone()
        )

    def _compare(self) -> None:
        """Whoever is on the list as the file says is found by SQLite; the others are looked at here."""
        self._db.execute(_MARK_SAME)
        self._db.execute(_MARK_PLACES)
        self._db.execute(_MEANT)
        meant = self._db.execute("SELECT * FROM meant")
        while chunk := meant.fetchmany(_CHUNK):
            same, changes = [], []
            for line, key, email, name, columns, new_name, new_columns in chunk:
                person = Subscriber(email, name, json.loads(columns))
                merged = _merge(person, Subscriber(email, new_name, json.loads(new_columns)))
                if merged == person:
                    same.append((line,))
                else:
                    changes.append((key, email, merged.name, pack_columns(merged.columns), line))
            self._db.executemany("UPDATE incoming SET fate = 'same' WHERE line = ?", same)
            self._db.executemany(
                "UPDATE incoming SET fate = 'update', other_key = ?, email = ?, name = ?, columns = ? WHERE line = ?",
                changes,
            )

    def keep_out(self, suppressed: Iterable[tuple[str, str]]) -> None:
        """Of those who must not be mailed here, by key and reason, nobody joins; who left there too is no news.

        What people ask for outlives what their mailbox did, as `suppress` has it; who is on the list is to leave it.
        """
        no_news = f"place IS NULL AND fate IN {_GONE} AND (? != 'bounce' OR fate = 'bounce')"
        joins = "fate IN ('subscriber', 'unconfirmed')"
        keep = f"UPDATE incoming SET fate = 'suppressed' WHERE key = ? AND ({joins} OR ({no_news}))"  # noqa: S608 (fixed words)
        self._db.execute("BEGIN")
        self._db.executemany(keep, suppressed)
        self._db.execute("COMMIT")

    def at_stake(self) -> Iterator[str]:
        """The keys of all who are neither refused nor on the list as they are."""
        return (key for (key,) in self._db.execute("SELECT key FROM incoming WHERE fate != 'same'"))

    def leaving(self) -> set[str]:
        """The keys of those who left there and are on the list here."""
        query = f"SELECT key FROM incoming WHERE fate IN {_GONE} AND place IS NOT NULL"  # noqa: S608 (fixed words)
        return {key for (key,) in self._db.execute(query)}

    def counts(self) -> dict[str, int]:
        """How many of each fate."""
        fates = (ADD, UPDATE, SAME, SUPPRESSED, UNCONFIRMED, *_LEFT)
        counted = ", ".join(f"count(*) FILTER (WHERE fate = '{fate}')" for fate in fates)  # a sort takes longer
        return dict(zip(fates, self._db.execute(f"SELECT {counted} FROM incoming").fetchone(), strict=True))  # noqa: S608

    def refused(self, most: int | None = None) -> list[tuple[int, str, str]]:
        """Line, address and reason of the rows that can't be taken over, in the order of the file."""
        limit = -1 if most is None else most
        return self._db.execute("SELECT line, email, reason FROM refused ORDER BY line LIMIT ?", (limit,)).fetchall()

    def refused_count(self) -> int:
        """How many rows can't be taken over."""
        return int(self._db.execute("SELECT count(*) FROM refused").fetchone()[0])

    def newcomers(self) -> Iterator[Subscriber]:
        """Who would join, in the order of the file."""
        return self._people(_NEWCOMERS)

    def cells(self, names: Sequence[str], whole: str) -> Iterator[tuple[str, ...]]:
        """Who would join as rows of these columns; a name goes to `whole`, where that holds no part of it already."""
        newcomers = self._db.execute(_NEWCOMERS)
        while rows := newcomers.fetchmany(_CHUNK):
            emails, persons, texts = zip(*rows, strict=True)
            columns = json.loads(f"[{','.join(texts)}]")  # at once, which halves the time
            further = (name for name in names if name not in ("email", "name"))
            cells = {name: [known.get(name, "") for known in columns] for name in further}
            cells["email"] = list(emails)
            if whole in names:
                there = cells[whole] if whole != "name" else [""] * len(rows)
                cells[whole] = [part or person for part, person in zip(there, persons, strict=True)]
            yield from zip(*(cells[name] for name in names), strict=True)

    def updates(self) -> Iterator[Subscriber]:
        """Those on the list whom the file changes, as they are to be, in the order of the list."""
        return self._people("SELECT email, name, columns FROM incoming WHERE fate = 'update' ORDER BY place")

    def unconfirmed(self) -> Iterator[Subscriber]:
        """Who never confirmed there."""
        return self._people("SELECT email, name, columns FROM incoming WHERE fate = 'unconfirmed' ORDER BY line")

    def _people(self, query: str) -> Iterator[Subscriber]:
        for email, name, columns in self._db.execute(query):
            yield Subscriber(email, name, PackedColumns(columns))

    def gone(self) -> Iterator[tuple[str, str, str, float, str]]:
        """Who left there: key, address, reason, moment (0: not known), occasion."""
        return self._db.execute(
            f"SELECT key, email, fate, moment, occasion FROM incoming WHERE fate IN {_GONE} ORDER BY line"  # noqa: S608
        )


def _hold(folder: Path) -> int:
    """A handle that says, by its lock, that the folder is in use. Raises OSError where it is."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def _remove_left() -> None:
    """What an import that was killed has left: it holds people's addresses."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            stat = left.lstat()
            if stat.st_uid == os.geteuid() and time.time() - stat.st_mtime > _YOUNG:
                handle = _hold(left)
                shutil.rmtree(left, ignore_errors=True)
                os.close(handle)


def _digest(people: Sequence[Subscribed]) -> bytes:
    """Of what is said of them, in their order, whatever their lines."""
    _, keys, *texts = zip(*people, strict=True)
    digest = blake2b(repr(keys).encode() if any(keys) else b"")
    for text in map("\0".join, texts):
        digest.update(f"{len(text)} {text}".encode("utf-8", "surrogatepass"))
    return digest.digest()


def _merge(there: Subscriber, come: Subscriber) -> Subscriber:
    """Somebody on the list with what a file knows: what it does not say stays, tags are put together, the first day
    counts."""
    columns = dict(there.columns)
    for name, value in come.columns.items():
        if name == TAGS:
            value = join_tags((*there.tags, *come.tags))
            value = columns.get(TAGS, "") if value == join_tags(there.tags) else value
        elif name == JOINED and columns.get(JOINED):
            continue
        if value or name not in columns:
            columns[name] = value
    added = columns.keys() - there.columns.keys()
    if not any(columns[name] for name in added):
        columns = {name: value for name, value in columns.items() if name not in added}
    return Subscriber(there.email, come.name or there.name, columns)
