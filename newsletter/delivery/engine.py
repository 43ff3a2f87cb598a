"""The send loop: recipients from the ledger, messages from the writer, conversations with relays, replies recorded.

`deliver` runs until everybody is settled, or waiting is not wanted, or somebody says stop. How a conversation goes is
delivery.connection's business, what a reply means delivery.reply's, how fast delivery.pace's, what survives a crash
delivery.ledger's. Nothing here is global; time comes from the loop and the ledger's clock.
"""

import asyncio
import json
import random
import ssl
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from newsletter.audience.subscriber import Subscriber
from newsletter.compose.message import Envelope
from newsletter.delivery.connection import Connection, Job, Timeouts
from newsletter.delivery.ledger import Ledger
from newsletter.delivery.pace import IN_A_ROW, Domains, Pace
from newsletter.delivery.relay import Relay, RelayTrouble, connect, tls_context
from newsletter.delivery.reply import Action, Reply, Verdict, is_relaying_denied, verdict
from newsletter.delivery.retry import RetryPolicy
from newsletter.errors import NewsletterError, TryAgainLater

BATCH = 500
"""Recipients claimed at once, at most; when sending is slow a second's worth, which a power cut leaves in doubt."""
DRAIN = 30.0
"""Seconds that what is under way has after a stop."""
DROPS = 3
"""Connections that may be lost under one message before it has to wait like a deferred one."""
CAREFUL = 0.05
"""Seconds each final dot is held back once connections were lost with a message in doubt."""
TICK = 0.25
PATIENCE = 600.0
"""Seconds without any relay after which a run ends, its recipients waiting for the next."""
FIRST_TRIES = 3
"""Attempts to reach a relay that has not been reached in this run, before that is said to the user."""
FAR = float("inf")
WELL = Verdict(Action.SENT)
KEPT_IDLE = 10.0
"""Seconds of waiting for a retry above which connections are closed meanwhile."""


class Writer(Protocol):
    """What writes messages: compose.message.MessageWriter."""

    def envelope(self, subscriber: Subscriber) -> Envelope:
        """The message for one recipient. Raises NewsletterError."""


