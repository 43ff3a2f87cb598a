"""The list in the state's own table: for lists that people join and leave while a server runs.

One row an address. `columns` are texts, as in a CSV file, so that templates and segments can't tell the difference;
which there are, and in what order, stands in a table beside it.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection, Engine, delete, func, select

from newsletter.audience.address import address_key
from newsletter.audience.csv.reader import Row
from newsletter.audience.subscriber import Subscriber, pack_columns
from newsletter.state.schema import subscriber_columns, subscribers
from newsletter.state.upsert import insert_into

_CHUNK = 250
_PUT = """
INSERT INTO subscribers ("key", email, name, columns) VALUES ({values})
ON CONFLICT ("key") DO UPDATE SET email = excluded.email, name = excluded.name, columns = {merged}
"""
_PUT_BY = {
    "sqlite": _PUT.format(values="?, ?, ?, ?", merged="json_patch(subscribers.columns, excluded.columns)"),
    "postgresql": _PUT.format(
        values="%s, %s, %s, %s", merged="(subscribers.columns::jsonb || excluded.columns::jsonb)::text"
    ),
}
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
        columns = self.columns
        query = select(_table.id, _table.email, _table.name, _table.columns).order_by(_table.id)
        with self.engine.connect() as connection:
            for number, email, name, text in connection.execution_options(yield_per=_CHUNK).execute(query):
                yield number, _subscriber(email, name, text, columns)

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

    def remove(self, keys: Collection[str]) -> set[str]:
        """Take these people off it; the keys of those who were on it."""
        gone: set[str] = set()
        left = iter(keys)
        with self.engine.begin() as connection:
            while chunk := list(islice(left, 500)):
                gone.update(connection.scalars(delete(subscribers).where(_table.key.in_(chunk)).returning(_table.key)))
        return gone


def _add_columns(connection: Connection, names: Collection[str]) -> None:
    for name in names:
        if name == "name":
            continue
        connection.execute(insert_into(connection, subscriber_columns).values(name=name).on_conflict_do_nothing())


def _subscriber(email: str, name: str, text: str, columns: tuple[str, ...]) -> Subscriber:
    fields = json.loads(text)
    return Subscriber(email, name, {column: fields.get(column, "") for column in columns})
