"""The journal of a run: claims, intents and replies on their way into the ledger. Its thread alone uses the ledger.

Three levels of record keep the doubt after a crash small and the price low (docs/explanation/delivery.md):

- a *claim* says that we are about to send to a batch of recipients. It is durable (synchronous=FULL): one fsync for
  many.
- an *intent* just before a body goes out, and the *reply* after it, are written to the log (ledger.log). It outlives
  the process, because the kernel has it, but not a power cut.
- the *rows* follow a few times a second, with the next claim or after ROWS seconds, without an fsync of their own.

So after a crash in the same boot, a claim tells nothing and an intent without a reply means unknown; after a power cut,
whatever was claimed is unknown. A ledger that has no log of its own writes the intents of `Batch.asked` in its rows,
and with them those of who come next: a transaction of a server's costs as much as many rows.

A process may be frozen, and wake after another has taken over. So no body goes later than SURE seconds after the ledger
last said that the issue is ours, nor LOOKED seconds after it was asked for suppressions: it is asked again first.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable

from newsletter.delivery.ledger.batch import Batch, Claimed, Record, Told, merge
from newsletter.delivery.ledger.lease import HEARTBEAT, SURE
from newsletter.delivery.ledger.ledger import Ledger
from newsletter.errors import NewsletterError
from newsletter.smtp.reply import Reply
from newsletter.smtp.transaction import Transaction

ROWS = 0.2
"""Seconds after which the rows have what the log has, at the latest."""
LOOKED = 0.8
"""Seconds for which nobody else is taken to have been suppressed."""
HELD = "held"
"""Why a body does not go now, and the message is given back: the issue was paused or cancelled."""
Ahead = Callable[[Collection[int]], Iterable[Transaction]]
"""Who come next, of whom the intent may be recorded already: `sending` are in doubt, should we die now."""
IDLE = 1.0
"""Seconds between two looks at what others have changed, while there is nothing to write."""


_CLOCK = time.CLOCK_BOOTTIME if hasattr(time, "CLOCK_BOOTTIME") else time.CLOCK_MONOTONIC


def since_boot() -> float:
    """Seconds, those of sleep included where the system counts them: a laptop's lid is no pause of this clock."""
    return time.clock_gettime(_CLOCK)


