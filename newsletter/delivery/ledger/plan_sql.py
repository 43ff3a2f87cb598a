"""The plan's SQL, for SQLite and PostgreSQL alike: the list in a temporary table, compared, counted, written down.

Rows stream through the database, so memory stays flat. What is planned, and why, is ledger.plan's business; how the
list gets into the table `audience`, each ledger's own.
"""

# ruff: noqa: S608 (the queries are put together from the fixed pieces below)

from collections.abc import Callable, Mapping
from typing import Any

from newsletter.delivery.ledger.plan import LEFT, NAMED, Plan, Standing
from newsletter.delivery.ledger.recognize import source_text

Execute = Callable[..., Any]
"""Runs a query with `:name` for each value given by that name; gives a cursor."""

_SUPPRESSED = "EXISTS (SELECT 1 FROM suppressions s WHERE s.key = {table}.key)"
_PLANNED = "EXISTS (SELECT 1 FROM deliveries d WHERE d.issue = :issue AND d.key = a.key)"
_LISTED = "EXISTS (SELECT 1 FROM audience a WHERE a.key = d.key)"
IS_CHOSEN = "EXISTS (SELECT 1 FROM audience a WHERE a.key = d.key AND a.chosen = 1 AND a.has = 0)"
_HAS = "has issue "
_RETURNING = f"d.state = 'skipped' AND coalesce(d.text, '') NOT LIKE '{_HAS}%' AND {IS_CHOSEN}"
"""Whoever was skipped joins again when nothing speaks against it, but for those who have the issue excepted."""


_COLUMNS = "key TEXT, email TEXT, name TEXT, columns TEXT, chosen INT, has INT NOT NULL DEFAULT 0"
AUDIENCE = f"CREATE TEMP TABLE audience (id INTEGER PRIMARY KEY, {_COLUMNS})"
"""The list as it was read: who is `chosen` of it, and who `has` the issue that is excepted."""


def mark_excepted(execute: Execute, excepted: str) -> None:
    """Mark whoever has the issue `excepted`, or may have it."""
    execute(
        "UPDATE audience AS a SET has = 1 WHERE EXISTS (SELECT 1 FROM deliveries d WHERE d.key = a.key"
        " AND d.state IN ('sent', 'unknown', 'sending')"
        " AND d.issue = (SELECT number FROM issues WHERE id = :excepted))",
        excepted=excepted,
    )


def standing(execute: Execute, number: int, again: tuple[str, ...], *, listed: bool) -> Standing:
    """How the issue of that number (0: not frozen yet) stands to audience, if it is `listed`."""

    def one(query: str) -> int:
        return int(execute(query, issue=number).fetchone()[0])

    def few(query: str) -> tuple[str, ...]:
        return tuple(row[0] for row in execute(f"{query} LIMIT {NAMED}", issue=number))

    suppressed = has = 0
    if listed:
        barred = _SUPPRESSED.format(table="a")
        suppressed = one(f"SELECT count(*) FROM audience a WHERE chosen = 1 AND has = 0 AND {barred}")
        has = one("SELECT count(*) FROM audience WHERE chosen = 1 AND has = 1")
    if not number:
        total = one("SELECT count(*) FROM audience WHERE chosen = 1") if listed else 0
        return Standing(total, total - suppressed - has, {}, suppressed, has)
    total = one("SELECT count(*) FROM deliveries WHERE issue = :issue")
    states = dict(
        execute("SELECT state, count(*) FROM deliveries WHERE issue = :issue GROUP BY 1", issue=number).fetchall()
    )
    waiting = f"d.issue = :issue AND d.state IN ({', '.join(repr(state) for state in again)})"
    free = f"NOT {_SUPPRESSED.format(table='d')}"
    unknown = (
        few("SELECT email FROM deliveries WHERE issue = :issue AND state = 'unknown' ORDER BY id")
        if "unknown" in states
        else ()
    )
    if not listed:
        ready = one(f"SELECT count(*) FROM deliveries d WHERE {waiting} AND {free}")
        kept_back = one(f"SELECT count(*) FROM deliveries d WHERE {waiting} AND NOT ({free})")
        return Standing(total, ready, states, kept_back, unknown_names=unknown)
    new = f"FROM audience a WHERE chosen = 1 AND has = 0 AND NOT {_PLANNED}"
    left = f"FROM deliveries d WHERE d.issue = :issue AND d.state IN ('pending', 'deferred') AND NOT {_LISTED}"
    fresh = one(f"SELECT count(*) {new} AND NOT {_SUPPRESSED.format(table='a')}")
    back = f"FROM deliveries d WHERE d.issue = :issue AND {_RETURNING} AND {free}"
    revived = one(f"SELECT count(*) {back}")
    return Standing(
        total=total,
        ready=fresh + revived + one(f"SELECT count(*) FROM deliveries d WHERE {waiting} AND {IS_CHOSEN} AND {free}"),
        states=states,
        suppressed=suppressed,
        has_other=has,
        newcomers=one(f"SELECT count(*) {new}"),
        newcomer_names=few(f"SELECT email {new}"),
        leavers=one(f"SELECT count(*) {left}"),
        leaver_names=few(f"SELECT email {left}"),
        unknown_names=unknown,
    )


