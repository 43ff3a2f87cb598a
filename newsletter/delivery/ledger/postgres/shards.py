"""Shards: the parts of an issue that workers take, who holds which, and what becomes of one whose worker has died.

A shard is a range of deliveries: of those not tried yet, or of those who were due again when it was made (`due`).
Shards of the first kind are disjoint, and so are those of the second, of which there is one set at a time. Whoever
takes one counts up its epoch, and every intent says it; so a worker that has lost a shard sends nothing of it any more.
Each function is a part of the transaction that is open.
"""

# ruff: noqa: S608 (the queries are put together from the fixed pieces below)

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from newsletter.delivery.ledger.lease import Process
from newsletter.delivery.ledger.plan_sql import Execute, skip_cancelled
from newsletter.delivery.ledger.postgres import queue

MOST, LEAST, SECONDS = 2000, 100, 15.0
"""Recipients of a shard at most and at least; as many as go in so many seconds."""
STALLED = 30.0
"""Seconds without a heartbeat after which a worker is taken for dead; on the same machine that is seen at once."""
SETTLING = 45.0
"""Seconds for which a server that was away is up before nobody's silence counts: all were silent meanwhile."""
_SWEEPING = 0x6E6C7376
_FIRST = "state = 'pending' AND not_before IS NULL"
_DUE = "state IN ('deferred', 'pending') AND not_before <= :due"
_NOW = "extract(epoch FROM clock_timestamp())::float8"

_MAKE = """
INSERT INTO shards (issue, first, last, due)
SELECT :issue, min(id), max(id), CAST(:due AS float8) FROM (
  SELECT id, (row_number() OVER (ORDER BY id) - 1) / :size AS part FROM deliveries d
  WHERE issue = :issue AND chosen = 1 AND {whose} AND NOT EXISTS (
    SELECT 1 FROM shards s WHERE s.issue = :issue AND d.id BETWEEN s.first AND s.last
      AND (s.due IS NULL) = (CAST(:due AS float8) IS NULL))
) AS numbered GROUP BY part ORDER BY part RETURNING number
"""
_UNKNOWN = """
UPDATE deliveries d SET state = 'unknown', code = NULL, status = NULL, command = NULL, not_before = NULL,
  text = 'no reply recorded: the sender died', updated = :now FROM shards s
WHERE s.number = ANY(:numbers) AND d.issue = s.issue AND d.id BETWEEN s.first AND s.last AND d.state = 'sending'
  AND (d.not_before IS NULL) = (s.due IS NULL)
"""
_EMPTY = """
DELETE FROM shards s USING issues i WHERE s.number = ANY(:numbers) AND i.number = s.issue AND (i.state = 'cancelled'
  OR NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.issue = s.issue AND d.id BETWEEN s.first AND s.last
    AND d.chosen = 1 AND d.state IN ('pending', 'deferred')
    AND CASE WHEN s.due IS NULL THEN d.state = 'pending' AND d.not_before IS NULL ELSE d.not_before <= s.due END))
RETURNING s.number
"""
"""Shards in which nobody is left; of a cancelled issue all."""
_COLUMNS = "number, issue, epoch, first, last, due, job"
_MINE = "(worker IS NULL OR worker = :worker AND number <> ALL(:held))"  # ours: it was done, and the answer was lost


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard that is ours."""

    number: int
    issue: int
    epoch: int
    first: int
    last: int
    due: float | None
    job: int | None

    @property
    def whose(self) -> str:
        """Which of its range are still to be sent to."""
        return _FIRST if self.due is None else _DUE


def size_for(rate: float | None, count: int) -> int:
    """How many recipients of `count` a shard has; `rate`: messages a second in all, None: as many as it takes."""
    wanted = rate * SECONDS if rate is not None else count / 32
    return int(min(max(wanted, LEAST), MOST))


def make(db: queue.QueueConnection, execute: Execute, issue: int, size: int, due: float | None = None) -> list[int]:
    """Make shards of those not tried yet, or of those `due` by then, who are in none; queue them. Their numbers.

    While the issue is paused they wait without a job.
    """
    query = _MAKE.format(whose=_FIRST if due is None else _DUE)
    numbers = [row[0] for row in execute(query, issue=issue, size=size, due=due).fetchall()]
    enqueue(db, execute, issue, numbers)
    return numbers


def enqueue(db: queue.QueueConnection, execute: Execute, issue: int, numbers: Sequence[int]) -> None:
    """Queue a job for each of these shards, at the issue's hour, if it runs."""
    state, starts = execute("SELECT state, starts FROM issues WHERE number = :issue", issue=issue).fetchone()
    if numbers and state == "running":
        jobs = queue.defer(db, numbers, starts)
        execute(
            "UPDATE shards s SET job = n.job FROM unnest(CAST(:numbers AS bigint[]), CAST(:jobs AS bigint[]))"
            " AS n(number, job) WHERE s.number = n.number",
            numbers=list(numbers), jobs=jobs,
        )  # fmt: skip


