"""What every ledger in a database does alike: hold an issue, read the list, plan, freeze; and its fence.

Each kind (ledger.sqlite, ledger.postgres) brings its connection, how the list gets into it, what a dead sender left,
and what one transaction of a run writes. Who is to get what is ledger.plan_sql's business. Every write of whoever holds
the issue is a transaction that begins by looking at the lease's epoch (`_writing`).
"""

import contextlib
import difflib
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Self

from newsletter.audience.listing import RowBlock
from newsletter.compose.issue import Issue
from newsletter.delivery.ledger import plan_sql
from newsletter.delivery.ledger.batch import Asked, Batch
from newsletter.delivery.ledger.lease import GRACE, Process, refuse_if_alive
from newsletter.delivery.ledger.plan import Audience, Listed, Plan, Queueing, Standing
from newsletter.errors import NewsletterError, TryAgainLater

if TYPE_CHECKING:
    from newsletter.audience.segment import Segment
    from newsletter.delivery.ledger.log import Log
    from newsletter.delivery.limits.share import LimitStore
    from newsletter.smtp.rate import Rate

_OWNER = "SELECT host, boot, pid, process, since, heartbeat FROM leases WHERE issue = :issue AND owner != ''"

_ACQUIRE = """
INSERT INTO leases (issue, owner, host, boot, pid, process, since, heartbeat, epoch)
VALUES (:issue, :owner, :host, :boot, :pid, :process, :now, :now, 1)
ON CONFLICT (issue) DO UPDATE SET owner = excluded.owner, host = excluded.host, boot = excluded.boot,
  pid = excluded.pid, process = excluded.process, since = excluded.since, heartbeat = excluded.heartbeat,
  epoch = leases.epoch + 1
RETURNING epoch
"""

_SENT = """
SELECT number FROM issues WHERE EXISTS (
  SELECT 1 FROM deliveries d WHERE d.issue = issues.number AND d.state IN ('sent', 'unknown', 'sending'))
ORDER BY number DESC
"""

_USED = """
SELECT {part} AS part, count(*) FROM deliveries
WHERE relay = :relay AND updated > :now - :window AND state IN ('sent', 'failed', 'unknown')
GROUP BY 1 ORDER BY 1 DESC
"""


_BY_DAY = """
SELECT {part} AS day, count(*) FROM deliveries
WHERE relay = :relay AND state IN ('sent', 'failed', 'unknown') GROUP BY 1
"""


