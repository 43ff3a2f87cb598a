"""The run of a `send`, once its plan is agreed to: wait for its hour and for the web, deliver, report."""

import asyncio
import contextlib
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from newsletter.cli.commit import git_commit
from newsletter.cli.console import INTERRUPTED, note, say
from newsletter.cli.progress import progress
from newsletter.cli.schedule import say_moment
from newsletter.cli.send_options import Options
from newsletter.cli.send_report import exit_code, progress_line, say_report
from newsletter.cli.send_shared import overall, say_queued

if TYPE_CHECKING:
    from newsletter.cli.compose_process import Prepared
    from newsletter.cli.progress_bar import Show
    from newsletter.cli.rehearsal import Rehearsal
    from newsletter.config.settings import Config
    from newsletter.delivery.engine import Progress
    from newsletter.delivery.ledger.ledger import Ledger
    from newsletter.delivery.ledger.plan import Plan
    from newsletter.delivery.pace import RetryPolicy
    from newsletter.delivery.workers.overall import Overall
    from newsletter.smtp.relay import Relay

REPORTING = 2.0
"""Seconds that the counts of all workers may take after the last word of our own."""
_STOPPING = "stopping: what is under way is finished, 30 s at most; Ctrl-C again stops at once"


@dataclass
class PlannedRun:
    """A plan on its way; `replan` reads the list anew, when some time has passed."""

    config: "Config"
    options: Options
    retry: "RetryPolicy"
    ledger: "Ledger"
    plan: "Plan"
    prepared: "Prepared | None"
    replan: "Callable[[], Plan]"
    _show: "Show | None" = field(default=None, init=False)  # how far it is; None: it has not begun
    _overall: "Overall | None" = field(default=None, init=False)  # where other workers send it too

    async def run(self, relays: "Sequence[Relay]", rehearsal: "Rehearsal | None" = None) -> int:
        """Deliver and report; the exit code."""
        from newsletter.cli.loop import stop_on_signals
        from newsletter.compose.composer import issue_writer
        from newsletter.delivery.engine import deliver_plan, ending_with

        options, issue = self.options, self.plan.issue
        state = "running"

        def on_progress(now: "Progress") -> None:
            nonlocal state
            assert self._show is not None
            now = self._overall.progress(now) if self._overall is not None else now
            done = now.sent + now.deferred + now.failed + now.unknown + now.skipped
            is_news, state = now.state != state, now.state
            self._show(min(done, self.plan.to_send), progress_line(now, issue.id), at_once=is_news)
            if is_news and options.is_silent:  # it may wait for long, and nobody would know what for
                note(progress_line(now, issue.id) if state == "paused" else "goes on")

        with stop_on_signals(_STOPPING, INTERRUPTED) as (stop, abort), contextlib.ExitStack() as shown:
            async with ending_with(stop, abort, self._end_within):
                report = await deliver_plan(
                    self.ledger, self.plan, issue_writer(self.config, issue), relays,
                    begin=lambda: self._begin(stop, shown), git_commit=options.commit or git_commit(self.config.root),
                    on_progress=on_progress, stop=stop, abort=abort, retry=self.retry,
                    no_wait=options.no_wait or options.dry_run,
                )  # fmt: skip
                if self._overall is not None:
                    report = await asyncio.to_thread(self._overall.report, report)
        arrived = rehearsal.end() if rehearsal is not None else None
        if self._show is None and not (options.as_json or options.is_logged):
            note("stopped before anything was sent")
            return exit_code(self.plan, report)
        code = say_report(self.plan, report, options, rehearsal, arrived, self.prepared)
        if (
            self._overall is not None and self._overall.others and (report.interrupted or report.stopped)
            and not (options.as_json or options.is_logged)
        ):  # fmt: skip
            note(f"other workers go on; `newsletter pause {shlex.quote(issue.id)}` holds them")
        return code

    def _end_within(self, seconds: float) -> None:
        """Whatever a database has not answered by then is not known, or not written."""
        self.ledger.end_within(seconds)
        if self._overall is not None:
            self._overall.end_within(seconds + REPORTING)

    async def _begin(self, stop: asyncio.Event, shown: contextlib.ExitStack) -> "Plan | None":
        """Wait for the moment and for the web, where that was asked for; the plan by then, None if stopped before."""
        options, starts = self.options, self.plan.asked.starts
        if not options.dry_run and starts is not None and starts > self.ledger.clock():
            if not await self._wait(starts, stop):
                return None
            self.plan = await asyncio.to_thread(self._plan_anew)
        if not options.dry_run and self.plan.to_send and (options.when_live or self.config.posts.live):
            from newsletter.cli.live import wait_live

            if not await wait_live(self.config, self.plan.issue, stop, quiet=options.is_silent):
                return None
        if not options.dry_run:
            self._overall = await asyncio.to_thread(overall, self.config, self.plan)
        if self._overall is not None:
            watching = asyncio.create_task(self._overall.watch())
            shown.callback(watching.cancel)
        self._show = shown.enter_context(progress(self.plan.to_send, quiet=options.is_silent))
        return self.plan

    async def detach(self) -> int:
        """Queue it for the workers; the exit code."""
        options, plan = self.options, self.plan
        if options.when_live or self.config.posts.live:
            from newsletter.cli.live import wait_live
            from newsletter.cli.loop import stop_on_signals

            with stop_on_signals() as (stop, _):
                if not await wait_live(self.config, plan.issue, stop, quiet=options.is_silent):
                    note("stopped before anything was queued")
                    return INTERRUPTED
        self.ledger.freeze(plan, git_commit=options.commit or git_commit(self.config.root))
        return say_queued(self.config, options, plan)

    async def _wait(self, starts: float, stop: asyncio.Event) -> bool:
        from newsletter.delivery.waiting import wait_until

        issue, quiet = shlex.quote(self.plan.issue.id), self.options.is_silent

        def on_state(state: str) -> None:
            note(f"paused; `newsletter resume {issue}` goes on" if state == "paused" else "goes on")

        if not quiet:
            moment = say_moment(datetime.fromtimestamp(starts, UTC).astimezone(self.options.zone()))
            tell = note if self.options.is_logged else say
            tell(f"waiting until {moment}, in this terminal; Ctrl-C stops, `newsletter cancel {issue}` as well")
        return await wait_until(self.ledger, starts, stop, on_state)

    def _plan_anew(self) -> "Plan":
        """What the list makes of it by now, written down."""
        plan = self.replan()
        if (plan.newcomers or plan.leavers) and not self.options.is_silent:
            note(f"the list has changed meanwhile: {plan.newcomers:,} joined, {plan.leavers:,} left")
        self.ledger.freeze(plan)
        return plan