def requeue(db: queue.QueueConnection, execute: Execute, issue: int) -> None:
    """Queue the shards that wait for an issue to run, now that it does."""
    query = "SELECT number FROM shards WHERE issue = :issue AND worker IS NULL AND job IS NULL FOR UPDATE"
    enqueue(db, execute, issue, [row[0] for row in execute(query, issue=issue).fetchall()])


def drop_free(db: queue.QueueConnection, execute: Execute, issue: int) -> None:
    """Delete the shards of an issue that nobody has taken, and their jobs."""
    rows = execute("DELETE FROM shards WHERE issue = :issue AND worker IS NULL RETURNING job", issue=issue).fetchall()
    queue.drop(db, [row[0] for row in rows])


def take(execute: Execute, worker: int, number: int, job: int, held: Collection[int]) -> Shard | None:
    """Take the shard that a job is about; None where it is no longer to be had, or its issue does not run just now."""
    query = (
        f"UPDATE shards s SET epoch = epoch + 1, worker = :worker, serial = 0 WHERE number = :number AND job = :job"
        f" AND {_MINE} AND EXISTS (SELECT 1 FROM issues i WHERE i.number = s.issue AND i.state = 'running'"
        f" AND (i.send_before IS NULL OR i.send_before > {_NOW})) RETURNING {_COLUMNS}"
    )
    row = execute(query, worker=worker, number=number, job=job, held=list(held)).fetchone()
    if row is None:  # its job ends here; `requeue` makes another one
        waits = "UPDATE shards SET job = NULL WHERE number = :number AND job = :job AND worker IS NULL"
        execute(waits, number=number, job=job)
        return None
    return Shard(*row)


def pull(db: queue.QueueConnection, execute: Execute, worker: int, issue: int, held: Collection[int]) -> Shard | None:
    """Take a shard of an issue past the queue: whoever was to be told of it finds it taken."""
    query = (
        f"UPDATE shards SET epoch = epoch + 1, worker = :worker, serial = 0 WHERE number = (SELECT number FROM shards"
        f" WHERE issue = :issue AND {_MINE} ORDER BY due NULLS LAST, number FOR UPDATE SKIP LOCKED LIMIT 1)"
        f" RETURNING {_COLUMNS}"
    )
    row = execute(query, worker=worker, issue=issue, held=list(held)).fetchone()
    if row is None:
        return None
    queue.drop(db, [row[-1]])
    return Shard(*row)


def finish(execute: Execute, shard: Shard) -> None:
    """All of a shard is settled, or to be tried again later."""
    execute("DELETE FROM shards WHERE number = :number AND epoch = :epoch", number=shard.number, epoch=shard.epoch)


def release(execute: Execute, numbers: Sequence[int], now: float) -> None:
    """Let go of shards: who was being sent to may have it, all others stay as they are."""
    execute(_UNKNOWN, numbers=list(numbers), now=now)
    execute(
        "UPDATE shards SET epoch = epoch + 1, worker = NULL, job = NULL, serial = 0 WHERE number = ANY(:numbers)",
        numbers=list(numbers),
    )
    for (issue,) in execute("SELECT DISTINCT issue FROM shards WHERE number = ANY(:n)", n=list(numbers)).fetchall():
        skip_cancelled(execute, issue, now)


def give_back(db: queue.QueueConnection, execute: Execute, held: Collection[Shard], now: float) -> None:
    """Return shards that can't be finished, if they are ours still: somebody else takes them."""
    mine = [
        row[0]
        for shard in held
        for row in execute(
            "SELECT number FROM shards WHERE number = :number AND epoch = :epoch FOR UPDATE",
            number=shard.number, epoch=shard.epoch,
        ).fetchall()
    ]  # fmt: skip
    _let_go(db, execute, mine, now)


def _let_go(db: queue.QueueConnection, execute: Execute, numbers: Sequence[int], now: float) -> None:
    """Release shards, and queue those anew in which somebody is left: no late word reaches the job that was."""
    if not numbers:
        return
    query = "SELECT number, issue, job FROM shards WHERE number = ANY(:numbers)"
    rows = execute(query, numbers=list(numbers)).fetchall()
    release(execute, numbers, now)
    gone = {row[0] for row in execute(_EMPTY, numbers=list(numbers)).fetchall()}
    queue.drop(db, [job for _, _, job in rows])
    for issue in {issue for _, issue, _ in rows}:
        enqueue(db, execute, issue, [number for number, of, _ in rows if of == issue and number not in gone])
        settle(execute, issue)


# Workers


