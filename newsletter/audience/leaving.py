"""What readers who left have said about why, over which issue.

A reason is a further event of somebody who left, written down when the page was told; the last one counts, and none of
those who came back or were erased.
"""

import json
from collections import Counter

from sqlalchemy import Engine, and_, select

from newsletter.audience.events import Event
from newsletter.state.schema import events, suppressions

REASONS = {
    "often": "too many mails",
    "content": "not what they expected",
    "never": "never signed up",
    "other": "another reason",
}
"""What the page lets them choose from, as it is told to the author."""

ASKED = "reason"
"""The form by which a reason comes."""


def reason_of(event: Event) -> str | None:
    """The reason that an event is about, in words; None for any other event."""
    return REASONS.get(event.detail.get("reason", "")) if event.detail.get("form") == ASKED else None


def reasons_told(engine: Engine) -> dict[str, Counter[str]]:
    """By issue: how many of those who left over it gave which of the REASONS."""
    query = (
        select(events.c.key, events.c.issue, events.c.detail)
        .join(suppressions, and_(suppressions.c.key == events.c.key, suppressions.c.issue == events.c.issue))
        .where(events.c.kind == "left", suppressions.c.reason == "unsubscribe")
        .order_by(events.c.id)
    )
    told: dict[tuple[str, str], str] = {}
    with engine.connect() as connection:
        for key, issue, detail in connection.execution_options(yield_per=1000).execute(query):
            found = json.loads(detail)
            if found.get("form") == ASKED and found.get("reason") in REASONS:
                told[key, issue] = found["reason"]
    counts: dict[str, Counter[str]] = {}
    for (_, issue), reason in told.items():
        counts.setdefault(issue, Counter())[reason] += 1
    return counts


def in_words(left: int, told: Counter[str]) -> str:
    """`3 too many mails, 1 another reason, 9 gave none`: the most frequent first; empty where nobody gave one."""
    if not told:
        return ""
    parts = [f"{count:,} {REASONS[reason]}" for reason, count in told.most_common()]
    silent = left - sum(told.values())
    return ", ".join([*parts, f"{silent:,} gave none"] if silent > 0 else parts)
