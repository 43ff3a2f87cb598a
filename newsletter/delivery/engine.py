"""The send loop: recipients from the ledger, messages from the writer, conversations with relays, replies recorded.

`deliver` runs until everybody is settled, or waiting is not wanted, or somebody says stop. Which recipient goes next,
and what becomes of it, is delivery.courier's business; how a conversation goes delivery.connection's, which connections
there are delivery.lanes'. Nothing here is global; time comes from the loop and the ledger's clock.
"""

import asyncio
import random
import sys
from collections.abc import Callable, Sequence

from newsletter.delivery.connection import Timeouts
from newsletter.delivery.courier import FAR, Courier, Writer
from newsletter.delivery.journal import Journal
from newsletter.delivery.lanes import Lanes
from newsletter.delivery.ledger import Ledger
from newsletter.delivery.progress import Progress, Report, Tally
from newsletter.delivery.relay import Relay
from newsletter.delivery.retry import RetryPolicy
from newsletter.errors import NewsletterError

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
        self._courier = Courier(
            writer, Tally(total, self._loop.time()), retry,
            clock=ledger.clock, chance=chance, changed=self._changed, end=self._end,
        )  # fmt: skip
        self._lanes = self._courier.lanes = Lanes(
            relays, ledger, self._courier,
            timeouts=timeouts, chance=chance, no_wait=no_wait, changed=self._changed, end=self._end,
        )  # fmt: skip
        self._stopped: NewsletterError | None = None

    async def deliver(
        self, on_progress: Callable[[Progress], None], stop: asyncio.Event, abort: asyncio.Event
    ) -> Report:
        """See `deliver`."""
        courier = self._courier
        courier.tally.count["deferred"] = self._ledger.begin(self._retry.most)
        courier.journal = Journal(self._ledger, self._ledger_trouble, courier.skipped)
        before = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH)
        signals = [self._loop.create_task(self._note(event)) for event in (stop, abort)]
        try:
            courier.claim()
            while not (self._is_done() or stop.is_set() or abort.is_set()):
                self._look_at_retries()
                self._lanes.staff(len(courier.queue) + courier.under_way)
                courier.wake()
                self._tick(on_progress)
                await self._wait_for_change(TICK)
            self._end()
            await self._drain(abort)
        finally:
            sys.setswitchinterval(before)
            for signal in signals:
                signal.cancel()
            if courier.paced is not None:
                courier.paced.cancel()
            self._lanes.abort()
            if lost := [connection.lost for connection in self._lanes]:
                await asyncio.wait(lost, timeout=2.0)  # each gives back what it had
            await courier.journal.stop()
        if courier.journal.bug is not None:
            raise courier.journal.bug
        self._tick(on_progress)
        interrupted = stop.is_set() or abort.is_set()
        return courier.tally.report(
            self._loop.time(), self._ledger.counts(), self._notes(), self._stopped, interrupted
        )  # fmt: skip

    def _is_done(self) -> bool:
        courier = self._courier
        if courier.stopping:
            return True
        if courier.queue or courier.under_way or courier.claiming or not courier.exhausted:
            return False
        return self._no_wait or courier.due == FAR

    def _look_at_retries(self) -> None:
        """When everybody else is settled, wait for those who are to be tried again."""
        courier = self._courier
        courier.tally.progress.next_retry = None
        if not courier.exhausted or courier.claiming or self._no_wait:
            return
        wait = courier.due - self._ledger.clock()
        if wait <= 0:
            courier.claim()
        elif not (courier.queue or courier.under_way) and courier.due != FAR:
            courier.tally.progress.next_retry = wait
            if wait > KEPT_IDLE:
                for connection in self._lanes:
                    connection.quit()

    def _end(self, error: NewsletterError | None = None) -> None:
        """No further message; what is under way is finished."""
        self._courier.stopping = True
        self._stopped = self._stopped or error
        self._lanes.quit()
        self._changed.set()

    def _ledger_trouble(self, error: NewsletterError) -> None:
        """Nothing can be recorded any more: no body may go."""
        for connection in self._lanes:
            connection.halt()
        self._end(error)

    async def _drain(self, abort: asyncio.Event) -> None:
        """Let what is under way finish, and say goodbye."""
        deadline = self._loop.time() + DRAIN
        while self._courier.under_way and self._lanes.of and not abort.is_set() and self._loop.time() < deadline:
            await self._wait_for_change(TICK)
        goodbye = self._loop.time() + 1.0
        while self._lanes.of and not abort.is_set() and self._loop.time() < goodbye:
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
        for lane in self._lanes.all:
            lane.pace.recover(now)
        self._courier.domains.recover(now)
        progress = self._courier.tally.tick(now, TICK)
        progress.notes = self._notes()
        self._courier.batch = int(min(max(2 * self._lanes.most, progress.rate, 20), BATCH))
        on_progress(progress)

    def _notes(self) -> tuple[str, ...]:
        lost = self._courier.journal.unsaved
        unsaved = [f"{lost} replies could not be recorded; those recipients will be unknown"] if lost else []
        domains = [f"{domain} {note}" for domain, note in self._courier.domains.notes.items()]
        return (*self._lanes.notes(), *unsaved, *domains)