def register(execute: Execute, here: Process) -> int:
    """Be a worker; its number."""
    query = (
        "INSERT INTO workers (host, boot, pid, process, since, heartbeat)"
        f" VALUES (:host, :boot, :pid, :process, {_NOW}, {_NOW}) RETURNING number"
    )
    return int(execute(query, host=here.host, boot=here.boot, pid=here.pid, process=here.mark).fetchone()[0])


def beat(execute: Execute, worker: int) -> bool:
    """Say that we live; False where somebody has taken us for dead."""
    query = f"UPDATE workers SET heartbeat = {_NOW} WHERE number = :worker RETURNING 1"
    return execute(query, worker=worker).fetchone() is not None


def leave(execute: Execute, worker: int) -> None:
    """Be a worker no longer; whatever shards it held are given back before."""
    execute("DELETE FROM workers WHERE number = :worker", worker=worker)


def sweep(db: queue.QueueConnection, execute: Execute, here: Process, now: float, *, is_sure: bool) -> None:
    """Take the shards of dead workers from them; queue whatever has lost its job. One process at a time.

    `is_sure`: we have been in touch with the server ourselves, so that another's silence tells something.
    """
    if not execute(f"SELECT pg_try_advisory_xact_lock({_SWEEPING})").fetchone()[0]:
        return
    up = f"{_NOW} - extract(epoch FROM pg_postmaster_start_time())"
    since, seconds = execute(f"SELECT {_NOW}, {up}").fetchone()
    is_sure = is_sure and seconds > SETTLING
    dead = [
        number
        for number, heartbeat, *process in execute(
            "SELECT number, heartbeat, host, boot, pid, process FROM workers"
        ).fetchall()
        if Process(*process).lives(here) is False or (is_sure and since - heartbeat > STALLED)
    ]
    execute("DELETE FROM workers WHERE number = ANY(:dead)", dead=dead)
    orphans = execute(
        "SELECT number FROM shards WHERE worker IS NOT NULL AND worker NOT IN (SELECT number FROM workers) FOR UPDATE"
    ).fetchall()
    _let_go(db, execute, [row[0] for row in orphans], now)
    for (issue,) in execute(
        "SELECT DISTINCT s.issue FROM shards s JOIN issues i ON i.number = s.issue WHERE i.state = 'cancelled'"
    ).fetchall():
        drop_free(db, execute, issue)
    free = execute(
        "SELECT s.number, s.issue, s.job FROM shards s JOIN issues i ON i.number = s.issue WHERE s.worker IS NULL"
        " AND i.state = 'running' AND i.queued IS NOT NULL AND coalesce(i.send_before, :now + 1) > :now"
        " FOR UPDATE OF s",
        now=now,
    ).fetchall()
    lost = set(queue.lost(db, [job for *_, job in free if job is not None]))
    for issue in {issue for _, issue, _ in free}:
        enqueue(db, execute, issue, [n for n, of, job in free if of == issue and (job is None or job in lost)])
    queue.sweep(db, [row[0] for row in execute("SELECT job FROM shards WHERE job IS NOT NULL").fetchall()])


def gather(db: queue.QueueConnection, execute: Execute, size: int, now: float, issue: int | None = None) -> None:
    """Make shards of those who are due by now, in the issues that workers may take, or in this one."""
    rows = execute(
        "SELECT number FROM issues i WHERE queued IS NOT NULL AND state = 'running' AND coalesce(starts, 0) <= :now"
        " AND coalesce(send_before, :now + 1) > :now AND (CAST(:issue AS int) IS NULL OR number = :issue)"
        " AND NOT EXISTS (SELECT 1 FROM shards s WHERE s.issue = i.number AND s.due IS NOT NULL)"
        " AND EXISTS (SELECT 1 FROM deliveries d WHERE d.issue = i.number AND d.not_before <= :now AND d.chosen = 1"
        " AND d.state IN ('deferred', 'pending')) FOR UPDATE SKIP LOCKED",
        issue=issue, now=now,
    ).fetchall()  # fmt: skip
    for (number,) in rows:
        make(db, execute, number, size, now)


def settle(execute: Execute, issue: int) -> bool:
    """Whether all of an issue is settled; then nobody looks after it any more."""
    if execute("SELECT 1 FROM shards WHERE issue = :issue LIMIT 1", issue=issue).fetchone() is not None:
        return False  # which costs less than to look for anybody who is left
    query = (
        "UPDATE issues SET queued = NULL WHERE number = :issue AND queued IS NOT NULL AND NOT EXISTS (SELECT 1"
        " FROM deliveries WHERE issue = :issue AND chosen = 1 AND state IN ('pending', 'sending', 'deferred'))"
        " RETURNING 1"
    )
    return execute(query, issue=issue).fetchone() is not None
