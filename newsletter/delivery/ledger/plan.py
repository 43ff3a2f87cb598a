"""The plan: freeze an issue and its audience in the ledger, and say beforehand what would happen.

`read_audience` reads the list into a temporary table; `make_plan` compares, counts and changes nothing; `freeze`
writes, in one transaction. Rows stream through SQLite, so memory stays flat. What was planned stays as it was: a name
or column changed in the list later does not reach a frozen recipient. Newcomers join on the next run; who has left the
list and was not mailed yet is skipped, because who was taken off a list must not be mailed, and joins again if put
back.
"""

# ruff: noqa: S608 (the queries are put together from the fixed pieces below)

import difflib
import hashlib
import itertools
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from newsletter.audience.address import address_key
from newsletter.audience.csv.reader import LeftOut, Row
from newsletter.audience.subscriber import Subscriber
from newsletter.compose.issue import Issue, Part
from newsletter.delivery.ledger.ledger import Ledger
from newsletter.errors import NewsletterError, TryAgainLater
from newsletter.state.open import explain

NAMED = 5
"""So many newcomers, leavers and bad rows are named; the rest is counted."""
LEFT = "no longer on the list"
_DIFF_LINES = 12

_SUPPRESSED = "EXISTS (SELECT 1 FROM suppressions s WHERE s.key = {table}.key)"
_PLANNED = "EXISTS (SELECT 1 FROM deliveries d WHERE d.issue = :issue AND d.key = a.key)"
_LISTED = "EXISTS (SELECT 1 FROM temp.audience a WHERE a.key = d.key)"
_CHOSEN = "EXISTS (SELECT 1 FROM temp.audience a WHERE a.key = d.key AND a.chosen)"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do; counts are of recipients."""

    issue: Issue
    is_new: bool  # nothing was frozen before
    recipients: int  # of the issue, in whatever state, after freezing
    to_send: int  # in this run
    already_sent: int
    failed: int
    unknown: int
    suppressed: int  # on the list, but must not be mailed
    bad_rows: int  # rows of the list that can't be mailed
    problems: tuple[tuple[int, str], ...]  # (line, what): the first few of them
    newcomers: int  # since the issue was frozen; 0 for a new one
    newcomer_names: tuple[str, ...]
    leavers: int  # not mailed yet and no longer on the list: skipped
    leaver_names: tuple[str, ...]
    limit: int | None
    list_hash: str = field(repr=False)
    listed: bool  # there is a list; else the frozen audience is finished as it is
    resend_unknown: bool
    retry_failed: bool


def frozen_issue(db: sqlite3.Connection, issue_id: str) -> Issue | None:
    """The issue as it was frozen, if it was."""
    row = db.execute("SELECT frozen FROM issues WHERE id = ?", (issue_id,)).fetchone()
    return Issue.loads(row[0]) if row else None


class Audience:
    """The list as it was read; the rows themselves are in the ledger's temp.audience."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.bad = 0
        self.left_out = 0  # on the list, but left by a column of theirs, or outside the standing segment
        self.problems: list[tuple[int, str]] = []  # (line, what): the first few


def read_audience(ledger: Ledger, rows: Iterable[Row], where: Callable[[Subscriber], bool] | None = None) -> Audience:
    """Read the list into a temporary table; `where` says who of it is chosen. The ledger must hold the issue."""
    audience = Audience()
    try:
        _load(ledger.db, audience, rows, where, indexed=bool(ledger.issue))
    except sqlite3.Error as error:
        raise explain(error, ledger.path) from None
    return audience


def make_plan(
    ledger: Ledger,
    issue: Issue,
    audience: Audience | None,
    *,
    limit: int | None = None,
    resend_unknown: bool = False,
    retry_failed: bool = False,
) -> Plan:
    """What sending `issue` to `audience` (None: to the frozen one) would do. Changes nothing.

    The ledger must hold the issue. Raises NewsletterError when the issue was frozen with another content.
    """
    try:
        frozen = frozen_issue(ledger.db, issue.id)
        if frozen is not None and frozen.hash != issue.hash:
            raise NewsletterError(_edited(frozen, issue))
        again = ["pending", "deferred", *["unknown"] * resend_unknown, *["failed"] * retry_failed]
        return _count(ledger, issue, audience, frozen is None, again, limit)
    except sqlite3.Error as error:
        raise explain(error, ledger.path) from None


