"""The list in the state's own table: for lists that people join and leave while a server runs.

One row an address. `columns` are texts, as in a CSV file, so that templates and segments can't tell the difference;
which there are, and in what order, stands in a table beside it.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sqlalchemy import Connection, Engine, delete, func, select

from newsletter.audience.address import address_key
from newsletter.audience.listing import Row, RowBlock
from newsletter.audience.subscriber import Subscriber, pack_cells, pack_columns
from newsletter.state.schema import subscriber_columns, subscribers
from newsletter.state.sqlite import connect, explained, transaction
from newsletter.state.upsert import insert_into

if TYPE_CHECKING:
    from newsletter.audience.imports.people import PeopleColumns
    from newsletter.audience.imports.staging import Staging

_CHUNK = 250
_PUT = """
INSERT INTO subscribers ("key", email, name, columns) {people}
ON CONFLICT ("key") DO UPDATE SET email = excluded.email, name = excluded.name, columns = {merged}
"""
_PATCHED = "json_patch(subscribers.columns, excluded.columns)"
_PUT_BY = {
    "sqlite": _PUT.format(people="VALUES (?, ?, ?, ?)", merged=_PATCHED),
    "postgresql": _PUT.format(
        people="VALUES (%s, %s, %s, %s)", merged="(subscribers.columns::jsonb || excluded.columns::jsonb)::text"
    ),
}
_STAGED = 'SELECT "key", email, name, columns FROM staged.incoming i'
_NEW = "NOT EXISTS (SELECT 1 FROM staged.fates f WHERE f.line = i.line)"
_COPY_UPDATES = _PUT.format(people=f"{_STAGED} JOIN staged.fates USING (line) WHERE fate = 'update'", merged=_PATCHED)
_COPY_NEWCOMERS = f"""
INSERT INTO subscribers ("key", email, name, columns) {_STAGED} WHERE {_NEW} ORDER BY line
"""
_COPY_ALL = "INSERT INTO subscribers SELECT * FROM staged.incoming"
_CAME_MEANWHILE = f"""
INSERT INTO staged.fates (line, fate)
SELECT line, 'same' FROM staged.incoming i WHERE {_NEW} AND "key" IN (SELECT "key" FROM subscribers)
"""  # noqa: S608
_SIZES = """
SELECT (SELECT count(*) FROM staged.incoming), (SELECT count(*) FROM staged.fates), (SELECT count(*) FROM subscribers)
"""
_table = subscribers.c


@dataclass(frozen=True, slots=True)
class DatabaseRoster:
    """The list of one newsletter's state."""

    engine: Engine

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns, without email and name."""
        with self.engine.connect() as connection:
            names = select(subscriber_columns.c.name).order_by(subscriber_columns.c.number)
            return tuple(connection.scalars(names))

    def __iter__(self) -> Iterator[Row]:
        """Its people, numbered, in the order in which they came."""
        for block in self.blocks():
            yield from block.rows()

    def blocks(self) -> Iterator[RowBlock]:
        """The same, some hundred at once."""
        columns = self.columns
        query = select(_table.id, _table.email, _table.name, _table.columns).order_by(_table.id)
        with self.engine.connect() as connection:
            for rows in connection.execution_options(yield_per=_CHUNK).execute(query).partitions():
                numbers, emails, names, texts = zip(*rows, strict=True)
                text = ",".join(texts)
                people = json.loads(f"[{text}]")
                cells = {column: [person.get(column, "") for person in people] for column in columns}
                packed = pack_cells(cells, len(people), escape="\\" in text)
                yield RowBlock(numbers, list(map(address_key, emails)), emails, names, packed, cells)

    def __len__(self) -> int:
        with self.engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(subscribers)) or 0

    def held(self) -> AbstractContextManager[None]:
        """The database holds itself."""
        return nullcontext()

    def find(self, email: str) -> Subscriber | None:
        """The one with this address, in any spelling."""
        query = select(_table.email, _table.name, _table.columns).where(_table.key == address_key(email))
        with self.engine.connect() as connection:
            row = connection.execute(query).first()
        return _subscriber(*row, self.columns) if row else None

    def apply(self, updates: Iterable[Subscriber], additions: Iterable[Subscriber], columns: Collection[str]) -> None:
        """Change who is on it already and add the others, in one transaction."""
        with self.engine.begin() as connection:
            _add_columns(connection, columns)
            for people in (updates, additions):
                rows = (
                    (address_key(person.email), person.email, person.name, pack_columns(person.columns))
                    for person in people
                )
                while chunk := list(islice(rows, _CHUNK)):
                    connection.exec_driver_sql(_PUT_BY[connection.dialect.name], chunk)

    def compare(self, people: "Staging") -> None:
        """Say of each of a file's people whether they are on it already."""
        if file := self._file():
            people.compare_with_state(file)
        else:
            query = select(_table.id, _table.key, _table.email, _table.name, _table.columns)
            with self.engine.connect() as connection:
                rows = connection.execution_options(yield_per=_CHUNK).execute(query)
                people.compare(cast("PeopleColumns", tuple(zip(*chunk, strict=True))) for chunk in rows.partitions())

    def take_over(self, people: "Staging", columns: Collection[str], *, newcomers: bool) -> None:
        """`apply` what a file's people change, and with `newcomers` who is new: SQLite copies them itself."""
        if file := self._file():
            _copy(people.path, file, columns, newcomers=newcomers)
        else:
            self.apply(people.updates(), people.newcomers() if newcomers else (), columns)

    def _file(self) -> Path | None:
        """The file that the table is in; None on a server."""
        return Path(self.engine.url.database or "") if self.engine.dialect.name == "sqlite" else None

    def remove(self, keys: Collection[str]) -> set[str]:
        """Take these people off it; the keys of those who were on it."""
        gone: set[str] = set()
        left = iter(keys)
        with self.engine.begin() as connection:
            while chunk := list(islice(left, 500)):
                gone.update(connection.scalars(delete(subscribers).where(_table.key.in_(chunk)).returning(_table.key)))
        return gone


