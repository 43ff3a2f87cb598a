"""All that is known about one person, and erasing it.

What must outlive a person's data is the wish not to be mailed: of it a keyed hash stays, which says nothing without the
secret. Deliveries stay as numbers under that hash, so that an issue's counts are right and a running send finds them
suppressed. Copies elsewhere (backups, git history, the relay's log, mail already sent) are beyond this program.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, delete, or_, select, update

from newsletter.audience.address import address_key
from newsletter.audience.events import Event, events_of
from newsletter.audience.roster import Roster
from newsletter.audience.subscriber import Subscriber
from newsletter.audience.suppression import Suppression, write_suppression
from newsletter.audience.token import erased_key
from newsletter.errors import NewsletterError
from newsletter.state.schema import deliveries, events, issues, notices, signups, suppressions

_CHUNK = 500
_COLUMNS = (
    suppressions.c.email,
    suppressions.c.reason,
    suppressions.c.source,
    suppressions.c.created,
    suppressions.c.issue,
)
_STOPPED = select(*_COLUMNS).where(
    or_(suppressions.c.key == bindparam("key"), suppressions.c.key == bindparam("hidden"))
)
"""Made once: every page asks it."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about one address."""

    email: str
    subscriber: Subscriber | None
    unconfirmed: Subscriber | None
    suppression: Suppression | None
    events: tuple[Event, ...]
    deliveries: tuple[dict[str, Any], ...] = field(default=())
    notices: tuple[dict[str, Any], ...] = field(default=())

    @property
    def is_nobody(self) -> bool:
        """Is nothing known at all?"""
        return not any(
            (self.subscriber, self.unconfirmed, self.suppression, self.events, self.deliveries, self.notices)
        )


def was_erased(engine: Engine, secret: bytes, email: str) -> bool:
    """Was the person with this address erased?"""
    with engine.connect() as connection:
        return bool(erased_among(connection, secret, [email]))


def erased_among(connection: Connection, secret: bytes, emails: Sequence[str]) -> set[str]:
    """Those of these addresses whose people were erased: nothing is to be written down of them again."""
    found: set[str] = set()
    for start in range(0, len(emails), _CHUNK):
        keys = {email: erased_key(secret, email) for email in emails[start : start + _CHUNK]}
        there = set(connection.scalars(select(suppressions.c.key).where(suppressions.c.key.in_(keys.values()))))
        found.update(email for email, key in keys.items() if key in there)
    return found


def stopped(engine: Engine, secret: bytes, email: str) -> Suppression | None:
    """Why `email` must not be mailed, or None if it may be; of somebody erased, without an address. One query."""
    keys = {"key": address_key(email), "hidden": erased_key(secret, email)}
    with engine.connect() as connection:
        row = connection.execute(_STOPPED, keys).first()
    return Suppression(*row) if row else None


def return_erased(engine: Engine, secret: bytes, email: str) -> bool:
    """Somebody who was erased may be mailed again, by the author's word; whether they were."""
    with engine.begin() as connection:
        hidden = suppressions.c.key == erased_key(secret, email)
        return bool(connection.execute(delete(suppressions).where(hidden)).rowcount)


def known(engine: Engine, roster: Roster, email: str) -> Known:
    """Everything about one address, to be shown to that person."""
    key = address_key(email)
    delivery, notice = deliveries.c, notices.c
    with engine.connect() as connection:
        stopped = connection.execute(select(*_COLUMNS).where(suppressions.c.key == key)).first()
        waiting = connection.execute(
            select(signups.c.email, signups.c.name, signups.c.columns).where(signups.c.key == key)
        ).first()
        sent = connection.execute(
            select(
                issues.c.id.label("issue"), delivery.email, delivery.name, delivery.columns, delivery.state,
                delivery.code, delivery.text.label("reply"), delivery.relay, delivery.updated,
            )
            .join(issues, issues.c.number == delivery.issue)
            .where(delivery.key == key)
            .order_by(delivery.id)
        ).fetchall()  # fmt: skip
        owed = connection.execute(
            select(notice.kind, notice.state, notice.created, notice.reply).where(notice.key == key).order_by(notice.id)
        ).fetchall()
    return Known(
        email,
        roster.find(email),
        Subscriber(waiting[0], waiting[1], json.loads(waiting[2])) if waiting else None,
        Suppression(*stopped) if stopped else None,
        tuple(events_of(engine, key)),
        tuple(_mappings(sent)),
        tuple(_mappings(owed)),
    )


def erase(engine: Engine, roster: Roster, secret: bytes, email: str, now: float) -> dict[str, int]:
    """Erase a person everywhere; what was there, by where, as counts. Twice erases nothing more.

    The suppression comes first: whatever stops this half-way, nobody is mailed who asked to be erased.
    """
    key, hidden = address_key(email), erased_key(secret, email)
    with engine.begin() as connection:
        stopped = connection.execute(select(suppressions.c.created).where(suppressions.c.key == key)).first()
        write_suppression(connection, hidden, Suppression(None, "manual", "erased", now))
        connection.execute(delete(suppressions).where(suppressions.c.key == key))
        connection.execute(update(deliveries).where(deliveries.c.key == key, _waits()).values(state="skipped"))
        empty = {"key": hidden, "email": "", "name": "", "columns": "{}", "text": None}
        counts = {
            "deliveries": connection.execute(update(deliveries).where(deliveries.c.key == key).values(empty)).rowcount,
            "events": connection.execute(delete(events).where(events.c.key == key)).rowcount,
            "sign-ups": connection.execute(delete(signups).where(signups.c.key == key)).rowcount,
            "notices": connection.execute(delete(notices).where(notices.c.key == key)).rowcount,
            "suppressions": int(stopped is not None),
        }
    with roster.held():
        counts["list"] = len(roster.remove({key}))
    return counts


def scrub(engine: Engine) -> bool:
    """Leave no trace of deleted rows in free pages; False while the state is busy. A file is written anew."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM deliveries, events, notices, signups, subscribers, suppressions")
        return True
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        try:
            connection.exec_driver_sql("VACUUM")
            busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").first()
        except NewsletterError:
            return False
    return busy is not None and not busy[0]


def _waits() -> Any:
    return deliveries.c.state.in_(("pending", "deferred"))


def _mappings(rows: "list[Row[Any]] | Any") -> Iterator[dict[str, Any]]:
    return (dict(row._mapping) for row in rows)
