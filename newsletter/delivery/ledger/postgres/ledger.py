"""The ledger in PostgreSQL: planning, for one sender at a time, and runs, of as many processes as there are.

There is no log beside it: each intent is written into its row, with those of the same moment, before the body goes.
A server that is away is waited for (ledger.postgres.reconnect) while no body goes, because nothing says that one may.
What every ledger in a database does is ledger.sql's business; who may send to whom, ledger.postgres.shards'; the
statements of a run stand in ledger.postgres.batch.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import psycopg

from newsletter.delivery.ledger import plan_sql
from newsletter.delivery.ledger.batch import Batch, Claimed
from newsletter.delivery.ledger.lease import Process
from newsletter.delivery.ledger.plan import Listed, Plan
from newsletter.delivery.ledger.postgres import batch as sql
from newsletter.delivery.ledger.postgres import queue, shards
from newsletter.delivery.ledger.postgres.hand import Hand
from newsletter.delivery.ledger.postgres.limits import LimitTable
from newsletter.delivery.ledger.postgres.reconnect import Reconnecting
from newsletter.delivery.ledger.postgres.shards import Shard
from newsletter.delivery.ledger.sql import SqlLedger
from newsletter.state.postgres import PostgresDatabase

LOOK = 0.4
"""Seconds between two questions who of the claimed was suppressed meanwhile."""
HURRY = 10.0
"""Seconds that the end of a run waits for a server that is away."""
OTHERS = 1.0
"""Seconds after which is looked again, while other workers are at the last of an issue."""
SWEEP = 15.0
"""Seconds between two looks for workers that have died."""
BY_INDEX = """
SELECT set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false),
  set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false)
"""
"""For a run's connection, whose rows are looked up by number: a server that has not counted a new issue's rows yet
would read all of them for each group, and plan each group anew."""

_CHOOSE = f"""
UPDATE deliveries d SET chosen = 1 - chosen WHERE issue = :issue AND state IN ('pending', 'deferred')
  AND (chosen = 1) <> ({plan_sql.IS_CHOSEN})
"""  # noqa: S608 (fixed words)
_CHOOSE_ALL = "UPDATE deliveries SET chosen = 1 WHERE issue = :issue AND chosen = 0"
_LIMIT = """
UPDATE deliveries SET chosen = 0 WHERE id IN (
  SELECT id FROM deliveries WHERE issue = :issue AND state = 'pending' AND chosen = 1
  ORDER BY not_before NULLS FIRST, id OFFSET :most)
"""
_RECOVER = """
UPDATE deliveries d SET state = 'unknown', code = NULL, status = NULL, command = NULL, not_before = NULL,
  text = 'no reply recorded: the sender died', updated = :now
WHERE issue = :issue AND state = 'sending' AND NOT EXISTS (
  SELECT 1 FROM shards s WHERE s.issue = :issue AND s.worker IS NOT NULL AND d.id BETWEEN s.first AND s.last)