def _copy(staged: Path, file: Path, columns: Collection[str], *, newcomers: bool) -> None:
    """`DatabaseRoster.take_over` from the scratch database `staged`; who came by another way meanwhile stays so.

    The index is made anew where newcomers are most of it: a million addresses in any order would go into it one by one.
    """
    with explained(file), closing(connect(file)) as db:
        db.execute("ATTACH ? AS staged", (str(staged),))
        db.executescript("PRAGMA main.cache_size = -1000; PRAGMA staged.cache_size = -500")
        with transaction(db):
            db.executemany(
                "INSERT INTO subscriber_columns (name) VALUES (?) ON CONFLICT DO NOTHING",
                [(name,) for name in columns if name != "name"],
            )
            db.execute(_COPY_UPDATES)
            if not newcomers:
                return
            coming, known, there = db.execute(_SIZES).fetchone()
            if not (known or there):  # SQLite copies rows and index entries as they are
                db.execute(_COPY_ALL)
                return
            db.execute(_CAME_MEANWHILE)
            anew = coming - known > there
            (index,) = db.execute("SELECT sql FROM sqlite_master WHERE name = 'subscribers_key'").fetchone()
            if anew:
                db.execute("DROP INDEX subscribers_key")
            db.execute(_COPY_NEWCOMERS)
            if anew:
                db.execute(index)


def _add_columns(connection: Connection, names: Collection[str]) -> None:
    for name in names:
        if name == "name":
            continue
        connection.execute(insert_into(connection, subscriber_columns).values(name=name).on_conflict_do_nothing())


def _subscriber(email: str, name: str, text: str, columns: tuple[str, ...]) -> Subscriber:
    fields = json.loads(text)
    return Subscriber(email, name, {column: fields.get(column, "") for column in columns})