def write(execute: Execute, number: int, plan: Plan, now: float, git_commit: str | None, timezone: str) -> int:
    """Write the plan down, in the transaction that is open; the issue's number."""
    if plan.is_new:
        number = _insert_issue(execute, plan, now, git_commit)
    execute(
        "UPDATE issues SET starts = :starts, send_before = :send_before WHERE number = :issue",
        starts=plan.asked.starts,
        send_before=plan.asked.send_before,
        issue=number,
    )
    if plan.listed:
        _insert_deliveries(execute, number, plan, now)
    if plan.moments is not None:
        _set_moments(execute, number, plan.moments, timezone)
    again = ["unknown"] * plan.resend_unknown + ["failed"] * plan.retry_failed
    if again:
        chosen = IS_CHOSEN if plan.listed else "1 = 1"
        execute(
            f"UPDATE deliveries AS d SET state = 'pending', attempts = 0, first_attempt = NULL"
            f" WHERE issue = :issue AND state IN ({', '.join(repr(state) for state in again)}) AND {chosen}"
            f" AND NOT {_SUPPRESSED.format(table='d')}",
            issue=number,
        )
    return number


def _set_moments(execute: Execute, number: int, moments: Mapping[str, float | None], timezone: str) -> None:
    """Give whoever was not tried yet a moment, by the column `timezone`."""
    execute("CREATE TEMP TABLE moments (timezone TEXT PRIMARY KEY, moment DOUBLE PRECISION)")
    for zone, moment in moments.items():
        execute("INSERT INTO moments VALUES (:zone, :moment)", zone=zone, moment=moment)
    execute(
        "UPDATE deliveries SET not_before = (SELECT moment FROM moments m"
        f" WHERE m.timezone = coalesce({timezone}, '')) WHERE issue = :issue AND state = 'pending'",
        issue=number,
    )
    execute("DROP TABLE moments")


def forget_issue(execute: Execute, number: int) -> bool:
    """Delete an issue that nobody was sent and nobody may have, in the transaction that is open; whether it was so.

    One that was paused or cancelled stays: that is to hold for the next run.
    """
    begun = execute(
        "SELECT 1 FROM deliveries WHERE issue = :issue AND (attempts > 0 OR state NOT IN ('pending', 'skipped'))"
        " UNION ALL SELECT 1 FROM issues WHERE number = :issue AND state != 'running' LIMIT 1",
        issue=number,
    ).fetchone()
    if begun is None:
        for statement in (
            "DELETE FROM claims WHERE issue = :issue",
            "DELETE FROM deliveries WHERE issue = :issue",
            "DELETE FROM issues WHERE number = :issue",
        ):
            execute(statement, issue=number)
    return begun is None


def _insert_issue(execute: Execute, plan: Plan, now: float, git_commit: str | None) -> int:
    issue = plan.issue
    row = execute(
        "INSERT INTO issues (id, post, subject, created, frozen, hash, list_hash, git_commit)"
        " VALUES (:id, :post, :subject, :created, :frozen, :hash, :list_hash, :git_commit) RETURNING number",
        id=issue.id, post=issue.post, subject=source_text(issue.subject), created=now, frozen=issue.dumps(),
        hash=issue.hash, list_hash=plan.list_hash, git_commit=git_commit,
    ).fetchone()  # fmt: skip
    return int(row[0])


def _insert_deliveries(execute: Execute, number: int, plan: Plan, now: float) -> None:
    has = f"{_HAS}{plan.excepted!r}"
    if not plan.is_new:
        execute("UPDATE issues SET list_hash = :hash WHERE number = :issue", issue=number, hash=plan.list_hash)
        execute(
            "UPDATE deliveries AS d SET state = 'skipped', text = :left, code = NULL, status = NULL, command = NULL,"
            f" updated = :now WHERE issue = :issue AND state IN ('pending', 'deferred') AND NOT {_LISTED}",
            issue=number,
            now=now,
            left=LEFT,
        )
        execute(
            "UPDATE deliveries AS d SET state = 'skipped', text = :has, code = NULL, status = NULL, command = NULL,"
            " updated = :now WHERE issue = :issue AND state IN ('pending', 'deferred')"
            " AND EXISTS (SELECT 1 FROM audience a WHERE a.key = d.key AND a.has = 1)",
            issue=number,
            now=now,
            has=has,
        )
        execute(
            f"UPDATE deliveries AS d SET state = 'pending', text = NULL, updated = :now"
            f" WHERE issue = :issue AND {_RETURNING} AND NOT {_SUPPRESSED.format(table='d')}",
            issue=number,
            now=now,
        )
    known = "" if plan.is_new else "ON CONFLICT (issue, key) DO NOTHING"
    execute(
        f"""
        INSERT INTO deliveries (issue, key, email, name, columns, state, text)
        SELECT :issue, a.key, a.email, a.name, a.columns,
          CASE WHEN has = 1 OR reason IS NOT NULL THEN 'skipped' ELSE 'pending' END,
          CASE WHEN has = 1 THEN :has ELSE 'suppressed: ' || reason END
        FROM audience a LEFT JOIN suppressions s ON s.key = a.key WHERE chosen = 1 ORDER BY a.id {known}
        """,
        issue=number,
        has=has,
    )


def skip_cancelled(execute: Execute, number: int, now: float) -> None:
    """Who was not mailed yet is skipped, if the issue was cancelled and nobody is claimed any more."""
    row = execute("SELECT state FROM issues WHERE number = :issue", issue=number).fetchone()
    if row is not None and row[0] == "cancelled":
        execute(
            "UPDATE deliveries SET state = 'skipped', text = 'cancelled', code = NULL, status = NULL, command = NULL,"
            " not_before = NULL, updated = :now WHERE issue = :issue AND state IN ('pending', 'deferred')"
            " AND NOT EXISTS (SELECT 1 FROM claims WHERE issue = :issue)",
            issue=number,
            now=now,
        )
