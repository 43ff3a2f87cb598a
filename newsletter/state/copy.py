"""Copy the whole state from one database to another, of whichever kind: every table, row by row, and compared after.

Tables come in the order of their references; the numbers that rows have stay, and new ones go on from them. Nobody
writes to the source meanwhile. What is in a state's folder (the secret, keys) is no part of this.
"""

import hashlib
from collections.abc import Iterator
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, text

from newsletter.errors import NewsletterError
from newsletter.state.database import Database
from newsletter.state.schema import issues, leases, metadata, shards

_CHUNK = 1000


def senders(source: Database) -> list[str]:
    """The issues that somebody sends, or whose sender died without a word: they are to be settled before a copy."""
    return [issue for (issue,) in source.query("SELECT issue FROM leases WHERE owner != ''")]


def copy_state(source: Database, target: Database) -> dict[str, int]:
    """Copy everything; how many rows each table has. All or nothing; raises NewsletterError.

    The source must have no sender, and the target no row: what it knows would be mixed with this.
    """
    if not source.exists():
        raise NewsletterError("there is no state to copy; nothing was ever sent from there", path=source.name)
    if source.name == target.name:
        raise NewsletterError("is where it is already; name another state", path=source.name)
    origin, copy = source.engine(), target.engine()
    tables = metadata.sorted_tables
    try:
        with origin.connect() as reading, copy.begin() as writing:
            _hold(reading)
            if sent := reading.scalar(select(leases.c.issue).where(leases.c.owner != "").limit(1)):
                raise NewsletterError(f"{sent!r} is being sent; copy it afterwards", path=source.name)
            held = select(issues.c.id).join(shards).where(shards.c.worker.is_not(None)).limit(1)
            if worked := reading.scalar(held):
                raise NewsletterError(f"workers are at {worked!r}; stop them, and copy it then", path=source.name)
            for table in tables:
                if writing.execute(select(table).limit(1)).first() is not None:
                    raise NewsletterError(f"is not empty (it has {table.name}); name an empty one", path=target.name)
            counts = {table.name: _copy_table(reading, writing, table) for table in tables}
            for table in tables:
                if _digest(reading, table) != _digest(writing, table):
                    raise NewsletterError(
                        f"{table.name} is not what it was in {source.name}; nothing was copied, please report this",
                        path=target.name,
                    )
            reading.rollback()
    finally:
        origin.dispose()
        copy.dispose()
    return counts


def _hold(connection: Connection) -> None:
    """Let nobody write to the state until the transaction that begins here ends."""
    if connection.dialect.name == "postgresql":
        names = ", ".join(table.name for table in metadata.sorted_tables)
        connection.exec_driver_sql(f"LOCK TABLE {names} IN SHARE MODE")
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _copy_table(reading: Connection, writing: Connection, table: Table) -> int:
    rows, count = _rows(reading, table), 0
    while chunk := list(islice(rows, _CHUNK)):
        writing.execute(insert(table), chunk)
        count += len(chunk)
    [key, *_] = table.primary_key.columns
    if count and key.type.python_type is int and writing.dialect.name == "postgresql":
        named = {"table": table.name, "column": key.name, "last": writing.scalar(select(func.max(key)))}
        writing.execute(text("SELECT setval(pg_get_serial_sequence(:table, :column), :last)"), named)
    return count


def _digest(connection: Connection, table: Table) -> tuple[int, str]:
    """How many rows, and a hash of all that is in them, in the order of their keys."""
    digest, count = hashlib.sha256(), 0
    for row in _rows(connection, table):
        digest.update(repr(tuple(row.values())).encode("utf-8", "backslashreplace"))
        count += 1
    return count, digest.hexdigest()


def _rows(connection: Connection, table: Table) -> Iterator[dict[str, Any]]:
    """Every row, in an order that is the same in every database; PostgreSQL's texts hold no NUL."""
    is_server = connection.dialect.name == "postgresql"
    order = [
        column.collate("C") if is_server and column.type.python_type is str else column
        for column in table.primary_key.columns
    ]
    query = select(table).order_by(*order)
    for row in connection.execution_options(yield_per=_CHUNK).execute(query).mappings():
        yield {name: value.replace("\0", "") if isinstance(value, str) else value for name, value in row.items()}