"""
_UNCLAIM = "UPDATE deliveries SET not_before = :now WHERE issue = :issue AND state = 'deferred' AND not_before IS NULL"


class PostgresLedger(SqlLedger):
    """The state in PostgreSQL as one sender uses it (`Ledger`): it plans, and takes shards beside the workers."""

    _WHOLE = "floor({})"
    _TIMEZONE = "columns::json ->> 'timezone'"

    def __init__(
        self,
        database: PostgresDatabase,
        clock: Callable[[], float] | None = None,
        here: Process | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        database.prepare()
        self._reconnecting = Reconnecting(database, pause)
        super().__init__(database.name, clock or self._reconnecting.clock, here, pause)
        self._hand = Hand(self._reconnecting)
        self._worker = 0
        self._looked = self._swept = 0.0
        self._state: str | None = None  # of the issue, as it was told last
        self._is_queued = False

    @property
    def note(self) -> str:
        return self._reconnecting.away and f"waiting: {self._reconnecting.away}"

    def close(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self._leave()
        if not self._reconnecting.db.closed:
            self._skip_cancelled()
        with contextlib.suppress(psycopg.Error):
            self._execute(
                "UPDATE leases SET owner = '' WHERE issue = :issue AND epoch = :epoch",
                issue=self.held, epoch=self.epoch,
            )  # fmt: skip
        self._reconnecting.close()

    def _leave(self) -> None:
        """Hold no shard any more, and be no worker; without another one, nothing stays queued for one to come."""
        if self._worker:
            with self._reconnecting.db.transaction():
                shards.give_back(self._reconnecting.db, self._execute, self._hand.let_go(), self.clock())
                shards.leave(self._execute, self._worker)
                if self._execute("SELECT 1 FROM workers LIMIT 1").fetchone() is None:
                    shards.drop_free(self._reconnecting.db, self._execute, self._number)
                    self._execute("UPDATE issues SET queued = NULL WHERE number = :issue", issue=self._number)

    def _execute(self, query: str, **named: Any) -> Any:
        return self._reconnecting.execute(query, **named)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise self._reconnecting.database.explain(error) from None

    @contextlib.contextmanager
    def _transaction(self, issue_id: str) -> Iterator[None]:
        with self._reconnecting.db.transaction():
            self._execute("SELECT pg_advisory_xact_lock(hashtext('newsletter'), hashtext(:issue))", issue=issue_id)
            yield

    def _load(self, listed: Iterable[Listed]) -> None:
        self._execute("DROP TABLE IF EXISTS pg_temp.audience")
        self._execute(plan_sql.AUDIENCE)
        with self._reconnecting.db.cursor() as cursor, self._copying(cursor) as copy:
            for number, row in enumerate(row for columns in listed for row in zip(*columns, strict=True)):
                copy.write_row((number, *row))
        self._execute("ANALYZE audience")

    def _copying(self, cursor: "psycopg.Cursor[tuple[Any, ...]]") -> AbstractContextManager[psycopg.Copy]:
        return cursor.copy("COPY audience (id, key, email, name, columns, chosen) FROM STDIN")

    def _recover(self) -> None:
        now = self.clock()
        queue.prepare(self._reconnecting.db)
        shards.sweep(self._reconnecting.db, self._execute, self._here, now, is_sure=True)
        self._execute(_RECOVER, issue=self._number, now=now)
        self._execute(_UNCLAIM, issue=self._number, now=now)
        plan_sql.skip_cancelled(self._execute, self._number, now)

    def _planned(self, plan: Plan) -> None:
        """Mark who is chosen for this run, and queue their shards: workers have no list."""
        super()._planned(plan)
        if not plan.is_new:
            self._execute(_CHOOSE if plan.listed else _CHOOSE_ALL, issue=self._number)
        if plan.limit is not None:
            self._execute(_LIMIT, issue=self._number, most=plan.limit)
        queue.prepare(self._reconnecting.db)
        shards.drop_free(self._reconnecting.db, self._execute, self._number)
        self._execute(
            "UPDATE issues SET queued = NULL, secret = :secret WHERE number = :issue",
            secret=self.queueing.secret, issue=self._number,
        )  # fmt: skip
        self._is_queued = not self.queueing.waits
        if self._is_queued:
            self._enqueue()

    def _enqueue(self) -> None:
        """Queue the issue's shards, in the transaction that is open."""
        count = self._plan.to_send if self._plan is not None else 0
        size = shards.size_for(self.queueing.rate, count)
        self._execute("UPDATE issues SET queued = :now WHERE number = :issue", now=self.clock(), issue=self._number)
        shards.make(self._reconnecting.db, self._execute, self._number, size)

    def forget(self) -> bool:
        """Take back an issue that nobody was sent and nobody may have, if no worker is at it."""
        with self._writing():
            shards.drop_free(self._reconnecting.db, self._execute, self._number)
            held = "SELECT 1 FROM shards WHERE issue = :issue"
            if self._execute(held, issue=self._number).fetchone() is not None:
                return False
            return plan_sql.forget_issue(self._execute, self._number)

    # During a run

    def begin(self, longest_wait: float) -> dict[str, int]:
        self._reach_retries(longest_wait)
        self._see_room()
        if not self._is_queued:
            with self._writing():
                queue.prepare(self._reconnecting.db)
                self._enqueue()
            self._is_queued = True
        with self._explained():
            self._worker = self._worker or shards.register(self._execute, self._here)
            self._reconnecting.set(BY_INDEX)
        self._hand = Hand(self._reconnecting)
        return self.counts()

    def _see_room(self) -> None:
        """Raise NoRoom before the first body, where the server's disk would not take the replies."""

        def try_it() -> None:
            with self._reconnecting.db.transaction(force_rollback=True):
                self._execute(sql.ROOM)

        self._reconnecting.again(try_it)

    def limits(self) -> LimitTable:
        return LimitTable(self._reconnecting.database, self._here)

    def open_log(self) -> None:
        """There is none."""

    def stop_waiting(self) -> None:
        self._reconnecting.patience = min(self._reconnecting.patience, HURRY)

    def end_within(self, seconds: float) -> None:
        self._reconnecting.database.connections.end_within(seconds)

    def counts(self) -> dict[str, int]:
        query = "SELECT state, count(*) FROM deliveries WHERE issue = :issue GROUP BY state"
        return dict(self._reconnecting.again(lambda: self._execute(query, issue=self._number).fetchall()))

    def beat(self) -> None:
        self._reconnecting.look_at_clock()
        query = "UPDATE leases SET heartbeat = :now WHERE issue = :issue AND epoch = :epoch RETURNING 1"
        ours = self._reconnecting.again(
            lambda: self._execute(query, now=self.clock(), issue=self.held, epoch=self.epoch).fetchone()
        )
        if ours is None:
            raise self._taken_over()
        if self._worker:
            self._reconnecting.again(lambda: shards.beat(self._execute, self._worker))
            self._hand.check()
            self._sweep()

    def _sweep(self) -> None:
        if time.monotonic() - self._swept > SWEEP:
            is_sure, self._swept = self._swept > 0, time.monotonic()
            self._reconnecting.together(lambda: self._swept_once(is_sure))

    def _swept_once(self, is_sure: bool) -> None:
        shards.sweep(self._reconnecting.db, self._execute, self._here, self.clock(), is_sure=is_sure)

    def commit(self, batch: Batch) -> None:
        """The batch's words, each part once, if the shards are still ours."""
        now = self.clock()
        intents = [one for one, _ in batch.asked if not one.intended]
        is_whole = self._hand.write(batch.records.values(), [*intents, *batch.ahead], now)
        for id_, reason, only_full in batch.suppress:
            self._reconnecting.again(lambda: self._suppress(id_, reason, only_full))  # noqa: B023 (done at once)
        if batch.release is not None:
            self._give_back(now)
        if batch.claim is not None:
            batch.claimed = self._claim(batch.claim)
        if not is_whole or time.monotonic() - self._looked > LOOK:
            self.catch_up(batch)
        if not is_whole and self._state == "running":
            for one in intents:
                if not one.intended:
                    one.withdrawn = "taken out meanwhile"
        if batch.last:
            self._give_back(now)
            self._reconnecting.again(lambda: plan_sql.skip_cancelled(self._execute, self._number, now))

    def _give_back(self, now: float) -> None:
        held = self._hand.let_go()
        self._reconnecting.together(lambda: shards.give_back(self._reconnecting.db, self._execute, held, now))

    def catch_up(self, batch: Batch) -> None:
        """Fill in what others have changed: who of the claimed is suppressed, what is asked of the issue."""
        keys = self._hand.keys
        named = {"keys": list(keys.values()), "issue": self._number}
        rows = self._reconnecting.again(lambda: self._execute(sql.CHANGED, **named).fetchall())
        self._looked = time.monotonic()
        state, *_ = rows[0]
        reasons = {key: f"suppressed: {reason}" for _, key, reason in rows if key is not None}
        batch.suppressed = {id_: reasons[key] for id_, key in keys.items() if key in reasons} if reasons else {}
        if state != self._state:
            batch.state = self._state = state

    def _suppress(self, id_: int, reason: str, only_full: bool) -> None:
        if not only_full or self._execute(sql.STAYS_FULL, id=id_).fetchone()[0]:
            self._execute(sql.SUPPRESS, id=id_, reason=reason, now=self.clock())

    def _claim(self, count: int) -> Claimed:
        """The next recipients or fewer, of the shards that are held, and of others that are taken for it."""
        found = self._hand.claim(count, self.clock())
        while not (found.transactions or found.skipped) and (shard := self._next_shard()) is not None:
            self._hand.hold(shard)
            found = self._hand.claim(count, self.clock())
        if found.transactions or found.skipped:
            return found
        return Claimed([], [], self._next_moment())

    def _next_shard(self) -> Shard | None:
        """A further shard of the issue, if there is one to be had."""
        return self._reconnecting.together(self._pull)

    def _pull(self) -> Shard | None:
        db, held = self._reconnecting.db, [one.shard.number for one in self._hand.held]
        if (shard := shards.pull(db, self._execute, self._worker, self._number, held)) is not None:
            return shard
        shards.gather(db, self._execute, shards.MOST, self.clock(), self._number)
        return shards.pull(db, self._execute, self._worker, self._number, held)

    def _next_moment(self) -> float | None:
        """When there may be somebody to send to again: whoever is due first, or what other workers leave."""
        now = self.clock()
        first = self._reconnecting.again(lambda: self._execute(sql.FIRST_DUE, issue=self._number).fetchone()[0])
        others = self._reconnecting.again(
            lambda: self._execute(
                "SELECT 1 FROM shards WHERE issue = :issue AND number <> ALL(:held) LIMIT 1",
                issue=self._number, held=[one.shard.number for one in self._hand.held],
            ).fetchone()
        )  # fmt: skip
        if others is not None:
            return min(now + OTHERS, first) if first is not None else now + OTHERS
        self._reconnecting.again(lambda: shards.settle(self._execute, self._number))
        return float(first) if first is not None else None
