"""What one transaction of a run writes into PostgreSQL: intents, replies, claims.

Rows go as one JSON array, of which the server makes rows in the least time measured. A claim needs no row of its own:
each intent is in its delivery's row, durably, before the body goes. Whether the issue is still ours, and what happens
when the server goes away meanwhile, is ledger.postgres.ledger's business.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from newsletter.delivery.ledger.batch import Claimed, Record
from newsletter.smtp.transaction import Transaction

WRITE = """
WITH ours AS (
  UPDATE leases SET heartbeat = :now, log_mark = :serial
  WHERE issue = :held AND epoch = :epoch AND coalesce(log_mark, 0) < :serial RETURNING 1
), written AS (
  UPDATE deliveries d SET state = r.v ->> 1, code = (r.v ->> 2)::int, status = r.v ->> 3, text = r.v ->> 4,
    command = r.v ->> 5, relay = r.v ->> 6, not_before = (r.v ->> 7)::float8, updated = (r.v ->> 8)::float8,
    attempts = attempts + (r.v ->> 9)::int,
    first_attempt = CASE WHEN r.v ->> 9 = '0' THEN first_attempt ELSE coalesce(first_attempt, (r.v ->> 8)::float8) END
  FROM jsonb_array_elements(CAST(:rows AS jsonb)) AS r(v), ours WHERE d.id = (r.v ->> 0)::bigint
)
SELECT count(*) FROM ours
"""
"""The records of a batch, if the issue is ours and they are not written yet: a batch's `serial` is never used twice."""

_ROW = """
SELECT id, email, name, columns, attempts, first_attempt, not_before,
  (SELECT reason FROM suppressions s WHERE s.key = d.key) FROM deliveries d
WHERE issue = :issue AND chosen = 1 AND
"""
NEXT_DUE = _ROW + "state = 'deferred' AND not_before <= :now ORDER BY not_before LIMIT :count"
NEXT_TIMED = _ROW + (
    "state = 'pending' AND not_before <= :now AND (not_before, id) > (:after, :last) ORDER BY not_before, id"
    " LIMIT :count"
)
NEXT_PENDING = _ROW + "id > :last AND state = 'pending' AND not_before IS NULL ORDER BY id LIMIT :count"
FIRST_DUE = """
SELECT min(not_before) FROM deliveries WHERE issue = :issue AND chosen = 1 AND not_before IS NOT NULL
  AND (state = 'deferred' OR state = 'pending' AND not_before > :now)
"""
CLAIM_DUE = """
UPDATE deliveries SET not_before = NULL WHERE id = ANY(:ids) AND state = 'deferred'
  AND EXISTS (SELECT 1 FROM leases WHERE issue = :held AND epoch = :epoch)
"""
UNCLAIM = """
UPDATE deliveries SET not_before = :now WHERE issue = :issue AND state = 'deferred' AND not_before IS NULL
  AND EXISTS (SELECT 1 FROM leases WHERE issue = :held AND epoch = :epoch)
"""
SUPPRESS = """
INSERT INTO suppressions (key, email, reason, source, created, issue)
SELECT d.key, d.email, :reason, 'smtp', :now, i.id FROM deliveries d JOIN issues i ON i.number = d.issue
WHERE d.id = :id ON CONFLICT (key) DO NOTHING
"""
STAYS_FULL = """
SELECT count(*) >= 3 AND max(updated) - min(updated) >= 14 * 86400 FROM deliveries
WHERE key = (SELECT key FROM deliveries WHERE id = :id) AND issue IN (SELECT number FROM issues)
  AND status LIKE '5.2.%' AND state = 'failed'
"""
SUPPRESSED = """
SELECT d.id, s.reason FROM deliveries d JOIN suppressions s ON s.key = d.key WHERE d.id = ANY(:ids)
"""


@dataclass(slots=True)
class ClaimCursor:
    """How far a run has claimed its issue."""

    issue: int
    cursor: int = 0  # the last recipient without a moment of its own that was claimed for the first time
    timed: tuple[float, int] = (0.0, 0)  # the last one with such a moment: that, and its id
    number: int = 0  # of the last claim
    state: str | None = None  # of the issue, as it was told last
    in_hand: set[int] = field(default_factory=set)  # claimed, and not settled


def rows_of(records: Iterable[Record]) -> str:
    """Records as WRITE takes them. PostgreSQL's texts hold no NUL, which a relay may say."""
    return json.dumps(list(records)).replace("\\u0000", "")


def transactions_of(due: list[Any], fresh: list[Any], claim: int) -> Claimed:
    """Rows as the engine takes them: those who are tried again, and those who were not tried yet."""
    found = Claimed([], [])
    for at, (id_, email, name, columns, attempts, first_attempt, moment, suppressed) in enumerate((*due, *fresh)):
        is_deferred = at < len(due)
        transaction = Transaction(
            id_, email, name, columns, attempts, first_attempt, deferred=is_deferred,
            moment=None if is_deferred else moment, claim=claim,
            withdrawn="" if suppressed is None else f"suppressed: {suppressed}",
        )  # fmt: skip
        (found.skipped if transaction.withdrawn else found.transactions).append(transaction)
    return found