def freeze(ledger: Ledger, plan: Plan, *, git_commit: str | None = None) -> None:
    """Write the plan down and make it the ledger's: one row a recipient. All or nothing."""
    db, now = ledger.db, ledger.clock()
    assert ledger.lease is not None
    try:
        db.execute("BEGIN IMMEDIATE")
        try:
            if not ledger.lease.beat(db, now):
                raise TryAgainLater(f"another sender has taken over {plan.issue.id!r}; see `newsletter status`")
            if plan.is_new:
                ledger.issue = _insert_issue(db, plan, now, git_commit)
            if plan.listed:
                _insert_deliveries(db, ledger.issue, plan, now)
            again = ["unknown"] * plan.resend_unknown + ["failed"] * plan.retry_failed
            if again:
                chosen = _CHOSEN if plan.listed else "1"
                db.execute(
                    f"UPDATE deliveries AS d SET state = 'pending', attempts = 0, first_attempt = NULL"
                    f" WHERE issue = ? AND state IN ({', '.join('?' * len(again))}) AND {chosen}",
                    (ledger.issue, *again),
                )
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
    except sqlite3.Error as error:
        raise explain(error, ledger.path) from None
    ledger.restrict(limit=plan.limit, audience=plan.listed and not plan.is_new)


def forget(ledger: Ledger) -> bool:
    """Take back an issue that nobody was sent and nobody may have: its post can then be edited. Whether it was so."""
    db, named = ledger.db, {"issue": ledger.issue}
    try:
        db.execute("BEGIN IMMEDIATE")
        begun = db.execute(
            "SELECT 1 FROM deliveries WHERE issue = :issue"
            " AND (attempts OR state NOT IN ('pending', 'skipped')) LIMIT 1",
            named,
        ).fetchone()
        if begun is None:
            for statement in (
                "DELETE FROM claims WHERE issue = :issue",
                "DELETE FROM deliveries WHERE issue = :issue",
                "DELETE FROM issues WHERE number = :issue",
            ):
                db.execute(statement, named)
        db.execute("COMMIT")
    except sqlite3.Error as error:
        raise explain(error, ledger.path) from None
    return begun is None


def _load(
    db: sqlite3.Connection,
    audience: Audience,
    rows: Iterable[Row],
    where: Callable[[Subscriber], bool] | None,
    *,
    indexed: bool,
) -> None:
    def values() -> Iterator[tuple[str, str, str, str, bool]]:
        dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
        for line, row in rows:
            if isinstance(row, LeftOut):
                audience.left_out += 1
                continue
            if not isinstance(row, Subscriber):
                audience.bad += 1
                if len(audience.problems) < NAMED:
                    audience.problems.append((line, row.what))
                continue
            columns = dumps(dict(row.columns)) if row.columns else "{}"
            key = address_key(row.email)
            audience.hash.update(f"{key}\0{row.name}\0{columns}\n".encode())
            yield key, row.email, row.name, columns, where is None or where(row)

    db.execute("DROP TABLE IF EXISTS temp.audience")
    db.execute(
        "CREATE TEMP TABLE audience (id INTEGER PRIMARY KEY, key TEXT, email TEXT, name TEXT, columns TEXT, chosen INT)"
    )
    db.execute("BEGIN")
    try:
        db.executemany("INSERT INTO temp.audience (key, email, name, columns, chosen) VALUES (?, ?, ?, ?, ?)", values())
        if indexed:
            db.execute("CREATE INDEX temp.audience_key ON audience (key, chosen)")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _count(
    ledger: Ledger, issue: Issue, audience: Audience | None, is_new: bool, again: list[str], limit: int | None
) -> Plan:
    db, listed = ledger.db, audience is not None
    audience = audience or Audience()
    named = {"issue": ledger.issue}

    def one(query: str) -> int:
        return int(db.execute(query, named).fetchone()[0])

    def few(query: str) -> tuple[str, ...]:
        return tuple(row[0] for row in db.execute(f"{query} LIMIT {NAMED}", named))

    states: dict[str, int] = {}
    newcomers = leavers = revived = suppressed = 0
    newcomer_names: tuple[str, ...] = ()
    leaver_names: tuple[str, ...] = ()
    if listed:
        suppressed = one(f"SELECT count(*) FROM temp.audience a WHERE chosen AND {_SUPPRESSED.format(table='a')}")
    if is_new:
        total = one("SELECT count(*) FROM temp.audience WHERE chosen") if listed else 0
        ready = total - suppressed
    else:
        total = one("SELECT count(*) FROM deliveries WHERE issue = :issue")
        states = dict(db.execute("SELECT state, count(*) FROM deliveries WHERE issue = :issue GROUP BY 1", named))
        waiting = f"d.issue = :issue AND d.state IN ({', '.join(repr(state) for state in again)})"
        free = f"NOT {_SUPPRESSED.format(table='d')}"
        if listed:
            new = f"FROM temp.audience a WHERE chosen AND NOT {_PLANNED}"
            newcomers, newcomer_names = one(f"SELECT count(*) {new}"), few(f"SELECT email {new}")
            left = f"FROM deliveries d WHERE d.issue = :issue AND d.state IN ('pending', 'deferred') AND NOT {_LISTED}"
            leavers, leaver_names = one(f"SELECT count(*) {left}"), few(f"SELECT email {left}")
            fresh = one(f"SELECT count(*) {new} AND NOT {_SUPPRESSED.format(table='a')}")
            back = f"FROM deliveries d WHERE d.issue = :issue AND d.state = 'skipped' AND {_CHOSEN} AND {free}"
            revived = one(f"SELECT count(*) {back}")
            ready = fresh + revived + one(f"SELECT count(*) FROM deliveries d WHERE {waiting} AND {_CHOSEN} AND {free}")
        else:
            ready = one(f"SELECT count(*) FROM deliveries d WHERE {waiting} AND {free}")
            suppressed = one(f"SELECT count(*) FROM deliveries d WHERE {waiting} AND NOT ({free})")
    return Plan(
        issue=issue,
        is_new=is_new,
        recipients=total + newcomers,
        to_send=ready if limit is None else min(ready, limit),
        already_sent=states.get("sent", 0),
        failed=states.get("failed", 0),
        unknown=states.get("unknown", 0),
        suppressed=suppressed,
        bad_rows=audience.bad,
        problems=tuple(audience.problems),
        newcomers=newcomers,
        newcomer_names=newcomer_names,
        leavers=leavers,
        leaver_names=leaver_names,
        limit=limit,
        list_hash=audience.hash.hexdigest(),
        listed=listed,
        resend_unknown="unknown" in again,
        retry_failed="failed" in again,
    )


