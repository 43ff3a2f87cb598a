"""The ledger in PostgreSQL: one sender's, who holds the issue by its lease.

There is no log beside it: each intent is written into its row, with those of the same moment, before the body goes. A
server that is away is waited for (ledger.postgres.reconnect) while no body goes, because nothing says that one may.
What every ledger in a database does is ledger.sql's business; the statements of a run stand in ledger.postgres.batch.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import psycopg

from newsletter.delivery.ledger import plan_sql
from newsletter.delivery.ledger.batch import Batch, Claimed, Record
from newsletter.delivery.ledger.lease import Process
from newsletter.delivery.ledger.plan import Listed, Plan
from newsletter.delivery.ledger.postgres import batch as sql
from newsletter.delivery.ledger.postgres.limits import LimitTable
from newsletter.delivery.ledger.postgres.reconnect import Reconnecting
from newsletter.delivery.ledger.sql import SqlLedger
from newsletter.state.postgres import PostgresDatabase

LOOK = 0.2
"""Seconds between two questions who of the claimed was suppressed meanwhile."""
HURRY = 10.0
"""Seconds that the end of a run waits for a server that is away."""

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
UPDATE deliveries SET state = 'unknown', code = NULL, status = NULL, command = NULL, not_before = NULL,
  text = 'no reply recorded: the sender died', updated = :now WHERE issue = :issue AND state = 'sending'
"""


