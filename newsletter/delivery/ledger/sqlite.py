"""The ledger in the state file: its connection, what a dead sender left, and its log.

What every ledger in a database does is ledger.sql's business; what one transaction of a run writes,
ledger.sqlite_batch's.
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from newsletter.delivery.ledger import plan_sql
from newsletter.delivery.ledger.batch import Batch
from newsletter.delivery.ledger.lease import Process, boot_id
from newsletter.delivery.ledger.log import Log, Opening, changes, logs, overlay, read
from newsletter.delivery.ledger.plan import Listed, Plan
from newsletter.delivery.ledger.sql import SqlLedger
from newsletter.delivery.ledger.sqlite_batch import UNCLAIM, Claims, alike, catch_up, record, write_batch
from newsletter.state.database import Database
from newsletter.state.questions import read_suppressions
from newsletter.state.sqlite import Inserting, SqliteDatabase, connect, explained, looking, prepare, transaction

_RECOVER = """
UPDATE deliveries SET state = 'unknown', code = NULL, status = NULL, command = NULL, not_before = NULL,
  text = 'no reply recorded: the sender died', updated = ?2
WHERE issue = ?1 AND (state = 'sending' OR (state = 'pending' OR state = 'deferred' AND not_before IS NULL) AND id IN (
  SELECT value FROM claims, json_each(claims.ids) WHERE claims.issue = ?1 AND (claims.boot != ?3 OR ?3 = '')))