def _insert_issue(db: sqlite3.Connection, plan: Plan, now: float, git_commit: str | None) -> int:
    issue = plan.issue
    number = db.execute(
        "INSERT INTO issues (id, post, subject, created, frozen, hash, list_hash, git_commit)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (issue.id, issue.post, as_text(issue.subject), now, issue.dumps(), issue.hash, plan.list_hash, git_commit),
    ).lastrowid
    assert number is not None
    return number


def _insert_deliveries(db: sqlite3.Connection, number: int, plan: Plan, now: float) -> None:
    named = {"issue": number, "now": now, "left": LEFT, "hash": plan.list_hash}
    if not plan.is_new:
        db.execute("UPDATE issues SET list_hash = :hash WHERE number = :issue", named)
        db.execute(
            "UPDATE deliveries AS d SET state = 'skipped', text = :left, code = NULL, status = NULL, command = NULL,"
            f" updated = :now WHERE issue = :issue AND state IN ('pending', 'deferred') AND NOT {_LISTED}",
            named,
        )
        db.execute(
            f"UPDATE deliveries AS d SET state = 'pending', text = NULL, updated = :now"
            f" WHERE issue = :issue AND state = 'skipped' AND {_CHOSEN} AND NOT {_SUPPRESSED.format(table='d')}",
            named,
        )
    db.execute(
        """
        INSERT OR IGNORE INTO deliveries (issue, key, email, name, columns, state, text)
        SELECT :issue, key, email, name, columns, iif(reason IS NULL, 'pending', 'skipped'), 'suppressed: ' || reason
        FROM (SELECT *, (SELECT reason FROM suppressions s WHERE s.key = a.key) AS reason
              FROM temp.audience a WHERE chosen ORDER BY id)
        """,
        named,
    )


def as_text(parts: Iterable[Part]) -> str:
    """Parts as a reader of lists may see them: slots stand for themselves."""
    return "".join(part if isinstance(part, str) else part.source for part in parts)


def _edited(frozen: Issue, issue: Issue) -> str:
    """Say what has changed since the issue was frozen, and the ways on."""
    before = [f"Subject: {as_text(frozen.subject)}", "", *as_text(frozen.text).splitlines()]
    after = [f"Subject: {as_text(issue.subject)}", "", *as_text(issue.text).splitlines()]
    lines = [
        line for line in difflib.unified_diff(before, after, lineterm="", n=0) if line[:2] not in ("--", "++", "@@")
    ]
    shown = "\n".join(f"    {line[:120]}" for line in itertools.islice(lines, _DIFF_LINES))
    if len(lines) > _DIFF_LINES:
        shown += f"\n    … {len(lines) - _DIFF_LINES} more lines"
    what = f":\n{shown}\n" if lines else " (its template, the configuration or the site, not its words); "
    return (
        f"{issue.post} has changed since issue {issue.id!r} was begun{what}"
        f"restore the post; or give `--as-begun` to finish it as it was begun; "
        f"or make a new issue with `--again NAME`"
    )