class PostgresLedger(SqlLedger):
    """The state in PostgreSQL as one sender uses it (`Ledger`)."""

    _WHOLE = "floor({})"
    _TIMEZONE = "columns::json ->> 'timezone'"

    def __init__(
        self,
        database: PostgresDatabase,
        clock: Callable[[], float] = time.time,
        here: Process | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(database.name, clock, here, pause)
        database.engine().dispose()  # made, or brought up to date
        self._reconnecting = Reconnecting(database, pause)
        self._claims = sql.ClaimCursor(0)
        self._serial = 0
        self._looked = 0.0

    @property
    def note(self) -> str:
        return self._reconnecting.away and f"waiting: {self._reconnecting.away}"

    def close(self) -> None:
        if not self._reconnecting.db.closed:
            self._skip_cancelled()
        with contextlib.suppress(psycopg.Error):
            self._execute(
                "UPDATE leases SET owner = '' WHERE issue = :issue AND epoch = :epoch",
                issue=self.held, epoch=self.epoch,
            )  # fmt: skip
        self._reconnecting.close()

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

    def _load(self, rows: Iterable[Listed]) -> None:
        self._execute("DROP TABLE IF EXISTS pg_temp.audience")
        self._execute(plan_sql.AUDIENCE)
        with self._reconnecting.db.cursor() as cursor, self._copying(cursor) as copy:
            for number, (key, email, name, columns, chosen) in enumerate(rows):
                copy.write_row((number, key, email, name, columns, int(chosen)))
        self._execute("ANALYZE audience")

    def _copying(self, cursor: "psycopg.Cursor[tuple[Any, ...]]") -> AbstractContextManager[psycopg.Copy]:
        return cursor.copy("COPY audience (id, key, email, name, columns, chosen) FROM STDIN")

    def _recover(self) -> None:
        now = self.clock()
        self._execute(_RECOVER, issue=self._number, now=now)
        self._execute(sql.UNCLAIM, issue=self._number, now=now, held=self.held, epoch=self.epoch)
        plan_sql.skip_cancelled(self._execute, self._number, now)

    def _planned(self, plan: Plan) -> None:
        """Mark who is chosen for this run: workers have no list."""
        super()._planned(plan)
        if not plan.is_new:
            self._execute(_CHOOSE if plan.listed else _CHOOSE_ALL, issue=self._number)
        if plan.limit is not None:
            self._execute(_LIMIT, issue=self._number, most=plan.limit)

    # During a run

    def begin(self, longest_wait: float) -> dict[str, int]:
        self._reach_retries(longest_wait)
        with self._writing():
            self._execute("UPDATE leases SET log_mark = 0 WHERE issue = :issue", issue=self.held)
        self._claims, self._serial = sql.ClaimCursor(self._number), 0
        return self.counts()

    def limits(self) -> LimitTable:
        return LimitTable(self._reconnecting.database, self._here)

    def open_log(self) -> None:
        """There is none."""

    def stop_waiting(self) -> None:
        self._reconnecting.patience = HURRY

    def counts(self) -> dict[str, int]:
        query = "SELECT state, count(*) FROM deliveries WHERE issue = :issue GROUP BY state"
        return dict(self._reconnecting.again(lambda: self._execute(query, issue=self._number).fetchall()))

    def beat(self) -> None:
        query = "UPDATE leases SET heartbeat = :now WHERE issue = :issue AND epoch = :epoch RETURNING 1"
        ours = self._reconnecting.again(
            lambda: self._execute(query, now=self.clock(), issue=self.held, epoch=self.epoch).fetchone()
        )
        if ours is None:
            raise self._taken_over()

    def commit(self, batch: Batch) -> None:
        """The batch's words, each part once, if the issue is still ours."""
        now = self.clock()
        intents = [one for one, _ in batch.asked if not one.intended]
        records = list(batch.records.values())
        records += [(one.id, "sending", None, None, None, None, None, None, now, 1) for one in intents]
        self._write(records)
        for one in intents:
            one.intended = True
        self._claims.in_hand.difference_update(id_ for id_, state, *_ in records if state not in ("sending", "pending"))
        for id_, reason, only_full in batch.suppress:
            self._reconnecting.again(lambda: self._suppress(id_, reason, only_full))  # noqa: B023 (done at once)
        if batch.release is not None:
            self._unclaim(now)
            self._claims = sql.ClaimCursor(self._number, number=self._claims.number)
        if batch.claim is not None:
            batch.claimed = self._claim(batch.claim)
        if batch.claim is not None or time.monotonic() - self._looked > LOOK:
            self.catch_up(batch)
        if batch.last:
            self._unclaim(now)
            self._reconnecting.again(lambda: plan_sql.skip_cancelled(self._execute, self._number, now))

    def catch_up(self, batch: Batch) -> None:
        """Fill in what others have changed: who of the claimed is suppressed, what is asked of the issue."""
        batch.suppressed = self._reconnecting.again(self._suppressed)
        query = "SELECT state FROM issues WHERE number = :number"
        state = self._reconnecting.again(lambda: self._execute(query, number=self._number).fetchone()[0])
        if state != self._claims.state:
            batch.state = self._claims.state = state

    def _unclaim(self, now: float) -> None:
        named = {"issue": self._number, "held": self.held, "epoch": self.epoch, "now": now}
        self._reconnecting.again(lambda: self._execute(sql.UNCLAIM, **named))

    def _write(self, records: list[Record]) -> None:
        """Write what became of recipients; at least that the issue is still ours is learnt."""
        self._serial += 1
        named = {"now": self.clock(), "serial": self._serial, "held": self.held, "epoch": self.epoch}
        rows = sql.rows_of(records)
        if not self._reconnecting.again(lambda: self._execute(sql.WRITE, rows=rows, **named).fetchone()[0]):
            query = "SELECT 1 FROM leases WHERE issue = :held AND epoch = :epoch AND log_mark = :serial"
            if self._reconnecting.again(lambda: self._execute(query, **named).fetchone()) is None:
                raise self._taken_over()

    def _suppress(self, id_: int, reason: str, only_full: bool) -> None:
        if not only_full or self._execute(sql.STAYS_FULL, id=id_).fetchone()[0]:
            self._execute(sql.SUPPRESS, id=id_, reason=reason, now=self.clock())

    def _suppressed(self) -> dict[int, str]:
        self._looked = time.monotonic()
        rows = self._execute(sql.SUPPRESSED, ids=list(self._claims.in_hand)).fetchall()
        return {id_: f"suppressed: {reason}" for id_, reason in rows}

    def _claim(self, count: int) -> Claimed:
        """The next recipients or fewer: first who is due again, then whose own moment has come, then the others."""
        claims, again = self._claims, self._reconnecting.again
        named = {"issue": claims.issue, "now": self.clock()}
        due = again(lambda: self._execute(sql.NEXT_DUE, count=count, **named).fetchall())
        if due:
            ids = [row[0] for row in due]
            again(lambda: self._execute(sql.CLAIM_DUE, ids=ids, held=self.held, epoch=self.epoch))
        after, last = claims.timed
        timed = again(
            lambda: self._execute(sql.NEXT_TIMED, count=count - len(due), after=after, last=last, **named).fetchall()
        )
        if timed:
            claims.timed = timed[-1][6], timed[-1][0]
        left = count - len(due) - len(timed)
        pending = again(
            lambda: self._execute(sql.NEXT_PENDING, count=left, last=claims.cursor, issue=claims.issue).fetchall()
        )
        if pending:
            claims.cursor = pending[-1][0]
        if not (due or timed or pending):
            return Claimed([], [], again(lambda: self._execute(sql.FIRST_DUE, **named).fetchone()[0]))
        claims.number += 1
        found = sql.transactions_of(due, [*timed, *pending], claims.number)
        claims.in_hand.update(one.id for one in found.transactions)
        if found.skipped:
            now = self.clock()
            self._write(
                [(one.id, "skipped", None, None, one.withdrawn, None, None, None, now, 0) for one in found.skipped]
            )
        return found
