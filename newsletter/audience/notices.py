"""Mails owed to one person, beside the issues: to confirm a sign-up, a welcome, a word about leaving.

They wait in the state until a relay takes them: `serve` sends them, or the command that made them; the request that
asked for one never waits. What they say is `web.public`'s and the templates', how they are sent `delivery.notices`'.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, Engine, and_, delete, func, insert, or_, select, update

from newsletter.audience.address import address_key
from newsletter.state.schema import notices

NoticeKind = Literal["confirm", "welcome", "goodbye"]
ONCE_A = 86_400.0
"""Seconds between two confirmation mails to one address."""

_table = notices.c


@dataclass(frozen=True, slots=True)
class Notice:
    """One mail that is owed; `detail` is what its words depend on."""

    id: int
    email: str
    kind: NoticeKind
    detail: Mapping[str, str]
    attempts: int
    created: float


def notice_issue(kind: NoticeKind, id_: int) -> str:
    """What stands for an issue's id in its Message-ID."""
    return f"{kind}-{id_}"


def owe(connection: Connection, email: str, kind: NoticeKind, now: float, **detail: str) -> None:
    """Owe somebody a mail, in the caller's transaction."""
    connection.execute(
        insert(notices).values(
            key=address_key(email), email=email, kind=kind, detail=json.dumps(detail, ensure_ascii=False),
            state="pending", created=now, not_before=now,
        )
    )  # fmt: skip


def owed_lately(connection: Connection, key: str, kind: NoticeKind, since: float) -> bool:
    """Was such a mail written for this person since then, whatever became of it?"""
    query = select(_table.id).where(_table.key == key, _table.kind == kind, _table.created > since).limit(1)
    return connection.execute(query).first() is not None


def notices_since(engine: Engine, kind: NoticeKind, since: float) -> list[tuple[int, str]]:
    """The number and address of each such mail that was written since then, whatever became of it, newest first."""
    query = select(_table.id, _table.email).where(_table.kind == kind, _table.created > since)
    with engine.connect() as connection:
        return [(id_, email) for id_, email in connection.execute(query.order_by(_table.id.desc()))]


def next_due(engine: Engine, now: float) -> Notice | None:
    """The mail that is due longest."""
    query = (
        select(_table.id, _table.email, _table.kind, _table.detail, _table.attempts, _table.created)
        .where(_table.state == "pending", _table.not_before <= now)
        .order_by(_table.not_before, _table.id)
        .limit(1)
    )
    with engine.connect() as connection:
        row = connection.execute(query).first()
    return Notice(row[0], row[1], row[2], json.loads(row[3]), row[4], row[5]) if row else None


def take(engine: Engine, notice: Notice, now: float) -> bool:
    """Become the one who sends it, durably, before its first byte; False if somebody else did."""
    with engine.begin() as connection:
        mine = update(notices).where(_table.id == notice.id, _table.state == "pending")
        return bool(
            connection.execute(mine.values(state="sending", attempts=_table.attempts + 1, not_before=now)).rowcount
        )


def settle(engine: Engine, notice: Notice, state: str, reply: str, not_before: float | None = None) -> None:
    """Write down what became of it; `pending` with a moment to try it again."""
    values: dict[str, object] = {"state": state, "reply": reply[:500]}
    if not_before is not None:
        values["not_before"] = not_before
    with engine.begin() as connection:
        connection.execute(update(notices).where(_table.id == notice.id).values(values))


def recover(engine: Engine, before: float) -> None:
    """What a dead sender was at, that took it before then: a confirmation is due again, because a second one does no
    harm; others are unknown."""
    with engine.begin() as connection:
        at_work = and_(_table.state == "sending", _table.not_before <= before)
        connection.execute(update(notices).where(at_work, _table.kind == "confirm").values(state="pending"))
        connection.execute(update(notices).where(at_work).values(state="unknown"))


def forget_notices(engine: Engine, before: float) -> None:
    """Drop what was settled before then: it is of use to nobody, and names somebody."""
    with engine.begin() as connection:
        connection.execute(delete(notices).where(_table.state.not_in(("pending", "sending")), _table.created < before))


def waiting(engine: Engine) -> int:
    """How many are owed."""
    query = select(func.count()).where(or_(_table.state == "pending", _table.state == "sending"))
    with engine.connect() as connection:
        return connection.scalar(query) or 0
