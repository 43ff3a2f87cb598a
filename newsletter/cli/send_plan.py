"""The plan of a `send` with its moments, and what is said where a run of it would have nothing to do.

Without the event loop and the engine: most runs of a schedule have nothing to do.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from newsletter.cli.schedule import say_moment
from newsletter.cli.send_options import Options
from newsletter.errors import TooLate

if TYPE_CHECKING:
    from newsletter.cli.compose_process import Prepared
    from newsletter.delivery.ledger.ledger import Ledger
    from newsletter.delivery.ledger.plan import Plan
    from newsletter.delivery.progress import Report


def scheduled(plan: "Plan", options: Options, prepared: "Prepared | None", now: datetime | None = None) -> "Plan":
    """The plan with when it begins and until when it may go: what was asked, else as it was planned before.

    Raises NewsletterError for a moment that has passed, and TooLate for one after the post's `send_before`. A rehearsal
    begins at once, and is only told.
    """
    now, asked, when = now or datetime.now(UTC), plan.asked, options.at
    starts, moments = asked.starts, plan.moments
    if when is not None:
        starts, moments = None, None if plan.is_new else {}
        if when.local is not None:
            moments = when.local.moments(now)
            starts = min(filter(None, moments.values()), default=None) if all(moments.values()) else None
            if plan.is_new and moments and not any(moments.values()):
                raise when.local.passed()
        elif when.moment is not None:
            starts = when.moment.timestamp()
            if when.passed is not None and starts != asked.starts:
                raise when.passed
    until = asked.send_before
    if prepared is not None:
        until = prepared.send_before.timestamp() if prepared.send_before is not None else None
    late = _too_late(plan, options, starts, until, now)
    if options.dry_run:
        if late is not None:
            from newsletter.cli.check import foretell

            foretell([late])
        return plan
    if late is not None and plan.to_send:
        raise late
    return replace(plan, asked=replace(asked, starts=starts, send_before=until), moments=moments)


def _too_late(
    plan: "Plan", options: Options, starts: float | None, until: float | None, now: datetime
) -> TooLate | None:
    """Why an issue that `starts` then is not before its `send_before`; None where it is."""
    if until is None or max(starts or 0.0, now.timestamp()) < until:
        return None
    said = say_moment(datetime.fromtimestamp(until, UTC).astimezone(options.zone()))
    if until <= now.timestamp():
        what = f"its send_before has passed: it was {said}; set a later one, or take it out"
    else:
        what = f"its send_before is {said}, and --at is not before that; give an earlier time"
    return TooLate(what, path=plan.issue.post)


def settles_nothing(ledger: "Ledger", plan: "Plan", options: Options) -> bool:
    """Whether a run would have nobody to send to, and nothing to write down."""
    if plan.to_send or plan.newcomers or plan.leavers or not plan.chosen or plan.asked.state != "running":
        return False
    counts = ledger.counts()
    return not (options.detach or options.at or any(counts.get(word) for word in ("pending", "sending", "deferred")))


def nothing_done(plan: "Plan") -> "Report":
    """The report of a run that had nothing to do."""
    from newsletter.delivery.progress import Tally

    return Tally(0, 0.0).report(0.0, {}, (), None, False, plan.asked.state)
