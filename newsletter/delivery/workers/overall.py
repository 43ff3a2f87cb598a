"""An issue as a whole, where other workers send it too: its counts since it was planned, beside our own run's."""

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from newsletter.delivery.ledger.plan import Plan
from newsletter.delivery.ledger.report import issue_counts, unknown_names
from newsletter.delivery.progress import NAMED, Progress, Report
from newsletter.delivery.watch import LATELY, refusals
from newsletter.errors import NewsletterError
from newsletter.state.postgres import PostgresDatabase

EVERY = 1.0
"""Seconds between two looks."""
_SHARE = 4
"""A pause is this many times as long as a look, at least."""
_COUNTED = ("sent", "failed", "unknown", "skipped")


class Overall:
    """The counts of an issue over all who send it; the database is asked in a thread."""

    def __init__(self, database: PostgresDatabase, plan: Plan) -> None:
        self._connections = database.connections
        self._engine = engine = database.engine()
        self._issue = plan.issue.id
        self._now: Mapping[str, Any] = issue_counts(engine, self._issue)[0]
        self._before = {
            "sent": plan.already_sent,
            "failed": 0 if plan.retry_failed else plan.failed,
            "unknown": 0 if plan.resend_unknown else plan.unknown,
            "skipped": self._now["skipped"],
        }
        self._history: deque[tuple[float, int]] = deque([(time.monotonic(), self._now["sent"])], maxlen=LATELY)

    def end_within(self, seconds: float) -> None:
        """What the database has not answered by then is not known."""
        self._connections.end_within(seconds)

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            began = time.monotonic()
            with contextlib.suppress(NewsletterError):  # it is away; our own counts go on
                await asyncio.to_thread(self.count)
            await asyncio.sleep(max(EVERY, _SHARE * (time.monotonic() - began)))

    def count(self) -> None:
        """Count now."""
        self._now = issue_counts(self._engine, self._issue)[0]
        self._history.append((time.monotonic(), self._now["sent"]))

    @property
    def others(self) -> bool:
        """Whether other workers were there when it was counted last."""
        return any(one["pid"] != os.getpid() for one in self._now["workers"])

    def _since(self) -> dict[str, int]:
        return {state: max(self._now[state] - self._before[state], 0) for state in _COUNTED}

    def progress(self, own: Progress) -> Progress:
        """How far all are; never less than we are ourselves."""
        counts = {state: max(count, getattr(own, state)) for state, count in self._since().items()}
        (then, before), (now, after) = self._history[0], self._history[-1]
        rate = max((after - before) / (now - then) if now > then else 0.0, own.rate)
        return replace(own, rate=rate, deferred=max(self._now["deferred"], own.deferred), **counts)

    def report(self, own: Report) -> Report:
        """What all have done, and the most frequent replies of the issue's; our own where the database is away."""
        try:
            return self._report(own)
        except NewsletterError:
            return own

    def _report(self, own: Report) -> Report:
        self.count()
        counts = self._since()
        return replace(
            own, sent=counts["sent"], failed=counts["failed"], unknown=counts["unknown"], skipped=counts["skipped"],
            deferred=self._now["deferred"], pending=self._now["pending"] + self._now["sending"],
            rate=counts["sent"] / (own.seconds - own.paused) if own.seconds > own.paused else 0.0,
            replies=tuple((one["reply"], one["count"]) for one in refusals(self._engine, self._issue)),
            unknown_names=unknown_names(self._engine, self._issue, NAMED),
        )  # fmt: skip
