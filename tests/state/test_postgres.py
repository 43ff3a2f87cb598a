"""The state in PostgreSQL: made, opened, brought up to date, refused; the server is a real one."""

import contextlib
import itertools
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from sqlalchemy import MetaData, create_engine, inspect, select

from newsletter.config.settings import Config, State
from newsletter.errors import NewsletterError, TryAgainLater
from newsletter.state import database_of
from newsletter.state.postgres import PostgresDatabase
from newsletter.state.questions import has_issues, read_mark, read_suppressions
from newsletter.state.schema import issues, marks, metadata
from tests.postgres import PostgresServer


def tables(url: str) -> dict[str, object]:
    """What the database holds, as SQLAlchemy sees it."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    seen = inspect(engine)
    found: dict[str, object] = {}
    for name in set(seen.get_table_names()) - {"alembic_version"}:
        columns = [(column["name"], str(column["type"]), column["nullable"]) for column in seen.get_columns(name)]
        where = [str(index.get("dialect_options", {}).get("postgresql_where")) for index in seen.get_indexes(name)]
        indexes = [(index["name"], *index["column_names"]) for index in seen.get_indexes(name)]
        found[name] = (columns, sorted(map(str, indexes)), sorted(where), seen.get_pk_constraint(name))
    engine.dispose()
    return found


def test_a_new_database_is_what_the_schema_says_whoever_comes_first(postgres: PostgresServer) -> None:
    url = postgres.database()

    def make(_: int) -> bool:
        PostgresDatabase(url).engine().dispose()
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(make, range(4)))
    assert set(tables(url)) == set(metadata.tables)


def test_the_migrations_bring_an_older_database_to_what_a_new_one_is(postgres: PostgresServer) -> None:
    old = postgres.database()
    first = MetaData()
    released = create_engine(f"sqlite:///{Path(__file__).parent / 'first_release.db'}")
    first.reflect(released)
    released.dispose()
    first.remove(first.tables["alembic_version"])
    for column in [column for table in first.tables.values() for column in table.columns]:
        column.type = column.type.as_generic()
    engine = create_engine(old.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        first.create_all(connection)
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('0001')")
    engine.dispose()
    database = PostgresDatabase(old)
    assert read_mark(database, "new") is None  # an older one is looked at as it is
    database.engine().dispose()
    new, brought = tables(postgres.ready()), tables(old)
    assert brought.keys() == new.keys()
    for name in new:  # of which the first release for PostgreSQL has larger numbers
        assert str(brought[name]).replace("BIGINT", "INTEGER") == str(new[name]).replace("BIGINT", "INTEGER")


def test_an_empty_database_is_looked_at_and_left_empty(postgres: PostgresServer) -> None:
    database = PostgresDatabase(postgres.database())
    assert (database.exists(), has_issues(database), read_suppressions(database), database.mark()) == (
        False, False, [], None,
    )  # fmt: skip
    assert not database.exists()


def test_what_is_written_is_seen_and_gives_another_mark(postgres: PostgresServer) -> None:
    database = PostgresDatabase(postgres.ready())
    before = database.mark()
    engine = database.engine()
    with engine.begin() as connection:
        connection.execute(marks.insert().values(name="new", moment=7.5))
        assert connection.execute(select(issues)).all() == []
    engine.dispose()
    assert read_mark(database, "new") == 7.5
    assert database.mark() != before is not None


def make_another_program_s(server: PostgresServer) -> str:
    url = server.database()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("CREATE TABLE cats (name text)")
    return url


def make_a_newer_one(server: PostgresServer) -> str:
    url = server.ready()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    return url


def lock(server: PostgresServer) -> str:
    if not server.execute("SELECT 1 FROM pg_roles WHERE rolname = 'locked'"):
        server.execute("CREATE ROLE locked LOGIN PASSWORD 'right'")
    return server.url("postgres", "locked:wr0ng")


def test_whoever_may_not_make_tables_is_told_so(postgres: PostgresServer) -> None:
    url = postgres.database()
    postgres.execute("DO $$ BEGIN CREATE ROLE guest LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    database = PostgresDatabase(url.replace("postgres@", "guest@"))
    with pytest.raises(NewsletterError, match=r"permission denied for schema public.; grant .state. url's user"):
        database.engine()


@pytest.mark.parametrize(
    ("url_of", "said", "code"),
    [
        (make_another_program_s, "is another program's database; see", 2),
        (make_a_newer_one, "written by a newer version", 2),
        (lock, "can't be used .password authentication failed for user .locked..; see .state. url", 2),
        (lambda server: server.url("nowhere"), 'can.t be used .database "nowhere" does not exist', 2),
        (lambda _: "postgresql://127.0.0.1:1/x", "away or busy .*refused.*; try again later", 75),
        (lambda _: "postgresql://u@h/x?sslmode=maybe", r"\[state\] url|sslmode", 2),
        (lambda _: "postgresql://u@h:port/x", r"\[state\] url|port", 2),
    ],
)
@pytest.mark.parametrize("use", [lambda database: database.engine(), read_suppressions])
def test_what_can_t_be_used_is_said_in_one_line(
    postgres: PostgresServer,
    url_of: Callable[[PostgresServer], str],
    said: str,
    code: int,
    use: Callable[[PostgresDatabase], object],
) -> None:
    url = url_of(postgres)
    with pytest.raises(NewsletterError, match=said) as caught:
        use(PostgresDatabase(url))
    assert caught.value.exit_code == code
    assert "\n" not in str(caught.value)
    assert "wr0ng" not in str(caught.value)


def test_a_server_that_goes_away_under_an_open_state_is_said(postgres: PostgresServer) -> None:
    engine = PostgresDatabase(postgres.ready()).engine()
    with engine.connect() as connection, pytest.raises(TryAgainLater, match="away or busy"):
        connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
    with engine.connect() as connection:  # and the next one is made anew
        assert connection.execute(select(issues)).all() == []
    engine.dispose()


def test_without_the_extra_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        NewsletterError, match=r"\[state\] url: .*`pip install 'newsletter-press\[postgres\]'`"
    ) as caught:
        database_of(Config(state=State(url="postgresql://127.0.0.1/x")))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://ada:secret@db.example.org/news", "postgresql://db.example.org/news"),
        ("postgresql+psycopg://ada@db.example.org:6543/news", "postgresql://db.example.org:6543/news"),
        ("postgres:///news?host=/run/postgresql", "postgresql:///news"),
    ],
)
def test_it_is_named_without_its_password(url: str, name: str) -> None:
    assert database_of(Config(state=State(url=url))).name == name


@pytest.mark.parametrize("sessions", [1, 2])
def test_a_pooler_of_transactions_is_refused_and_one_of_sessions_is_not(
    postgres: PostgresServer, sessions: int
) -> None:
    database = PostgresDatabase(postgres.ready())
    with contextlib.ExitStack() as opened:
        behind = itertools.cycle([opened.enter_context(database.connect()) for _ in range(sessions)])

        class Pooled:
            """One connection to the client, numbered by the pooler; each transaction goes to the next session."""

            def __init__(self) -> None:
                self.info = SimpleNamespace(backend_pid=1)

            def execute(self, query: str, values: tuple[str, ...] = ()) -> Any:
                return next(behind).execute(query, values)

        with (
            pytest.raises(NewsletterError, match="a pooler that changes the session")
            if sessions > 1
            else contextlib.nullcontext()
        ):
            database.refuse_pooler(Pooled())  # type: ignore[arg-type]
