"""What one transaction of a run writes into the state file: intents, replies, claims.

The driver directly, and rows as one JSON array each way: the interpreter is free while SQLite works, and is not given
away once a row, which would cost more than the work while other threads want it too. What can be done before and after
is not done in the transaction, for others wait for it to end. The transaction itself, and whether the issue is still
ours, is ledger.sqlite's business.
"""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from newsletter.delivery.ledger.batch import Batch, Claimed, Record
from newsletter.delivery.ledger.plan_sql import skip_cancelled
from newsletter.smtp.transaction import Transaction

UNCLAIM = "UPDATE deliveries SET not_before = ? WHERE issue = ? AND state = 'deferred' AND not_before IS NULL"

_RECORD = """
UPDATE deliveries SET state = :state, code = :code, status = :status, command = :command, relay = :relay,
  text = r.value ->> 1, not_before = r.value ->> 2, updated = r.value ->> 3, attempts = attempts + :uncounted,
  first_attempt = CASE WHEN :uncounted THEN coalesce(first_attempt, r.value ->> 3) ELSE first_attempt END
FROM json_each(:rows) AS r WHERE deliveries.id = r.value ->> 0
"""
"""For those of whom the same is said: half the time, for what is taken out of JSON is what costs."""

_ROW = """
SELECT id, email, name, columns, attempts, first_attempt, not_before,
  (SELECT reason FROM suppressions WHERE suppressions.key = deliveries.key) AS reason FROM deliveries
"""
_NEXT_DUE = (
    _ROW + "WHERE issue = ?1 AND state = 'deferred' AND not_before <= ?2 {selected} ORDER BY not_before LIMIT ?3"
)
_NEXT_TIMED = _ROW + (
    "WHERE issue = ?1 AND state = 'pending' AND not_before <= ?2 AND (not_before, id) > (?4, ?5) {selected}"
    " ORDER BY not_before, id LIMIT ?3"
)
_NEXT_PENDING = f"""
SELECT json_group_array(json_array(id, email, name, columns, attempts, first_attempt, NULL, reason)) FROM ({_ROW}
  WHERE issue = ?1 AND id > ?2 AND state = 'pending' AND not_before IS NULL {{selected}} ORDER BY id LIMIT ?3)
"""  # noqa: S608
_FIRST_DUE = """
SELECT min(not_before) FROM deliveries WHERE issue = ?1 AND not_before IS NOT NULL
  AND (state = 'deferred' OR state = 'pending' AND not_before > ?2 AND ?3) {selected}
"""
_SELECTED = "AND EXISTS (SELECT 1 FROM temp.audience WHERE temp.audience.key = deliveries.key AND chosen)"

_SUPPRESS = """
INSERT OR IGNORE INTO suppressions (key, email, reason, source, created, issue)
SELECT d.key, d.email, ?2, 'smtp', ?3, i.id FROM deliveries d JOIN issues i ON i.number = d.issue WHERE d.id = ?1
"""

_STAYS_FULL = """
SELECT count(*) >= 3 AND max(updated) - min(updated) >= 14 * 86400 FROM issues JOIN deliveries ON issue = number
WHERE key = (SELECT key FROM deliveries WHERE id = ?1) AND status LIKE '5.2.%' AND deliveries.state = 'failed'
"""

_STATE = "SELECT state FROM issues WHERE number = ?"

_SUPPRESSED = """
SELECT d.id, s.reason FROM claims c CROSS JOIN json_each(c.ids) AS one CROSS JOIN deliveries d ON d.id = one.value
CROSS JOIN suppressions s ON s.key = d.key WHERE c.issue = ?
"""
"""In this order, which SQLite keeps for a CROSS JOIN: by its own choice it reads all deliveries, half a second."""


@dataclass(slots=True)
class Claims:
    """How far a run has claimed its issue, and within which bounds."""

    issue: int
    boot: str
    limit: int | None = None  # at most so many recipients more for the first time
    restricted: bool = False  # only the chosen ones of temp.audience
    cursor: int = 0  # the last recipient without a moment of its own that was claimed for the first time
    timed: tuple[float, int] = (0.0, 0)  # the last one with such a moment: that, and its id
    durable: bool | None = None  # as the connection is set
    version: int | None = None  # of the file, when suppressions were looked at

    def set_durability(self, db: sqlite3.Connection, batch: Batch) -> None:
        """Claims are on the disk before anything is sent; intents and replies outlive the process, not the power."""
        if batch.is_durable != self.durable:
            db.execute(f"PRAGMA synchronous = {'FULL' if batch.is_durable else 'NORMAL'}")
            self.durable = batch.is_durable

    def rewind(self, db: sqlite3.Connection, untried: int, now: float) -> None:
        """Give up all claims, of which `untried` are of recipients not tried yet, and begin anew from the first."""
        db.execute("DELETE FROM claims WHERE issue = ?", (self.issue,))
        db.execute(UNCLAIM, (now, self.issue))
        self.cursor, self.timed = 0, (0.0, 0)
        if self.limit is not None:
            self.limit += untried

    def query(self, template: str) -> str:
        """A query for recipients, restricted where the run is."""
        return template.format(selected=_SELECTED if self.restricted else "")


