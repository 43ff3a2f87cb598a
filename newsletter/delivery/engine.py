"""The send loop: recipients from the ledger, messages from the writer, conversations with relays, replies recorded.

`deliver` runs until everybody is settled, or waiting is not wanted, or somebody says stop. How a conversation goes is
delivery.connection's business, which connections there are delivery.lanes', what a reply means delivery.reply's, how
fast delivery.pace's, what survives a crash delivery.ledger's. Nothing here is global; time comes from the loop and the
ledger's clock.

The hot path is `next` and `settle`: a connection asks for a message, and brings the reply.
"""

import asyncio
import json
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from newsletter.audience.subscriber import Subscriber
from newsletter.compose.message import Envelope
from newsletter.delivery.connection import Connection, Job, Timeouts
from newsletter.delivery.journal import Claimed, Journal
from newsletter.delivery.lanes import Lane, Lanes
from newsletter.delivery.ledger import Ledger
from newsletter.delivery.pace import IN_A_ROW, Domains
from newsletter.delivery.progress import Progress, Report, Tally
from newsletter.delivery.relay import Relay
from newsletter.delivery.reply import Action, Reply, Verdict, is_relaying_denied, verdict
from newsletter.delivery.retry import RetryPolicy
from newsletter.errors import NewsletterError, TryAgainLater

__all__ = ["Progress", "Report", "deliver"]

BATCH = 500
"""Recipients claimed at once, at most; when sending is slow a second's worth, which a power cut leaves in doubt."""
DRAIN = 30.0
"""Seconds that what is under way has after a stop."""
DROPS = 3
"""Connections that may be lost under one message before it has to wait like a deferred one."""
TICK = 0.25
KEPT_IDLE = 10.0
"""Seconds of waiting for a retry above which connections are closed meanwhile."""
FAR = float("inf")
WELL = Verdict(Action.SENT)
_json = json.JSONDecoder().raw_decode  # what we wrote ourselves, without a look for spaces around it


