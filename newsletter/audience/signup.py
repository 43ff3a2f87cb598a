"""Double opt-in: who asked to join, is asked back, and joins by confirming.

Until then a person stands in a table of their own, never on the list. One confirmation mail a day and address, whoever
asks; who is on the list or must not be mailed is told nothing different. What a request must look like to get here is
the page's business.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice

from sqlalchemy import Connection, Engine, delete, func, or_, select

from newsletter.audience.address import address_key
from newsletter.audience.csv.reader import control_character
from newsletter.audience.erasure import stopped
from newsletter.audience.events import record
from newsletter.audience.notices import ONCE_A, owe, owed_lately
from newsletter.audience.roster import Roster, put, today
from newsletter.audience.subscriber import JOINED, TAGS, Subscriber, join_tags
from newsletter.audience.suppression import suppressed, unsuppress
from newsletter.state.schema import events, signups
from newsletter.state.upsert import insert_into

NAME_MAX = 100
AN_HOUR = 40
"""Sign-ups at most that are heard in an hour: of one network, or by mail, whose senders nobody vouches for."""
_CHUNK = 500
_COMES_BACK = ("unsubscribe", "bounce", "manual")
_table = signups.c


def ask(engine: Engine, person: Subscriber, now: float, *, mail: bool = True, **consent: str | None) -> bool:
    """Note that somebody asked to join, and owe them a confirmation mail; whether one is owed now.

    `consent` is what is kept of it: form, words, network, language, house.
    """
    with engine.begin() as connection:
        return _ask(connection, person, now, mail, consent)[0]


def ask_all(engine: Engine, people: Iterable[Subscriber], house: str, now: float, *, mail: bool) -> int:
    """`ask` for many; without `mail` they stay unconfirmed until they ask themselves. How many of them are news."""
    left, news = iter(people), 0
    while chunk := list(islice(left, _CHUNK)):
        with engine.begin() as connection:
            for person in chunk:
                due, noted = _ask(connection, person, now, mail, {"house": house})
                news += due or noted
    return news


def _ask(
    connection: Connection, person: Subscriber, now: float, mail: bool, consent: dict[str, str | None]
) -> tuple[bool, bool]:
    """Whether a mail is owed now, and whether what stands there was not so before."""
    key = address_key(person.email)
    columns = json.dumps(dict(person.columns), ensure_ascii=False)
    due = mail and not owed_lately(connection, key, "confirm", now - ONCE_A)
    values = {"email": person.email, "name": person.name, "columns": columns}
    statement = insert_into(connection, signups).values(key=key, created=now, asked=now if due else 0.0, **values)
    changes = {**values, "asked": now} if due else values
    differs = or_(*(_table[name] != value for name, value in changes.items()))
    upsert = statement.on_conflict_do_update(index_elements=["key"], set_=changes, where=differs)
    noted = connection.execute(upsert).rowcount > 0
    if due:
        owe(connection, person.email, "confirm", now, form=consent.get("form") or "")
        record(connection, key, "asked", now, **consent)
    return due, noted


def may_join(engine: Engine, secret: bytes, roster: Roster, email: str) -> bool:
    """Is this somebody to ask: not on the list, and stopped by nothing but the own wish of another day?"""
    why = stopped(engine, secret, email)
    return why.reason == "unsubscribe" if why is not None else roster.find(email) is None


def asked_lately(engine: Engine, email: str, now: float) -> bool:
    """Was a confirmation mail written for this address within a day?"""
    with engine.connect() as connection:
        return owed_lately(connection, address_key(email), "confirm", now - ONCE_A)


def asked_by_mail(engine: Engine, since: float) -> int:
    """How many were asked since then because they wrote a mail."""
    by_mail = events.c.detail.like('%"form": "mail"%')
    query = select(func.count()).where(events.c.kind == "asked", events.c.created > since, by_mail)
    with engine.connect() as connection:
        return connection.scalar(query) or 0


def plain_name(text: str) -> str:
    """A name as somebody wrote it, on one line and short; empty where it holds what can't be seen.

    No name begins with what makes a cell a formula: the list is opened in spreadsheets.
    """
    name = " ".join(text.split()).lstrip("=+-@ ")[:NAME_MAX]
    return "" if control_character(name) else name


def unconfirmed(engine: Engine, email: str) -> Subscriber | None:
    """Who asked to join with this address, and has not confirmed."""
    query = select(_table.email, _table.name, _table.columns).where(_table.key == address_key(email))
    with engine.connect() as connection:
        row = connection.execute(query).first()
    return Subscriber(row[0], row[1], json.loads(row[2])) if row else None


def all_unconfirmed(engine: Engine) -> Iterator[Subscriber]:
    """Everybody who asked to join and has not confirmed, oldest first."""
    query = select(_table.email, _table.name, _table.columns).order_by(_table.created, _table.key)
    with engine.connect() as connection:
        for email, name, columns in connection.execution_options(yield_per=500).execute(query):
            yield Subscriber(email, name, json.loads(columns))


def count_unconfirmed(engine: Engine) -> int:
    """How many asked to join and have not confirmed."""
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(signups)) or 0


def forget_unconfirmed(engine: Engine, before: float) -> None:
    """Drop whoever asked to join before then and never confirmed, and what is kept of it."""
    with engine.begin() as connection:
        stale = select(_table.key).where(_table.created < before, _table.asked < before)
        connection.execute(delete(events).where(events.c.key.in_(stale), events.c.kind == "asked"))
        connection.execute(delete(signups).where(_table.created < before, _table.asked < before))


def confirm_signup(
    engine: Engine, roster: Roster, email: str, now: float, *, welcome: bool, **consent: str | None
) -> bool:
    """Somebody confirmed: onto the list, off the suppressions, and a welcome is owed; False where there is nothing to.

    A complaint is no matter of a click: it stays.
    """
    person = unconfirmed(engine, email)
    there = roster.find(email)
    if person is None:
        return there is not None
    suppression = suppressed(engine, email)
    if suppression is not None and suppression.reason in _COMES_BACK:
        unsuppress(engine, email)
    columns = dict(person.columns)
    columns[TAGS] = join_tags((*(there.tags if there else ()), *person.tags))
    columns.setdefault(JOINED, today())
    if not columns[TAGS] and (there is None or TAGS not in there.columns):
        del columns[TAGS]
    if there is not None:
        columns[JOINED] = there.columns.get(JOINED) or columns[JOINED]
    put(roster, [Subscriber(person.email, person.name or (there.name if there else ""), columns)])
    key = address_key(email)
    with engine.begin() as connection:
        connection.execute(delete(signups).where(_table.key == key))
        record(connection, key, "returned" if there or suppression else "confirmed", now, **consent)
        if welcome and there is None:
            owe(connection, person.email, "welcome", now, form=consent.get("form") or "")
    return True
