"""The send loop: recipients from the ledger, messages from the writer, conversations with relays, replies recorded.

`deliver` runs until everybody is settled, or waiting is not wanted, or somebody says stop. Which recipient goes next,
and what becomes of it, is delivery.dispatch's business; how a conversation goes smtp.connection's, which connections
there are delivery.pool's. Time comes from the loop and the ledger's clock. One thing is the whole interpreter's: the
interval at which its threads take turns (SWITCH), which is put back at the end of a run.
"""

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from newsletter.delivery.dispatch import FAR, Dispatcher, Writer
from newsletter.delivery.ledger.journal import Journal
from newsletter.delivery.ledger.ledger import Ledger
from newsletter.delivery.limits.share import Share, Sharing
from newsletter.delivery.limits.windows import Used
from newsletter.delivery.pace import Pace, RetryPolicy
from newsletter.delivery.pool import RelayPool, Route
from newsletter.delivery.progress import Ending, Progress, Report, Tally
from newsletter.errors import Cancelled, NewsletterError, TooLate, TryAgainLater
from newsletter.smtp.connection import Timeouts
from newsletter.smtp.rate import Rate
from newsletter.smtp.relay import Relay

if TYPE_CHECKING:
    from newsletter.delivery.ledger.plan import Plan

__all__ = ["Progress", "Report", "deliver", "deliver_plan"]

BATCH = 500
"""Recipients claimed at once, at most; when sending is slow a second's worth, which a power cut leaves in doubt."""
DRAIN, LAST_BODY = 20.0, 9.0
"""Seconds that what is under way has after a stop, and in which a body may begin."""
LAST_WORD, LAST_WORD_AT_ONCE = 26.0, 4.0
"""Seconds after a stop, and after a second one, at which a database that has not answered is let go: all is over within
thirty."""
SWITCH = 0.0001
"""Seconds for which a thread keeps the interpreter while another waits: the journal's needs it seldom and shortly."""
TICK = 0.25
PAUSED, CANCELLED = "paused", "cancelled"
"""What may be asked of a running issue."""
LONG = 60.0
"""Seconds for which no relay takes anything above which whoever was claimed is given back."""
SHARED_IDLE = 1.5
"""Seconds without anybody to send to after which connections that others could have are closed."""
KEPT_IDLE = 10.0
"""Seconds of waiting for a retry above which connections are closed meanwhile."""


async def deliver(
    ledger: Ledger,
    writer: Writer,
    relays: Sequence[Relay],
    *,
    total: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
    stop: asyncio.Event | None = None,
    abort: asyncio.Event | None = None,
    retry: RetryPolicy | None = None,
    no_wait: bool = False,
    more: asyncio.Event | None = None,
    timeouts: Timeouts | None = None,
    chance: random.Random | None = None,
) -> Report:
    """Send the ledger's frozen issue to all who lack it; see `plan.freeze` for who that is.

    `total`: how many that will be, for the progress. `stop` drains: what is under way is finished, 30 s at most;
    `abort` ends at once; both as far as the database answers (`ending_with`). `no_wait`: don't wait for deferred
    recipients. `more` is set where the ledger has been given further recipients; with it, the run and its connections
    stay until `stop`. What stops the issue is in the report.
    """
    loop = asyncio.get_running_loop()
    retry, timeouts, chance = retry or RetryPolicy(), timeouts or Timeouts(), chance or random.Random()
    ending = Ending()
    waiting = await asyncio.to_thread(ledger.begin, retry.most)
    tally = Tally(total, loop.time(), deferred=waiting.get("deferred", 0))
    table = ledger.limits()
    routes = [_route(relay, ledger, loop.time(), is_shared=table is not None) for relay in relays]
    sharing = Sharing(table, ending.changed.set, ending.ask) if table is not None else None
    pool = RelayPool(routes, ending, timeouts=timeouts, chance=chance, no_wait=no_wait)
    journal = Journal(ledger)
    dispatcher = Dispatcher(writer, journal, pool, tally, ending, retry, clock=ledger.clock, chance=chance)
    run = _Run(
        dispatcher, journal, pool, ending, ledger.clock, on_progress or (lambda _: None), no_wait=no_wait,
        more=more, send_before=ledger.asked().send_before,
    )  # fmt: skip
    stop, abort = stop or asyncio.Event(), abort or asyncio.Event()
    with _taking_short_turns():
        if sharing is not None:
            sharing.start(route.pace.share for route in routes if route.pace.share is not None)
        try:
            await run.deliver(stop, abort)
        finally:
            if sharing is not None:
                await sharing.stop()
    if journal.bug is not None:
        raise journal.bug
    states = _counts(ledger)
    if journal.unsaved:
        is_ours = not isinstance(ending.error, TryAgainLater)  # else they are whose the issue is now
        tally.lose(journal.unsaved.values(), states.get("sending", 0) if states and is_ours else None)
    if journal.state == CANCELLED:
        tally.count["skipped"] = max(states.get("skipped", 0) - waiting.get("skipped", 0), 0)
    interrupted = stop.is_set() or abort.is_set()
    return tally.report(loop.time(), states, run.notes(), ending.error, interrupted, journal.state)