class Writer(Protocol):
    """What writes messages: compose.message.MessageWriter."""

    def envelope(self, subscriber: Subscriber) -> Envelope:
        """The message for one recipient."""


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
    """One call of `deliver`; the feed of its connections."""

    def __init__(
        self, ledger: Ledger, writer: Writer, relays: Sequence[Relay], total: int,
        retry: RetryPolicy, no_wait: bool, timeouts: Timeouts, chance: random.Random,
    ) -> None:  # fmt: skip
        self._loop = asyncio.get_running_loop()
        self._ledger = ledger
        self._writer = writer
        self._retry = retry
        self._no_wait = no_wait
        self._chance = chance
        self._changed = asyncio.Event()
        self._lanes = Lanes(
            relays, ledger, self,
            timeouts=timeouts, chance=chance, no_wait=no_wait, changed=self._changed, end=self._end,
        )  # fmt: skip
        self._domains = Domains()
        self._tally = Tally(total, self._loop.time())
        self._queue: deque[Job] = deque()  # claimed, not under way
        self._under_way = 0
        self._batch = 50
        self._claiming = False
        self._exhausted = False  # the last claim found nobody
        self._due = FAR  # when the first deferred recipient is to be tried again, by the ledger's clock
        self._paced: asyncio.TimerHandle | None = None
        self._refused_row = 0
        self._doubt_row = 0
        self._stopping = False
        self._stopped: NewsletterError | None = None

    # The hot path

    def next(self, connection: Connection) -> Job | None:
        """The next message for this connection, its intent on the way to the ledger."""
        lane = self._lanes.of[connection]
        while self._queue and not self._stopping and not lane.left_out:
            now = self._loop.time()
            wait = lane.pace.wait(now)
            if wait > 0:
                self._wake_later(wait)
                return None
            job = self._queue.popleft()
            if len(self._queue) < self._batch // 2 and not self._exhausted:
                self._claim()
            if not self._is_free(job, connection, now) or not self._write(job):
                continue
            lane.pace.take(now)
            self._under_way += 1
            self._journal.intend(job, connection)
            return job
        if not self._queue and not self._exhausted:
            self._claim()
        return None

    def settle(self, connection: Connection, job: Job, reply: Reply) -> None:
        """The relay has answered."""
        self._under_way -= 1
        lane = self._lanes.of[connection]
        if reply.command != "." or not 200 <= reply.code < 300:
            self._settle_refusal(lane, job, reply)
            return
        self._journal.record(job, "sent", reply, lane.relay.name)
        self._tally.count["sent"] += 1
        self._refused_row = self._doubt_row = 0
        connection.useful = True
        lane.went_well()
        if self._domains.known:
            self._domains.answered(job.domain, WELL, "", self._loop.time())
        if not (self._queue or self._under_way):
            self._changed.set()

    def _is_free(self, job: Job, connection: Connection, now: float) -> bool:
        """Whether this recipient may be tried here and now; if not, that is recorded."""
        if not connection.smtputf8 and not job.email.isascii():
            self._finish(job, "skipped", None, reason="the relay offers no SMTPUTF8 for a non-ASCII address")
            return False
        hold = self._domains.hold(job.domain, now) if self._domains.known else 0.0
        if hold > 0:
            reason = f"held back: {job.domain} {self._domains.notes.get(job.domain, 'is slowed')}"
            self._finish(job, "deferred", None, reason=reason, not_before=self._ledger.clock() + hold)
            return False
        return True

    def _write(self, job: Job) -> bool:
        try:
            columns = _json(job.columns)[0] if job.columns != "{}" else {}
            job.envelope = self._writer.envelope(Subscriber(job.email, job.name, columns))
        except Exception as error:  # a slot is an expression over this recipient's data, and may fail in any way
            self._finish(job, "failed", None, reason=f"the message could not be written: {error}")
            return False
        return True

    # What else a connection reports

    def _settle_refusal(self, lane: Lane, job: Job, reply: Reply) -> None:
        """Anything but success."""
        now = self._loop.time()
        meaning = verdict(reply)
        lane.pace.answered(meaning, now)
        self._domains.answered(job.domain, meaning, str(reply), now)
        if meaning.policy and self._is_refused_everywhere(reply):
            meaning = Verdict(Action.STOP, hint="the relay takes no mail from us; check the login and what it relays")
        match meaning.action:
            case Action.STOP:
                self._give_back(job, reply)
                error = f"{lane.relay.name}: {reply} (to {reply.command}); {meaning.hint}"
                self._lanes.leave_out(lane, NewsletterError(error))
            case Action.AGAIN:
                self._try_elsewhere(job, reply, lane)
            case Action.DEFER:
                self._defer(job, reply, lane)
            case Action.UNKNOWN:
                self._finish(job, "unknown", reply, lane=lane)
            case _:
                if meaning.suppress or meaning.full:
                    self._journal.suppress(job, f"bounce: {reply}", only_if_it_stays_full=meaning.full)
                self._finish(job, "failed", reply, lane=lane)

    def _is_refused_everywhere(self, reply: Reply) -> bool:
        """Refusals of our mail only, from the first one on: about us, not about them."""
        self._refused_row += 1
        if self._tally.count["sent"]:
            return False
        return self._refused_row >= (2 if is_relaying_denied(reply) else IN_A_ROW)

    def again(self, connection: Connection, job: Job) -> None:
        """Lost before it was handed over."""
        self._under_way -= 1
        lost = Reply(0, "", "connection lost before the message was handed over", "")
        self._try_elsewhere(job, connection.last_reply or lost, self._lanes.of[connection])

    def in_doubt(self, connection: Connection, job: Job, reason: str) -> None:
        """Lost after the final dot: never sent again on a guess, and not many more put at risk."""
        self._under_way -= 1
        lane = self._lanes.of[connection]
        lane.lost_in_doubt()
        self._finish(job, "unknown", None, lane=lane, reason=reason)
        self._doubt_row += 1
        if self._doubt_row > lane.relay.connections + 2:
            what = f"{lane.relay.name} takes messages and closes without an answer ({reason})"
            self._end(TryAgainLater(f"{what}; ask whoever runs it, then run the same command again to go on"))

    def closed(self, connection: Connection, reply: Reply | None) -> None:
        """Another connection takes its place, if there is work."""
        if reply is not None and reply.code:
            self._tally.said(str(reply))
        self._lanes.closed(connection, reply)

    def _try_elsewhere(self, job: Job, reply: Reply, lane: Lane) -> None:
        job.drops += 1
        if job.drops >= DROPS:
            self._defer(job, reply, lane)
        else:
            self._give_back(job, reply)

    def _give_back(self, job: Job, reply: Reply) -> None:
        """To the front of the queue, under another Job: a late word about the old one can't be taken for it."""
        self._journal.record(job, "pending", reply, "")
        self._queue.appendleft(
            replace(job, envelope=None, intended=False, withdrawn=False, refused=None, attempts=job.attempts + 1)
        )
        self._changed.set()

    def _defer(self, job: Job, reply: Reply, lane: Lane) -> None:
        now = self._ledger.clock()
        first = now if job.first_attempt is None else job.first_attempt
        delay = self._retry.delay(job.attempts + 1, now - first, self._chance.random())
        if delay is None:
            self._finish(job, "failed", reply, lane=lane)
        else:
            self._finish(job, "deferred", reply, lane=lane, not_before=now + delay)

    def _finish(
        self, job: Job, state: str, reply: Reply | None, *,
        lane: Lane | None = None, reason: str = "", not_before: float | None = None,
    ) -> None:  # fmt: skip
        """Settled for this run, or until it is due again, and not sent."""
        self._journal.record(job, state, reply, lane.relay.name if lane else "", not_before, reason)
        self._tally.settled(state, job.email, str(reply) if reply else reason)
        if not_before is not None:
            self._due = min(self._due, not_before)
        self._changed.set()

    def _skipped(self, job: Job, reason: str) -> None:
        """Suppressed since it was planned; the ledger has recorded it."""
        if job.envelope is not None:
            self._under_way -= 1
        elif job.deferred:
            self._tally.count["deferred"] -= 1
        self._tally.settled("skipped", job.email, f"suppressed: {reason}")
        self._changed.set()

    # Claims and waking

    def _claim(self) -> None:
        if self._claiming or self._stopping:
            return
        self._claiming = True
        self._due = FAR
        self._journal.claim(self._batch).add_done_callback(self._claimed)

    def _claimed(self, future: "asyncio.Future[Claimed]") -> None:
        jobs, due = future.result()
        self._claiming = False
        self._exhausted = not jobs
        if due is not None:
            self._due = min(self._due, due)
        self._tally.count["deferred"] -= sum(job.deferred for job in jobs)
        self._queue.extend(jobs)
        self._changed.set()
        self._wake()

    def _wake_later(self, wait: float) -> None:
        if self._paced is None:
            self._paced = self._loop.call_later(wait, self._wake)

    def _wake(self) -> None:
        """Offer what is queued to every connection that has room."""
        if self._paced is not None:
            self._paced.cancel()
            self._paced = None
        for connection in self._lanes:
            if not self._queue:
                return
            connection.wake()

    def _look_at_retries(self) -> None:
        """When everybody else is settled, wait for those who are to be tried again."""
        self._tally.progress.next_retry = None
        if not self._exhausted or self._claiming or self._no_wait:
            return
        wait = self._due - self._ledger.clock()
        if wait <= 0:
            self._claim()
        elif not (self._queue or self._under_way) and self._due != FAR:
            self._tally.progress.next_retry = wait
            if wait > KEPT_IDLE:
                for connection in self._lanes:
                    connection.quit()

    # The run

    async def deliver(
        self, on_progress: Callable[[Progress], None], stop: asyncio.Event, abort: asyncio.Event
    ) -> Report:
        """See `deliver`."""
        self._tally.count["deferred"] = self._ledger.begin(self._retry.most)
        self._journal = Journal(self._ledger, self._ledger_trouble, self._skipped)
        signals = [self._loop.create_task(self._note(event)) for event in (stop, abort)]
        try:
            self._claim()
            while not (self._is_done() or stop.is_set() or abort.is_set()):
                self._look_at_retries()
                self._lanes.staff(len(self._queue) + self._under_way)
                self._wake()
                self._tick(on_progress)
                await self._wait_for_change(TICK)
            self._end()
            await self._drain(abort)
        finally:
            for signal in signals:
                signal.cancel()
            if self._paced is not None:
                self._paced.cancel()
            self._lanes.abort()
            if lost := [connection.lost for connection in self._lanes]:
                await asyncio.wait(lost, timeout=2.0)  # each gives back what it had
            await self._journal.stop()
        if self._journal.bug is not None:
            raise self._journal.bug
        self._tick(on_progress)
        interrupted = stop.is_set() or abort.is_set()
        return self._tally.report(
            self._loop.time(), self._ledger.counts(), self._notes(), self._stopped, interrupted
        )  # fmt: skip

    def _is_done(self) -> bool:
        if self._stopping:
            return True
        if self._queue or self._under_way or self._claiming or not self._exhausted:
            return False
        return self._no_wait or self._due == FAR

    def _end(self, error: NewsletterError | None = None) -> None:
        """No further message; what is under way is finished."""
        self._stopping = True
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
        while self._under_way and self._lanes.of and not abort.is_set() and self._loop.time() < deadline:
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
        self._domains.recover(now)
        progress = self._tally.tick(now, TICK)
        progress.notes = self._notes()
        self._batch = int(min(max(2 * self._lanes.most, progress.rate, 20), BATCH))
        on_progress(progress)

    def _notes(self) -> tuple[str, ...]:
        lost = self._journal.unsaved
        unsaved = [f"{lost} replies could not be recorded; those recipients will be unknown"] if lost else []
        domains = [f"{domain} {note}" for domain, note in self._domains.notes.items()]
        return (*self._lanes.notes(), *unsaved, *domains)
