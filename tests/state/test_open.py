"""The state file: made, opened, brought up to date, refused."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, select

from newsletter.errors import NewsletterError
from newsletter.state import open as state_open
from newsletter.state import open_sqlite
from newsletter.state.schema import issues, metadata


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


def test_a_new_file_the_schema_and_the_migrations_agree(tmp_path: Path) -> None:
    made, declared, migrated = tmp_path / "made.db", tmp_path / "declared.db", tmp_path / "migrated.db"
    open_sqlite(made).dispose()
    engine = create_engine(f"sqlite:///{declared}")
    metadata.create_all(engine)
    engine.dispose()
    db = sqlite3.connect(migrated)
    db.close()
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(state_open.__file__).parent / "migrations"))
    config.attributes["path"] = migrated
    assert ScriptDirectory.from_config(config).get_current_head() == state_open.VERSION
    command.upgrade(config, "head")
    assert tables(made) == tables(declared) == tables(migrated)


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
        "import sys; from pathlib import Path; from newsletter.state.open import prepare;"
        f"prepare(Path({str(tmp_path / 'newsletter.db')!r}));"
        "assert not {'alembic', 'sqlalchemy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_six_processes_make_one_file_together(tmp_path: Path) -> None:
    file = str(tmp_path / "n.db")
    code = f"from pathlib import Path; from newsletter.state.open import prepare; prepare(Path({file!r}))"
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(6)]
    assert [process.wait() for process in running] == [0] * 6
    assert len(tables(tmp_path / "n.db")) == len(metadata.tables)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "newsletter.db"
    path.write_text("email,name\n" * 500)
    with pytest.raises(NewsletterError, match="no state file"):
        open_sqlite(path)
    assert path.read_text().startswith("email")


def test_another_program_s_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "newsletter.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE cats (name)")
    db.close()
    with pytest.raises(NewsletterError, match="another program"):
        open_sqlite(path)


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "newsletter.db"
    open_sqlite(path).dispose()
    db = sqlite3.connect(path)
    db.execute("UPDATE alembic_version SET version_num = '9999'")
    db.commit()
    db.close()
    with pytest.raises(NewsletterError, match="newer version"):
        open_sqlite(path)


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(NewsletterError, match="can't be opened"):
        open_sqlite(tmp_path / "none" / "newsletter.db")


@pytest.mark.parametrize("url", ["postgresql://localhost/x", "mysql://x", "sqlite:", "sqlite:///"])
def test_an_url_of_no_use_is_refused(url: str) -> None:
    from newsletter.config.settings import Config, State

    with pytest.raises(NewsletterError, match=r"\[state\] url"):
        state_open.sqlite_path(Config(state=State(url=url)))
