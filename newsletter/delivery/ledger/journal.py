"""The journal of a run: claims, intents and replies on their way into the ledger. Its thread alone uses the ledger.

Two levels of record keep the doubt after a crash small and the price low (docs/explanation/delivery.md):

- a *claim* says that we are about to send to a batch of recipients. It is durable (synchronous=FULL): one fsync for
  many.
- an *intent* (state `sending`) just before a body goes out, and the *reply* after it, go into the same write-ahead log
  without an fsync (synchronous=NORMAL). They survive the death of the process, because the kernel has them, but not a
  power cut.

So after a crash in the same boot, a claim tells nothing and `sending` means unknown; after a power cut, whatever was
claimed is unknown. What happens while a transaction is written goes into the next one, so the busier the connections
are, the more recipients share a commit.

A process may be frozen, and wake after another has taken over. So an intent is good for SURE seconds after the ledger
last said that the issue is ours (`is_sure`); later it is confirmed before its body goes.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable

from newsletter.delivery.ledger.batch import Batch, Claimed, Record, Told
from newsletter.delivery.ledger.lease import HEARTBEAT, STALE
from newsletter.delivery.ledger.ledger import Ledger
from newsletter.errors import NewsletterError
from newsletter.smtp.reply import Reply
from newsletter.smtp.transaction import Transaction

SURE = STALE / 2
"""Seconds for which the issue is ours, once the ledger has said so: another may take it over after STALE."""


def since_boot() -> float:
    """Seconds, those of sleep included where the system counts them: a laptop's lid is no pause of this clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Journal:
    """What a run writes, from its making in a running loop to `stop`."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = since_boot) -> None:
        self._loop = asyncio.get_running_loop()
        self.trouble: asyncio.Future[NewsletterError] = self._loop.create_future()  # nothing is recorded any more
        self.unsaved: dict[int, Record] = {}  # replies that could not be recorded
        self.bug: Exception | None = None  # what the thread died of, if not of the disk
        self._ledger = ledger
        self._clock = clock
        self._sure_until = clock() + SURE
        self._open_claims: dict[int, int] = {}  # claim: recipients not settled yet
        self._batch = Batch()
        self._noted = False  # there is something in it
        self._writing = False  # the thread is at another
        self._batches: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Record what is left, give up the claims, and end the thread."""
        self._batch.last = True
        self._batch.done_claims += self._open_claims
        self._flush()
        await asyncio.to_thread(self._thread.join)

    @property
    def is_sure(self) -> bool:
        """Whether what was recorded as ours is ours still."""
        return self._clock() < self._sure_until

    def claim(self, count: int) -> "asyncio.Future[Claimed]":
        """The next `count` recipients or fewer, now ours."""
        assert self._batch.claim is None
        self._batch.claim, self._batch.answer = count, self._loop.create_future()
        self._note()
        return self._batch.answer

    def intend(self, transaction: Transaction, told: Told) -> None:
        """Record that the message is about to go; `told` learns when that is done, or that it must not."""
        self._batch.intents.append((transaction, told))
        self._note()

    def confirm(self, transaction: Transaction, told: Told) -> None:
        """Look whether the recipient is still ours, long after the intent was recorded; `told` learns when it is."""
        self._batch.confirm.append((transaction, told))
        self._note()

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
        now, batch, uncounted = self._ledger.clock(), self._batch, 0
        if not transaction.intended:  # refused before the intent was written, mostly
            intents = [pair for pair in batch.intents if pair[0] is not transaction]
            uncounted = len(batch.intents) - len(intents)
            batch.intents = intents
        if transaction.id in batch.records:
            uncounted += batch.records[transaction.id][-1]
        said = (reply.code, reply.status, reply.text, reply.command) if reply else (None, None, reason or None, None)
        batch.records[transaction.id] = (transaction.id, state, *said, relay, not_before, now, uncounted)
        if state != "pending":
            self.settled(transaction)
        self._note()

    def take_back(self, transaction: Transaction, reply: Reply) -> None:
        """Settled as failed, and wrongly: the refusal was about us. It is pending, for the next run."""
        now, uncounted = self._ledger.clock(), 0
        if transaction.id in self._batch.records:
            uncounted = self._batch.records[transaction.id][-1]
        said = (reply.code, reply.status, reply.text, reply.command)
        self._batch.records[transaction.id] = (transaction.id, "pending", *said, "", None, now, uncounted)
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

    def _note(self) -> None:
        """There is something to write: in the next turn of the loop, or when the thread is free."""
        if not self._noted:
            self._noted = True
            if not self._writing:
                self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._noted, self._writing = False, True
        batch, self._batch = self._batch, Batch()
        self._batches.put(batch)

    def _written(self) -> None:
        self._writing = False
        if self._noted:
            self._loop.call_soon(self._flush)

    def _committed(self, batch: Batch) -> None:
        """In the loop again: bodies may go, claimed recipients are there."""
        self._written()
        for transaction, told in batch.intents:
            told(transaction)
        for transaction, told in batch.confirm:
            told(transaction)
        claimed = batch.claimed
        if claimed is not None and batch.answer is not None and not batch.answer.done():
            for transaction in claimed.transactions:
                self._open_claims[transaction.claim] = self._open_claims.get(transaction.claim, 0) + 1
            empty = {transaction.claim for transaction in claimed.skipped} - self._open_claims.keys()
            self._batch.done_claims += empty
            batch.answer.set_result(claimed)

    def _failed(self, batch: Batch | None, error: NewsletterError) -> None:
        if batch is not None:
            self._written()
            if batch.answer is not None and not batch.answer.done():
                batch.answer.set_result(Claimed([], []))
        if not self.trouble.done():
            self.trouble.set_result(error)

    # In the thread

    def _run(self) -> None:
        beaten = 0.0
        error: NewsletterError | None = None
        while True:
            batch: Batch | None = None
            try:
                batch = self._batches.get(timeout=HEARTBEAT)
                batch.records = self.unsaved | batch.records  # of one that could not be written; there may be room
            except queue.Empty:
                pass
            try:
                asked = self._clock()
                if batch is not None and not batch.is_empty:
                    self._ledger.commit(batch)
                    self.unsaved = {}
                    self._sure_until = asked + SURE
                if time.monotonic() - beaten > HEARTBEAT and not (batch and batch.last):
                    beaten = time.monotonic()
                    self._ledger.beat()
                    self._sure_until = asked + SURE
            except NewsletterError as trouble:
                error = trouble
                self.unsaved = batch.records if batch is not None else self.unsaved
            except Exception as bug:
                self.bug = bug
                error = NewsletterError(f"the ledger failed ({bug!r}); please report this")
            if batch is not None and batch.last:
                return
            if error is not None:
                self._loop.call_soon_threadsafe(self._failed, batch, error)
            elif batch is not None:
                self._loop.call_soon_threadsafe(self._committed, batch)
