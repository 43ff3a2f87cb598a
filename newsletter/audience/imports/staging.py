"""People on their way into the list: a scratch database that compares them with the list, so that memory is flat.

Every row of the file is put down once; comparing says of each whether it is new, changes somebody, or changes nobody.
Nothing outside the scratch file is touched here.
"""

import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from newsletter.audience.address import address_key
from newsletter.audience.csv.reader import Row
from newsletter.audience.imports.reader import Incoming, RefusedRow
from newsletter.audience.subscriber import JOINED, TAGS, PackedColumns, Subscriber, join_tags

_CHUNK = 250
_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -1000;
PRAGMA temp_store = FILE;
CREATE TABLE incoming (
  id INTEGER PRIMARY KEY, line INTEGER, key TEXT, email TEXT, name TEXT, columns TEXT, fate TEXT, moment REAL,
  occasion TEXT, place INTEGER
);
CREATE TABLE refused (line INTEGER, email TEXT, reason TEXT);
"""
_GONE = "('unsubscribe', 'bounce', 'complaint', 'manual')"
ADD, UPDATE, SAME, SUPPRESSED = "subscriber", "update", "same", "suppressed"
"""What a subscriber of the file comes to; whoever left keeps the fate that the file says."""


class Staging:
    """A file's people in a scratch database; a context manager that throws it away."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="newsletter-")
        self._db = sqlite3.connect(Path(self._folder.name) / "import.db", isolation_level=None)
        self._db.executescript(_SCHEMA)
        self.read = 0

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        self._folder.cleanup()

    def load(self, rows: Iterable[tuple[int, Incoming | RefusedRow]]) -> None:
        """Put every row down. Of two rows with one address the first counts, unless a later one says that it left."""

        def values() -> Iterator[tuple[object, ...]]:
            for line, row in rows:
                self.read += 1
                if isinstance(row, RefusedRow):
                    self._db.execute("INSERT INTO refused VALUES (?, ?, ?)", (line, row.email, row.reason))
                else:
                    yield line, *row

        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO incoming VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, NULL)", values())
        self._db.execute("CREATE INDEX incoming_key ON incoming (key)")
        self._settle_duplicates()
        self._db.execute("COMMIT")

    def _settle_duplicates(self) -> None:
        """Keep one row an address: the first that says somebody left, else the first; the others are refused."""
        twice = "SELECT key FROM incoming GROUP BY key HAVING count(*) > 1"
        for (key,) in self._db.execute(twice).fetchall():
            every = "SELECT id, line, email, fate FROM incoming WHERE key = ? ORDER BY id"
            rows = self._db.execute(every, (key,)).fetchall()
            kept = next((row for row in rows if row[3] != ADD), rows[0])
            for id_, line, email, _ in rows:
                if id_ != kept[0]:
                    self._db.execute("DELETE FROM incoming WHERE id = ?", (id_,))
                    reason = f"{email} is on line {kept[1]} too; delete one of them"
                    self._db.execute("INSERT INTO refused VALUES (?, ?, ?)", (line, email, reason))

    def refuse_strangers(self) -> None:
        """Who never signed up in the other house is refused: there is no consent to take over."""
        reason = "never signed up there, by what the export says; leave the row out"
        self._db.execute("INSERT INTO refused SELECT line, email, ? FROM incoming WHERE fate = 'stranger'", (reason,))
        self._db.execute("DELETE FROM incoming WHERE fate = 'stranger'")

    def compare(self, rows: Iterable[Row]) -> None:
        """Say of each whether the list has them already."""
        people = ((address_key(row.email), row) for _, row in rows if isinstance(row, Subscriber))
        place = 0
        self._db.execute("BEGIN")
        while chunk := list(islice(people, _CHUNK)):
            found = self._lookup([key for key, _ in chunk])
            outcome = []
            for key, person in chunk:
                place += 1
                if (match := found.get(key)) is None:
                    continue
                if match[3] != ADD:
                    self._db.execute("UPDATE incoming SET place = ? WHERE id = ?", (place, match[0]))
                    continue
                merged = _merge(person, Subscriber(person.email, match[1], json.loads(match[2])))
                fate = SAME if merged == person else UPDATE
                columns = "{}" if fate == SAME else json.dumps(dict(merged.columns), ensure_ascii=False)
                outcome.append((fate, place, merged.email, merged.name, columns, match[0]))
            self._db.executemany(
                "UPDATE incoming SET fate = ?, place = ?, email = ?, name = ?, columns = ? WHERE id = ?", outcome
            )
        self._db.execute("COMMIT")

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

    def joining(self) -> Iterator[str]:
        """The keys of those who would join, or be asked whether they want to."""
        query = "SELECT key FROM incoming WHERE fate IN ('subscriber', 'unconfirmed')"
        return (key for (key,) in self._db.execute(query))

    def leaving(self) -> set[str]:
        """The keys of those who left there and are on the list here."""
        query = f"SELECT key FROM incoming WHERE fate IN {_GONE} AND place IS NOT NULL"  # noqa: S608 (fixed words)
        return {key for (key,) in self._db.execute(query)}

    def _lookup(self, keys: list[str]) -> dict[str, tuple[int, str, str, str]]:
        query = "SELECT key, id, name, columns, fate FROM incoming WHERE key IN (SELECT value FROM json_each(?))"
        return {row[0]: row[1:] for row in self._db.execute(query, (json.dumps(keys),))}

    def counts(self) -> dict[str, int]:
        """How many of each fate."""
        return dict(self._db.execute("SELECT fate, count(*) FROM incoming GROUP BY fate").fetchall())

    def refused(self, most: int | None = None) -> list[tuple[int, str, str]]:
        """Line, address and reason of the rows that can't be taken over, in the order of the file."""
        limit = -1 if most is None else most
        return self._db.execute("SELECT line, email, reason FROM refused ORDER BY line LIMIT ?", (limit,)).fetchall()

    def refused_count(self) -> int:
        """How many rows can't be taken over."""
        return int(self._db.execute("SELECT count(*) FROM refused").fetchone()[0])

    def people(self, fate: str) -> Iterator[Subscriber]:
        """Those of a fate; updates in the order of the list, the others in that of the file."""
        order = "place" if fate == UPDATE else "id"
        query = f"SELECT email, name, columns FROM incoming WHERE fate = ? ORDER BY {order}"  # noqa: S608 (fixed words)
        for email, name, columns in self._db.execute(query, (fate,)):
            yield Subscriber(email, name, PackedColumns(columns))

    def gone(self) -> Iterator[tuple[str, str, str, float, str]]:
        """Who left there: key, address, reason, moment (0: not known), occasion."""
        return self._db.execute(
            f"SELECT key, email, fate, moment, occasion FROM incoming WHERE fate IN {_GONE} ORDER BY id"  # noqa: S608
        )


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
