"""What the tests of this room share: an issue, a list, a writer, and a run on a scripted relay."""

import contextlib
import random
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from newsletter.audience.address import address_key
from newsletter.audience.listing import Problem, RowBlock
from newsletter.audience.subscriber import Subscriber, pack_columns
from newsletter.compose.issue import Issue
from newsletter.compose.message.envelope import Envelope
from newsletter.delivery.engine import Report, deliver
from newsletter.delivery.ledger.log import overlay
from newsletter.delivery.ledger.open import open_ledger
from newsletter.delivery.ledger.plan import Plan, make_plan
from newsletter.delivery.ledger.sql import SqlLedger
from newsletter.delivery.pace import RetryPolicy
from newsletter.smtp.connection import Timeouts
from newsletter.smtp.relay import parse_relay
from newsletter.state.database import Database
from newsletter.state.sqlite import SqliteDatabase, prepare

Place = Path | str
"""Where a ledger is: a file, or an address of PostgreSQL's."""

QUICK = RetryPolicy(first=0.2, most=1.0, give_up=30.0)
SHORT = Timeouts(connect=2.0, command=0.4, data=0.4, dot=0.4, quit=0.2, back_off=0.05)
"""For servers that let us wait."""
PATIENT = Timeouts(connect=20.0, command=20.0, data=20.0, dot=20.0, quit=0.2, back_off=0.05)
"""For servers that answer, on a busy machine too."""


def database_at(place: Place) -> Database:
    if isinstance(place, Path):
        return SqliteDatabase(place)
    from newsletter.state.postgres import PostgresDatabase

    return PostgresDatabase(place)


def ledger_at(place: Place, clock: Callable[[], float] | None = None) -> SqlLedger:
    return open_ledger(database_at(place), clock)


def an_issue(text: str = "Hello, you.", issue_id: str = "hello") -> Issue:
    return Issue(
        id=issue_id, post=f"posts/{issue_id}.md", subject=("Hello",), preheader="", sender="Ada <ada@example.org>",
        reply_to="", mail_from="ada@example.org", list_id="The Long View <example.org>",
        unsubscribe_url="https://example.org", unsubscribe_mailto="", view_url="", language="en",
        html=(f"<p>{text}</p>",), text=(text,), context={},
    )  # fmt: skip


def people(count: int, domain: str = "example.org") -> list[Subscriber]:
    return [Subscriber(f"reader{number}@{domain}", f"Reader {number}") for number in range(count)]


class PlainWriter:
    """A writer of short messages; the real one has tests of its own."""

    def __init__(self, size: int = 500) -> None:
        self._body = b"x" * 70 + b"\r\n"
        self._lines = size // 72 + 1
        self.written: list[str] = []

    def envelope(self, subscriber: Subscriber) -> Envelope:
        self.written.append(subscriber.email)
        head = f"To: {subscriber.email}\r\nSubject: Hello\r\n\r\n".encode()
        return Envelope("ada@example.org", subscriber.email, [head, self._body * self._lines], "envelope-1")


def listing(subscribers: Iterable[Subscriber], problems: Sequence[tuple[int, Problem]] = ()) -> Iterator[RowBlock]:
    """A list of these people, from the second line on, and of rows that can't be mailed."""
    everybody = iter(enumerate(subscribers, 2))
    while some := list(islice(everybody, 500)):
        lines, persons = zip(*some, strict=True)
        emails, names = [person.email for person in persons], [person.name for person in persons]
        columns = [pack_columns(person.columns) for person in persons]
        cells = {name: [person.columns.get(name, "") for person in persons] for name in persons[0].columns}
        yield RowBlock(lines, list(map(address_key, emails)), emails, names, columns, cells, problems)
        problems = ()


def plan(
    ledger: SqlLedger, subscribers: Iterable[Subscriber] | None, issue: Issue | None = None, **options: Any
) -> Plan:
    """Hold the issue, plan, and freeze."""
    issue = issue or an_issue()
    if ledger.held != issue.id:
        ledger.hold(issue.id)
    where = options.pop("where", None)
    audience = ledger.read_audience(listing(subscribers), where) if subscribers is not None else None
    made = make_plan(ledger, issue, audience, **options)
    ledger.freeze(made)
    return made


async def send(
    path: Place,
    urls: str | Sequence[str],
    subscribers: Iterable[Subscriber] | None,
    *,
    connections: int = 4,
    plan_options: dict[str, Any] | None = None,
    relay_options: dict[str, Any] | None = None,
    writer: Any = None,
    clock: Callable[[], float] = time.time,
    **options: Any,
) -> Report:
    """Plan and deliver with short times; the ledger is closed afterwards."""
    options.setdefault("retry", QUICK)
    options.setdefault("timeouts", PATIENT)
    options.setdefault("chance", random.Random(1))
    with ledger_at(path, clock) as ledger:
        plan(ledger, subscribers, **(plan_options or {}))
        relays = [
            replace(parse_relay(url, connections=connections), **(relay_options or {}))
            for url in ([urls] if isinstance(urls, str) else urls)
        ]
        return await deliver(ledger, writer or PlainWriter(), relays, **options)


def execute(path: Place, statement: str, *values: Any) -> list[Any]:
    """Run one statement on the state by its driver alone, as another process would."""
    if isinstance(path, str):
        import psycopg

        with psycopg.connect(path, autocommit=True) as server:
            cursor = server.execute(statement.replace("?1", "%s").replace("?", "%s"), values)
            return cursor.fetchall() if cursor.description else []
    with contextlib.closing(sqlite3.connect(path, timeout=5)) as db, db:
        return db.execute(statement, values).fetchall()


def suppress(path: Place, email: str) -> None:
    """Never mail this address again, says another process."""
    if isinstance(path, Path):
        prepare(path)
    insert = "INSERT INTO suppressions (key, email, reason, source, created) VALUES (?, ?, 'asked', 'test', 0)"
    execute(path, f"{insert} ON CONFLICT (key) DO NOTHING", email.lower(), email)


def rows(path: Place) -> list[dict[str, Any]]:
    """The ledger's deliveries, as the log has them."""
    query = "SELECT * FROM deliveries ORDER BY id"
    if isinstance(path, str):
        import psycopg
        from psycopg.rows import dict_row

        with psycopg.connect(path, row_factory=dict_row) as server:
            return server.execute(query).fetchall()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        overlay(db, path)
        return [dict(row) for row in db.execute(query)]


def by_state(path: Place) -> dict[str, set[str]]:
    """Addresses by state."""
    found: dict[str, set[str]] = {}
    for row in rows(path):
        found.setdefault(row["state"], set()).add(row["email"])
    return found


def suppressed(path: Place) -> set[str]:
    return {row[0] for row in execute(path, "SELECT email FROM suppressions")}
