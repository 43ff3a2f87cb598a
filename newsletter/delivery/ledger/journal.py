"""The journal of a run: claims, intents and replies on their way into the ledger. One thread owns the connection.

Two levels of record keep the doubt after a crash small and the price low (docs/explanation/delivery.md):

- a *claim* says that we are about to send to a batch of recipients. It is durable (synchronous=FULL): one fsync for
  many.
- an *intent* (state `sending`) just before a body goes out, and the *reply* after it, go into the same write-ahead log
  without an fsync (synchronous=NORMAL). They survive the death of the process, because the kernel has them, but not a
  power cut.

So after a crash in the same boot, a claim tells nothing and `sending` means unknown; after a power cut, whatever was
claimed is unknown. What happens while a transaction is written goes into the next one, so the busier the connections
are, the more recipients share a commit. Rows travel as one JSON array through json_each: the interpreter is free while
SQLite works.
"""

import asyncio
import json
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from newsletter.delivery.ledger.lease import HEARTBEAT
from newsletter.delivery.ledger.ledger import UNCLAIM, Ledger
from newsletter.errors import NewsletterError, TryAgainLater
from newsletter.smtp.connection import Connection, Transaction
from newsletter.smtp.reply import Reply
from newsletter.state.open import explain

INTEND = """
UPDATE deliveries
SET state = 'sending', attempts = attempts + 1, first_attempt = coalesce(first_attempt, ?2), updated = ?2
WHERE id IN (SELECT value FROM json_each(?1))
  AND NOT EXISTS (SELECT 1 FROM suppressions WHERE suppressions.key = deliveries.key)
  AND EXISTS (SELECT 1 FROM leases WHERE leases.issue = ?3 AND leases.owner = ?4)
"""

RECORD = """
UPDATE deliveries SET state = r.value ->> 1, code = r.value ->> 2, status = r.value ->> 3, text = r.value ->> 4,
  command = r.value ->> 5, relay = r.value ->> 6, not_before = r.value ->> 7, updated = r.value ->> 8,
  attempts = attempts + (r.value ->> 9),
  first_attempt = CASE WHEN r.value ->> 9 THEN coalesce(first_attempt, r.value ->> 8) ELSE first_attempt END
FROM json_each(?1) AS r WHERE deliveries.id = r.value ->> 0
"""

_ROW = """
SELECT id, email, name, columns, attempts, first_attempt,
  (SELECT reason FROM suppressions WHERE suppressions.key = deliveries.key) FROM deliveries
"""
NEXT_PENDING = _ROW + "WHERE issue = ?1 AND id > ?2 AND state = 'pending' {selected} ORDER BY id LIMIT ?3"
NEXT_DUE = _ROW + "WHERE issue = ?1 AND state = 'deferred' AND not_before <= ?2 {selected} ORDER BY not_before LIMIT ?3"
SELECTED = "AND EXISTS (SELECT 1 FROM temp.audience WHERE temp.audience.key = deliveries.key AND chosen)"

SUPPRESS = """
INSERT OR IGNORE INTO suppressions (key, email, reason, source, created)
SELECT key, email, ?2, 'smtp', ?3 FROM deliveries WHERE id = ?1
"""

STAYS_FULL = """
SELECT count(*) >= 3 AND max(updated) - min(updated) >= 14 * 86400 FROM issues JOIN deliveries ON issue = number
WHERE key = (SELECT key FROM deliveries WHERE id = ?1) AND status LIKE '5.2.%' AND state = 'failed'
"""

Claimed = tuple[list[Transaction], float | None]
"""Recipients now ours; where there are none, when the first deferred one is to be tried again."""

Record = tuple[int, str, int | None, str | None, str | None, str | None, str | None, float | None, float, int]
"""id, state, code, status, text, command, relay, not_before, updated, and attempts that no intent has counted."""


@dataclass(slots=True)
class _Batch:
    """What one transaction records."""

    intents: list[tuple[Transaction, Connection]] = field(default_factory=list)
    records: dict[int, Record] = field(default_factory=dict)  # by recipient: the last word counts
    suppress: list[tuple[int, str, bool]] = field(default_factory=list)  # id, reason, only if it stays full
    done_claims: list[int] = field(default_factory=list)
    claim: "tuple[int, asyncio.Future[Claimed]] | None" = None
    last: bool = False

    due: float | None = None
    claimed: list[Transaction] = field(default_factory=list)
    claimed_suppressed: list[tuple[Transaction, str]] = field(default_factory=list)  # with the reason
    refused: list[tuple[Transaction, str]] = field(default_factory=list)  # intents of suppressed recipients


