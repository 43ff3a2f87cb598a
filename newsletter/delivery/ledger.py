"""The ledger: who is to get an issue, who may have it, and what the relay said. One thread owns the connection.

Two levels of record keep the doubt after a crash small and the price low (docs/explanation/delivery.md):

- a *claim* says that we are about to send to a batch of recipients. It is durable (synchronous=FULL): one fsync for
  many.
- an *intent* (state `sending`) just before a body goes out, and the *reply* after it, go into the same write-ahead log
  without an fsync (synchronous=NORMAL), one commit for all that happened in a turn of the loop. They survive the death
  of the process, because the kernel has them, but not a power cut.

So after a crash in the same boot, a claim tells nothing and `sending` means unknown; after a power cut, whatever was
claimed is unknown. Rows travel as one JSON array through json_each: the interpreter is free while SQLite works.
"""

import asyncio
import json
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from newsletter.delivery.connection import Connection, Job
from newsletter.delivery.lease import HEARTBEAT, Lease, boot_id
from newsletter.delivery.pace import Rate
from newsletter.delivery.relay import Relay
from newsletter.delivery.reply import Reply
from newsletter.errors import NewsletterError, TryAgainLater
from newsletter.state.open import configure, explain, prepare

INTEND = """
UPDATE deliveries
SET state = 'sending', attempts = attempts + 1, first_attempt = coalesce(first_attempt, ?2), updated = ?2
WHERE id IN (SELECT value FROM json_each(?1))
  AND NOT EXISTS (SELECT 1 FROM suppressions WHERE suppressions.key = deliveries.key)
  AND EXISTS (SELECT 1 FROM leases WHERE leases.issue = ?3 AND leases.owner = ?4)
"""

RECORD = """
UPDATE deliveries SET state = r.value ->> 1, code = r.value ->> 2, status = r.value ->> 3, text = r.value ->> 4,
  command = r.value ->> 5, relay = r.value ->> 6, not_before = r.value ->> 7, updated = r.value ->> 8
FROM json_each(?1) AS r WHERE deliveries.id = r.value ->> 0
"""

_ROW = """
SELECT id, email, name, columns, attempts, first_attempt,
  (SELECT reason FROM suppressions WHERE suppressions.key = deliveries.key) FROM deliveries
"""
NEXT_PENDING = _ROW + "WHERE issue = ?1 AND id > ?2 AND state = 'pending' {selected} ORDER BY id LIMIT ?3"
NEXT_DUE = _ROW + "WHERE issue = ?1 AND state = 'deferred' AND not_before <= ?2 {selected} ORDER BY not_before LIMIT ?3"
SELECTED = "AND EXISTS (SELECT 1 FROM temp.audience WHERE temp.audience.key = deliveries.key AND chosen)"

UNCLAIM = "UPDATE deliveries SET not_before = ? WHERE issue = ? AND state = 'deferred' AND not_before IS NULL"

SUPPRESS = """
INSERT OR IGNORE INTO suppressions (key, email, reason, source, created)
SELECT key, email, ?2, 'smtp', ?3 FROM deliveries WHERE id = ?1
"""

STAYS_FULL = """
SELECT count(*) >= 3 AND max(updated) - min(updated) >= 14 * 86400 FROM issues JOIN deliveries ON issue = number
WHERE key = (SELECT key FROM deliveries WHERE id = ?1) AND status LIKE '5.2.%' AND state = 'failed'
"""

Claimed = tuple[list[Job], float | None]
"""Recipients now ours; where there are none, when the first deferred one is to be tried again."""

Record = tuple[int, str, int | None, str | None, str | None, str | None, str | None, float | None, float]


