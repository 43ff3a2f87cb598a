"""What happened to whom: the record of consent, of coming and of going.

Append-only, by the key of the address; erasing a person deletes that person's rows. What the list says now is the
list's own business, and who must not be mailed the suppressions'.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, Engine, insert, select

from newsletter.state.schema import events

EventKind = Literal[
    "asked", "confirmed", "added", "imported", "changed", "left", "returned", "removed", "bounced", "complained"
]
"""asked: a confirmation mail; confirmed: double opt-in done; added: by the author's hand; imported: from a file;
changed: preferences; left and returned: unsubscribed, and came back; removed: taken off the list by the author; bounced
and complained: what a mailbox, or its reader, sent back."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; `detail` has what is known of it: form, words, network, language, reason."""

    kind: str
    created: float  # Unix seconds
    issue: str | None
    detail: Mapping[str, str]


def record(
    connection: Connection, key: str, kind: EventKind, now: float, issue: str | None = None, **detail: str | None
) -> None:
    """Write down that this happened, in the caller's transaction; what is None of the detail is left out."""
    record_all(connection, kind, [(key, now, issue, detail)])


def record_all(
    connection: Connection, kind: EventKind, rows: Iterable[tuple[str, float, str | None, Mapping[str, str | None]]]
) -> None:
    """`record` for many: key, moment, issue and detail of each."""
    values = [
        {
            "key": key, "kind": kind, "created": created, "issue": issue or None,
            "detail": json.dumps({name: text for name, text in detail.items() if text}, ensure_ascii=False),
        }
        for key, created, issue, detail in rows
    ]  # fmt: skip
    if values:
        connection.execute(insert(events), values)


def events_of(engine: Engine, key: str) -> Iterator[Event]:
    """A person's events, oldest first."""
    table = events.c
    query = select(table.kind, table.created, table.issue, table.detail).where(table.key == key).order_by(table.id)
    with engine.connect() as connection:
        for kind, created, issue, detail in connection.execute(query):
            yield Event(kind, created, issue, json.loads(detail))


def latest_events(engine: Engine, kinds: Collection[EventKind], limit: int) -> list[tuple[str, Event]]:
    """The events of these kinds that were last written down, newest first, with the person's key.

    Of a whole file, with none.
    """
    table = events.c
    columns = (table.key, table.kind, table.created, table.issue, table.detail)
    query = select(*columns).where(table.kind.in_(kinds)).order_by(table.id.desc()).limit(limit)
    with engine.connect() as connection:
        found = [
            (key, Event(kind, created, issue, json.loads(detail)))
            for key, kind, created, issue, detail in connection.execute(query)
        ]
    return sorted(found, key=lambda pair: pair[1].created, reverse=True)  # an import writes down who left long ago