class Journal:
    """What a run writes, from its making in a running loop to `stop`.

    `on_trouble`: nothing can be recorded any more; `on_skipped`: a recipient was suppressed just now.
    """

    def __init__(
        self,
        ledger: Ledger,
        on_trouble: Callable[[NewsletterError], None],
        on_skipped: Callable[[Transaction, str], None],
    ) -> None:
        assert ledger.lease is not None
        self.unsaved = 0  # replies that could not be recorded
        self.bug: Exception | None = None  # what the thread died of, if not of the disk
        self._ledger = ledger
        self._db = ledger.db
        self._lease = ledger.lease
        self._clock = ledger.clock
        self._selected = SELECTED if ledger.restricted else ""
        self._limit = ledger.limit
        self._cursor = 0  # the last recipient that was claimed for the first time
        self._durable = True  # as the connection is set
        self._open_claims: dict[int, int] = {}  # claim: recipients not settled yet
        self._turn = _Batch()
        self._noted = False  # there is something in it
        self._writing = False  # the thread is at another
        self._turns: queue.SimpleQueue[_Batch] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._on_trouble = on_trouble
        self._on_skipped = on_skipped
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Record what is left, give up the claims, and end the thread."""
        self._turn.last = True
        self._flush()
        await asyncio.to_thread(self._thread.join)

    def claim(self, count: int) -> "asyncio.Future[Claimed]":
        """The next `count` recipients or fewer, now ours."""
        future: asyncio.Future[Claimed] = self._loop.create_future()
        assert self._turn.claim is None
        self._turn.claim = (count, future)
        self._note()
        return future

    def intend(self, transaction: Transaction, connection: Connection) -> None:
        """Record that the message is about to go; the connection learns when that is done."""
        self._turn.intents.append((transaction, connection))
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
        now, turn, uncounted = self._clock(), self._turn, 0
        if not transaction.intended:  # refused before the intent was written, mostly
            intents = [pair for pair in turn.intents if pair[0] is not transaction]
            uncounted = len(turn.intents) - len(intents)
            turn.intents = intents
        if transaction.id in turn.records:
            uncounted += turn.records[transaction.id][-1]
        said = (reply.code, reply.status, reply.text, reply.command) if reply else (None, None, reason or None, None)
        turn.records[transaction.id] = (transaction.id, state, *said, relay, not_before, now, uncounted)
        if state != "pending":
            self._settled(transaction)
        self._note()

    def suppress(self, transaction: Transaction, reason: str, *, only_if_it_stays_full: bool) -> None:
        """Never mail this address again; or only if its mailbox was full for three issues over two weeks."""
        self._turn.suppress.append((transaction.id, reason, only_if_it_stays_full))

    def _settled(self, transaction: Transaction) -> None:
        left = self._open_claims[transaction.claim] = self._open_claims[transaction.claim] - 1
        if not left:
            del self._open_claims[transaction.claim]
            self._turn.done_claims.append(transaction.claim)

    def _note(self) -> None:
        """There is something to write: in the next turn of the loop, or when the thread is free."""
        if not self._noted:
            self._noted = True
            if not self._writing:
                self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._noted, self._writing = False, True
        turn, self._turn = self._turn, _Batch()
        self._turns.put(turn)

    def _written(self) -> None:
        self._writing = False
        if self._noted:
            self._loop.call_soon(self._flush)

    def _committed(self, turn: _Batch) -> None:
        """In the loop again: bodies may go, claimed recipients are there."""
        self._written()
        for transaction, reason in turn.refused:
            self._settled(transaction)
            self._on_skipped(transaction, reason)
        for transaction, connection in turn.intents:
            if not transaction.withdrawn:
                connection.intended(transaction)
            else:
                connection.withdraw(transaction)
        if turn.claim is not None and not turn.claim[1].done():
            for transaction in turn.claimed:
                self._open_claims[transaction.claim] = self._open_claims.get(transaction.claim, 0) + 1
            for transaction, reason in turn.claimed_suppressed:
                self._settled(transaction)
                self._on_skipped(transaction, reason)
            turn.claim[1].set_result(
                ([transaction for transaction in turn.claimed if not transaction.withdrawn], turn.due)
            )

    def _failed(self, turn: _Batch | None, error: NewsletterError) -> None:
        if turn is not None:
            self._written()
            if turn.claim is not None and not turn.claim[1].done():
                turn.claim[1].set_result(([], None))
        self._on_trouble(error)

    # In the thread

    def _run(self) -> None:
        beaten = 0.0
        error: NewsletterError | None = None
        unsaved: dict[int, Record] = {}
        while True:
            turn: _Batch | None = None
            try:
                turn = self._turns.get(timeout=HEARTBEAT)
                turn.records = unsaved | turn.records  # of one that could not be written; there may be room again
            except queue.Empty:
                pass
            try:
                if turn is not None:
                    self._commit(turn)
                    unsaved, self.unsaved = {}, 0
                if time.monotonic() - beaten > HEARTBEAT and not (turn and turn.last):
                    beaten = time.monotonic()
                    self._beat()
            except (sqlite3.Error, NewsletterError) as trouble:
                error = explain(trouble, self._ledger.path) if isinstance(trouble, sqlite3.Error) else trouble
                unsaved = turn.records if turn is not None else unsaved
                self.unsaved = len(unsaved)
            except Exception as bug:
                self.bug = bug
                error = NewsletterError(f"the ledger failed ({bug!r}); please report this")
            if turn is not None and turn.last:
                return
            if error is not None:
                self._loop.call_soon_threadsafe(self._failed, turn, error)
            elif turn is not None:
                self._loop.call_soon_threadsafe(self._committed, turn)

    def _beat(self) -> None:
        if not self._lease.beat(self._db, self._clock()):
            raise TryAgainLater(f"another sender has taken over {self._lease.issue_id!r}; see `newsletter status`")

    def _commit(self, turn: _Batch) -> None:
        """One transaction: replies before intents, so that a crash finds at most two of a connection under way."""
        if not (turn.records or turn.intents or turn.claim or turn.last):
            return
        db = self._db
        durable = turn.claim is not None or turn.last
        if durable != self._durable:
            db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        now = self._clock()
        db.execute("BEGIN IMMEDIATE")
        try:
            if turn.records:
                db.execute(RECORD, (json.dumps(list(turn.records.values())),))
            for id_, reason, only_full in turn.suppress:
                if not only_full or db.execute(STAYS_FULL, (id_,)).fetchone()[0]:
                    db.execute(SUPPRESS, (id_, reason, now))
            if turn.intents:
                self._intend(turn, now)
            if turn.done_claims:
                db.execute(
                    "DELETE FROM claims WHERE number IN (SELECT value FROM json_each(?))",
                    (json.dumps(turn.done_claims),),
                )
            if turn.claim is not None:
                self._claim(turn, turn.claim[0], now)
            if turn.last:
                db.execute("DELETE FROM claims WHERE issue = ?", (self._ledger.issue,))
                db.execute(UNCLAIM, (now, self._ledger.issue))
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _intend(self, turn: _Batch, now: float) -> None:
        ids = [transaction.id for transaction, _ in turn.intents]
        done = self._db.execute(INTEND, (json.dumps(ids), now, self._lease.issue_id, self._lease.owner))
        if done.rowcount == len(ids):
            return
        self._beat()
        suppressed = dict(
            self._db.execute(
                "SELECT id, reason FROM deliveries JOIN suppressions USING (key)"
                " WHERE id IN (SELECT value FROM json_each(?))",
                (json.dumps(ids),),
            ).fetchall()
        )
        for transaction, _ in turn.intents:
            if transaction.id in suppressed:
                transaction.withdrawn = True
                turn.refused.append((transaction, suppressed[transaction.id]))
        self._skip(turn.refused, now)

    def _skip(self, transactions: list[tuple[Transaction, str]], now: float) -> None:
        rows = [
            (transaction.id, "skipped", None, None, f"suppressed: {reason}", None, None, None, now, 0)
            for transaction, reason in transactions
        ]
        self._db.execute(RECORD, (json.dumps(rows),))

    def _claim(self, turn: _Batch, count: int, now: float) -> None:
        rows = self._db.execute(NEXT_DUE.format(selected=self._selected), (self._ledger.issue, now, count)).fetchall()
        if rows:
            self._db.execute(
                "UPDATE deliveries SET not_before = NULL WHERE id IN (SELECT value FROM json_each(?))",
                (json.dumps([row[0] for row in rows]),),
            )
        due_ones = len(rows)
        wanted = count - len(rows) if self._limit is None else min(count - len(rows), self._limit)
        fresh = self._db.execute(
            NEXT_PENDING.format(selected=self._selected), (self._ledger.issue, self._cursor, wanted)
        ).fetchall()
        if fresh:
            self._cursor = fresh[-1][0]
            if self._limit is not None:
                self._limit -= len(fresh)
            rows += fresh
        if not rows:
            due = f"SELECT min(not_before) FROM deliveries WHERE issue = ? AND state = 'deferred' {self._selected}"  # noqa: S608
            turn.due = self._db.execute(due, (self._ledger.issue,)).fetchone()[0]
            return
        number = self._db.execute(
            "INSERT INTO claims (issue, boot, ids) VALUES (?, ?, ?)",
            (self._ledger.issue, self._ledger.boot, json.dumps([row[0] for row in rows])),
        ).lastrowid
        assert number is not None
        for at, (id_, email, name, columns, attempts, first_attempt, _reason) in enumerate(rows):
            turn.claimed.append(
                Transaction(id_, email, name, columns, attempts, first_attempt, deferred=at < due_ones, claim=number)
            )
        pairs = zip(turn.claimed, rows, strict=True)
        turn.claimed_suppressed = [(transaction, row[6]) for transaction, row in pairs if row[6] is not None]
        if turn.claimed_suppressed:
            self._skip(turn.claimed_suppressed, now)
            for transaction, _reason in turn.claimed_suppressed:
                transaction.withdrawn = True