@dataclass(slots=True)
class _Turn:
    """What one transaction records."""

    intents: list[tuple[Job, Connection]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    suppress: list[tuple[int, str, bool]] = field(default_factory=list)  # id, reason, only if it stays full
    done_claims: list[int] = field(default_factory=list)
    claim: "tuple[int, asyncio.Future[Claimed]] | None" = None
    last: bool = False

    due: float | None = None
    claimed: list[Job] = field(default_factory=list)
    claimed_suppressed: list[tuple[Job, str]] = field(default_factory=list)  # with the reason
    refused: list[tuple[Job, str]] = field(default_factory=list)  # intents of suppressed recipients


class Ledger:
    """The state file as one sender uses it. Not started, it may be used from the thread that made it."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        prepare(path)
        self.path = path
        self.clock = clock
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        configure(self.db)
        self.db.execute("PRAGMA cache_size = -8000")
        self.db.execute("PRAGMA temp_store = FILE")
        self.lease: Lease | None = None
        self.issue = 0  # issues.number, once frozen
        self.unsaved = 0  # replies that could not be recorded
        self.bug: Exception | None = None  # what the thread died of, if not of the disk
        self._cursor = 0
        self._restricted = False
        self._limit: int | None = None
        self._boot = boot_id()
        self._durable = True
        self._open_claims: dict[int, int] = {}  # claim: recipients not settled yet
        self._turn = _Turn()
        self._scheduled = False
        self._turns: queue.SimpleQueue[_Turn] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._on_trouble: Callable[[NewsletterError], None]
        self._on_skipped: Callable[[Job, str], None]

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the lease back and close the file."""
        try:
            if self.lease is not None:
                self.lease.release(self.db)
        except sqlite3.Error:
            pass  # the lease dies with the process
        finally:
            self.lease = None
            self.db.close()

    def hold(self, issue_id: str) -> None:
        """Become the one sender of an issue, and settle what a dead one left. Raises TryAgainLater."""
        try:
            self.lease = Lease.acquire(self.db, issue_id, self.clock())
            row = self.db.execute("SELECT number FROM issues WHERE id = ?", (issue_id,)).fetchone()
            if row is not None:
                self.issue = row[0]
                self.recover()
        except sqlite3.Error as error:
            raise explain(error, self.path) from None

    def recover(self) -> int:
        """Decide about the recipients that a dead sender had claimed; how many are unknown.

        Claimed in this boot: `sending` becomes unknown, the others are untouched. Claimed before a power cut: all that
        are not settled become unknown.
        """
        self.db.execute("BEGIN IMMEDIATE")
        unknown = self.db.execute(
            """
            UPDATE deliveries SET state = 'unknown', code = NULL, status = NULL, command = NULL, not_before = NULL,
              text = 'no reply recorded: the sender died', updated = ?2
            WHERE id IN (SELECT value FROM claims, json_each(claims.ids)
                         WHERE claims.issue = ?1 AND (deliveries.state = 'sending' OR claims.boot != ?3 OR ?3 = ''))
              AND state IN ('pending', 'sending', 'deferred')
            """,
            (self.issue, self.clock(), self._boot),
        ).rowcount
        self.db.execute("DELETE FROM claims WHERE issue = ?", (self.issue,))
        self.db.execute(UNCLAIM, (self.clock(), self.issue))
        self.db.execute("COMMIT")
        return unknown

    def restrict(self, *, limit: int | None, audience: bool) -> None:
        """Claim at most `limit` recipients, and only the chosen ones of temp.audience."""
        self._limit = limit
        self._restricted = audience

    def begin(self, longest_wait: float) -> int:
        """Clamp retry times that a jumping clock has put out of reach; how many recipients are deferred."""
        now = self.clock()
        self._cursor = 0
        try:
            self.db.execute("PRAGMA cache_size = -2000")  # from here on rows are taken in order
            self.db.execute("PRAGMA shrink_memory")
            self.db.execute(
                "UPDATE deliveries SET not_before = ?2 WHERE issue = ?1 AND state = 'deferred' AND not_before > ?2",
                (self.issue, now + 2 * longest_wait),
            )
            count = "SELECT count(*) FROM deliveries WHERE issue = ? AND state = 'deferred'"
            return int(self.db.execute(count, (self.issue,)).fetchone()[0])
        except sqlite3.Error as error:
            raise explain(error, self.path) from None

    def counts(self) -> dict[str, int]:
        """How many recipients of the issue are in which state."""
        rows = self.db.execute("SELECT state, count(*) FROM deliveries WHERE issue = ? GROUP BY state", (self.issue,))
        return dict(rows.fetchall())

    def used(self, relay: Relay, now: float) -> dict[Rate, list[tuple[float, int]]]:
        """What earlier runs took of the relay's hourly and daily rates, as (moment, messages); `now`: monotonic."""
        found = {}
        for rate in relay.rate:
            if rate.seconds >= 3600:
                step = rate.seconds / 60
                rows = self.db.execute(
                    "SELECT cast((?1 - updated) / ?3 AS INTEGER) AS part, count(*) FROM deliveries"
                    " WHERE relay = ?2 AND updated > ?1 - ?4 AND state IN ('sent', 'failed', 'unknown')"
                    " GROUP BY part ORDER BY part DESC",
                    (self.clock(), relay.name, step, rate.seconds),
                ).fetchall()
                found[rate] = [(now - (part + 1) * step, count) for part, count in rows]
        return found

    # From here on: while the loop runs

    def start(self, on_trouble: Callable[[NewsletterError], None], on_skipped: Callable[[Job, str], None]) -> None:
        """Start the thread. `on_trouble`: nothing can be recorded any more; `on_skipped`: suppressed just now."""
        self._loop = asyncio.get_running_loop()
        self._on_trouble = on_trouble
        self._on_skipped = on_skipped
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Record what is left, give up the claims, and end the thread."""
        if self._thread is None:
            return
        self._turn.last = True
        self._flush()
        await asyncio.to_thread(self._thread.join)
        self._thread = None

    def claim(self, count: int) -> "asyncio.Future[Claimed]":
        """The next `count` recipients or fewer, now ours."""
        future: asyncio.Future[Claimed] = self._loop.create_future()
        assert self._turn.claim is None
        self._turn.claim = (count, future)
        self._schedule()
        return future

    def intend(self, job: Job, connection: Connection) -> None:
        """Record that the message is about to go; the connection learns when that is done."""
        self._turn.intents.append((job, connection))
        self._schedule()

    def record(
        self, job: Job, state: str, reply: Reply | None, relay: str, not_before: float | None = None, reason: str = ""
    ) -> None:
        """Record what became of it. `pending` gives it back: it stays claimed, and comes again under another Job."""
        now = self.clock()
        if reply is None:
            row: Record = (job.id, state, None, None, reason or None, None, relay, not_before, now)
        else:
            row = (job.id, state, reply.code, reply.status, reply.text, reply.command, relay, not_before, now)
        self._turn.records.append(row)
        if not job.intended:
            self._turn.intents = [pair for pair in self._turn.intents if pair[0] is not job]
        if state != "pending":
            self._settled(job)
        self._schedule()

    def suppress(self, job: Job, reason: str, *, only_if_it_stays_full: bool) -> None:
        """Never mail this address again; or only if its mailbox was full for three issues over two weeks."""
        self._turn.suppress.append((job.id, reason, only_if_it_stays_full))

    def _settled(self, job: Job) -> None:
        left = self._open_claims[job.claim] = self._open_claims[job.claim] - 1
        if not left:
            del self._open_claims[job.claim]
            self._turn.done_claims.append(job.claim)

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        turn, self._turn = self._turn, _Turn()
        self._turns.put(turn)

    def _committed(self, turn: _Turn) -> None:
        """In the loop again: bodies may go, claimed recipients are there."""
        for job, reason in turn.refused:
            self._settled(job)
            self._on_skipped(job, reason)
        for job, connection in turn.intents:
            if not job.withdrawn:
                connection.intended(job)
            else:
                connection.withdraw(job)
        if turn.claim is not None and not turn.claim[1].done():
            for job in turn.claimed:
                self._open_claims[job.claim] = self._open_claims.get(job.claim, 0) + 1
            for job, reason in turn.claimed_suppressed:
                self._settled(job)
                self._on_skipped(job, reason)
            turn.claim[1].set_result(([job for job in turn.claimed if not job.withdrawn], turn.due))

    def _failed(self, turn: _Turn, error: NewsletterError) -> None:
        if turn.claim is not None and not turn.claim[1].done():
            turn.claim[1].set_result(([], None))
        self._on_trouble(error)

    # In the thread

    def _run(self) -> None:
        beaten = 0.0
        error: NewsletterError | None = None
        unsaved: list[Record] = []
        while True:
            try:
                turn = self._turns.get(timeout=HEARTBEAT)
            except queue.Empty:
                turn = _Turn()
            turn.records = unsaved + turn.records  # of a turn that could not be written; there may be room again
            try:
                self._commit(turn)
                unsaved, self.unsaved = [], 0
                if time.monotonic() - beaten > HEARTBEAT and self.lease is not None and not turn.last:
                    beaten = time.monotonic()
                    self._beat()
            except (sqlite3.Error, NewsletterError) as trouble:
                error = explain(trouble, self.path) if isinstance(trouble, sqlite3.Error) else trouble
                unsaved = turn.records
                self.unsaved = len(unsaved)
            except Exception as bug:
                self.bug = bug
                error = NewsletterError(f"the ledger failed ({bug!r}); please report this")
            callback: tuple[Any, ...] = (self._committed, turn) if error is None else (self._failed, turn, error)
            if turn.last:
                return
            self._loop.call_soon_threadsafe(*callback)

    def _beat(self) -> None:
        assert self.lease is not None
        if not self.lease.beat(self.db, self.clock()):
            raise TryAgainLater(f"another sender has taken over {self.lease.issue_id!r}; see `newsletter status`")

    def _commit(self, turn: _Turn) -> None:
        """One transaction: replies before intents, so that a crash finds at most two of a connection under way."""
        if not (turn.records or turn.intents or turn.claim or turn.last):
            return
        db = self.db
        durable = turn.claim is not None or turn.last
        if durable != self._durable:
            db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        now = self.clock()
        db.execute("BEGIN IMMEDIATE")
        try:
            if turn.records:
                db.execute(RECORD, (json.dumps(turn.records),))
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
                db.execute("DELETE FROM claims WHERE issue = ?", (self.issue,))
                db.execute(UNCLAIM, (now, self.issue))
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _intend(self, turn: _Turn, now: float) -> None:
        assert self.lease is not None
        ids = [job.id for job, _ in turn.intents]
        done = self.db.execute(INTEND, (json.dumps(ids), now, self.lease.issue_id, self.lease.owner))
        if done.rowcount == len(ids):
            return
        self._beat()
        suppressed = dict(
            self.db.execute(
                "SELECT id, reason FROM deliveries JOIN suppressions USING (key)"
                " WHERE id IN (SELECT value FROM json_each(?))",
                (json.dumps(ids),),
            ).fetchall()
        )
        for job, _ in turn.intents:
            if job.id in suppressed:
                job.withdrawn = True
                turn.refused.append((job, suppressed[job.id]))
        self._skip(turn.refused, now)

    def _skip(self, jobs: list[tuple[Job, str]], now: float) -> None:
        rows = [(job.id, "skipped", None, None, f"suppressed: {reason}", None, None, None, now) for job, reason in jobs]
        self.db.execute(RECORD, (json.dumps(rows),))

    def _claim(self, turn: _Turn, count: int, now: float) -> None:
        selected = SELECTED if self._restricted else ""
        rows = self.db.execute(NEXT_DUE.format(selected=selected), (self.issue, now, count)).fetchall()
        if rows:
            self.db.execute(
                "UPDATE deliveries SET not_before = NULL WHERE id IN (SELECT value FROM json_each(?))",
                (json.dumps([row[0] for row in rows]),),
            )
        due_ones = len(rows)
        wanted = count - len(rows) if self._limit is None else min(count - len(rows), self._limit)
        fresh = self.db.execute(NEXT_PENDING.format(selected=selected), (self.issue, self._cursor, wanted)).fetchall()
        if fresh:
            self._cursor = fresh[-1][0]
            if self._limit is not None:
                self._limit -= len(fresh)
            rows += fresh
        if not rows:
            due = f"SELECT min(not_before) FROM deliveries WHERE issue = ? AND state = 'deferred' {selected}"  # noqa: S608
            turn.due = self.db.execute(due, (self.issue,)).fetchone()[0]
            return
        number = self.db.execute(
            "INSERT INTO claims (issue, boot, ids) VALUES (?, ?, ?)",
            (self.issue, self._boot, json.dumps([row[0] for row in rows])),
        ).lastrowid
        assert number is not None
        for at, (id_, email, name, columns, attempts, first_attempt, _reason) in enumerate(rows):
            turn.claimed.append(
                Job(id_, email, name, columns, attempts, first_attempt, deferred=at < due_ones, claim=number)
            )
        pairs = zip(turn.claimed, rows, strict=True)
        turn.claimed_suppressed = [(job, row[6]) for job, row in pairs if row[6] is not None]
        if turn.claimed_suppressed:
            self._skip(turn.claimed_suppressed, now)
            for job, _reason in turn.claimed_suppressed:
                job.withdrawn = True
