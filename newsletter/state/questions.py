"""Questions to a state that is only looked at: it may be older than this program, or not be there yet.

Without the toolkit, which takes longer to import than most commands take. Raise NewsletterError where the state is
newer, damaged, away, or another program's.
"""

from collections.abc import Iterator

from newsletter.state.database import Database


def read_suppressions(database: Database) -> list[tuple[str, str | None, str, str, float]]:
    """Who must not be mailed, as (key, email, reason, source, created)."""
    return database.query("SELECT key, email, reason, source, created FROM suppressions")


def read_erased(database: Database) -> frozenset[str]:
    """The keys of suppressions whose addresses were erased (audience.erasure)."""
    return frozenset(key for (key,) in database.query("SELECT key FROM suppressions WHERE email IS NULL"))


def has_issues(database: Database) -> bool:
    """Does the state remember an issue?"""
    return bool(database.query("SELECT 1 FROM issues LIMIT 1"))


def read_mark(database: Database, name: str) -> float | None:
    """A moment that the state remembers (`marks`); None where it does not."""
    return next((moment for (moment,) in database.query("SELECT moment FROM marks WHERE name = ?", name)), None)


def read_frozen(database: Database, issue_id: str) -> tuple[str, str] | None:
    """An issue as it was frozen, and its hash; None where there is none."""
    return next(iter(database.query("SELECT frozen, hash FROM issues WHERE id = ?", issue_id)), None)


def is_cancelled(database: Database, issue_id: str) -> bool:
    """Was the issue of that id called off?"""
    return bool(database.query("SELECT 1 FROM issues WHERE id = ? AND state = 'cancelled'", issue_id))


def read_sent(database: Database) -> Iterator[str]:
    """The issues that somebody has, or may have, as they were frozen, the newest first."""
    have = "SELECT 1 FROM deliveries d WHERE d.issue = issues.number AND d.state IN ('sent', 'unknown', 'sending')"
    for (number,) in database.query(f"SELECT number FROM issues WHERE EXISTS ({have}) ORDER BY number DESC"):  # noqa: S608
        for (frozen,) in database.query("SELECT frozen FROM issues WHERE number = ?", number):
            yield frozen