@dataclass(slots=True)
class Progress:
    """How far a run has come; given to `on_progress` four times a second."""

    total: int  # recipients to settle in this run
    sent: int = 0
    deferred: int = 0
    failed: int = 0
    unknown: int = 0
    skipped: int = 0
    rate: float = 0.0  # messages a second, lately
    next_retry: float | None = None  # seconds until somebody is tried again, while nothing else is to do
    notes: tuple[str, ...] = ()  # "relay:587 slowed to 3/s", "example.com paused: …"


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did; counts are of recipients and of this run, but for `pending`."""

    sent: int
    deferred: int
    failed: int
    unknown: int
    pending: int  # still waiting in the ledger
    skipped: int
    seconds: float
    rate: float
    replies: tuple[tuple[str, int], ...]  # what was said when it was not a success, the most frequent first
    notes: tuple[str, ...]
    unknown_names: tuple[str, ...]  # the addresses, the first hundred
    stopped: NewsletterError | None  # the issue was stopped: what the relay said, what to fix
    interrupted: bool


class _Lane:
    """A relay and its connections."""

    def __init__(self, relay: Relay, pace: Pace) -> None:
        self.relay = relay
        self.pace = pace
        self.context: ssl.SSLContext = tls_context(relay)
        self.connections: set[Connection] = set()
        self.opening = 0
        self.trouble: RelayTrouble | None = None  # why the last attempt failed
        self.failures = 0
        self.retry_at = 0.0
        self.refuses: Reply | None = None  # it has said something that is about us
        self.hint = ""
        self.careful = False
        self.ever = False  # it has taken a connection in this run


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
        ledger,
        writer,
        relays,
        total,
        retry or RetryPolicy(),
        no_wait,
        timeouts or Timeouts(),
        chance or random.Random(),
    )
    return await run.deliver(on_progress, stop or asyncio.Event(), abort or asyncio.Event())


class _Run:
    """One call of `deliver`; the feed of its connections."""

    def __init__(
        self,
        ledger: Ledger,
        writer: Writer,
        relays: Sequence[Relay],
        total: int,
        retry: RetryPolicy,
        no_wait: bool,
        timeouts: Timeouts,
        chance: random.Random,
    ) -> None:
        self._ledger = ledger
        self._writer = writer
        self._retry = retry
        self._no_wait = no_wait
        self._timeouts = timeouts
        self._chance = chance
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self._lanes = [
            _Lane(relay, Pace(relay.rate, relay.connections, now, ledger.used(relay, now))) for relay in relays
        ]
        self._domains = Domains()
        self._queue: deque[Job] = deque()
        self._under_way = 0
        self._claiming = False
        self._exhausted = False  # the last claim found nobody
        self._batch = 50
        self._stopping = False
        self._stopped: NewsletterError | None = None
        self._count = Counter[str]()
        self._progress = Progress(total)
        self._replies = Counter[str]()
        self._unknown_names: list[str] = []
        self._paced: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._due = FAR  # when the first deferred recipient is to be tried again, by the ledger's clock
        self._refused_row = 0
        self._doubt_row = 0
        self._down_since: float | None = None
        self._began = now
        self._lately: deque[tuple[float, int]] = deque([(now, 0)], maxlen=9)
        self._lane_of: dict[Connection, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # The feed of the connections: the hot path

    def next(self, connection: Connection) -> Job | None:
        """The next message for this connection, its intent on the way to the ledger."""
        lane = self._lane_of[connection]
        while self._queue and not self._stopping and lane.refuses is None:
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
            self._ledger.intend(job, connection)
            return job
        if not self._queue and not self._exhausted:
            self._claim()
        return None

    def settle(self, connection: Connection, job: Job, reply: Reply) -> None:
        """The relay has answered."""
        self._under_way -= 1
        lane = self._lane_of[connection]
        if reply.command == "." and 200 <= reply.code < 300:
            self._count["sent"] += 1
            self._refused_row = self._doubt_row = 0
            connection.useful = True
            lane.pace.went_well()
            if self._domains:
                self._domains.answered(job.email.rpartition("@")[2], WELL, "", self._loop.time())
            self._ledger.record(job, "sent", reply, lane.relay.name)
            if not (self._queue or self._under_way):
                self._changed.set()
            return
        self._settle_refusal(lane, job, reply)

    def _write(self, job: Job) -> bool:
        try:
            columns = json.loads(job.columns) if job.columns != "{}" else {}
            job.envelope = self._writer.envelope(Subscriber(job.email, job.name, columns))
        except Exception as error:  # a slot is an expression over this recipient's data, and may fail in any way
            self._finish(job, "failed", None, reason=f"the message could not be written: {error}")
            return False
        return True

    def _is_free(self, job: Job, connection: Connection, now: float) -> bool:
        """Whether this recipient may be tried here and now; if not, that is recorded."""
        if not connection.smtputf8 and not job.email.isascii():
            self._finish(job, "skipped", None, reason="the relay offers no SMTPUTF8 for a non-ASCII address")
            return False
        domain = job.email.rpartition("@")[2]
        hold = self._domains.hold(domain, now)
        if hold > 0:
            reason = f"held back: {domain} {self._domains.notes.get(domain, 'is slowed')}"
            self._finish(job, "deferred", None, reason=reason, not_before=self._ledger.clock() + hold)
            return False
        return True

    # What else a connection reports

    def _settle_refusal(self, lane: _Lane, job: Job, reply: Reply) -> None:
        """Anything but success."""
        now = self._loop.time()
        meaning = verdict(reply)
        domain = job.email.rpartition("@")[2]
        lane.pace.answered(meaning, now)
        self._domains.answered(domain, meaning, str(reply), now)
        if meaning.policy and self._is_refused_everywhere(reply):
            meaning = Verdict(Action.STOP, hint="the relay takes no mail from us; check the login and what it relays")
        match meaning.action:
            case Action.STOP:
                self._give_back(job, reply)
                self._refuse(lane, reply, meaning.hint)
            case Action.AGAIN:
                self._retry_elsewhere(job, reply, lane)
            case Action.DEFER:
                self._defer(job, reply, lane)
            case Action.UNKNOWN:
                self._finish(job, "unknown", reply, lane=lane)
            case _:
                if meaning.suppress or meaning.full:
                    self._ledger.suppress(job, f"bounce: {reply}", only_if_it_stays_full=meaning.full)
                self._finish(job, "failed", reply, lane=lane)

    def _is_refused_everywhere(self, reply: Reply) -> bool:
        """Refusals of our mail only, from the first one on: about us, not about them."""
        self._refused_row += 1
        if self._count["sent"]:
            return False
        return self._refused_row >= (2 if is_relaying_denied(reply) else IN_A_ROW)

    def again(self, connection: Connection, job: Job) -> None:
        """Lost before it was handed over."""
        self._under_way -= 1
        lane = self._lane_of[connection]
        lost = Reply(0, "", "connection lost before the message was handed over", "")
        self._retry_elsewhere(job, connection.last_reply or lost, lane)

    def in_doubt(self, connection: Connection, job: Job, reason: str) -> None:
        """Lost after the final dot: never sent again on a guess."""
        self._under_way -= 1
        lane = self._lane_of[connection]
        lane.careful = True
        self._finish(job, "unknown", None, lane=lane, reason=reason)
        self._doubt_row += 1
        if self._doubt_row > lane.relay.connections + 2:
            what = f"{lane.relay.name} takes messages and closes without an answer ({reason})"
            self._end(TryAgainLater(f"{what}; ask whoever runs it, then run the same command again to go on"))

    def closed(self, connection: Connection, reply: Reply | None) -> None:
        """Another connection takes its place, if there is work."""
        lane = self._lane_of.pop(connection)
        lane.connections.discard(connection)
        if reply is not None and reply.code:
            lane.pace.answered(verdict(reply), self._loop.time())
            self._replies[str(reply)] += 1
        if connection.useful:
            lane.failures = 0
        elif not self._stopping:
            self._back_off(lane)
        self._changed.set()

    def _retry_elsewhere(self, job: Job, reply: Reply, lane: _Lane) -> None:
        if job.drops + 1 >= DROPS:
            self._defer(job, reply, lane)
            return
        self._give_back(replace(job, drops=job.drops + 1), reply, of=job)

    def _give_back(self, job: Job, reply: Reply, of: Job | None = None) -> None:
        """To the front of the queue, under another Job: a late word about the old one can't be taken for it."""
        self._ledger.record(of or job, "pending", reply, "")
        self._queue.appendleft(
            replace(job, envelope=None, intended=False, withdrawn=False, refused=None, attempts=job.attempts + 1)
        )
        self._changed.set()

    def _defer(self, job: Job, reply: Reply, lane: _Lane) -> None:
        now = self._ledger.clock()
        first = job.first_attempt or now
        delay = self._retry.delay(job.attempts + 1, now - first, self._chance.random())
        if delay is None:
            self._finish(job, "failed", reply, lane=lane)
        else:
            self._finish(job, "deferred", reply, lane=lane, not_before=now + delay)

    def _finish(
        self,
        job: Job,
        state: str,
        reply: Reply | None,
        *,
        lane: _Lane | None = None,
        reason: str = "",
        not_before: float | None = None,
    ) -> None:
        """Settled for this run, and not sent."""
        self._count[state] += 1
        if not_before is not None:
            self._due = min(self._due, not_before)
        self._replies[str(reply) if reply else reason] += 1
        if state == "unknown" and len(self._unknown_names) < 100:
            self._unknown_names.append(job.email)
        self._ledger.record(job, state, reply, lane.relay.name if lane else "", not_before, reason)
        self._changed.set()

    # Relays and connections

    def _staff(self) -> None:
        """Open connections where there is work for them; close them where a relay wants fewer."""
        now = self._loop.time()
        for lane in self._lanes:
            lane.pace.recover(now)
            if self._stopping or lane.refuses is not None:
                continue
            allowed = lane.pace.connections if lane.ever else 1  # one login first: fifty wrong ones lock an account
            if lane.failures:
                allowed = 1 if now >= lane.retry_at else 0
            work = len(self._queue) + self._under_way
            for _ in range(min(allowed, work) - len(lane.connections) - lane.opening):
                lane.opening += 1
                task = self._loop.create_task(self._open(lane))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            surplus = len(lane.connections) - lane.pace.connections
            for connection in list(lane.connections)[: max(surplus, 0)]:
                connection.quit()

    async def _open(self, lane: _Lane) -> None:
        try:
            session = await connect(lane.relay, lane.context, self._timeouts.connect)
        except RelayTrouble as trouble:
            lane.trouble = trouble
            if trouble.reply is not None:
                lane.pace.answered(verdict(trouble.reply), self._loop.time())
            if trouble.lasting:
                lane.refuses = trouble.reply or Reply(0, "", str(trouble), "connect")
                self._stop_if_all_refuse(NewsletterError(str(trouble)))
            else:
                self._back_off(lane)
            return
        finally:
            lane.opening -= 1
            self._changed.set()
        lane.ever = True
        self._down_since = None
        careful = CAREFUL if lane.careful else 0.0
        connection = Connection(self, lane.relay.name, session.extensions, self._timeouts, careful)
        self._lane_of[connection] = lane
        lane.connections.add(connection)
        connection.attach(session.transport)
        if self._stopping:
            connection.quit()
        else:
            connection.wake()

    def _back_off(self, lane: _Lane) -> None:
        """The relay is away, or closes connections without taking anything; all away for too long ends the run."""
        now = self._loop.time()
        if lane.failures and now < lane.retry_at:
            return  # one of several that were lost together
        lane.failures += 1
        lane.retry_at = now + min(self._timeouts.back_off * 2.0 ** min(lane.failures - 1, 20), 60.0) * (
            0.8 + 0.4 * self._chance.random()
        )
        if any(other.connections or not other.failures for other in self._lanes if other.refuses is None):
            return
        self._down_since = self._down_since if self._down_since is not None else now
        never = not any(other.ever for other in self._lanes)
        tried = all(other.failures >= FIRST_TRIES for other in self._lanes if other.refuses is None)
        if (never and tried) or now - self._down_since > PATIENCE or (self._no_wait and lane.failures >= 5):
            self._stop_for(lane.trouble)

    def _stop_for(self, trouble: RelayTrouble | None) -> None:
        what = str(trouble) if trouble else "the relay closes connections without taking mail; try again later"
        later = trouble is None or (trouble.reply is not None and trouble.reply.code // 100 == 4)
        self._end(TryAgainLater(what) if later else NewsletterError(what))

    def _refuse(self, lane: _Lane, reply: Reply, hint: str) -> None:
        """The relay has said something about us: leave it out, and stop when no other is left."""
        if lane.refuses is not None:
            return
        lane.refuses = reply
        for connection in list(lane.connections):
            connection.quit()
        self._stop_if_all_refuse(NewsletterError(f"{lane.relay.name}: {reply} (to {reply.command}); {hint}"))

    def _stop_if_all_refuse(self, error: NewsletterError) -> None:
        if all(lane.refuses is not None for lane in self._lanes):
            self._end(error)

    def _end(self, error: NewsletterError | None = None) -> None:
        """No further message; what is under way is finished."""
        self._stopping = True
        self._stopped = self._stopped or error
        for lane in self._lanes:
            for connection in list(lane.connections):
                connection.quit()
        self._changed.set()

    def _ledger_trouble(self, error: NewsletterError) -> None:
        """Nothing can be recorded any more: no body may go."""
        for lane in self._lanes:
            for connection in list(lane.connections):
                connection.halt()
        self._end(error)

    # Claims and waking

    def _claim(self) -> None:
        if self._claiming or self._stopping:
            return
        self._claiming = True
        self._due = FAR
        self._ledger.claim(self._batch).add_done_callback(self._claimed)

    def _claimed(self, future: "asyncio.Future[tuple[list[Job], float | None]]") -> None:
        jobs, due = future.result()
        self._claiming = False
        self._exhausted = not jobs
        if due is not None:
            self._due = min(self._due, due)
        self._count["deferred"] -= sum(job.deferred for job in jobs)
        self._queue.extend(jobs)
        self._changed.set()
        self._wake()

    def _skipped(self, job: Job, reason: str) -> None:
        """Suppressed since it was planned; the ledger has recorded it."""
        if job.envelope is not None:
            self._under_way -= 1
        if job.deferred and job.envelope is None:
            self._count["deferred"] -= 1
        self._count["skipped"] += 1
        self._replies[f"suppressed: {reason}"] += 1
        self._changed.set()

    def _wake_later(self, wait: float) -> None:
        if self._paced is None:
            self._paced = self._loop.call_later(wait, self._wake)

    def _wake(self) -> None:
        if self._paced is not None:
            self._paced.cancel()
            self._paced = None
        for lane in self._lanes:
            for connection in list(lane.connections):
                if not self._queue:
                    return
                connection.wake()

    # The run

    async def deliver(
        self, on_progress: Callable[[Progress], None] | None, stop: asyncio.Event, abort: asyncio.Event
    ) -> Report:
        """See `deliver`."""
        self._count["deferred"] = self._ledger.begin(self._retry.most)
        self._ledger.start(self._ledger_trouble, self._skipped)
        signals = [asyncio.ensure_future(self._on_event(event)) for event in (stop, abort)]
        try:
            self._claim()
            while not self._is_done():
                if stop.is_set() or abort.is_set():
                    break
                self._look_at_retries()
                self._staff()
                self._wake()
                self._tick(on_progress)
                await self._wait_for_change(TICK)
            self._end()
            await self._drain(abort)
        finally:
            for signal in signals:
                signal.cancel()
            for task in list(self._tasks):
                task.cancel()
            for lane in self._lanes:
                for connection in list(lane.connections):
                    connection.abort()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if self._paced is not None:
                self._paced.cancel()
            await self._ledger.stop()
        if self._ledger.bug is not None:
            raise self._ledger.bug
        self._tick(on_progress)
        return self._report(interrupted=stop.is_set() or abort.is_set())

    def _is_done(self) -> bool:
        if self._stopping:
            return True
        if self._queue or self._under_way or self._claiming or not self._exhausted:
            return False
        return self._no_wait or self._due == FAR

    def _look_at_retries(self) -> None:
        """When everybody else is settled, wait for those who are to be tried again."""
        self._progress.next_retry = None
        if not self._exhausted or self._claiming or self._no_wait:
            return
        wait = self._due - self._ledger.clock()
        if wait <= 0:
            self._claim()
        elif not (self._queue or self._under_way) and self._due != FAR:
            self._progress.next_retry = wait
            if wait > KEPT_IDLE:
                for connection in self._lane_of:
                    connection.quit()

    async def _drain(self, abort: asyncio.Event) -> None:
        """Let what is under way finish, and say goodbye."""
        deadline = self._loop.time() + DRAIN
        while self._under_way and self._lane_of and not abort.is_set() and self._loop.time() < deadline:
            await self._wait_for_change(TICK)
        goodbye = self._loop.time() + 1.0
        while self._lane_of and not abort.is_set() and self._loop.time() < goodbye:
            await self._wait_for_change(goodbye - self._loop.time())

    async def _wait_for_change(self, seconds: float) -> None:
        self._changed.clear()
        timer = self._loop.call_later(seconds, self._changed.set)
        await self._changed.wait()
        timer.cancel()

    async def _on_event(self, event: asyncio.Event) -> None:
        await event.wait()
        self._changed.set()

    def _tick(self, on_progress: Callable[[Progress], None] | None) -> None:
        now = self._loop.time()
        for lane in self._lanes:
            lane.pace.recover(now)
        self._domains.recover(now)
        sent = self._count["sent"]
        if now - self._lately[-1][0] >= TICK:
            self._lately.append((now, sent))
        since, before = self._lately[0]
        rate = (sent - before) / max(now - since, TICK)
        most = sum(lane.relay.connections for lane in self._lanes)
        self._batch = int(min(max(2 * most, rate, 20), BATCH))
        if on_progress is not None:
            progress = self._progress
            progress.sent, progress.failed, progress.rate = sent, self._count["failed"], rate
            progress.deferred, progress.unknown = self._count["deferred"], self._count["unknown"]
            progress.skipped, progress.notes = self._count["skipped"], self._notes()
            on_progress(progress)

    def _notes(self) -> tuple[str, ...]:
        slowed = [
            f"{lane.relay.name} slowed to {lane.pace.slowed:.3g}/s"
            for lane in self._lanes
            if lane.pace.slowed is not None
        ]
        away = [f"{lane.trouble}" for lane in self._lanes if lane.trouble and (lane.failures or lane.refuses)]
        if self._ledger.unsaved:
            away.append(f"{self._ledger.unsaved} replies could not be recorded; those recipients will be unknown")
        return (*slowed, *away, *(f"{domain} {note}" for domain, note in self._domains.notes.items()))

    def _report(self, *, interrupted: bool) -> Report:
        seconds = self._loop.time() - self._began
        states = self._ledger.counts()
        return Report(
            sent=self._count["sent"],
            deferred=states.get("deferred", 0),
            failed=self._count["failed"],
            unknown=self._count["unknown"],
            pending=states.get("pending", 0),
            skipped=self._count["skipped"],
            seconds=seconds,
            rate=self._count["sent"] / seconds if seconds else 0.0,
            replies=tuple(self._replies.most_common(20)),
            notes=self._notes(),
            unknown_names=tuple(self._unknown_names),
            stopped=self._stopped,
            interrupted=interrupted,
        )
