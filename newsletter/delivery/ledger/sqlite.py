"""The ledger in the state file: holding an issue, settling what a dead sender left, planning and counting.

What one transaction of a run writes is ledger.sqlite_batch's business; who is to get what, ledger.sqlite_plan's. Every
write of whoever holds the issue is a transaction that begins by looking at the lease's epoch (`_writing`).
"""

import contextlib
import difflib
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from newsletter.audience.csv.reader import Row
from newsletter.audience.subscriber import Subscriber
from newsletter.compose.issue import Issue
from newsletter.delivery.ledger import sqlite_plan
from newsletter.delivery.ledger.batch import Asked, Batch
from newsletter.delivery.ledger.lease import GRACE, Process, boot_id, refuse_if_alive
from newsletter.delivery.ledger.log import Log, Opening, changes, logs, overlay, read
from newsletter.delivery.ledger.plan import Audience, Plan, Standing
from newsletter.delivery.ledger.sqlite_batch import UNCLAIM, Claims, catch_up, record, skip_cancelled, write_batch
from newsletter.errors import NewsletterError, TryAgainLater
from newsletter.smtp.rate import Rate
from newsletter.state.database import Database
from newsletter.state.questions import read_suppressions
from newsletter.state.sqlite import SqliteDatabase, connect, explained, looking, prepare, transaction

_OWNER = "SELECT host, boot, pid, process, since, heartbeat FROM leases WHERE issue = ? AND owner != ''"

_ACQUIRE = """
INSERT INTO leases (issue, owner, host, boot, pid, process, since, heartbeat, epoch)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, 1)
ON CONFLICT (issue) DO UPDATE SET owner = ?2, host = ?3, boot = ?4, pid = ?5, process = ?6, since = ?7, heartbeat = ?7,
  epoch = epoch + 1
RETURNING epoch
"""

_RECOVER = """
UPDATE deliveries SET state = 'unknown', code = NULL, status = NULL, command = NULL, not_before = NULL,
  text = 'no reply recorded: the sender died', updated = ?2
WHERE issue = ?1 AND (state = 'sending' OR (state = 'pending' OR state = 'deferred' AND not_before IS NULL) AND id IN (
  SELECT value FROM claims, json_each(claims.ids) WHERE claims.issue = ?1 AND (claims.boot != ?3 OR ?3 = '')))
"""

_SENT = """
SELECT frozen FROM issues WHERE EXISTS (
  SELECT 1 FROM deliveries d WHERE d.issue = issues.number AND d.state IN ('sent', 'unknown', 'sending'))
ORDER BY number DESC
"""

