"""The suppression list: addresses that must not be mailed, with the reason and who said so.

One row an address, whatever its spelling. Sending looks here just before each message, in the ledger's own way; this
module is for those who add, remove and look up one by one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import Connection, Engine, delete, func, insert, select

from newsletter.audience.address import address_key, normalize_address
from newsletter.errors import NewsletterError
from newsletter.state.schema import suppressions
from newsletter.state.upsert import insert_into

Reason = Literal["bounce", "complaint", "unsubscribe", "manual"]
REASONS: tuple[Reason, ...] = get_args(Reason)


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address, why it must not be mailed, who said so ("smtp", "feedback", "cli"…), since when (Unix seconds).

    `issue` is the one over which it came about, where it is known; a person who was erased has no address.
    """

    email: str | None
    reason: Reason
    source: str
    created: float
    issue: str | None = None


def suppress(engine: Engine, email: str, reason: Reason, source: str, now: float, issue: str | None = None) -> bool:
    """Mail nothing more to `email`; whether that is new.

    What stands there stays, but for a bounce: what people ask for outlives what their mailbox did.
    """
    email = _address(email)
    with engine.begin() as connection:
        return write_suppression(connection, address_key(email), Suppression(email, reason, source, now, issue or None))


def write_suppression(connection: Connection, key: str, suppression: Suppression) -> bool:
    """`suppress`, in the caller's transaction."""
    values = {name: getattr(suppression, name) for name in ("email", "reason", "source", "created", "issue")}
    statement = insert_into(connection, suppressions).values(key=key, **values)
    if connection.execute(statement.on_conflict_do_nothing(index_elements=["key"])).rowcount:
        return True
    if suppression.reason != "bounce":
        table = suppressions.c
        connection.execute(suppressions.update().where(table.key == key, table.reason == "bounce").values(values))
    return False


def write_suppressions(connection: Connection, rows: Mapping[str, Suppression]) -> set[str]:
    """`write_suppression` for some hundreds at once, by their keys; those that are new."""
    table = suppressions.c
    there = connection.execute(select(table.key, table.reason).where(table.key.in_(rows))).all()
    known = {key for key, _ in there}
    for key, reason in there:
        if reason == "bounce":
            write_suppression(connection, key, rows[key])
    fresh = [
        {"key": key, "email": row.email, "reason": row.reason, "source": row.source, "created": row.created,
         "issue": row.issue}
        for key, row in rows.items() if key not in known
    ]  # fmt: skip
    if fresh:
        connection.execute(insert(suppressions), fresh)
    return rows.keys() - known


def unsuppress(engine: Engine, email: str) -> bool:
    """Allow mail to `email` again; whether it was suppressed."""
    with engine.begin() as connection:
        key = address_key(_address(email))
        return bool(connection.execute(delete(suppressions).where(suppressions.c.key == key)).rowcount)


def suppressed(engine: Engine, email: str) -> Suppression | None:
    """Why `email` must not be mailed, or None if it may be."""
    table = suppressions.c
    query = select(table.email, table.reason, table.source, table.created, table.issue).where(
        table.key == address_key(_address(email))
    )
    with engine.connect() as connection:
        row = connection.execute(query).first()
    return Suppression(*row) if row else None


def suppress_all(engine: Engine, rows: Sequence[tuple[str, Reason]], source: str, now: float) -> int:
    """`suppress` for many, all or nothing; how many are new."""
    with engine.begin() as connection:
        return sum(
            write_suppression(connection, address_key(email), Suppression(email, reason, source, now))
            for email, reason in rows
        )


def unsubscribed(engine: Engine) -> Iterator[tuple[float, str | None]]:
    """When each reader who left by their own wish did so, and over which issue."""
    query = select(suppressions.c.created, suppressions.c.issue).where(suppressions.c.reason == "unsubscribe")
    with engine.connect() as connection:
        for row in connection.execution_options(yield_per=1000).execute(query):
            yield row.created, row.issue


def suppressed_keys(engine: Engine) -> frozenset[str]:
    """The keys of all who must not be mailed."""
    with engine.connect() as connection:
        return frozenset(connection.scalars(select(suppressions.c.key)))


def count_suppressions(engine: Engine) -> dict[str, int]:
    """How many there are of each reason."""
    query = select(suppressions.c.reason, func.count()).group_by(suppressions.c.reason)
    with engine.connect() as connection:
        return {str(row[0]): int(row[1]) for row in connection.execute(query)}


def all_suppressions(engine: Engine) -> Iterator[Suppression]:
    """All of them, oldest first, streamed."""
    table = suppressions.c
    query = select(table.email, table.reason, table.source, table.created, table.issue).order_by(
        table.created, table.key
    )
    with engine.connect() as connection:
        for row in connection.execution_options(yield_per=1000).execute(query):
            yield Suppression(*row)


def _address(text: str) -> str:
    try:
        return normalize_address(text)
    except ValueError as error:
        raise NewsletterError(f"{error}; give the address as it is mailed to") from None
