"""The plan's SQL in the state file: the list in a temporary table, compared, counted, and written down.

Rows stream through SQLite, so memory stays flat. What is planned, and why, is ledger.plan's business.
"""

# ruff: noqa: S608 (the queries are put together from the fixed pieces below)

import sqlite3
from collections.abc import Iterable, Mapping

from newsletter.delivery.ledger.plan import LEFT, NAMED, Listed, Plan, Standing
from newsletter.delivery.ledger.recognize import source_text
from newsletter.state.sqlite import transaction

_SUPPRESSED = "EXISTS (SELECT 1 FROM suppressions s WHERE s.key = {table}.key)"
_PLANNED = "EXISTS (SELECT 1 FROM deliveries d WHERE d.issue = :issue AND d.key = a.key)"
_LISTED = "EXISTS (SELECT 1 FROM temp.audience a WHERE a.key = d.key)"
_CHOSEN = "EXISTS (SELECT 1 FROM temp.audience a WHERE a.key = d.key AND a.chosen AND NOT a.has)"
_HAS = "has issue "
_RETURNING = f"d.state = 'skipped' AND ifnull(d.text, '') NOT LIKE '{_HAS}%' AND {_CHOSEN}"
"""Whoever was skipped joins again when nothing speaks against it, but for those who have the issue excepted."""


def load(db: sqlite3.Connection, rows: Iterable[Listed], excepted: str, *, indexed: bool) -> None:
    """Put the list into temp.audience; `indexed` where it is to be compared with deliveries.

    Who has the issue `excepted`, or may have it, is marked: `has`.
    """
    db.execute("DROP TABLE IF EXISTS temp.audience")
    db.execute(
        "CREATE TEMP TABLE audience (id INTEGER PRIMARY KEY, key TEXT, email TEXT, name TEXT, columns TEXT, chosen INT,"
        " has INT NOT NULL DEFAULT 0)"
    )
    with transaction(db, "DEFERRED"):  # nobody else has to wait while the list is read
        db.executemany("INSERT INTO temp.audience (key, email, name, columns, chosen) VALUES (?, ?, ?, ?, ?)", rows)
        if excepted:
            db.execute(
                "UPDATE temp.audience AS a SET has = 1 WHERE EXISTS (SELECT 1 FROM deliveries d WHERE d.key = a.key"
                " AND d.state IN ('sent', 'unknown', 'sending')"
                " AND d.issue = (SELECT number FROM issues WHERE id = ?))",
                (excepted,),
            )
        if indexed:
            db.execute("CREATE INDEX temp.audience_key ON audience (key, chosen)")