_KNOWN_ISSUE = """
INSERT INTO issues (number, id, post, subject, created, frozen, hash, list_hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_KNOWN_DELIVERY = """
INSERT INTO deliveries (issue, key, email, name, columns, state) VALUES (?, ?, ?, ?, ?, ?)
"""

_USED = """
SELECT cast((?1 - updated) / ?3 AS INTEGER) AS part, count(*) FROM deliveries
WHERE relay = ?2 AND updated > ?1 - ?4 AND state IN ('sent', 'failed', 'unknown') GROUP BY part ORDER BY part DESC
"""

_BY_DAY = """
SELECT cast(updated / 86400 AS INTEGER) AS day, count(*) FROM deliveries
WHERE relay = ? AND state IN ('sent', 'failed', 'unknown') GROUP BY day
"""


class SqliteLedger:
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
        prepare(path)
        self.path = path
        self.clock = clock
        self._pause = pause
        self._here = here or Process.current()
        self._db = connect(path)
        self._db.execute("PRAGMA cache_size = -2000")  # a larger one makes no list faster: the kernel has the pages
        self._db.execute("PRAGMA temp_store = FILE")
        self.held = ""  # the id of the issue that we hold
        self.epoch = 0  # of our lease
        self._number = 0  # issues.number, once frozen
        self._boot = boot_id()
        self._limit: int | None = None  # claim at most so many recipients
        self._restricted = False  # claim only the chosen ones of temp.audience
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

    def __enter__(self) -> "SqliteLedger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the lease back and close the file."""
        if self.held:
            with contextlib.suppress(NewsletterError), self._writing() as db:
                skip_cancelled(db, self._number, self.clock())
        with contextlib.suppress(sqlite3.Error):  # the lease dies with the process
            self._db.execute("UPDATE leases SET owner = '' WHERE issue = ? AND epoch = ?", (self.held, self.epoch))
        self._db.close()

    # Holding the issue

    def hold(self, issue_id: str) -> None:
        """Become the one sender of an issue, and settle what a dead one left. Raises TryAgainLater."""
        with explained(self.path):
            self._refuse_if_held(issue_id)  # before waiting for the write lock: the answer comes at once
            with transaction(self._db) as db:
                before = self._refuse_if_held(issue_id)
                here, now = self._here, self.clock()
                owner = (secrets.token_hex(16), here.host, here.boot, here.pid, here.mark)
                self.epoch = db.execute(_ACQUIRE, (issue_id, *owner, now)).fetchone()[0]
                self.held = issue_id
                row = db.execute("SELECT number FROM issues WHERE id = ?", (issue_id,)).fetchone()
                self._number = row[0] if row is not None else 0
                is_gone = before is None or (before.boot == here.boot and before.lives(here) is False)
                if row is not None and is_gone:
                    self._recover(db)
        if row is not None and not is_gone:
            self._pause(GRACE)  # it may live after all, and send what it is sure of: its log is whole only then
            with self._writing() as db:
                self._recover(db)

    def _refuse_if_held(self, issue_id: str) -> Process | None:
        """The process that held the issue and has not given it back. Raises TryAgainLater where it lives."""
        row = self._db.execute(_OWNER, (issue_id,)).fetchone()
        if row is None:
            return None
        owner = Process(*row[:4])
        since, heartbeat = row[4:]
        refuse_if_alive(issue_id, owner, since, heartbeat, self._here, self.clock())
        return owner

    def _recover(self, db: sqlite3.Connection) -> None:
        """Decide about what a dead sender left.

        What its log knows goes into the rows. Then `sending` becomes unknown, claimed or not. What was claimed in this
        boot is otherwise untouched; what was claimed before a power cut, or with a log that is gone, and is not
        settled, becomes unknown.
        """
        now, boot = self.clock(), self._boot
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
        skip_cancelled(db, self._number, now)
        db.execute("UPDATE leases SET log_mark = NULL WHERE issue = ?", (self.held,))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction of whoever holds the issue. Raises TryAgainLater where that is no longer us."""
        with explained(self.path), transaction(self._db) as db:
            ours = db.execute("SELECT 1 FROM leases WHERE issue = ? AND epoch = ?", (self.held, self.epoch))
            if ours.fetchone() is None:
                raise TryAgainLater(f"another sender has taken over {self.held!r}; see `newsletter status`")
            yield db

    def catch_up(self, batch: Batch) -> None:
        """Fill in what another process has changed since the last look or commit."""
        with explained(self.path):
            catch_up(self._db, batch, self._claims)

    def beat(self) -> None:
        """Say that we live. Raises TryAgainLater where another sender has taken over."""
        with self._writing() as db:
            db.execute("UPDATE leases SET heartbeat = ? WHERE issue = ?", (self.clock(), self.held))

    # Before a run

    def frozen(self, issue_id: str) -> Issue | None:
        """The issue as it was frozen, if it was."""
        with explained(self.path):
            row = self._db.execute("SELECT frozen FROM issues WHERE id = ?", (issue_id,)).fetchone()
        return Issue.loads(row[0], self.path) if row else None

    def frozen_hash(self, issue_id: str) -> str | None:
        """The hash that the issue was given when it was frozen, in the format of that day."""
        with explained(self.path):
            row = self._db.execute("SELECT hash FROM issues WHERE id = ?", (issue_id,)).fetchone()
        return str(row[0]) if row else None

    def asked(self) -> Asked:
        """What is asked of the issue that is held."""
        with explained(self.path):
            query = "SELECT state, starts, send_before FROM issues WHERE number = ?"
            row = self._db.execute(query, (self._number,)).fetchone()
        return Asked(*row) if row else Asked()

    def sent(self) -> Iterator[Issue]:
        """The issues that somebody was sent, or may have, as they were frozen; the newest first."""
        with explained(self.path):
            for (frozen,) in self._db.execute(_SENT):
                yield Issue.loads(frozen, self.path)

    def has_sent(self) -> bool:
        """Is there any such issue?"""
        with explained(self.path):
            return self._db.execute(f"{_SENT} LIMIT 1").fetchone() is not None

    def read_audience(
        self, rows: Iterable[Row], where: Callable[[Subscriber], bool] | None = None, excepted: str = ""
    ) -> Audience:
        """Read the list into a temporary table; `where` says who of it is chosen. The issue must be held.

        Whoever has, or may have, the issue `excepted` is left out. Raises NewsletterError where there is no such issue.
        """
        audience = Audience()
        audience.excepted = excepted
        with explained(self.path):
            known = [row[0] for row in self._db.execute("SELECT id FROM issues ORDER BY number DESC")]
            if excepted and excepted not in known:
                near = difflib.get_close_matches(excepted, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else "`newsletter status` names those that were begun"
                raise NewsletterError(f"--except {excepted!r}: there is no such issue; {hint}")
            sqlite_plan.load(self._db, audience.values(rows, where), excepted, indexed=bool(self._number))
        return audience

    def standing(self, audience: Audience | None, again: tuple[str, ...]) -> Standing:
        """How the issue that is held stands to the list that was read; `again`: states that are to be sent to."""
        with explained(self.path):
            return sqlite_plan.standing(self._db, self._number, again, listed=audience is not None)

    def freeze(self, plan: Plan, *, git_commit: str | None = None) -> None:
        """Write the plan down and make it the ledger's: one row a recipient. All or nothing."""
        with self._writing() as db:
            self._number = sqlite_plan.write(db, self._number, plan, self.clock(), git_commit)
        self._claims = Claims(self._number, self._boot)
        self._limit = plan.limit
        self._restricted = plan.listed and not plan.is_new

    def forget(self) -> bool:
        """Take back an issue that nobody was sent and nobody may have: its post can then be edited."""
        with self._writing() as db:
            return sqlite_plan.forget_issue(db, self._number)

    # During a run

    def begin(self, longest_wait: float) -> dict[str, int]:
        """Start claiming from the first recipient; retry times that a jumping clock put out of reach come back."""
        latest = self.clock() + 2 * longest_wait
        with self._writing() as db:
            db.execute(
                "UPDATE deliveries SET not_before = ?2 WHERE issue = ?1 AND state = 'deferred' AND not_before > ?2",
                (self._number, latest),
            )
        self._claims = Claims(self._number, self._boot, limit=self._limit, restricted=self._restricted)
        return self.counts()

    def open_log(self) -> Log:
        """The log of the run that begins."""
        with self._writing() as db:
            db.execute("UPDATE leases SET log_epoch = epoch, log_mark = 0 WHERE issue = ?", (self.held,))
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

    def used(self, relay: str, rate: Rate, now: float) -> list[tuple[float, int]]:
        """What earlier runs took of an hourly or daily rate, as (moment, messages); `now`: monotonic."""
        step = rate.seconds / 60
        with explained(self.path):
            rows = self._db.execute(_USED, (self.clock(), relay, step, rate.seconds)).fetchall()
        return [(now - (part + 1) * step, count) for part, count in rows]

    def sent_by_day(self, relay: str) -> dict[int, int]:
        """How many messages the relay was given on which day of UTC (since 1970), over all issues."""
        with explained(self.path):
            return dict(self._db.execute(_BY_DAY, (relay,)).fetchall())

    def commit(self, batch: Batch) -> None:
        """One transaction: the batch's words, if the issue is still ours."""
        self._claims.set_durability(self._db, batch)
        with self._writing() as db:
            write_batch(db, batch, self._claims, self.clock())
            if batch.mark is not None:
                mark = None if batch.last else batch.mark
                db.execute("UPDATE leases SET log_mark = ? WHERE issue = ?", (mark, self.held))


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
