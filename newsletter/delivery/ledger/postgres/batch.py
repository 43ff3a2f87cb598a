"""What one transaction of a run writes into PostgreSQL: intents, replies; and the questions for whom it claims.

Rows go as one JSON array, of which the server makes rows in the least time measured. A claim needs no row of its own:
each intent is in its delivery's row, durably, before the body goes. Whose the shards are, and what happens when the
server goes away meanwhile, is ledger.postgres.hand's business.
"""

import json
from collections.abc import Iterable
from typing import Any

from newsletter.delivery.ledger.batch import Record
from newsletter.smtp.transaction import Transaction

WRITE = """
WITH ours AS (
  UPDATE shards s SET serial = :serial FROM jsonb_array_elements(CAST(:held AS jsonb)) AS h(v)
  WHERE s.number = (h.v ->> 0)::bigint AND s.epoch = (h.v ->> 1)::int AND s.serial < :serial RETURNING 1
), whole AS (
  SELECT 1 FROM ours HAVING count(*) = jsonb_array_length(CAST(:held AS jsonb))
), written AS (
  UPDATE deliveries d SET state = r.v ->> 1, code = (r.v ->> 2)::int, status = r.v ->> 3, text = r.v ->> 4,
    command = r.v ->> 5, relay = r.v ->> 6, not_before = (r.v ->> 7)::float8, updated = (r.v ->> 8)::float8,
    attempts = attempts + (r.v ->> 9)::int,
    first_attempt = CASE WHEN r.v ->> 9 = '0' THEN first_attempt WHEN attempts + (r.v ->> 9)::int = 0 THEN NULL
      ELSE coalesce(first_attempt, (r.v ->> 8)::float8) END
  FROM jsonb_array_elements(CAST(:rows AS jsonb)) AS r(v), whole WHERE d.id = (r.v ->> 0)::bigint
), intended AS (
  UPDATE deliveries d SET state = 'sending', code = NULL, status = NULL, text = NULL, command = NULL, relay = NULL,
    updated = :now, attempts = attempts + 1, first_attempt = coalesce(first_attempt, :now)
  FROM whole, issues i WHERE d.id = ANY(CAST(:intents AS bigint[])) AND i.number = d.issue AND i.state = 'running'
    AND d.state IN ('pending', 'deferred') RETURNING d.id
)
SELECT (SELECT count(*) FROM whole), ARRAY(SELECT id FROM intended)
"""
"""Replies and intents, if all shards `held` are ours; an intent only where the issue runs. A batch's `serial` is used
once, so nothing is written twice. Which intents were recorded."""

WRITTEN = """
SELECT count(*), ARRAY(SELECT id FROM deliveries WHERE id = ANY(CAST(:intents AS bigint[])) AND state = 'sending')
FROM shards s JOIN jsonb_array_elements(CAST(:held AS jsonb)) AS h(v)
  ON s.number = (h.v ->> 0)::bigint AND s.epoch = (h.v ->> 1)::int AND s.serial = :serial
"""
OURS = """
SELECT count(*) FROM shards s JOIN jsonb_array_elements(CAST(:held AS jsonb)) AS h(v)
  ON s.number = (h.v ->> 0)::bigint AND s.epoch = (h.v ->> 1)::int
"""

NEXT = """
SELECT id, email, name, columns, attempts, first_attempt, CASE state WHEN 'pending' THEN not_before END,
  state = 'deferred', (SELECT reason FROM suppressions s WHERE s.key = d.key), key FROM deliveries d
WHERE issue = :issue AND id > :after AND id <= :last AND chosen = 1 AND {whose} ORDER BY id LIMIT :count
"""
FIRST_DUE = """
SELECT min(not_before) FROM deliveries WHERE issue = :issue AND chosen = 1 AND not_before IS NOT NULL
  AND state IN ('deferred', 'pending')
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
ROOM = """
INSERT INTO deliveries (issue, key, email, name, columns, state)
SELECT -1, concat('room ', pg_backend_pid(), ' ', n), '', '', repeat('x', 1500), 'skipped'
FROM generate_series(1, 20) AS n
"""
"""More than a run can have in doubt, to be rolled back."""
CHANGED = """
SELECT i.state, s.key, s.reason FROM issues i LEFT JOIN suppressions s ON s.key = ANY(:keys) WHERE i.number = :issue
"""
"""What is asked of the issue, and which of these keys are suppressed. Whoever was erased has another key by now, and is
no longer pending, so no intent of theirs is recorded."""


def rows_of(records: Iterable[Record]) -> str:
    """Records as WRITE takes them. PostgreSQL's texts hold no NUL, which a relay may say."""
    return json.dumps(list(records)).replace("\\u0000", "")


def transactions_of(rows: Iterable[Any], claim: int) -> list[Transaction]:
    """Rows as the engine takes them."""
    return [
        Transaction(
            id_, email, name, columns, attempts, first_attempt, deferred=is_deferred, moment=moment, claim=claim,
            withdrawn="" if suppressed is None else f"suppressed: {suppressed}",
        )
        for id_, email, name, columns, attempts, first_attempt, moment, is_deferred, suppressed, _ in rows
    ]  # fmt: skip
