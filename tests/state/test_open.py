"""The state file: made, opened, brought up to date, refused."""

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, select

from newsletter.delivery.engine import deliver
from newsletter.delivery.ledger.plan import make_plan
from newsletter.delivery.ledger.sqlite import SqliteLedger
from newsletter.errors import NewsletterError
from newsletter.smtp.relay import parse_relay
from newsletter.state import database_of, open_sqlite
from newsletter.state import schema as state_schema
from newsletter.state.questions import read_suppressions
from newsletter.state.schema import issues, metadata, schema_sql
from newsletter.state.sqlite import SqliteDatabase
from tests.delivery.relay_server import RelayServer, serving
from tests.delivery.sending import QUICK, SHORT, PlainWriter, by_state


def tables(path: Path) -> dict[str, object]:
    """What the file holds, as SQLAlchemy sees it."""
    engine = create_engine(f"sqlite:///{path}")
    seen = inspect(engine)
    found: dict[str, object] = {}
    for name in seen.get_table_names():
        if name != "alembic_version":
            columns = [
                (column["name"], str(column["type"]), column["nullable"], column["default"])
                for column in seen.get_columns(name)
            ]
            indexes = [
                (index["name"], index["column_names"], str(index.get("dialect_options", {}).get("sqlite_where")))
                for index in seen.get_indexes(name)
            ]
            keys = [key["constrained_columns"] for key in seen.get_foreign_keys(name)]
            unique = [constraint["column_names"] for constraint in seen.get_unique_constraints(name)]
            primary = seen.get_pk_constraint(name)["constrained_columns"]
            found[name] = (columns, sorted(indexes), sorted(keys), sorted(unique), primary)
    engine.dispose()
    return found


@pytest.fixture
def first_release(tmp_path: Path) -> Path:
    """A state file that the first release has written, and left when it was killed in the middle of a send."""
    path = tmp_path / "newsletter.db"
    shutil.copy(Path(__file__).parent / "first_release.db", path)
    return path


def test_a_new_file_the_schema_and_the_migrations_agree(tmp_path: Path, first_release: Path) -> None:
    made, declared = tmp_path / "made.db", tmp_path / "declared.db"
    open_sqlite(made).dispose()
    engine = create_engine(f"sqlite:///{declared}")
    metadata.create_all(engine)
    engine.dispose()
    assert tables(first_release) != tables(made)
    open_sqlite(first_release).dispose()
    assert tables(made) == tables(declared) == tables(first_release)


def test_the_file_of_tables_is_what_the_schema_says() -> None:
    assert (Path(state_schema.__file__).parent / "schema.sql").read_text(encoding="utf-8") == schema_sql()


async def test_a_send_that_the_first_release_has_begun_goes_on(first_release: Path) -> None:
    async with serving(RelayServer()) as server:
        with SqliteLedger(first_release) as ledger:
            ledger.hold("hello")
            issue = ledger.frozen("hello")
            assert issue is not None
            ledger.freeze(make_plan(ledger, issue, None))
            report = await deliver(ledger, PlainWriter(), [parse_relay(server.url)], retry=QUICK, timeouts=SHORT)
    assert (report.sent, report.pending) == (3, 0)
    assert server.addresses == {f"reader{number}@example.org" for number in (2, 8, 9)}
    assert by_state(first_release) == {
        "sent": {f"reader{number}@example.org" for number in (0, 2, 3, 8, 9)},
        "failed": {"reader1@example.org"},
        "unknown": {f"reader{number}@example.org" for number in (4, 5, 6, 7)},
    }


def test_the_suppressions_of_an_older_file_are_read_and_the_file_is_left_as_it_is(first_release: Path) -> None:
    before = first_release.read_bytes()
    assert [row[0] for row in read_suppressions(SqliteDatabase(first_release))] == ["reader1@example.org"]
    assert first_release.read_bytes() == before


def test_the_suppressions_of_no_file_are_none(tmp_path: Path) -> None:
    assert read_suppressions(SqliteDatabase(tmp_path / "newsletter.db")) == []
    (tmp_path / "newsletter.db").touch()
    assert read_suppressions(SqliteDatabase(tmp_path / "newsletter.db")) == []


def write_another_program_s(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE cats (name)")


def write_a_newer_one(path: Path) -> None:
    open_sqlite(path).dispose()
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")


def damage(path: Path) -> None:
    """As a failing disk would: the beginning is there, the rows are not."""
    shutil.copy(Path(__file__).parent / "first_release.db", path)
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (path.stat().st_size - 8192))


@pytest.mark.parametrize("read", [open_sqlite, lambda path: read_suppressions(SqliteDatabase(path)), SqliteLedger])
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.write_text("email,name\n" * 500), "no state file"),
        (write_another_program_s, "another program"),
        (write_a_newer_one, "newer version"),
        (damage, "is no state file|can't be used"),
    ],
)
def test_what_is_no_state_file_of_ours_is_said(
    tmp_path: Path, spoil: Callable[[Path], object], said: str, read: Callable[[Path], object]
) -> None:
    path = tmp_path / "newsletter.db"
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(NewsletterError, match=said):
        read(path)
    assert path.read_bytes() == before


def test_it_is_in_wal_mode_and_durable(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "newsletter.db")
    with engine.connect() as connection:
        ask = connection.exec_driver_sql
        assert ask("PRAGMA journal_mode").scalar() == "wal"
        assert ask("PRAGMA synchronous").scalar() == 2
        assert ask("PRAGMA foreign_keys").scalar() == 1
        assert connection.execute(select(issues)).all() == []
    engine.dispose()


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "newsletter.db"
    open_sqlite(path).dispose()
    before = path.read_bytes()
    open_sqlite(path).dispose()
    assert path.read_bytes() == before


def test_a_ready_file_is_opened_without_alembic_or_the_toolkit(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from newsletter.state.sqlite import prepare;"
        f"prepare(Path({str(tmp_path / 'newsletter.db')!r}));"
        "assert not {'alembic', 'sqlalchemy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_six_processes_make_one_file_together(tmp_path: Path) -> None:
    file = str(tmp_path / "n.db")
    code = f"from pathlib import Path; from newsletter.state.sqlite import prepare; prepare(Path({file!r}))"
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(6)]
    assert [process.wait() for process in running] == [0] * 6
    assert len(tables(tmp_path / "n.db")) == len(metadata.tables)


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(NewsletterError, match="can't be opened"):
        open_sqlite(tmp_path / "none" / "newsletter.db")


@pytest.mark.parametrize("url", ["mysql://x", "sqlite:", "sqlite:///"])
def test_an_url_of_no_use_is_refused(url: str) -> None:
    from newsletter.config.settings import Config, State

    with pytest.raises(NewsletterError, match=r"\[state\] url"):
        database_of(Config(state=State(url=url)))
