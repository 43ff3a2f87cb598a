"""What became of the issues: read-only questions for `status` and `deliveries`, through the toolkit."""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from newsletter.compose.issue import Issue
from newsletter.compose.message.ids import message_id, sender_domain
from newsletter.delivery.ledger.batch import Asked
from newsletter.delivery.ledger.lease import Process, is_alive
from newsletter.delivery.ledger.log import overlay
from newsletter.errors import NewsletterError
from newsletter.smtp.provider_id import provider_id
from newsletter.smtp.reply import Reply
from newsletter.state.schema import (
    DEFERRED,
    PENDING,
    SENDING,
    STATES,
    UNKNOWN,
    deliveries,
    issues,
    leases,
    shards,
    suppressions,
    workers,
)
from newsletter.state.sqlite import explained


def issue_counts(engine: Engine, issue_id: str | None = None) -> list[dict[str, Any]]:
    """Each issue with its number of recipients in all and by state, the newest first; or the one named.

    `state` is the issue's own: "scheduled", "running", "paused", "done" or "cancelled"; `sender` who sends it just now.

    Raises NewsletterError where there is no such issue.
    """
    columns = (issues.c.number, issues.c.id, issues.c.post, issues.c.subject, issues.c.created, issues.c.git_commit)
    query = select(*columns, issues.c.state, issues.c.starts, issues.c.send_before, issues.c.queued)
    owners = select(leases).where(leases.c.owner != "")
    counts = select(deliveries.c.issue, deliveries.c.state, func.count()).group_by(
        deliveries.c.issue, deliveries.c.state
    )
    left = select(suppressions.c.issue, func.count()).where(suppressions.c.reason == "unsubscribe")
    with reading(engine) as connection:
        now = _now(connection)
        if issue_id is not None:
            number = _number(engine, issue_id)
            query = query.where(issues.c.number == number)
            counts = counts.where(deliveries.c.issue == number)
        found: dict[int, dict[str, Any]] = {}
        asked = connection.execute(query.order_by(issues.c.created.desc())).all()
        for row in asked:
            found[row.number] = {
                "issue": row.id, "post": row.post, "subject": row.subject, "created": _iso(row.created),
                "recipients": 0, **dict.fromkeys(STATES, 0), "unsubscribed": 0, "commit": row.git_commit,
                "state": "", "starts": _iso(row.starts) if row.starts is not None else None,
                "send_before": _iso(row.send_before) if row.send_before is not None else None, "sender": None,
            }  # fmt: skip
            if engine.dialect.name == "postgresql":
                found[row.number] |= {"queued": row.queued is not None, "workers": []}
        for number, state, count in connection.execute(counts):
            if number in found:
                found[number][state] = count
                found[number]["recipients"] += count
        for row in asked:
            one = found[row.number]
            to_go = one[PENDING] + one[SENDING] + one[DEFERRED]
            one["state"] = Asked(row.state, row.starts).in_one_word(to_go, now)
        by_id = {row["issue"]: row for row in found.values()}
        for id_, count in connection.execute(left.group_by(suppressions.c.issue)):
            if id_ in by_id:
                by_id[id_]["unsubscribed"] = count
        here = Process.current()
        for row in connection.execute(owners):
            owner = Process(row.host, row.boot, row.pid, row.process)
            if row.issue in by_id and is_alive(owner, row.heartbeat, here, now):
                by_id[row.issue]["sender"] = {"host": row.host, "pid": row.pid, "since": _iso(row.since)}
        if engine.dialect.name == "postgresql":
            for one in found.values():
                one["workers"] = _workers(connection, one["issue"], here, now) if one["queued"] else []
    return list(found.values())


def _workers(connection: Connection, issue_id: str, here: Process, now: float) -> list[dict[str, Any]]:
    """The living workers, with how many shards of an issue each holds just now."""
    table = workers.c
    held = (
        select(func.count())
        .select_from(shards.join(issues))
        .where(shards.c.worker == table.number, issues.c.id == issue_id)
        .scalar_subquery()
    )
    found = []
    query = select(held, table.since, table.heartbeat, table.host, table.boot, table.pid, table.process)
    for count, since, heartbeat, *process in connection.execute(query.order_by(table.number)):
        one = Process(*process)
        if is_alive(one, heartbeat, here, now):
            found.append({"host": one.host, "pid": one.pid, "since": _iso(since), "shards": count})
    return found


def _now(connection: Connection) -> float:
    """By the clock that the heartbeats were written by: the server's, where there is one."""
    if connection.dialect.name != "postgresql":
        return time.time()
    return float(connection.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one())


def unknown_names(engine: Engine, issue_id: str, most: int) -> tuple[str, ...]:
    """The first of those who may have an issue."""
    number = select(issues.c.number).where(issues.c.id == issue_id).scalar_subquery()
    query = select(deliveries.c.email).where(deliveries.c.issue == number, deliveries.c.state == UNKNOWN)
    with reading(engine) as connection:
        return tuple(connection.execute(query.order_by(deliveries.c.id).limit(most)).scalars())


def frozen_hashes(engine: Engine) -> dict[str, str]:
    """The hash of what each issue froze, by its id; an issue composed now has the same where nothing has changed."""
    with reading(engine) as connection:
        return {row.id: row.hash for row in connection.execute(select(issues.c.id, issues.c.hash))}


def iter_deliveries(engine: Engine, issue_id: str, secret: bytes, state: str | None = None) -> Iterator[dict[str, Any]]:
    """The recipients of an issue in the order of the list, with what the relay said last; `state`: only those.

    `reply` is "550 5.1.1 no such user", or the reason where there is none; `updated` is ISO 8601, UTC. Raises
    NewsletterError where there is no such issue.
    """
    return _iterate(engine, _number(engine, issue_id), secret, state)


def _iterate(engine: Engine, number: int, secret: bytes, state: str | None) -> Iterator[dict[str, Any]]:
    table = deliveries.c
    with reading(engine) as connection:
        frozen = connection.execute(select(issues.c.frozen).where(issues.c.number == number)).scalar_one()
        issue = Issue.loads(frozen)
        domain = sender_domain(issue)
        query = select(
            table.email, table.state, table.attempts, table.code, table.status, table.text, table.relay, table.updated
        ).where(table.issue == number)
        if state is not None:
            query = query.where(table.state == state)
        rows = connection.execution_options(yield_per=1000).execute(query.order_by(table.id))
        for email, found, attempts, code, status, text, relay, updated in rows:
            yield {
                "email": email,
                "state": found,
                "attempts": attempts,
                "reply": str(Reply(code or 0, status or "", text or "", "")) or None,
                "message_id": message_id(secret, issue.id, email, domain),
                "relay": relay or None,
                "updated": _iso(updated) if updated is not None else None,
                "provider_id": (provider_id(text or "") or None) if found == "sent" else None,
            }


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that sees deliveries as a running or dead sender's log has them, where there is a log."""
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        if isinstance(driver, sqlite3.Connection):
            path = Path(engine.url.database or "")
            with explained(path):
                overlay(driver, path)
        yield connection


def _number(engine: Engine, issue_id: str) -> int:
    with reading(engine) as connection:
        number = connection.execute(select(issues.c.number).where(issues.c.id == issue_id)).scalar()
        if number is None:
            known = [
                row[0] for row in connection.execute(select(issues.c.id).order_by(issues.c.created.desc()).limit(5))
            ]
            hint = f"known: {', '.join(known)}" if known else "none has been sent yet"
            raise NewsletterError(f"no issue {issue_id!r}; {hint}")
    return int(number)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