class SqlLedger(ABC):
    """A ledger as one sender uses it (`Ledger`); while a run's journal is open, its thread owns the connection.

    `here` is this process, as another one is to see it; `pause` lets seconds pass.
    """

    _WHOLE = "cast({} AS INTEGER)"
    """The whole part of a number that is not negative."""
    _TIMEZONE = "columns ->> 'timezone'"
    """A recipient's time zone, of the list's column."""

    def __init__(
        self,
        name: str,
        clock: Callable[[], float] = time.time,
        here: Process | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name  # of the database, for messages
        self.clock = clock
        self._pause = pause
        self._here = here or Process.current()
        self.held = ""  # the id of the issue that we hold
        self.epoch = 0  # of our lease
        self._number = 0  # issues.number, once frozen
        self._plan: Plan | None = None  # that was frozen
        self.queueing = Queueing()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What each kind brings

    @abstractmethod
    def close(self) -> None:
        """Give the lease back and close the connection."""

    @abstractmethod
    def _execute(self, query: str, **named: Any) -> Any:
        """Run a query with `:name` for each value; a cursor."""

    @abstractmethod
    def _explained(self) -> AbstractContextManager[None]:
        """What the driver says is said as a NewsletterError."""

    @abstractmethod
    def _transaction(self, issue_id: str) -> AbstractContextManager[object]:
        """All or nothing, and nobody else takes the issue meanwhile."""

    @abstractmethod
    def _recover(self) -> None:
        """Decide about what a dead sender left, in the transaction that is open."""

    @abstractmethod
    def _load(self, listed: Iterable[Listed]) -> None:
        """Put the list into the temporary table `audience`."""

    @abstractmethod
    def begin(self, longest_wait: float) -> dict[str, int]:
        """As `Ledger` has it, and so the others."""

    @abstractmethod
    def open_log(self) -> "Log | None": ...

    @abstractmethod
    def counts(self) -> dict[str, int]: ...

    @abstractmethod
    def commit(self, batch: Batch) -> None: ...

    @abstractmethod
    def catch_up(self, batch: Batch) -> None: ...

    @property
    def note(self) -> str:
        """What a user should know about the database now."""
        return ""

    def stop_waiting(self) -> None:
        """The run is to end. A database in a file is never away."""
        return

    def end_within(self, seconds: float) -> None:
        """As `Ledger` has it. A file answers."""
        return

    # Holding the issue

    def hold(self, issue_id: str) -> None:
        """Become the one sender of an issue, and settle what a dead one left. Raises TryAgainLater."""
        with self._explained():
            self._refuse_if_held(issue_id)  # before waiting for the lock: the answer comes at once
            with self._transaction(issue_id):
                before = self._refuse_if_held(issue_id)
                here = self._here
                self.epoch = self._execute(
                    _ACQUIRE, issue=issue_id, owner=secrets.token_hex(16), host=here.host, boot=here.boot, pid=here.pid,
                    process=here.mark, now=self.clock(),
                ).fetchone()[0]  # fmt: skip
                self.held = issue_id
                row = self._execute("SELECT number FROM issues WHERE id = :issue", issue=issue_id).fetchone()
                self._number = row[0] if row is not None else 0
                is_gone = before is None or (before.boot == here.boot and before.lives(here) is False)
                if row is not None and is_gone:
                    self._recover()
        if row is not None and not is_gone:
            self._pause(GRACE)  # it may live after all, and send what it is sure of
            with self._writing():
                self._recover()

    def _refuse_if_held(self, issue_id: str) -> Process | None:
        """The process that held the issue and has not given it back. Raises TryAgainLater where it lives."""
        row = self._execute(_OWNER, issue=issue_id).fetchone()
        if row is None:
            return None
        owner = Process(*row[:4])
        since, heartbeat = row[4:]
        refuse_if_alive(issue_id, owner, since, heartbeat, self._here, self.clock())
        return owner

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """A transaction of whoever holds the issue. Raises TryAgainLater where that is no longer us."""
        with self._explained(), self._transaction(self.held):
            ours = "SELECT 1 FROM leases WHERE issue = :issue AND epoch = :epoch"
            if self._execute(ours, issue=self.held, epoch=self.epoch).fetchone() is None:
                raise self._taken_over()
            yield

    def _taken_over(self) -> NewsletterError:
        return TryAgainLater(f"another sender has taken over {self.held!r}; see `newsletter status`")

    def _skip_cancelled(self) -> None:
        """Skip who was not mailed, where the issue that we give back was cancelled."""
        if self.held:
            with contextlib.suppress(NewsletterError), self._writing():
                plan_sql.skip_cancelled(self._execute, self._number, self.clock())

    def beat(self) -> None:
        """Say that we live. Raises TryAgainLater where another sender has taken over."""
        with self._writing():
            self._execute("UPDATE leases SET heartbeat = :now WHERE issue = :issue", now=self.clock(), issue=self.held)

    # Before a run

    def frozen(self, issue_id: str) -> Issue | None:
        """The issue as it was frozen, if it was."""
        with self._explained():
            row = self._execute("SELECT frozen FROM issues WHERE id = :issue", issue=issue_id).fetchone()
        return Issue.loads(row[0], self.name) if row else None

    def frozen_hash(self, issue_id: str) -> str | None:
        """The hash that the issue was given when it was frozen, in the format of that day."""
        with self._explained():
            row = self._execute("SELECT hash FROM issues WHERE id = :issue", issue=issue_id).fetchone()
        return str(row[0]) if row else None

    def asked(self) -> Asked:
        """What is asked of the issue that is held."""
        with self._explained():
            query = "SELECT state, starts, send_before FROM issues WHERE number = :number"
            row = self._execute(query, number=self._number).fetchone()
        return Asked(*row) if row else Asked()

    def sent(self) -> Iterator[Issue]:
        """The issues that somebody was sent, or may have, as they were frozen; the newest first."""
        with self._explained():
            for (number,) in self._execute(_SENT).fetchall():
                row = self._execute("SELECT frozen FROM issues WHERE number = :number", number=number).fetchone()
                yield Issue.loads(row[0], self.name)

    def has_sent(self) -> bool:
        """Is there any such issue?"""
        with self._explained():
            return self._execute(f"{_SENT} LIMIT 1").fetchone() is not None

    def read_audience(self, blocks: Iterable[RowBlock], where: "Segment | None" = None, excepted: str = "") -> Audience:
        """Read the list into a temporary table; `where` says who of it is chosen. The issue must be held.

        Whoever has, or may have, the issue `excepted` is left out. Raises NewsletterError where there is no such issue.
        """
        audience = Audience()
        audience.excepted = excepted
        with self._explained():
            known = [row[0] for row in self._execute("SELECT id FROM issues ORDER BY number DESC").fetchall()]
            if excepted and excepted not in known:
                near = difflib.get_close_matches(excepted, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else "`newsletter status` names those that were begun"
                raise NewsletterError(f"--except {excepted!r}: there is no such issue; {hint}")
            self._load(audience.chosen_of(blocks, where))
            if excepted:
                plan_sql.mark_excepted(self._execute, excepted)
            if self._number:
                self._execute("CREATE INDEX audience_key ON audience (key, chosen)")
        return audience

    def standing(self, audience: Audience | None, again: tuple[str, ...]) -> Standing:
        """How the issue that is held stands to the list that was read; `again`: states that are to be sent to."""
        with self._explained():
            return plan_sql.standing(self._execute, self._number, again, listed=audience is not None)

    def freeze(self, plan: Plan, *, git_commit: str | None = None) -> None:
        """Write the plan down and make it the ledger's: one row a recipient. All or nothing."""
        with self._writing():
            self._number = plan_sql.write(self._execute, self._number, plan, self.clock(), git_commit, self._TIMEZONE)
            self._planned(plan)

    def _planned(self, plan: Plan) -> None:
        """Take note of the plan, in the transaction that writes it down."""
        self._plan = plan

    def forget(self) -> bool:
        """Take back an issue that nobody was sent and nobody may have: its post can then be edited."""
        with self._writing():
            return plan_sql.forget_issue(self._execute, self._number)

    # During a run

    def _reach_retries(self, longest_wait: float) -> None:
        """Retry times that a jumping clock put out of reach come back."""
        with self._writing():
            self._execute(
                "UPDATE deliveries SET not_before = :latest"
                " WHERE issue = :issue AND state = 'deferred' AND not_before > :latest",
                latest=self.clock() + 2 * longest_wait, issue=self._number,
            )  # fmt: skip

    def limits(self) -> "LimitStore | None":
        """As `Ledger` has it: a file is one sender's."""
        return None

    def used(self, relay: str, rate: "Rate", now: float) -> list[tuple[float, int]]:
        """What earlier runs took of an hourly or daily rate, as (moment, messages); `now`: monotonic."""
        step = rate.seconds / 60
        query = _USED.format(part=self._WHOLE.format("(:now - updated) / :step"))
        with self._explained():
            rows = self._execute(query, now=self.clock(), step=step, relay=relay, window=float(rate.seconds)).fetchall()
        return [(now - (int(part) + 1) * step, count) for part, count in rows]

    def sent_by_day(self, relay: str) -> dict[int, int]:
        """How many messages the relay was given on which day of UTC (since 1970), over all issues."""
        query = _BY_DAY.format(part=self._WHOLE.format("updated / 86400"))
        with self._explained():
            return {int(day): count for day, count in self._execute(query, relay=relay).fetchall()}
