"""The send loop: recipients from the ledger, messages from the writer, conversations with relays, replies recorded.

`deliver` runs until everybody is settled, or waiting is not wanted, or somebody says stop. Which recipient goes next,
and what becomes of it, is delivery.dispatch's business; how a conversation goes smtp.connection's, which connections
there are delivery.pool's. Nothing here is global; time comes from the loop and the ledger's clock.
"""

import asyncio
import random
import sys
from collections.abc import Callable, Sequence

from newsletter.delivery.dispatch import FAR, Dispatcher, Writer
from newsletter.delivery.ledger.journal import Journal
from newsletter.delivery.ledger.ledger import Ledger
from newsletter.delivery.pool import RelayPool
from newsletter.delivery.progress import Progress, Report, Tally
from newsletter.delivery.retry import RetryPolicy
from newsletter.errors import NewsletterError
from newsletter.smtp.connection import Timeouts
from newsletter.smtp.relay import Relay

__all__ = ["Progress", "Report", "deliver"]

BATCH = 500
"""Recipients claimed at once, at most; when sending is slow a second's worth, which a power cut leaves in doubt."""
DRAIN = 30.0
"""Seconds that what is under way has after a stop."""
SWITCH = 0.0001
"""Seconds for which a thread keeps the interpreter while another waits: the journal's needs it seldom and shortly."""
TICK = 0.25
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
    timeouts: Timeouts | None = None,
    chance: random.Random | None = None,
) -> Report:
    """Send the ledger's frozen issue to all who lack it; see `plan.freeze` for who that is.

    `total`: how many that will be, for the progress. `stop` drains: what is under way is finished, 30 s at most;
    `abort` ends at once. `no_wait`: don't wait for deferred recipients. What stops the issue is in the report.
    """
    run = _Run(
        ledger, writer, relays, total,
        retry or RetryPolicy(), no_wait, timeouts or Timeouts(), chance or random.Random(),
    )  # fmt: skip
    return await run.deliver(on_progress or (lambda _: None), stop or asyncio.Event(), abort or asyncio.Event())


class _Run:
    """One call of `deliver`."""

    def __init__(
        self, ledger: Ledger, writer: Writer, relays: Sequence[Relay], total: int,
        retry: RetryPolicy, no_wait: bool, timeouts: Timeouts, chance: random.Random,
    ) -> None:  # fmt: skip
        self._loop = asyncio.get_running_loop()
        self._ledger = ledger
        self._retry = retry
        self._no_wait = no_wait
        self._changed = asyncio.Event()
        self._dispatcher = Dispatcher(
            writer, Tally(total, self._loop.time()), retry,
            clock=ledger.clock, chance=chance, changed=self._changed, end=self._end,
        )  # fmt: skip
        self._pool = self._dispatcher.pool = RelayPool(
            relays, ledger, self._dispatcher,
            timeouts=timeouts, chance=chance, no_wait=no_wait, changed=self._changed, end=self._end,
        )  # fmt: skip
        self._stopped: NewsletterError | None = None

    async def deliver(
        self, on_progress: Callable[[Progress], None], stop: asyncio.Event, abort: asyncio.Event
    ) -> Report:
        """See `deliver`."""
        dispatcher = self._dispatcher
        dispatcher.tally.count["deferred"] = self._ledger.begin(self._retry.most)
        dispatcher.journal = Journal(self._ledger, self._ledger_trouble, dispatcher.skipped)
        before = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH)
        signals = [self._loop.create_task(self._note(event)) for event in (stop, abort)]
        try:
            dispatcher.claim()
            while not (self._is_done() or stop.is_set() or abort.is_set()):
                self._look_at_retries()
                self._pool.open_connections(len(dispatcher.queue) + dispatcher.under_way)
                dispatcher.wake()
                self._tick(on_progress)
                await self._wait_for_change(TICK)
            self._end()
            await self._drain(abort)
        finally:
            sys.setswitchinterval(before)
            for signal in signals:
                signal.cancel()
            if dispatcher.paced is not None:
                dispatcher.paced.cancel()
            self._pool.abort()
            if lost := [connection.lost for connection in self._pool]:
                await asyncio.wait(lost, timeout=2.0)  # each gives back what it had
            await dispatcher.journal.stop()
        if dispatcher.journal.bug is not None:
            raise dispatcher.journal.bug
        self._tick(on_progress)
        interrupted = stop.is_set() or abort.is_set()
        return dispatcher.tally.report(
            self._loop.time(), self._ledger.counts(), self._notes(), self._stopped, interrupted
        )  # fmt: skip

    def _is_done(self) -> bool:
        dispatcher = self._dispatcher
        if dispatcher.stopping:
            return True
        if dispatcher.queue or dispatcher.under_way or dispatcher.claiming or not dispatcher.exhausted:
            return False
        return self._no_wait or dispatcher.due == FAR

    def _look_at_retries(self) -> None:
        """When everybody else is settled, wait for those who are to be tried again."""
        dispatcher = self._dispatcher
        dispatcher.tally.progress.next_retry = None
        if not dispatcher.exhausted or dispatcher.claiming or self._no_wait:
            return
        wait = dispatcher.due - self._ledger.clock()
        if wait <= 0:
            dispatcher.claim()
        elif not (dispatcher.queue or dispatcher.under_way) and dispatcher.due != FAR:
            dispatcher.tally.progress.next_retry = wait
            if wait > KEPT_IDLE:
                for connection in self._pool:
                    connection.quit()

    def _end(self, error: NewsletterError | None = None) -> None:
        """No further message; what is under way is finished."""
        self._dispatcher.stopping = True
        self._stopped = self._stopped or error
        self._pool.quit()
        self._changed.set()

    def _ledger_trouble(self, error: NewsletterError) -> None:
        """Nothing can be recorded any more: no body may go."""
        for connection in self._pool:
            connection.halt()
        self._end(error)

    async def _drain(self, abort: asyncio.Event) -> None:
        """Let what is under way finish, and say goodbye."""
        deadline = self._loop.time() + DRAIN
        while self._dispatcher.under_way and self._pool.of and not abort.is_set() and self._loop.time() < deadline:
            await self._wait_for_change(TICK)
        goodbye = self._loop.time() + 1.0
        while self._pool.of and not abort.is_set() and self._loop.time() < goodbye:
            await self._wait_for_change(goodbye - self._loop.time())

    async def _wait_for_change(self, seconds: float) -> None:
        self._changed.clear()
        timer = self._loop.call_later(seconds, self._changed.set)
        await self._changed.wait()
        timer.cancel()

    async def _note(self, event: asyncio.Event) -> None:
        await event.wait()
        self._changed.set()

    def _tick(self, on_progress: Callable[[Progress], None]) -> None:
        now = self._loop.time()
        for route in self._pool.all:
            route.pace.recover(now)
        self._dispatcher.domains.recover(now)
        progress = self._dispatcher.tally.tick(now, TICK)
        progress.notes = self._notes()
        self._dispatcher.batch = int(min(max(2 * self._pool.most, progress.rate, 20), BATCH))
        on_progress(progress)

    def _notes(self) -> tuple[str, ...]:
        lost = self._dispatcher.journal.unsaved
        unsaved = [f"{lost} replies could not be recorded; those recipients will be unknown"] if lost else []
        domains = [f"{domain} {note}" for domain, note in self._dispatcher.domains.notes.items()]
        return (*self._pool.notes(), *unsaved, *domains)
