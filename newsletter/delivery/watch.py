"""How an issue goes, from one look to the next: its counts, how fast, how long yet, over which relays, what is refused.

Read-only, through the toolkit. A look costs a pass over the issue's rows, so the pause between two grows with it.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import Engine, ScalarSelect, func, select

from newsletter.delivery.ledger.report import issue_counts, reading
from newsletter.smtp.reply import Reply
from newsletter.state.schema import DEFERRED, FAILED, SENT, STATES, UNKNOWN, deliveries, issues

LATELY = 10
"""Looks over which the rate is taken."""
NAMED = 5
"""So many refusals are shown, the most frequent."""
_SHARE = 4
"""A pause is this many times as long as a look, at least."""


def watch(
    engine: Engine,
    issue_id: str,
    *,
    every: float = 1.0,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[dict[str, Any]]:
    """Each look at the issue, `every` so many seconds, until it is done, or cancelled and nobody is under way.

    A value is what `status ISSUE --json` prints, with `rate` (messages a second, lately), `seconds_left` (at that rate,
    of those not tried yet; None where nothing moves), `relays` (`relay, sent, deferred, failed, unknown, rate`) and
    `refusals` (`reply, count`, the most frequent). Raises NewsletterError where there is no such issue.
    """
    history: deque[tuple[float, Mapping[str, int]]] = deque(maxlen=LATELY)  # (when, sent by relay)
    while True:
        began = clock()
        [now] = issue_counts(engine, issue_id)
        relays = _relays(engine, issue_id)
        history.append((began, {name: counts.get(SENT, 0) for name, counts in relays.items()}))
        rates = {name: _rate(history, name) for name in relays}
        rate, to_go = sum(rates.values()), now["pending"] + now["sending"]
        yield {
            **now,
            "rate": round(rate, 1),
            "seconds_left": round(to_go / rate) if rate and to_go else None,
            "relays": [
                {
                    "relay": name, **{state: counts.get(state, 0) for state in (SENT, DEFERRED, FAILED, UNKNOWN)},
                    "rate": round(rates[name], 1),
                }
                for name, counts in relays.items()
            ],
            "refusals": refusals(engine, issue_id),
        }  # fmt: skip
        if now["state"] == "done" or (now["state"] == "cancelled" and not now["sender"]):
            return
        pause(max(every, _SHARE * (clock() - began)))


def count_newest(engine: Engine) -> dict[str, int]:
    """How many recipients of the newest issue are in which state; for monitoring."""
    with reading(engine) as connection:
        newest = connection.execute(select(issues.c.id).order_by(issues.c.number.desc()).limit(1)).scalar()
    if newest is None:
        return {}
    [now] = issue_counts(engine, newest)
    return {state: now[state] for state in STATES}


def _rate(history: "deque[tuple[float, Mapping[str, int]]]", relay: str) -> float:
    """Messages a second over the looks that are remembered."""
    (then, before), (now, after) = history[0], history[-1]
    return max(after.get(relay, 0) - before.get(relay, 0), 0) / (now - then) if now > then else 0.0


def _number(issue_id: str) -> ScalarSelect[int]:
    return select(issues.c.number).where(issues.c.id == issue_id).scalar_subquery()


def _relays(engine: Engine, issue_id: str) -> dict[str, dict[str, int]]:
    """How many of an issue are in which state, by relay."""
    table = deliveries.c
    by_relay = (
        select(table.relay, table.state, func.count())
        .where(table.issue == _number(issue_id), table.relay.is_not(None), table.relay != "")
        .group_by(table.relay, table.state)
        .order_by(table.relay)
    )
    relays: dict[str, dict[str, int]] = {}
    with reading(engine) as connection:
        for relay, state, count in connection.execute(by_relay):
            relays.setdefault(relay, {})[state] = count
    return relays


def refusals(engine: Engine, issue_id: str) -> list[dict[str, Any]]:
    """What was said of an issue's recipients who are refused or in doubt, the most frequent first: `reply, count`."""
    table = deliveries.c
    refused = (
        select(table.code, table.status, table.text, func.count().label("times"))
        .where(table.issue == _number(issue_id), table.state.in_((DEFERRED, FAILED, UNKNOWN)))
        .group_by(table.code, table.status, table.text)
        .order_by(func.count().desc(), table.text)
        .limit(NAMED)
    )
    with reading(engine) as connection:
        rows = connection.execute(refused).all()
    return [
        {"reply": str(Reply(code or 0, status or "", text or "", "")), "count": count}
        for code, status, text, count in rows
    ]
