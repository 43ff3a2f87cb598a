"""The studio's place for people: how many there are, how the list grew, who came, who left and over which issue.

Read anew for each look; a list of a million takes seconds, off the event loop. The plot is inline SVG.
"""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from newsletter.audience.address import address_key
from newsletter.audience.events import Event, EventKind, latest_events
from newsletter.audience.leaving import in_words, reason_of, reasons_told
from newsletter.audience.signup import all_unconfirmed
from newsletter.audience.source import find_list
from newsletter.audience.subscriber import JOINED, Subscriber
from newsletter.audience.suppression import suppressed_keys, unsubscribed
from newsletter.config.settings import Config
from newsletter.state import database_of

MONTHS, LATEST = 24, 40
WIDTH, HEIGHT = 720, 200
_SHOWN: tuple[EventKind, ...] = ("confirmed", "added", "returned", "left", "removed", "imported")


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the plot: `2026-05`, how many of today's list were there at its end, how many left in it."""

    name: str
    total: int
    left: int


def overview(config: Config) -> dict[str, Any]:
    """What the page shows."""
    counts: Counter[str] = Counter()
    joined: Counter[str] = Counter()
    state = database_of(config)
    engine = state.engine() if state.exists() else None
    stopped = suppressed_keys(engine) if engine is not None else frozenset()
    for _, row in find_list(config) or ():
        if not isinstance(row, Subscriber):
            counts["left out"] += 1
        elif address_key(row.email) in stopped:
            counts["suppressed"] += 1
        else:
            counts["active"] += 1
            joined[row.columns.get(JOINED, "")[:7]] += 1
    found: dict[str, Any] = {"counts": counts, "months": [], "latest": [], "over": []}
    left: Counter[str] = Counter()
    if engine is not None:
        counts["unconfirmed"] = sum(1 for _ in all_unconfirmed(engine))
        left, over = _left(unsubscribed(engine))
        told = reasons_told(engine)
        found["over"] = [(issue, count, in_words(count, told.get(issue, Counter()))) for issue, count in over]
        found["latest"] = _rows(latest_events(engine, _SHOWN, 2 * LATEST))[:LATEST]
        engine.dispose()
    months = _months(time.strftime("%Y-%m"))
    total = sum(count for month, count in joined.items() if month < months[0])
    for name in months:
        total += joined[name]
        found["months"].append(Month(name, total, left[name]))
    found["plot"] = plot(found["months"]) if counts["active"] else None
    return found


def plot(months: list[Month]) -> dict[str, Any]:
    """The points of a line, the bars below it, and what stands at its ends, in an SVG of WIDTH by HEIGHT."""
    top = max([month.total for month in months] + [1])
    most = max([month.left for month in months] + [1])
    step = WIDTH / (len(months) - 1)
    points = [(round(at * step, 1), round(HEIGHT - month.total / top * HEIGHT, 1)) for at, month in enumerate(months)]
    bars = [
        (
            round(at * step - 4, 1),
            round(HEIGHT - month.left / most * HEIGHT / 4, 1),
            round(month.left / most * HEIGHT / 4, 1),
        )
        for at, month in enumerate(months)
        if month.left
    ]
    line = " ".join(f"{x},{y}" for x, y in points)
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "line": line,
        "bars": bars,
        "top": top,
        "first": months[0],
        "last": months[-1],
    }


def _left(told: Iterable[tuple[float, str | None]]) -> tuple[Counter[str], list[tuple[str, int]]]:
    """Who unsubscribed, by month, and by issue, most first."""
    by_month: Counter[str] = Counter()
    by_issue: Counter[str] = Counter()
    for created, issue in told:
        by_month[time.strftime("%Y-%m", time.localtime(created))] += 1
        if issue:
            by_issue[issue] += 1
    return by_month, by_issue.most_common(12)


def _rows(latest: Iterable[tuple[str, Event]]) -> list[dict[str, str]]:
    """What is said of each event; a reason for leaving stands with the leaving, which came before it."""
    rows: list[dict[str, str]] = []
    told: dict[tuple[str, str | None], str] = {}
    for key, event in latest:
        if (reason := reason_of(event)) is not None:
            told.setdefault((key, event.issue), reason)
            continue
        day = time.strftime("%Y-%m-%d", time.localtime(event.created))
        why = told.pop((key, event.issue), "") if event.kind == "left" else ""
        rows.append({"who": key or "a file", "kind": event.kind, "day": day, "issue": event.issue or "", "why": why})
    return rows


def _months(last: str) -> list[str]:
    """The months up to `last`, such as `2026-05`, oldest first."""
    year, month = map(int, last.split("-"))
    number = year * 12 + month - 1
    return [f"{at // 12:04d}-{at % 12 + 1:02d}" for at in range(number - MONTHS + 1, number + 1)]
