"""The ledger: who is to get an issue, who may have it, and what became of it; the state file as one sender uses it.

Holding an issue, settling what a dead sender left, counting. What a run writes while it sends is delivery.journal's
business; who is to get what, delivery.plan's.
"""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from newsletter.delivery.ledger.lease import Lease, boot_id
from newsletter.delivery.pace import Rate
from newsletter.smtp.relay import Relay
from newsletter.state.open import configure, explain, prepare

UNCLAIM = "UPDATE deliveries SET not_before = ? WHERE issue = ? AND state = 'deferred' AND not_before IS NULL"


class Ledger:
    """The state file as one sender uses it; while a run's journal is open, its thread owns `db`."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        prepare(path)
        self.path = path
        self.clock = clock
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        configure(self.db)
        self.db.execute("PRAGMA cache_size = -2000")  # a larger one makes no list faster: the kernel has the pages
        self.db.execute("PRAGMA temp_store = FILE")
        self.lease: Lease | None = None
        self.issue = 0  # issues.number, once frozen
        self.limit: int | None = None  # claim at most so many recipients
        self.restricted = False  # claim only the chosen ones of temp.audience
        self.boot = boot_id()

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
            (self.issue, self.clock(), self.boot),
        ).rowcount
        self.db.execute("DELETE FROM claims WHERE issue = ?", (self.issue,))
        self.db.execute(UNCLAIM, (self.clock(), self.issue))
        self.db.execute("COMMIT")
        return unknown

    def restrict(self, *, limit: int | None, audience: bool) -> None:
        """Claim at most `limit` recipients, and only the chosen ones of temp.audience."""
        self.limit = limit
        self.restricted = audience

    def begin(self, longest_wait: float) -> int:
        """Clamp retry times that a jumping clock has put out of reach; how many recipients are deferred."""
        now = self.clock()
        try:
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
