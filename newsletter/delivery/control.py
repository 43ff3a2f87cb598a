"""Pause, resume, cancel: what is asked of an issue, from anywhere; whoever sends it looks each second.

Nothing but the word is written here (`issues.state`), so that it is the same for every database: the sender finishes
what is under way and holds, goes on, or ends. Who was not mailed when an issue is cancelled is skipped by its sender;
where none lives, by whoever cancels it.
"""

import contextlib
import functools
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, select, update

from newsletter.delivery.ledger.ledger import Ledger
from newsletter.delivery.ledger.report import issue_counts
from newsletter.errors import NewsletterError, TryAgainLater
from newsletter.state.schema import CANCELLED, PAUSED, RUNNING, issues


def pause(engine: Engine, issue_id: str) -> Mapping[str, Any]:
    """No further message until it is resumed. How the issue stood; raises NewsletterError where it has ended."""
    return _ask(engine, issue_id, PAUSED, "pause")


def resume(engine: Engine, issue_id: str) -> Mapping[str, Any]:
    """Go on. How the issue stood; raises NewsletterError where it has ended."""
    return _ask(engine, issue_id, RUNNING, "resume")


def cancel(engine: Engine, ledger: Ledger, issue_id: str) -> Mapping[str, Any]:
    """End it: who was not mailed yet is skipped. How it stands; raises NewsletterError where all are settled."""
    _ask(engine, issue_id, CANCELLED, "cancel")
    with contextlib.suppress(TryAgainLater):  # its sender lives, and skips them itself
        ledger.hold(issue_id)
    return issue_counts(engine, issue_id)[0]


def _ask(engine: Engine, issue_id: str, wanted: str, verb: str) -> Mapping[str, Any]:
    """Write it down; how the issue stood before."""
    found = issue_counts(engine, issue_id)[0]
    if found["state"] == "done" or (found["state"] == CANCELLED and wanted != CANCELLED):
        how = "is done" if found["state"] == "done" else "was cancelled"
        raise NewsletterError(f"{issue_id!r} {how}, there is nothing to {verb}; `newsletter status` shows it")
    with engine.begin() as connection:
        ours = update(issues).where(issues.c.id == issue_id, issues.c.state != CANCELLED)
        connection.execute(ours.values(state=wanted))
        if wanted == RUNNING and connection.dialect.name == "postgresql":
            _wake_workers(connection, issue_id)
    return found


def _wake_workers(connection: Connection, issue_id: str) -> None:
    """Queue the shards of an issue that waited for it to go on."""
    from newsletter.delivery.ledger.postgres import queue, reconnect, shards  # with psycopg

    db: Any = connection.connection.driver_connection
    queue.prepare(db)
    number = connection.execute(select(issues.c.number).where(issues.c.id == issue_id)).scalar_one()
    shards.requeue(db, functools.partial(reconnect.execute_on, db), number)