@dataclass(frozen=True, slots=True)
class ClaimedRows:
    """Recipients as their rows are: first `due` of them that were tried before, all claimed under `number`."""

    rows: list[Any]
    due: int = 0
    number: int = 0
    first_due: float | None = None

    def claimed(self) -> Claimed:
        """As the run takes them."""
        claimed = Claimed([], [], self.first_due)
        for at, (id_, email, name, columns, attempts, first_attempt, moment, suppressed) in enumerate(self.rows):
            is_deferred = at < self.due
            transaction = Transaction(
                id_, email, name, columns, attempts, first_attempt, deferred=is_deferred,
                moment=None if is_deferred else moment, claim=self.number,
                withdrawn=_withdrawn(suppressed) if suppressed is not None else "",
            )  # fmt: skip
            (claimed.skipped if transaction.withdrawn else claimed.transactions).append(transaction)
        return claimed


def write_batch(db: sqlite3.Connection, batch: Batch, words: "Said", claims: Claims, now: float) -> ClaimedRows | None:
    """What became of recipients, new claims, and who of the claimed was suppressed by another process meanwhile.

    `words` are the batch's records (`alike`). What was claimed, where that was asked for.
    """
    write_words(db, words)
    for id_, reason, only_full in batch.suppress:
        if not only_full or db.execute(_STAYS_FULL, (id_,)).fetchone()[0]:
            db.execute(_SUPPRESS, (id_, reason, now))
    if batch.done_claims:
        db.execute(
            "DELETE FROM claims WHERE number IN (SELECT value FROM json_each(?))", (json.dumps(batch.done_claims),)
        )
    if batch.release is not None:
        claims.rewind(db, batch.release, now)
    found = _claim(db, claims, batch.claim, now) if batch.claim is not None else None
    catch_up(db, batch, claims)
    if batch.last:
        db.execute(UNCLAIM, (now, claims.issue))
        skip_cancelled(lambda query, **named: db.execute(query, named), claims.issue, now)
    return found


def catch_up(db: sqlite3.Connection, batch: Batch, claims: Claims) -> None:
    """What another process has changed since the last look: who of the claimed is suppressed, what is asked."""
    version = db.execute("PRAGMA data_version").fetchone()[0]
    if version != claims.version:
        claims.version = version
        batch.suppressed = {id_: f"suppressed: {reason}" for id_, reason in db.execute(_SUPPRESSED, (claims.issue,))}
        batch.state = db.execute(_STATE, (claims.issue,)).fetchone()[0]


Said = list[dict[str, Any]]
"""What is said of recipients, those alike together: the values of one _RECORD each."""


def alike(rows: Iterable[Record]) -> Said:
    """What became of recipients, ready to be written."""
    groups: dict[Any, list[Any]] = {}
    for id_, state, code, status, text, command, relay, not_before, updated, uncounted in rows:
        said = (state, code, status, command, relay, uncounted)
        groups.setdefault(said, []).append((id_, text, not_before, updated))
    names = ("state", "code", "status", "command", "relay", "uncounted")
    return [dict(zip(names, said, strict=True)) | {"rows": json.dumps(own)} for said, own in groups.items()]


def write_words(db: sqlite3.Connection, words: Said) -> None:
    """Write what became of recipients."""
    for said in words:
        db.execute(_RECORD, said)


def record(db: sqlite3.Connection, rows: Iterable[Record]) -> None:
    """Write what became of recipients, where nobody waits."""
    write_words(db, alike(rows))


def _withdrawn(suppressed: str) -> str:
    return f"suppressed: {suppressed}"


def _claim(db: sqlite3.Connection, claims: Claims, count: int, now: float) -> ClaimedRows:
    """The next recipients or fewer: first who is due again, then who was not tried yet.

    Of these first whose own moment has come: it stays in their rows, and the place in its order is what is remembered.
    """
    due = db.execute(claims.query(_NEXT_DUE), (claims.issue, now, count)).fetchall()
    if due:
        db.execute(
            "UPDATE deliveries SET not_before = NULL WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps([row[0] for row in due]),),
        )
    wanted = count - len(due) if claims.limit is None else min(count - len(due), claims.limit)
    timed = db.execute(claims.query(_NEXT_TIMED), (claims.issue, now, wanted, *claims.timed)).fetchall()
    if timed:
        claims.timed = timed[-1][6], timed[-1][0]
    [found] = db.execute(claims.query(_NEXT_PENDING), (claims.issue, claims.cursor, wanted - len(timed))).fetchone()
    pending = json.loads(found)
    if pending:
        claims.cursor = pending[-1][0]
    rows = due + timed + pending
    if claims.limit is not None:
        claims.limit -= len(timed) + len(pending)
    if not rows:
        first = db.execute(claims.query(_FIRST_DUE), (claims.issue, now, claims.limit != 0)).fetchone()[0]
        return ClaimedRows([], first_due=first)
    number = db.execute(
        "INSERT INTO claims (issue, boot, ids) VALUES (?, ?, ?)",
        (claims.issue, claims.boot, json.dumps([row[0] for row in rows])),
    ).lastrowid
    assert number is not None
    skipped = [(row[0], _withdrawn(row[7])) for row in rows if row[7] is not None]
    if skipped:
        record(db, [(id_, "skipped", None, None, why, None, None, None, now, 0) for id_, why in skipped])
    return ClaimedRows(rows, len(due), number)
