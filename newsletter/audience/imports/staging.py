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
from pathlib import Path

from newsletter.audience.imports.people import Block, PeopleColumns
from newsletter.audience.imports.reader import listed
from newsletter.audience.subscriber import JOINED, TAGS, PackedColumns, Subscriber, join_tags, pack_columns
from newsletter.state.sqlite import Inserting

_CHUNK = 250
_PREFIX = "newsletter-import-"
_YOUNG = 60  # seconds: who makes a folder may not hold it yet
_TEXTS = "key TEXT NOT NULL, email TEXT NOT NULL, name TEXT NOT NULL, columns TEXT NOT NULL"
_LIKE_THE_LIST = f"(line INTEGER PRIMARY KEY NOT NULL, {_TEXTS})"
"""As `subscribers` of the state, so that SQLite copies rows and index there as they are."""
_SCHEMA = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -1000;
PRAGMA temp_store = FILE;
CREATE TABLE incoming {_LIKE_THE_LIST};
CREATE TABLE fates (line INTEGER PRIMARY KEY, fate TEXT, moment REAL, occasion TEXT, place INTEGER);
CREATE TABLE refused (line INTEGER, email TEXT, reason TEXT);
"""
_FIVE = "VALUES (?, ?, ?, ?, ?)"
_INDEX = "CREATE UNIQUE INDEX incoming_key ON incoming (key)"
_JOINS = "NOT EXISTS (SELECT 1 FROM fates f WHERE f.line = i.line)"
_MARK_SAME = f"""
INSERT INTO fates (line, fate) SELECT i.line, 'same' FROM incoming i CROSS JOIN listed l ON l.key = i.key
WHERE l.columns = i.columns AND i.name IN ('', l.name) AND {_JOINS}
"""  # noqa: S608
_MARK_SAME_AT = f"{_MARK_SAME} AND l.line = i.line + ?"
_MARK_PLACES = """
INSERT INTO fates (line, fate, place)
SELECT i.line, 'subscriber', l.line
FROM incoming i CROSS JOIN listed l ON l.key = i.key LEFT JOIN fates f ON f.line = i.line
WHERE f.fate IS NOT 'same'
ON CONFLICT (line) DO UPDATE SET place = excluded.place, fate = iif(fate = 'unconfirmed', 'same', fate)
"""
_MEANT = """
CREATE TEMP TABLE meant AS
SELECT i.line, l.email, l.name, l.columns, i.name AS new_name, i.columns AS new_columns
FROM fates f CROSS JOIN incoming i ON i.line = f.line CROSS JOIN listed l ON l.line = f.place
WHERE f.fate = 'subscriber'
"""
_NEWCOMERS = f"SELECT email, name, columns FROM incoming i WHERE {_JOINS} ORDER BY line"  # noqa: S608
_OF_FATE = "SELECT email, name, columns FROM incoming JOIN fates USING (line) WHERE fate = ? ORDER BY "
_LEFT = ("unsubscribe", "bounce", "complaint", "manual")
_GONE = str(_LEFT)
_DOUBLES = """
CREATE TEMP TABLE doubles AS
SELECT line, email, first_value(line) OVER (PARTITION BY key ORDER BY fate IS NULL, line) AS kept
FROM incoming LEFT JOIN fates USING (line)
WHERE key IN (SELECT key FROM incoming GROUP BY key HAVING count(*) > 1)
"""
_KEEP_OUT = f"""
INSERT INTO fates (line, fate) SELECT i.line, 'suppressed' FROM incoming i LEFT JOIN fates f ON f.line = i.line
WHERE i.key = ? AND (
    coalesce(f.fate, 'unconfirmed') = 'unconfirmed'
    OR f.place IS NULL AND f.fate IN {_GONE} AND (? != 'bounce' OR f.fate = 'bounce')
) ON CONFLICT (line) DO UPDATE SET fate = excluded.fate
"""  # noqa: S608
ADD, UPDATE, SAME, SUPPRESSED, UNCONFIRMED = "subscriber", "update", "same", "suppressed", "unconfirmed"
"""What a subscriber of the file comes to; whoever left keeps the fate that the file says. ADD stands in no table."""


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
        self._digests: list[tuple[int, int]] = []  # of each block: what it says, and its last line

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        self._folder.cleanup()
        os.close(self._held)

    def load(self, blocks: Iterable[Block]) -> None:
        """Put every row down. Of two rows with one address the first counts, unless a later one says that it left."""
        put = Inserting(self._db, f"INSERT INTO incoming {_FIVE}")
        self._db.execute("BEGIN")
        for block in blocks:
            subscribers = block.subscribers
            self.read += len(subscribers[0]) + len(block.outsiders) + len(block.refused)
            if block.outsiders:
                self._outsiders += len(block.outsiders)
                self._db.executemany(f"INSERT INTO incoming {_FIVE}", [who[:5] for who in block.outsiders])
                fates = [(line, *fate) for line, _, _, _, _, *fate in block.outsiders]
                self._db.executemany("INSERT INTO fates (line, fate, moment, occasion) VALUES (?, ?, ?, ?)", fates)
            if block.refused:
                self._db.executemany("INSERT INTO refused VALUES (?, ?, ?)", block.refused)
            put.add(subscribers)
            if subscribers[0]:
                self._digests.append((_digest(subscribers), subscribers[0][-1]))
        put.rest()
        self._db.execute("COMMIT")
        self._db.execute("PRAGMA journal_mode = DELETE")  # so that making the index can fail
        try:
            self._db.execute(_INDEX)
        except sqlite3.IntegrityError:
            self._settle_duplicates()
            self._db.execute(_INDEX)
        self._db.execute("PRAGMA journal_mode = OFF")

    def _settle_duplicates(self) -> None:
        """Keep one row an address: the first that says somebody left, else the first; the others are refused."""
        self._db.execute(_DOUBLES)
        self._db.execute(
            "INSERT INTO refused SELECT line, email, email || ' is on line ' || kept || ' too; delete one of them' "
            "FROM doubles WHERE line != kept"
        )
        self._remove("line IN (SELECT line FROM doubles WHERE line != kept)")
        self._db.execute("DROP TABLE doubles")

    def _remove(self, where: str) -> None:
        """Take rows of the file out again."""
        for table in ("incoming", "fates"):
            self._db.execute(f"DELETE FROM {table} WHERE {where}")  # noqa: S608 (fixed words)

    def refuse_strangers(self) -> None:
        """Who never signed up in the other house is refused: there is no consent to take over."""
        if not self._outsiders:
            return
        reason = "never signed up there, by what the export says; leave the row out"
        strangers = "line IN (SELECT line FROM fates WHERE fate = 'stranger')"
        self._db.execute(f"INSERT INTO refused SELECT line, email, ? FROM incoming WHERE {strangers}", (reason,))  # noqa: S608
        self._remove(strangers)

    def compare(self, everybody: Iterable[PeopleColumns]) -> None:
        """Say of each whether the list has them already; `everybody` are its people, with their places for lines.

        As long as both go on alike from the first person, they are compared some hundred at once.
        """
        self._db.execute("BEGIN")
        self._db.execute(f"CREATE TABLE listed {_LIKE_THE_LIST}")
        put = Inserting(self._db, f"INSERT INTO listed {_FIVE}")
        alike, same = iter(() if self._outsiders else self._digests), 0
        for people in everybody:
            digest, line = next(alike, (None, 0))
            if digest == _digest(people):
                same = line
            else:
                alike = iter(())
                put.add(people)
        put.rest()
        self._db.execute("INSERT INTO fates (line, fate) SELECT line, 'same' FROM incoming WHERE line <= ?", (same,))
        if self._differs():
            self._db.execute("CREATE INDEX listed_key ON listed (key)")
            self._db.execute("DELETE FROM listed WHERE line NOT IN (SELECT min(line) FROM listed GROUP BY key)")
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
        if not self._db.execute("SELECT 1 FROM listed LIMIT 1").fetchone():
            return False
        first = self._db.execute(f"SELECT line, key FROM incoming i WHERE {_JOINS} ORDER BY line LIMIT 1").fetchone()  # noqa: S608
        place = first and self._db.execute("SELECT line FROM listed WHERE key = ? LIMIT 1", first[1:]).fetchone()
        if place:
            self._db.execute(_MARK_SAME_AT, (place[0] - first[0],))
        same, every = self._db.execute(
            "SELECT (SELECT count(*) FROM fates WHERE fate = 'same'), (SELECT count(*) FROM incoming)"
        ).fetchone()
        return bool(same < every)

    def _compare(self) -> None:
        """Whoever is on the list as the file says is found by SQLite; the others are looked at here."""
        self._db.execute(_MARK_SAME)
        self._db.execute(_MARK_PLACES)
        self._db.execute(_MEANT)
        meant = self._db.execute("SELECT * FROM meant")
        while chunk := meant.fetchmany(_CHUNK):
            same, changes = [], []
            for line, email, name, columns, new_name, new_columns in chunk:
                person = Subscriber(email, name, json.loads(columns))
                merged = _merge(person, Subscriber(email, new_name, json.loads(new_columns)))
                if merged == person:
                    same.append((line,))
                else:
                    changes.append((email, merged.name, pack_columns(merged.columns), line))
            self._db.executemany("UPDATE fates SET fate = 'same' WHERE line = ?", same)
            self._db.executemany("UPDATE fates SET fate = 'update' WHERE line = ?", [change[-1:] for change in changes])
            self._db.executemany("UPDATE incoming SET email = ?, name = ?, columns = ? WHERE line = ?", changes)

    def keep_out(self, suppressed: Iterable[tuple[str, str]]) -> None:
        """Of those who must not be mailed here, by key and reason, nobody joins; who left there too is no news.

        What people ask for outlives what their mailbox did, as `suppress` has it; who is on the list is to leave it.
        """
        self._db.execute("BEGIN")
        self._db.executemany(_KEEP_OUT, suppressed)
        self._db.execute("COMMIT")

    def at_stake(self) -> Iterator[str]:
        """The keys of all who are neither refused nor on the list as they are."""
        rows = self._db.execute("SELECT key FROM incoming LEFT JOIN fates USING (line) WHERE fate IS NOT 'same'")
        return (key for (key,) in rows)

    def leaving(self) -> set[str]:
        """The keys of those who left there and are on the list here."""
        query = f"SELECT key FROM fates JOIN incoming USING (line) WHERE fate IN {_GONE} AND place IS NOT NULL"  # noqa: S608
        return {key for (key,) in self._db.execute(query)}

    def counts(self) -> dict[str, int]:
        """How many of each fate."""
        fates = (UPDATE, SAME, SUPPRESSED, UNCONFIRMED, *_LEFT)
        counted = ", ".join(f"count(*) FILTER (WHERE fate = '{fate}')" for fate in fates)  # a sort takes longer
        every, *found = self._db.execute(f"SELECT (SELECT count(*) FROM incoming), {counted} FROM fates").fetchone()  # noqa: S608
        return dict(zip(fates, found, strict=True)) | {ADD: every - sum(found)}

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
        return self._people(f"{_OF_FATE} place", UPDATE)

    def unconfirmed(self) -> Iterator[Subscriber]:
        """Who never confirmed there."""
        return self._people(f"{_OF_FATE} line", UNCONFIRMED)

    def _people(self, query: str, *values: str) -> Iterator[Subscriber]:
        for email, name, columns in self._db.execute(query, values):
            yield Subscriber(email, name, PackedColumns(columns))

    def gone(self) -> Iterator[tuple[str, str, str, float, str]]:
        """Who left there: key, address, reason, moment (0: not known), occasion."""
        return self._db.execute(
            "SELECT key, email, fate, moment, occasion FROM fates JOIN incoming USING (line) "  # noqa: S608
            f"WHERE fate IN {_GONE} ORDER BY line"
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


def _digest(people: PeopleColumns) -> int:
    """Of what is said of them, in their order, whatever their lines: by SipHash, whose key each process makes anew."""
    return hash(tuple(map(tuple, people[1:])))


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