"""

_KNOWN_ISSUE = """
INSERT INTO issues (number, id, post, subject, created, frozen, hash, list_hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_KNOWN_DELIVERY = """
INSERT INTO deliveries (issue, key, email, name, columns, state) VALUES (?, ?, ?, ?, ?, ?)
"""


class SqliteLedger(SqlLedger):
    """The state file as one sender uses it (`Ledger`); while a run's journal is open, its thread owns the connection.

    `here` is this process, as another one is to see it; `pause` lets seconds pass.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.time,
        here: Process | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(str(path), clock, here, pause)
        prepare(path)
        self.path = path
        self._db = connect(path)
        self._db.execute("PRAGMA cache_size = -2000")  # a larger one makes no list faster: the kernel has the pages
        self._db.execute("PRAGMA temp_store = FILE")
        self._boot = boot_id()
        self._claims = Claims(0, "")

    @classmethod
    def rehearsal(cls, path: Path, live: Database, excepted: str = "") -> "SqliteLedger":
        """A scratch ledger at `path` that knows the suppressions of the one in `live`, which is only read.

        And who has the issue `excepted`, if there is one.
        """
        suppressions = read_suppressions(live)
        issue, have = _who_has(live, excepted) if excepted else ([], [])
        ledger = cls(path)
        with explained(path), transaction(ledger._db) as db:
            db.executemany(
                "INSERT INTO suppressions (key, email, reason, source, created) VALUES (?, ?, ?, ?, ?)", suppressions
            )
            db.executemany(_KNOWN_ISSUE, issue)
            db.executemany(_KNOWN_DELIVERY, have)
        return ledger

    def close(self) -> None:
        """Give the lease back and close the file."""
        self._skip_cancelled()
        with contextlib.suppress(sqlite3.Error):  # the lease dies with the process
            self._db.execute("UPDATE leases SET owner = '' WHERE issue = ? AND epoch = ?", (self.held, self.epoch))
        self._db.close()

    def _execute(self, query: str, **named: Any) -> sqlite3.Cursor:
        return self._db.execute(query, named)

    def _explained(self) -> AbstractContextManager[None]:
        return explained(self.path)

    def _transaction(self, issue_id: str) -> AbstractContextManager[object]:
        return transaction(self._db, turn=self.path)

    def _load(self, listed: Iterable[Listed]) -> None:
        self._db.execute("DROP TABLE IF EXISTS temp.audience")
        self._db.execute(plan_sql.AUDIENCE)
        insert = "INSERT INTO temp.audience (key, email, name, columns, chosen) VALUES (?, ?, ?, ?, ?)"
        with transaction(self._db, "DEFERRED"):  # nobody else has to wait while the list is read
            putting = Inserting(self._db, insert)
            for columns in listed:
                putting.add(columns)
            putting.rest()

    def _recover(self) -> None:
        """Decide about what a dead sender left.

        What its log knows goes into the rows. Then `sending` becomes unknown, claimed or not. What was claimed in this
        boot is otherwise untouched; what was claimed before a power cut, or with a log that is gone, and is not
        settled, becomes unknown.
        """
        db, now, boot = self._db, self.clock(), self._boot
        query = "SELECT log_epoch, log_mark FROM leases WHERE issue = ? AND log_mark IS NOT NULL"
        for epoch, mark in db.execute(query, (self.held,)).fetchall():
            boot = ""
            for opening, entries in map(read, logs(self.path)):
                if opening is not None and (opening.issue, opening.epoch) == (self.held, epoch):
                    record(db, changes(opening, entries, mark).values())
                    boot = self._boot
        db.execute(_RECOVER, (self._number, now, boot))
        db.execute("DELETE FROM claims WHERE issue = ?", (self._number,))
        db.execute(UNCLAIM, (now, self._number))
        plan_sql.skip_cancelled(self._execute, self._number, now)
        db.execute("UPDATE leases SET log_mark = NULL WHERE issue = ?", (self.held,))

    # During a run

    def catch_up(self, batch: Batch) -> None:
        """Fill in what another process has changed since the last look or commit."""
        with explained(self.path):
            catch_up(self._db, batch, self._claims)

    def _planned(self, plan: Plan) -> None:
        super()._planned(plan)
        self._claims = Claims(self._number, self._boot)

    def begin(self, longest_wait: float) -> dict[str, int]:
        """Start claiming from the first recipient; no retry is further off than twice `longest_wait`. The counts."""
        self._reach_retries(longest_wait)
        plan = self._plan
        self._claims = Claims(
            self._number,
            self._boot,
            limit=plan.limit if plan is not None else None,
            restricted=plan is not None and plan.listed and not plan.is_new,
        )
        return self.counts()

    def open_log(self) -> Log:
        """The log of the run that begins."""
        with self._writing():
            self._db.execute("UPDATE leases SET log_epoch = epoch, log_mark = 0 WHERE issue = ?", (self.held,))
        return Log(self.path, self.held, self.epoch, self._is_settled)

    def _is_settled(self, opening: Opening) -> bool:
        query = "SELECT 1 FROM leases WHERE issue = ? AND log_epoch = ? AND log_mark IS NOT NULL"
        with explained(self.path):
            return self._db.execute(query, (opening.issue, opening.epoch)).fetchone() is None

    def counts(self) -> dict[str, int]:
        """How many recipients of the issue are in which state."""
        query = "SELECT state, count(*) FROM deliveries WHERE issue = ? GROUP BY state"
        with explained(self.path), looking(self.path) as db:
            assert db is not None
            overlay(db, self.path)
            return dict(db.execute(query, (self._number,)).fetchall())

    def commit(self, batch: Batch) -> None:
        """One transaction: the batch's words, if the issue is still ours."""
        self._claims.set_durability(self._db, batch)
        db, words = self._db, alike(batch.records.values())
        with self._writing():
            found = write_batch(db, batch, words, self._claims, self.clock())
            if batch.mark is not None:
                mark = None if batch.last else batch.mark
                db.execute("UPDATE leases SET log_mark = ? WHERE issue = ?", (mark, self.held))
        batch.claimed = found.claimed() if found is not None else None


def _who_has(live: Database, issue_id: str) -> tuple[list[Any], list[Any]]:
    """An issue, and those of its deliveries who have it or may have it, by a state that is only looked at."""
    known = "SELECT number, id, post, subject, created, frozen, hash, list_hash FROM issues WHERE id = ?"
    have = "SELECT issue, key, email, name, columns, state FROM deliveries WHERE issue = ? AND state IN"
    have = f"{have} ('sent', 'unknown', 'sending')"
    if not isinstance(live, SqliteDatabase):
        issue = live.query(known, issue_id)
        return issue, live.query(have, issue[0][0]) if issue else []
    with looking(live.path) as db:
        if db is None:
            return [], []
        overlay(db, live.path)
        issue = db.execute(known, (issue_id,)).fetchall()
        return issue, db.execute(have, issue[0][:1]).fetchall() if issue else []
