"""The suppression list: addresses that must not be mailed, with the reason and who said so.

One row an address, whatever its spelling. Sending looks here just before each message, in the ledger's own way; this
module is for those who add, remove and look up one by one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import Engine, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from newsletter.audience.address import address_key, normalize_address
from newsletter.errors import NewsletterError
from newsletter.state.schema import suppressions

Reason = Literal["bounce", "complaint", "unsubscribe", "manual"]
REASONS: tuple[Reason, ...] = get_args(Reason)


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address, why it must not be mailed, who said so ("smtp", "feedback", "cli"…), since when (Unix seconds)."""

    email: str
    reason: Reason
    source: str
    created: float


def suppress(engine: Engine, email: str, reason: Reason, source: str, now: float) -> bool:
    """Mail nothing more to `email`; whether that is new.

    What stands there stays, but for a bounce: what people ask for outlives what their mailbox did.
    """
    email = _address(email)
    insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
    row = {"key": address_key(email), "email": email, "reason": reason, "source": source, "created": now}
    statement = insert(suppressions).values(row)
    with engine.begin() as connection:
        if connection.execute(statement.on_conflict_do_nothing(index_elements=["key"])).rowcount:
            return True
        if reason != "bounce":
            table = suppressions.c
            connection.execute(
                suppressions.update()
                .where(table.key == row["key"], table.reason == "bounce")
                .values(reason=reason, source=source, created=now)
            )
        return False


def unsuppress(engine: Engine, email: str) -> bool:
    """Allow mail to `email` again; whether it was suppressed."""
    with engine.begin() as connection:
        key = address_key(_address(email))
        return bool(connection.execute(delete(suppressions).where(suppressions.c.key == key)).rowcount)


def suppressed(engine: Engine, email: str) -> Suppression | None:
    """Why `email` must not be mailed, or None if it may be."""
    table = suppressions.c
    query = select(table.email, table.reason, table.source, table.created).where(
        table.key == address_key(_address(email))
    )
    with engine.connect() as connection:
        row = connection.execute(query).first()
    return Suppression(*row) if row else None


def all_suppressions(engine: Engine) -> Iterator[Suppression]:
    """All of them, oldest first, streamed."""
    table = suppressions.c
    query = select(table.email, table.reason, table.source, table.created).order_by(table.created, table.key)
    with engine.connect() as connection:
        for row in connection.execution_options(yield_per=1000).execute(query):
            yield Suppression(*row)


def _address(text: str) -> str:
    try:
        return normalize_address(text)
    except ValueError as error:
        raise NewsletterError(f"{error}; give the address as it is mailed to") from None