class Journal:
    """What a run writes, from its making in a running loop to `stop`."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = since_boot) -> None:
        self._loop = asyncio.get_running_loop()
        self.trouble: asyncio.Future[NewsletterError] = self._loop.create_future()  # nothing is recorded any more
        self.state = ""  # what is asked of the issue: running, paused, cancelled
        self.suppressed: dict[int, str] = {}  # of those who are claimed, by another process, with the reason
        self.bug: Exception | None = None  # what the thread died of, if not of the disk
        self._ledger = ledger
        self._clock = clock
        self._log = ledger.open_log()
        seen = Batch()
        ledger.catch_up(seen)
        self._seen(seen)
        self._sure_until = self._looked_until = 0.0
        self._open_claims: dict[int, int] = {}  # claim: recipients not settled yet
        self._batch = Batch()
        self._intents: dict[int, float] = {}  # that are in the log, and no word of the batch yet
        self._due: asyncio.TimerHandle | asyncio.Handle | None = None  # of the next transaction
        self._pressing = False  # somebody waits for it
        self._writing = False  # the thread is at one
        self._answering = False  # whoever asked is told just now
        self._logging = False  # the log is written at the end of this turn
        self._unlogged: dict[int, Record] = {}  # not in the log yet
        self._sending: set[int] = set()  # without a log: intended, and the reply is in no batch yet
        self._intending: set[int] = set()  # of them: in the batch that the thread is at
        self._waiting: list[tuple[Transaction, Told]] = []  # for that batch
        self._ahead: Ahead = lambda _: ()
        self._left: dict[int, Record] = {}  # of a transaction that failed
        self._settled = False  # the last one was written: the rows have it all
        self._batches: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Record what is left, give up the claims, and end the thread."""
        self._ledger.stop_waiting()
        self._batch.last = True
        self._batch.done_claims += self._open_claims
        self._flush()
        await asyncio.to_thread(self._thread.join)
        if self._log is not None:
            self._log.close(settled=self._settled)

    @property
    def note(self) -> str:
        """What a user should know about the ledger now."""
        return self._ledger.note

    @property
    def unsaved(self) -> dict[int, Record]:
        """Replies that could not be recorded."""
        return self._unlogged if self._left and self._log is not None else self._left

    def claim(self, count: int) -> "asyncio.Future[Claimed]":
        """The next `count` recipients or fewer, now ours."""
        assert self._batch.claim is None
        self._batch.claim, self._batch.answer = count, self._loop.create_future()
        self._note(pressing=True)
        return self._batch.answer

    def may_go(self, transaction: Transaction, told: Told, ahead: Ahead = lambda _: ()) -> bool:
        """Record that the body is about to go, and say whether it may.

        If not, it was suppressed (`withdrawn`), nothing can be recorded any more (`trouble`), or the ledger is asked
        first: `told` learns when that is done.
        """
        if transaction.id in self.suppressed:
            transaction.withdrawn = self.suppressed[transaction.id]
        elif self._log is None and self.state not in ("", "running"):
            transaction.withdrawn = HELD
        if transaction.withdrawn:
            return False
        if not transaction.intended and self._log is not None:
            now = self._ledger.clock()
            self._log.intend(transaction.id, now)
            if not self._write_log():
                return False
            transaction.intended = True
            self._intents[transaction.id] = now
            if self._due is None:
                self._note()
        now = self._clock()  # only now: a freeze before the intent was written is seen
        if transaction.intended and now < self._sure_until and (now < self._looked_until or self._answering):
            return True
        if transaction.id in self._intending:
            self._waiting.append((transaction, told))
            return False
        self._batch.asked.append((transaction, told))
        self._ahead = ahead
        self._note(pressing=True)
        return False

    def put_down(self, transaction: Transaction) -> None:
        """It waits no longer, and was not tried: its intent, if there is one, is taken back."""
        if transaction.ahead and (transaction.intended or transaction.id in self._intending):
            transaction.intended = True
            self.record(transaction, "pending", None, "")
            transaction.intended = transaction.ahead = False

    def record(
        self,
        transaction: Transaction,
        state: str,
        reply: Reply | None,
        relay: str,
        not_before: float | None = None,
        reason: str = "",
    ) -> None:
        """Record what became of it. `pending` gives it back: it stays claimed, and comes again under another."""
        said = (reply.code, reply.status, reply.text, reply.command) if reply else (None, None, reason or None, None)
        intended = transaction.intended or transaction.id in self._intending
        uncounted = int(reply is not None and not intended)  # refused before its body
        uncounted -= int(intended and transaction.ahead)
        if not transaction.intended:  # it asked whether it may go, and is gone itself
            self._batch.asked = [ask for ask in self._batch.asked if ask[0] is not transaction]
        if state == "pending":
            not_before = transaction.moment
        self._write((transaction.id, state, *said, relay, not_before, self._ledger.clock(), uncounted))
        if state != "pending":
            self.settled(transaction)

    def take_back(self, transaction: Transaction, reply: Reply) -> None:
        """Settled as failed, and wrongly: the refusal was about us. It is pending, for the next run."""
        said = (reply.code, reply.status, reply.text, reply.command)
        self._write((transaction.id, "pending", *said, "", transaction.moment, self._ledger.clock(), 0))

    def _write(self, record: Record) -> None:
        """Into the log by the end of this turn of the loop, and into the rows."""
        if self._log is not None:
            self._log.record(record)
            self._unlogged[record[0]] = record
            if not self._logging:
                self._logging = True
                self._loop.call_soon(self._end_turn)
        if self._intents.pop(record[0], None) is not None:  # the rows get both at once
            record = (*record[:-1], record[-1] + 1)
        merge(self._batch.records, record)
        if self._due is None:
            self._note()

    def _end_turn(self) -> None:
        self._logging = False
        self._write_log()

    def _write_log(self) -> bool:
        """Hand the log to the kernel; whether it could be."""
        assert self._log is not None
        if self._log.is_broken:
            return False
        try:
            self._log.write()
        except NewsletterError as error:
            self._fail(error)
            return False
        self._unlogged.clear()
        return True

    def release(self, untried: int) -> None:
        """Give up all claims, and claim from the first recipient again; nobody is under way.

        `untried`: so many of those who were claimed have not been tried yet.
        """
        self._open_claims.clear()
        self._batch.done_claims.clear()
        self._batch.release = untried
        self._note()

    def suppress(self, transaction: Transaction, reason: str, *, only_if_it_stays_full: bool) -> None:
        """Never mail this address again; or only if its mailbox was full for three issues over two weeks."""
        self._batch.suppress.append((transaction.id, reason, only_if_it_stays_full))

    def settled(self, transaction: Transaction) -> None:
        """Nothing more will be recorded of this recipient; a claim whose recipients are all settled is given up."""
        left = self._open_claims[transaction.claim] = self._open_claims[transaction.claim] - 1
        if not left:
            del self._open_claims[transaction.claim]
            self._batch.done_claims.append(transaction.claim)

    def _note(self, *, pressing: bool = False) -> None:
        """There is something for the rows, in a moment; `pressing`: as soon as the thread is free."""
        if self._due is not None and pressing and not self._pressing:
            self._due.cancel()
            self._due = None
        self._pressing = self._pressing or pressing
        if self._due is None and not self._writing:
            self._due = (
                self._loop.call_soon(self._flush) if self._pressing else self._loop.call_later(ROWS, self._flush)
            )

    def _flush(self) -> None:
        if self._due is not None:
            self._due.cancel()
        self._due, self._pressing, self._writing = None, False, True
        batch, self._batch = self._batch, Batch()
        for id_, moment in self._intents.items():
            merge(batch.records, (id_, "sending", None, None, None, None, None, None, moment, 1))
        self._intents.clear()
        if self._log is not None:
            batch.mark = self._log.mark()
            self._write_log()
        else:
            self._intend(batch)
        self._batches.put(batch)

    def _intend(self, batch: Batch) -> None:
        """The intents that a batch writes: those asked for, and with them those of who come next."""
        self._sending.difference_update(id_ for id_, record in batch.records.items() if record[1] != "sending")
        asked = {transaction.id for transaction, _ in batch.asked if not transaction.intended}
        self._sending |= asked
        if asked and not batch.last:
            batch.ahead = list(self._ahead(self._sending))
        self._intending = asked.union(one.id for one in batch.ahead)
        self._sending |= self._intending

    def _written(self, batch: Batch) -> None:
        self._writing = False
        self._sending.difference_update(one.id for one in batch.ahead if not one.intended)
        self._intending = set()
        after = self._batch
        if (
            self._pressing
            or self._intents
            or after.records
            or after.done_claims
            or after.suppress
            or after.release is not None
        ):
            self._note()

    def _committed(self, batch: Batch) -> None:
        """In the loop again: bodies may go, claimed recipients are there."""
        self._written(batch)
        if self._log is not None and batch.mark is not None and self._write_log():
            self._log.shorten(batch.mark)
        self._seen(batch)
        waiting, self._waiting = self._waiting, []
        self._answering = True
        for transaction, told in (*batch.asked, *waiting):
            told(transaction)
        self._answering = False
        claimed = batch.claimed
        if claimed is not None and batch.answer is not None and not batch.answer.done():
            for transaction in claimed.transactions:
                self._open_claims[transaction.claim] = self._open_claims.get(transaction.claim, 0) + 1
            empty = {transaction.claim for transaction in claimed.skipped} - self._open_claims.keys()
            self._batch.done_claims += empty
            batch.answer.set_result(claimed)

    def _seen(self, batch: Batch) -> None:
        """What others have changed."""
        if batch.suppressed is not None:
            self.suppressed = batch.suppressed
        if batch.state is not None:
            self.state = batch.state

    def _failed(self, batch: Batch | None, error: NewsletterError) -> None:
        if batch is not None:
            self._written(batch)
            if batch.answer is not None and not batch.answer.done():
                batch.answer.set_result(Claimed([], []))
        self._fail(error)

    def _fail(self, error: NewsletterError) -> None:
        if not self.trouble.done():
            self.trouble.set_result(error)

    # In the thread

    def _run(self) -> None:
        beaten = 0.0
        error: NewsletterError | None = None
        while True:
            batch: Batch | None = None
            try:
                batch = self._batches.get(timeout=IDLE)
                for record in batch.records.values() if self._left else ():
                    merge(self._left, record)  # after those that could not be written; there may be room
                batch.records = self._left = self._left or batch.records
            except queue.Empty:
                pass
            try:
                asked = self._clock()
                if batch is not None:
                    self._ledger.commit(batch)
                    self._left, self._settled = {}, batch.last
                    self._sure_until, self._looked_until = asked + SURE, asked + LOOKED
                else:
                    self._ledger.catch_up(seen := Batch())
                    self._loop.call_soon_threadsafe(self._seen, seen)
                if time.monotonic() - beaten > HEARTBEAT and not (batch and batch.last):
                    beaten = time.monotonic()
                    self._ledger.beat()
                    self._sure_until = asked + SURE
            except NewsletterError as trouble:
                error = trouble
            except Exception as bug:
                self.bug = bug
                error = NewsletterError(f"the ledger failed ({bug!r}); please report this")
            if batch is not None and batch.last:
                return
            if error is not None:
                self._loop.call_soon_threadsafe(self._failed, batch, error)
            elif batch is not None:
                self._loop.call_soon_threadsafe(self._committed, batch)
