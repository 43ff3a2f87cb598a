"""`state copy`: the whole state from a file into PostgreSQL and back, nothing lost."""

from pathlib import Path

import pytest
from sqlalchemy import insert, select

from newsletter.audience.suppression import suppress
from newsletter.delivery.ledger.sqlite import SqliteLedger
from newsletter.errors import NewsletterError
from newsletter.state.copy import copy_state, senders
from newsletter.state.database import Database
from newsletter.state.postgres import PostgresDatabase
from newsletter.state.schema import deliveries, events, marks, metadata, subscriber_columns, subscribers
from newsletter.state.sqlite import SqliteDatabase
from tests.delivery.sending import Place, an_issue, database_at, ledger_at, people, plan
from tests.postgres import PostgresServer


def content(database: Database) -> dict[str, list[tuple[object, ...]]]:
    engine = database.engine()
    with engine.connect() as connection:
        found = {table.name: sorted(map(tuple, connection.execute(select(table))), key=repr) for table in TABLES}
    engine.dispose()
    return found


TABLES = metadata.sorted_tables


@pytest.fixture
def filled(tmp_path: Path) -> SqliteDatabase:
    """A state that has something in most of its tables; texts in several scripts, moments with fractions."""
    path = tmp_path / "newsletter.db"
    with SqliteLedger(path, lambda: 1764200000.123456) as ledger:
        plan(ledger, people(2500))
    for name in ("Zwei", "eins"):
        with SqliteLedger(path) as ledger:
            plan(ledger, people(3), an_issue(name, name))
    database = SqliteDatabase(path)
    engine = database.engine()
    suppress(engine, "Zoë@example.org", "unsubscribe", "page", 0.1, "hello")
    suppress(engine, "a@example.org", "bounce", "smtp", 1e9 / 3)
    with engine.begin() as connection:
        connection.execute(marks.insert().values(name="new", moment=0.1 + 0.2))
        connection.execute(insert(events).values(key="k", kind="asked", created=2.5, detail='{"words": "日本"}'))
        connection.execute(insert(subscriber_columns).values(name="city"))
        connection.execute(insert(subscribers).values(id=7, key="k", email="K@example.org", name="'", columns="{}"))
        connection.execute(deliveries.update().where(deliveries.c.id == 5).values(text="no\0 such user", code=550))
        connection.execute(deliveries.delete().where(deliveries.c.id == 9))
    engine.dispose()
    return database


def test_what_is_copied_there_and_back_is_what_it_was(
    filled: SqliteDatabase, postgres: PostgresServer, tmp_path: Path
) -> None:
    server, back = PostgresDatabase(postgres.database()), SqliteDatabase(tmp_path / "back.db")
    counts = copy_state(filled, server)
    assert counts["deliveries"] == 2505
    other = PostgresDatabase(postgres.database())
    assert copy_state(server, other) == copy_state(other, back) == counts
    was = content(filled)
    was["deliveries"] = [
        tuple("no such user" if one == "no\0 such user" else one for one in row) for row in was["deliveries"]
    ]
    assert (
        content(server)
        == content(other)
        == content(back)
        == {name: sorted(rows, key=repr) for name, rows in was.items()}
    )
    for database in (server, back):  # and numbers go on where they were
        engine = database.engine()
        with engine.begin() as connection:
            connection.execute(insert(subscribers).values(key="n", email="n@example.org", name="", columns="{}"))
            assert connection.scalar(select(subscribers.c.id).where(subscribers.c.key == "n")) == 8
        engine.dispose()


def test_a_target_that_knows_something_is_left_as_it_is(filled: SqliteDatabase, postgres: PostgresServer) -> None:
    server = PostgresDatabase(postgres.ready())
    engine = server.engine()
    suppress(engine, "a@example.org", "bounce", "smtp", 1.0)
    engine.dispose()
    before = content(server)
    with pytest.raises(NewsletterError, match=r"postgresql://.*: is not empty \(it has suppressions\)"):
        copy_state(filled, server)
    assert content(server) == before


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_state_that_is_sent_from_is_not_copied(tmp_path: Path, request: pytest.FixtureRequest, kind: str) -> None:
    place: Place = tmp_path / "newsletter.db"
    if kind == "postgresql":
        place = request.getfixturevalue("postgres").ready()
    with ledger_at(place) as ledger:
        plan(ledger, people(3))
        assert senders(database_at(place)) == ["hello"]
        with pytest.raises(NewsletterError, match="'hello' is being sent"):
            copy_state(database_at(place), SqliteDatabase(tmp_path / "other.db"))
    assert copy_state(database_at(place), SqliteDatabase(tmp_path / "other.db"))["deliveries"] == 3


@pytest.mark.parametrize("target", ["same", "none"])
def test_a_copy_needs_two_states(filled: SqliteDatabase, tmp_path: Path, target: str) -> None:
    missing = SqliteDatabase(tmp_path / "missing.db")
    with pytest.raises(NewsletterError, match=r"already; name another|no state to copy"):
        copy_state(*((filled, filled) if target == "same" else (missing, filled)))
    assert not missing.exists()
