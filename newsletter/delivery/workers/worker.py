"""A worker: takes shards from the queue, on whichever host, and sends them with the same engine as everybody.

One issue at a time, so that connections and pace are those of one run; its next shard is taken while the last is on its
way. What can't be finished is given back: at a stop, where a relay refuses us, where the issue is paused. A database
that is away is waited for. Who holds which shard is the ledger's business (delivery.ledger.postgres).
"""

import asyncio
import contextlib
import queue
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from newsletter.compose.composer import issue_writer
from newsletter.compose.issue import Issue
from newsletter.config.settings import Config
from newsletter.delivery.dispatch import Writer
from newsletter.delivery.engine import deliver, ending_with
from newsletter.delivery.ledger.postgres import shards
from newsletter.delivery.ledger.postgres.hand import ShardLost
from newsletter.delivery.ledger.postgres.queue import QUEUE, listening
from newsletter.delivery.ledger.postgres.shards import Shard
from newsletter.delivery.ledger.postgres.worker import Keeper, WorkerLedger
from newsletter.delivery.pace import RetryPolicy
from newsletter.delivery.progress import Progress, Report
from newsletter.delivery.workers.secret import secret_digest
from newsletter.errors import Cancelled, NewsletterError, TooLate, TryAgainLater
from newsletter.smtp.relay import Relay
from newsletter.state.postgres import NoRoom, PostgresDatabase

if TYPE_CHECKING:
    import procrastinate

COUNTED = ("sent", "deferred", "failed", "unknown", "skipped")
AHEAD = 2
"""Shards in hand: the next is there when one is done."""
LOOK = 2.0
"""Seconds between two looks for who is due again, and in the queue where its word was lost."""
GRACE = 45.0
"""Seconds that the queue waits for what is in hand; the engine has given it back before that."""
GOODBYE = 0.5
"""Seconds after the last word of a database that does not answer, in which the queue may notice that."""
KEPT = 3.0
"""Seconds without a shard for which a run is kept, with its connections, for the issue's next."""
FIRST_REST, LONGEST_REST = 5.0, 60.0
"""Seconds without a shard after a relay that took nothing, or a queue that failed; doubled each time."""


@dataclass(eq=False)
class IssueRun:
    """The run of one issue, as long as there are shards of it."""

    number: int  # issues.number
    given: "queue.SimpleQueue[Shard]" = field(default_factory=queue.SimpleQueue)
    held: dict[int, tuple[Shard, asyncio.Event]] = field(default_factory=dict)  # by number; set when it is ours no more
    more: asyncio.Event = field(default_factory=asyncio.Event)  # something was given
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    since: float = 0.0  # since when nothing is in hand, by the loop's clock

    def give(self, shard: Shard) -> asyncio.Event:
        """Have a shard sent; the event is set when it is finished or given back."""
        event = asyncio.Event()
        self.held[shard.number] = (shard, event)
        self.given.put(shard)
        self.more.set()
        return event

    def done(self, shard: Shard) -> None:
        if (held := self.held.pop(shard.number, None)) is not None:
            held[1].set()
        self.since = asyncio.get_running_loop().time()

    def is_over(self, others_wait: bool) -> bool:
        """Whether it has nothing in hand, and shards of other issues wait, or there has been nothing for a while."""
        return not self.held and (others_wait or asyncio.get_running_loop().time() - self.since > KEPT)