async def deliver_plan(
    ledger: Ledger, plan: "Plan", writer: Writer, relays: Sequence[Relay], *, git_commit: str | None = None,
    begin: "Callable[[], Awaitable[Plan | None]] | None" = None, **how: Any,
) -> Report:  # fmt: skip
    """Freeze a plan and deliver it, with `how` as `deliver` takes it.

    `begin` waits until it may begin, and gives the plan as it is by then; None where somebody stopped it before. An
    issue that was stopped before anybody got it is taken back, so that its post can be mended and sent again.
    """
    await asyncio.to_thread(ledger.freeze, plan, git_commit=git_commit)
    report = None
    try:
        now = await begin() if begin is not None else plan
        if now is not None:
            report = await deliver(ledger, writer, relays, total=now.to_send, **how)
            return report
        return Tally(0, 0.0).report(0.0, _counts(ledger), (), None, True, ledger.asked().state)
    finally:
        is_stopped = report is None or (report.stopped is not None and not report.sent)
        if is_stopped and plan.is_new:
            with contextlib.suppress(NewsletterError):  # what stopped the run is what is said
                ledger.forget()


def _route(relay: Relay, ledger: Ledger, now: float, *, is_shared: bool) -> Route:
    """The relay, with what earlier runs took of its long rates."""
    long = [rate for rate in relay.rate if isinstance(rate, Rate) and rate.seconds >= 3600]
    windows = {rate: ledger.used(relay.name, rate, 0.0 if is_shared else now) for rate in long}
    used = Used(windows, ledger.sent_by_day(relay.name) if relay.has_ramp else {}, ledger.clock() - now)
    share = Share(relay.account, relay.rate, relay.connections, used, now) if is_shared else None
    return Route(relay, Pace(relay.rate, relay.connections, now, used, share))


def _counts(ledger: Ledger) -> dict[str, int]:
    """What the ledger says in the end; nothing where it can't be read."""
    with contextlib.suppress(NewsletterError):
        return ledger.counts()
    return {}


@contextlib.asynccontextmanager
async def ending_with(
    stop: asyncio.Event, abort: asyncio.Event, end_within: Callable[[float], None]
) -> AsyncIterator[None]:
    """Once we are to stop, `end_within` is told how many seconds a database has for whatever it is asked."""

    async def count_down(event: asyncio.Event, seconds: float) -> None:
        await event.wait()
        end_within(seconds)

    counting = [asyncio.create_task(count_down(*each)) for each in ((stop, LAST_WORD), (abort, LAST_WORD_AT_ONCE))]
    try:
        yield
    finally:
        for task in counting:
            task.cancel()