def standing(db: sqlite3.Connection, number: int, again: tuple[str, ...], *, listed: bool) -> Standing:
    """How the issue of that number (0: not frozen yet) stands to temp.audience, if it is `listed`."""
    named = {"issue": number}

    def one(query: str) -> int:
        return int(db.execute(query, named).fetchone()[0])

    def few(query: str) -> tuple[str, ...]:
        return tuple(row[0] for row in db.execute(f"{query} LIMIT {NAMED}", named))

    suppressed = has = 0
    if listed:
        barred = _SUPPRESSED.format(table="a")
        suppressed = one(f"SELECT count(*) FROM temp.audience a WHERE chosen AND NOT has AND {barred}")
        has = one("SELECT count(*) FROM temp.audience WHERE chosen AND has")
    if not number:
        total = one("SELECT count(*) FROM temp.audience WHERE chosen") if listed else 0
        return Standing(total, total - suppressed - has, {}, suppressed, has)
    total = one("SELECT count(*) FROM deliveries WHERE issue = :issue")
    states = dict(
        db.execute("SELECT state, count(*) FROM deliveries WHERE issue = :issue GROUP BY 1", named).fetchall()
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
    new = f"FROM temp.audience a WHERE chosen AND NOT has AND NOT {_PLANNED}"
    left = f"FROM deliveries d WHERE d.issue = :issue AND d.state IN ('pending', 'deferred') AND NOT {_LISTED}"
    fresh = one(f"SELECT count(*) {new} AND NOT {_SUPPRESSED.format(table='a')}")
    back = f"FROM deliveries d WHERE d.issue = :issue AND {_RETURNING} AND {free}"
    revived = one(f"SELECT count(*) {back}")
    return Standing(
        total=total,
        ready=fresh + revived + one(f"SELECT count(*) FROM deliveries d WHERE {waiting} AND {_CHOSEN} AND {free}"),
        states=states,
        suppressed=suppressed,
        has_other=has,
        newcomers=one(f"SELECT count(*) {new}"),
        newcomer_names=few(f"SELECT email {new}"),
        leavers=one(f"SELECT count(*) {left}"),
        leaver_names=few(f"SELECT email {left}"),
        unknown_names=unknown,
    )


def write(db: sqlite3.Connection, number: int, plan: Plan, now: float, git_commit: str | None) -> int:
    """Write the plan down, in the transaction that is open; the issue's number."""
    if plan.is_new:
        number = _insert_issue(db, plan, now, git_commit)
    db.execute(
        "UPDATE issues SET starts = ?, send_before = ? WHERE number = ?",
        (plan.asked.starts, plan.asked.send_before, number),
    )
    if plan.listed:
        _insert_deliveries(db, number, plan, now)
    if plan.moments is not None:
        _set_moments(db, number, plan.moments)
    again = ["unknown"] * plan.resend_unknown + ["failed"] * plan.retry_failed
    if again:
        chosen = _CHOSEN if plan.listed else "1"
        db.execute(
            f"UPDATE deliveries AS d SET state = 'pending', attempts = 0, first_attempt = NULL"
            f" WHERE issue = ? AND state IN ({', '.join('?' * len(again))}) AND {chosen}"
            f" AND NOT {_SUPPRESSED.format(table='d')}",
            (number, *again),
        )
    return number


def _set_moments(db: sqlite3.Connection, number: int, moments: Mapping[str, float | None]) -> None:
    """Give whoever was not tried yet a moment, by the column `timezone`."""
    db.execute("CREATE TEMP TABLE moments (timezone TEXT PRIMARY KEY, moment REAL)")
    db.executemany("INSERT INTO temp.moments VALUES (?, ?)", moments.items())
    db.execute(
        "UPDATE deliveries SET not_before = (SELECT moment FROM temp.moments m"
        " WHERE m.timezone = ifnull(deliveries.columns ->> 'timezone', '')) WHERE issue = ? AND state = 'pending'",
        (number,),
    )
    db.execute("DROP TABLE temp.moments")


def forget_issue(db: sqlite3.Connection, number: int) -> bool:
    """Delete an issue that nobody was sent and nobody may have, in the transaction that is open; whether it was so.

    One that was paused or cancelled stays: that is to hold for the next run.
    """
    named = {"issue": number}
    begun = db.execute(
        "SELECT 1 FROM deliveries WHERE issue = :issue AND (attempts OR state NOT IN ('pending', 'skipped'))"
        " UNION ALL SELECT 1 FROM issues WHERE number = :issue AND state != 'running' LIMIT 1",
        named,
    ).fetchone()
    if begun is None:
        for statement in (
            "DELETE FROM claims WHERE issue = :issue",
            "DELETE FROM deliveries WHERE issue = :issue",
            "DELETE FROM issues WHERE number = :issue",
        ):
            db.execute(statement, named)
    return begun is None


def _insert_issue(db: sqlite3.Connection, plan: Plan, now: float, git_commit: str | None) -> int:
    issue = plan.issue
    number = db.execute(
        "INSERT INTO issues (id, post, subject, created, frozen, hash, list_hash, git_commit)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (issue.id, issue.post, source_text(issue.subject), now, issue.dumps(), issue.hash, plan.list_hash, git_commit),
    ).lastrowid
    assert number is not None
    return number


def _insert_deliveries(db: sqlite3.Connection, number: int, plan: Plan, now: float) -> None:
    named = {"issue": number, "now": now, "left": LEFT, "hash": plan.list_hash, "has": f"{_HAS}{plan.excepted!r}"}
    if not plan.is_new:
        db.execute("UPDATE issues SET list_hash = :hash WHERE number = :issue", named)
        db.execute(
            "UPDATE deliveries AS d SET state = 'skipped', text = :left, code = NULL, status = NULL, command = NULL,"
            f" updated = :now WHERE issue = :issue AND state IN ('pending', 'deferred') AND NOT {_LISTED}",
            named,
        )
        db.execute(
            "UPDATE deliveries AS d SET state = 'skipped', text = :has, code = NULL, status = NULL, command = NULL,"
            " updated = :now WHERE issue = :issue AND state IN ('pending', 'deferred')"
            " AND EXISTS (SELECT 1 FROM temp.audience a WHERE a.key = d.key AND a.has)",
            named,
        )
        db.execute(
            f"UPDATE deliveries AS d SET state = 'pending', text = NULL, updated = :now"
            f" WHERE issue = :issue AND {_RETURNING} AND NOT {_SUPPRESSED.format(table='d')}",
            named,
        )
    db.execute(
        """
        INSERT OR IGNORE INTO deliveries (issue, key, email, name, columns, state, text)
        SELECT :issue, key, email, name, columns, iif(has OR reason IS NOT NULL, 'skipped', 'pending'),
          iif(has, :has, 'suppressed: ' || reason)
        FROM (SELECT *, (SELECT reason FROM suppressions s WHERE s.key = a.key) AS reason
              FROM temp.audience a WHERE chosen ORDER BY id)
        """,
        named,
    )