class Worker:
    """A worker of the newsletter whose state is in `database`; `tell` is told what happens, in words."""

    def __init__(
        self, config: Config, database: PostgresDatabase, relays: Sequence[Relay], retry: RetryPolicy,
        tell: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._config = config
        self._database = database
        self._relays = relays
        self._retry = retry
        self._tell = tell
        self._keeper = Keeper(database, shards.size_for(None, shards.MOST * 64))
        self._run: IssueRun | None = None
        self._deliveries: set[asyncio.Task[None]] = set()
        self._waiting = 0  # shards of other issues that wait for the run to end
        self._rest = 0.0  # seconds, after the last trouble
        self._trouble = asyncio.Event()  # no shard is taken just now
        self._fatal: Exception | None = None  # what ends the worker
        self._told = ""
        self._totals = Counter[str]()  # by state, of the runs that have ended
        self._progress: Progress | None = None  # of the run that goes

    @property
    def number(self) -> int:
        """What this worker is called among the workers."""
        return self._keeper.number

    @property
    def away(self) -> str:
        """Why the database can't be reached just now."""
        return self._keeper.away

    @property
    def rate(self) -> float:
        """Messages a second, lately."""
        return self._progress.rate if self._progress is not None else 0.0

    def counts(self) -> dict[str, int]:
        """Recipients by state since the worker began; whoever it deferred counts as that for good."""
        return dict.fromkeys(COUNTED, 0) | self._totals + _counts(self._progress)

    @property
    def shards_in_hand(self) -> int:
        """So many shards are ours."""
        return len(self._run.held) if self._run is not None else 0

    async def run(self, stop: asyncio.Event, abort: asyncio.Event) -> None:
        """Deliver until `stop`, which gives what is under way 30 seconds; `abort` ends it at once.

        Raises NewsletterError where the secret is not the one that an issue was planned with.
        """
        self._stop, self._abort = stop, abort
        async with ending_with(stop, abort, self._database.connections.end_within):
            await self._run_until(stop)

    async def _run_until(self, stop: asyncio.Event) -> None:
        keeping = asyncio.create_task(self._keep())
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._keeper.hurry())
        try:
            if (newest := await asyncio.to_thread(self._keeper.newest)) is not None:
                self._check_secret(*newest)
            while not stop.is_set() and self._fatal is None:
                await self._listen(stopping)
                if not stop.is_set() and self._fatal is None:
                    if self._trouble.is_set():
                        self._rest = min(max(self._rest * 2, FIRST_REST), LONGEST_REST)
                    await asyncio.wait([stopping], timeout=self._rest if self._trouble.is_set() else LOOK)
                    self._trouble.clear()
        finally:
            self._keeper.hurry()
            for task in (keeping, stopping):
                task.cancel()
            await asyncio.gather(keeping, *self._deliveries, return_exceptions=True)
            with contextlib.suppress(NewsletterError):
                await asyncio.to_thread(self._keeper.leave)
        if self._fatal is not None:
            raise self._fatal

    async def _listen(self, stopping: "asyncio.Task[bool]") -> None:
        """Do what is queued, until we are to stop, the queue fails, or a relay has taken nothing."""
        trouble = asyncio.create_task(self._trouble.wait())
        try:
            app = await asyncio.to_thread(listening, self._database, self._send)
            working = asyncio.create_task(self._work(app))
            await asyncio.wait([working, stopping, trouble], return_when=asyncio.FIRST_COMPLETED)
            working.cancel()
            await self._let_end(working)
        except NewsletterError as error:
            self._say(f"waiting: {error}")
        except Exception as error:  # whatever the queue's connections say of a server that is away
            self._say(f"waiting: {self._database.explain(error)}")
        finally:
            trouble.cancel()

    async def _work(self, app: "procrastinate.App") -> None:
        async with app.open_async():
            with contextlib.suppress(Exception):  # what ails the database, the keeper says
                await app.run_worker_async(
                    queues=[QUEUE], concurrency=AHEAD, fetch_job_polling_interval=LOOK, delete_jobs="successful",
                    shutdown_graceful_timeout=GRACE, install_signal_handlers=False,
                )  # fmt: skip

    async def _let_end(self, working: "asyncio.Task[None]") -> None:
        """The queue's worker ends what it has, or shortly after a database that does not answer was let go."""
        connections = self._database.connections
        while not working.done():
            left = connections.left()
            await asyncio.wait([working], timeout=LOOK if left is None else min(left, LOOK) or GOODBYE)
            if left == 0:
                return
        if not working.cancelled() and (error := working.exception()) is not None:
            raise error

    async def _keep(self) -> None:
        """Look after the worker's own row, and after others'."""
        while True:
            looking = asyncio.create_task(asyncio.to_thread(self._keeper.look_after))
            try:
                while not (await asyncio.wait([looking], timeout=LOOK))[0]:
                    if self._keeper.away:
                        self._say(f"waiting: {self._keeper.away}")
            finally:
                [error] = await asyncio.gather(looking, return_exceptions=True)  # a thread is not cancelled
            if error is not None:
                self._say(f"waiting: {error}")
            elif self._told.startswith("waiting: "):
                self._say("goes on")
            await asyncio.sleep(LOOK)

    async def _send(self, number: int, job: int) -> None:
        """A job of the queue: take the shard and have it sent; back when it is out of our hands."""
        shard = await asyncio.to_thread(self._keeper.take, number, job)
        if shard is None:
            return
        run = None if self._stop.is_set() or self._trouble.is_set() else await self._turn(shard.issue)
        if run is None or self._stop.is_set() or self._trouble.is_set():
            await asyncio.to_thread(self._keeper.give_back, [shard])
            return
        await run.give(shard).wait()

    async def _turn(self, issue: int) -> IssueRun:
        """The run of an issue: the one that goes, if no other issue waits, else the next one."""
        before = self._run
        if before is not None and before.number == issue and not self._waiting:
            return before
        self._waiting += 1
        try:
            while (run := self._run) is not None and (run is before or run.number != issue):
                await run.ended.wait()
        finally:
            self._waiting -= 1
        if run is None:
            run = self._run = IssueRun(issue)
            task = asyncio.create_task(self._deliver(run))
            self._deliveries.add(task)
            task.add_done_callback(self._deliveries.discard)
        return run

    async def _deliver(self, run: IssueRun) -> None:
        """Send what the run is given, until there is nothing more."""
        loop = asyncio.get_running_loop()

        def done(shard: Shard) -> None:
            loop.call_soon_threadsafe(run.done, shard)

        await asyncio.sleep(0)  # whoever has asked for the run gives it a shard
        try:
            issue_id, frozen, secret = await asyncio.to_thread(self._keeper.issue, run.number)
            self._check_secret(issue_id, secret or "")
            writer = issue_writer(self._config, Issue.loads(frozen, self._database.name))
            while not (run.given.empty() or self._stop.is_set() or self._trouble.is_set()):
                ledger = await asyncio.to_thread(WorkerLedger, self._database, run.number, run.given, done)
                with contextlib.closing(ledger):
                    self._ended(issue_id, await self._deliver_once(run, ledger, writer))
        except (TryAgainLater, NoRoom) as error:
            self._say(str(error))
            self._trouble.set()
        except Exception as error:  # what a user can mend, or a bug: both end the worker, once all is given back
            self._fatal = self._fatal or error
            self._trouble.set()
        finally:
            self._run = None
            run.ended.set()
            with contextlib.suppress(NewsletterError):  # the keeper tries again
                await asyncio.to_thread(self._keeper.give_back, [shard for shard, _ in run.held.values()])
            for _, event in run.held.values():
                event.set()

    async def _deliver_once(self, run: IssueRun, ledger: WorkerLedger, writer: Writer) -> Report:
        """One run of the engine, as long as shards come."""
        stop = asyncio.Event()

        def on_progress(now: Progress) -> None:
            self._progress = now
            if self._stop.is_set() or now.state == "paused" or run.is_over(self._waiting > 0):
                stop.set()

        return await deliver(
            ledger, writer, self._relays, on_progress=on_progress, stop=stop, abort=self._abort, retry=self._retry,
            no_wait=True, more=run.more,
        )  # fmt: skip

    def _ended(self, issue_id: str, report: Report) -> None:
        """Count what a run did; one that a relay has ended is followed by a rest."""
        counts, self._progress = _counts(self._progress), None
        self._totals.update(counts)
        said = [", ".join(f"{count:,} {state}" for state, count in counts.items() if count)]
        said += [str(report.stopped)] if report.stopped is not None else []
        if any(said):
            self._tell(f"{issue_id}: {'; '.join(filter(None, said))}")
        if report.stopped is None:
            self._rest = 0.0
        elif not isinstance(report.stopped, Cancelled | TooLate | ShardLost):
            self._trouble.set()

    def _check_secret(self, issue_id: str, secret: str) -> None:
        if secret != secret_digest(self._config, issue_id):
            raise NewsletterError(
                f"this worker's secret is not the one that {issue_id!r} was planned with; set NEWSLETTER_SECRET to the "
                "same on every host"
            )

    def _say(self, what: str) -> None:
        """Say it once."""
        if what != self._told:
            self._told = what
            self._tell(what)


def _counts(now: Progress | None) -> Counter[str]:
    """What a run did: of whom was deferred another worker may have, and be told of, the next try."""
    if now is None:
        return Counter()
    return Counter({state: getattr(now, state) for state in COUNTED}) + Counter(deferred=now.retried)