@contextlib.contextmanager
def _taking_short_turns() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class _Run:
    """The loop of one call of `deliver`."""

    def __init__(
        self, dispatcher: Dispatcher, journal: Journal, pool: RelayPool, ending: Ending, clock: Callable[[], float],
        on_progress: Callable[[Progress], None], *, no_wait: bool, more: asyncio.Event | None,
        send_before: float | None,
    ) -> None:  # fmt: skip
        self._loop = asyncio.get_running_loop()
        self._dispatcher = dispatcher
        self._journal = journal
        self._pool = pool
        self._ending = ending
        self._clock = clock
        self._on_progress = on_progress
        self._no_wait = no_wait
        self._send_before = send_before
        self._more = more
        self._is_fed = False  # there are more
        self._idle_since = 0.0  # by the loop's clock, since when there is nobody to send to

    def _is_held(self) -> bool:
        """Whether the issue is paused, as somebody asked; one that was cancelled, or is late, ends the run."""
        dispatcher, state = self._dispatcher, self._journal.state
        if self._send_before is not None and self._clock() >= self._send_before:
            self._ending.ask(TooLate("its send_before has passed; who has not got it yet does not get it any more"))
        elif state == CANCELLED:
            self._ending.ask(Cancelled("the issue was cancelled; who was not mailed yet is skipped"))
        elif state == PAUSED or self._pool.wait() > LONG:
            dispatcher.hold()
            dispatcher.tally.progress.next_retry = None
            for connection in self._pool:
                connection.quit()
        elif dispatcher.held:
            dispatcher.go_on()
        dispatcher.tally.progress.state = state
        return dispatcher.held

    async def deliver(self, stop: asyncio.Event, abort: asyncio.Event) -> None:
        """Until everybody is settled, or the run is to end; nothing is open or under way afterwards."""
        dispatcher = self._dispatcher
        self._journal.trouble.add_done_callback(lambda trouble: self._ledger_trouble(trouble.result()))
        signals = [self._loop.create_task(self._note(event)) for event in (stop, abort)]
        signals += [self._loop.create_task(self._feed(self._more))] if self._more is not None else []
        try:
            if not self._is_held():
                dispatcher.claim()
            while not (self._is_done() or stop.is_set() or abort.is_set()):
                if not self._is_held():
                    self._look_at_retries()
                    dispatcher.drop_orphans()
                    self._pool.open_connections(dispatcher, self._work)
                    dispatcher.wake()
                self._tick()
                await self._wait_for_change(TICK)
            if dispatcher.set_aside:
                self._ending.error = self._ending.error or next(iter(self._pool.orphaned.values()))
            self._ending.ask()
            self._pool.quit()
            await self._drain(abort)
        finally:
            for signal in signals:
                signal.cancel()
            dispatcher.rest()
            self._pool.abort()
            if lost := [connection.lost for connection in self._pool]:
                await asyncio.wait(lost, timeout=2.0)  # each gives back what it had
            dispatcher.put_down()
            await self._journal.stop()
        self._tick()

    def _work(self, route: Route) -> int:
        """How many messages there are for the connections of a relay."""
        dispatcher = self._dispatcher
        busy = len(route.connections) if self._pool.bound else dispatcher.under_way
        return dispatcher.queue.depth(route.lanes) + busy

    def _is_done(self) -> bool:
        dispatcher = self._dispatcher
        if self._ending.asked:
            return True
        if dispatcher.queue or dispatcher.under_way or dispatcher.claiming or not dispatcher.exhausted:
            return False
        return self._more is None and (self._no_wait or dispatcher.due == FAR)

    def _look_at_retries(self) -> None:
        """When everybody else is settled, wait for those who are to be tried again, or for more."""
        dispatcher = self._dispatcher
        dispatcher.tally.progress.next_retry = None
        if dispatcher.queue or dispatcher.under_way:
            self._idle_since = 0.0
        if self._is_fed and not dispatcher.claiming:
            self._is_fed = False
            dispatcher.more()
        if not dispatcher.exhausted or dispatcher.claiming:
            return
        if self._no_wait:
            self._rest_when_idle(0.0)
            return
        wait = dispatcher.due - self._clock()
        if wait <= 0:
            dispatcher.claim()
        elif not (dispatcher.queue or dispatcher.under_way) and dispatcher.due != FAR:
            dispatcher.tally.progress.next_retry = wait
            self._rest_when_idle(wait)

    def _rest_when_idle(self, wait: float) -> None:
        """Close connections that nobody needs for so long, or that other senders could have."""
        if self._dispatcher.queue or self._dispatcher.under_way:
            return
        now = self._loop.time()
        self._idle_since = self._idle_since or now
        shares = any(route.pace.share is not None for route in self._pool.all)
        if wait > KEPT_IDLE or (shares and now - self._idle_since > SHARED_IDLE):
            for connection in self._pool:
                connection.quit()

    def _ledger_trouble(self, error: NewsletterError) -> None:
        """Nothing can be recorded any more: no body may go."""
        for connection in self._pool:
            connection.halt()
        self._ending.ask(error)

    async def _drain(self, abort: asyncio.Event) -> None:
        """Let what is under way finish, and say goodbye; a relay that is slow gets no further body."""
        began = self._loop.time()
        while self._dispatcher.under_way and self._pool.of and not abort.is_set():
            passed = self._loop.time() - began
            if passed >= DRAIN:
                break
            if passed >= LAST_BODY:
                for connection in self._pool:
                    connection.halt()
            await self._wait_for_change(TICK)
        goodbye = self._loop.time() + 1.0
        while self._pool.of and not abort.is_set() and self._loop.time() < goodbye:
            await self._wait_for_change(goodbye - self._loop.time())

    async def _wait_for_change(self, seconds: float) -> None:
        changed = self._ending.changed
        changed.clear()
        timer = self._loop.call_later(seconds, changed.set)
        await changed.wait()
        timer.cancel()

    async def _note(self, event: asyncio.Event) -> None:
        await event.wait()
        self._ending.changed.set()

    async def _feed(self, more: asyncio.Event) -> None:
        while True:
            await more.wait()
            more.clear()
            self._is_fed = True
            self._ending.changed.set()

    def _tick(self) -> None:
        now = self._loop.time()
        for route in self._pool.all:
            route.pace.recover(now)
        self._dispatcher.domains.recover(now)
        progress = self._dispatcher.tally.tick(now, TICK)
        progress.notes = self.notes()
        self._dispatcher.batch = int(min(max(2 * self._pool.most, progress.rate, 20), BATCH))
        self._on_progress(progress)

    def notes(self) -> tuple[str, ...]:
        """What a user should know about relays, records and domains now."""
        lost = len(self._journal.unsaved)
        unsaved = [f"{lost} replies could not be recorded; those recipients will be unknown"] if lost else []
        domains = [f"{domain} {note}" for domain, note in self._dispatcher.domains.notes.items()]
        waiting = [self._journal.note] if self._journal.note else []
        return (*waiting, *self._pool.notes(), *unsaved, *domains)
