"""The state in a file: make it, bring it up to date, set what makes it durable.

Ordinary queries go through a SQLAlchemy engine (`open_sqlite`); delivery.ledger opens a connection of its own on the
same file. A new file is made from schema.sql; Alembic is imported only when an older one must be brought up to date.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from newsletter.errors import NewsletterError, TryAgainLater
from newsletter.state.database import NEWER, VERSION, explaining
from newsletter.state.private import private_file
from newsletter.state.turn import BUSY, begin_in_turn

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_WRITES = ("INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True, slots=True)
class SqliteDatabase:
    """The state in the file `path` (`state.database.Database`)."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def exists(self) -> bool:
        return self.path.exists()

    def prepare(self) -> None:
        prepare(self.path)

    def engine(self) -> "Engine":
        return open_sqlite(self.path)

    def query(self, sql: str, *values: Any) -> list[Any]:
        with looking(self.path) as db:
            if db is None:
                return []
            try:
                return db.execute(sql, values).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error) or "no such column" in str(error):  # of an older one
                    return []
                raise

    def mark(self) -> object:
        found = [_stamp(self.path), _stamp(Path(f"{self.path}-wal"))]
        return found if found[0] is not None else None

    def explain(self, error: BaseException) -> NewsletterError:
        return explain(error, self.path)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size


def open_sqlite(path: Path) -> "Engine":
    """The state file at `path` as a SQLAlchemy engine; made where there is none.

    Raises NewsletterError where it can't be read, is no state file, or is of a newer version than this program.
    """
    prepare(path)
    from sqlalchemy import create_engine, event
    from sqlalchemy.engine import URL

    engine = create_engine(URL.create("sqlite", database=str(path)))
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "before_cursor_execute", _begin_first)
    return explaining(engine, SqliteDatabase(path))


def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
    configure(connection)


def _begin_first(connection: "Connection", _cursor: Any, statement: str, *_context: Any) -> None:
    """A transaction begins in turn, before the first statement that writes."""
    if statement.startswith(_WRITES):
        hold(connection)


def hold(connection: "Connection") -> None:
    """Let nobody else write until the transaction of `connection` ends, where the state is a file. In turn."""
    own = connection.connection.driver_connection
    if isinstance(own, sqlite3.Connection) and not own.in_transaction:
        path = Path(connection.engine.url.database or "")
        with explained(path):
            begin_in_turn(own, path)


def configure(connection: sqlite3.Connection) -> None:
    """What every connection needs: waiting for other writers, foreign keys, an fsync at each commit."""
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY * 1000)}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")


def connect(path: Path) -> sqlite3.Connection:
    """A connection of one's own to a file that is ready (`prepare`), for any one thread at a time."""
    with explained(path):
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        configure(connection)
    return connection


@contextlib.contextmanager
def transaction(
    connection: sqlite3.Connection, kind: str = "IMMEDIATE", *, turn: Path | None = None
) -> Iterator[sqlite3.Connection]:
    """All or nothing: what is done inside is committed at the end, and taken back where anything goes wrong.

    Whoever writes to the state file `turn` again and again lets others write in between.
    """
    if turn is None:
        connection.execute(f"BEGIN {kind}")
    else:
        begin_in_turn(connection, turn)
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # what went wrong first is what is said
                connection.execute("ROLLBACK")
        raise


class Inserting:
    """Rows on their way into a table, fifty to a statement: a third of the time that as many statements take.

    `insert` ends in the values of one row, `VALUES (?, ?)`.
    """

    _TOGETHER = 50

    def __init__(self, db: sqlite3.Connection, insert: str) -> None:
        row = insert.partition("VALUES ")[2]
        self._db = db
        self._one, self._width = insert, row.count("?")
        self._many = insert + f", {row}" * (self._TOGETHER - 1)
        self._waiting: list[Any] = []  # values, one row's behind the other's

    def add(self, columns: Sequence[Sequence[Any]]) -> None:
        """Put down some rows, given column by column, but for a few that wait for the next ones."""
        values: list[Any] = [None] * (self._width * len(columns[0]))
        for at, column in enumerate(columns):
            values[at :: self._width] = column
        self._waiting += values
        size = self._width * self._TOGETHER
        whole = len(self._waiting) // size * size
        for start in range(0, whole, size):
            self._db.execute(self._many, self._waiting[start : start + size])
        del self._waiting[:whole]

    def rest(self) -> None:
        """Put down those that still wait."""
        self._db.executemany(self._one, zip(*[iter(self._waiting)] * self._width, strict=True))


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """What SQLite says about the file is said as a NewsletterError."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, path) from None


@contextlib.contextmanager
def looking(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A connection that only reads, to a file that may be older than this program; None where there is none.

    Raises NewsletterError where it is newer, damaged, or no state file.
    """
    if not path.exists():
        yield None
        return
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with explained(path), contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as db:
        db.execute(f"PRAGMA busy_timeout = {int(BUSY * 1000)}")
        found = _version_of_ours(db, path)
        if found is not None and found > VERSION:
            raise NewsletterError(NEWER.format(found), path=path)
        yield db if found is not None else None


def prepare(path: Path) -> None:
    """Make the file or bring it up to date; nothing but one small query when it is."""
    try:
        with contextlib.suppress(OSError):  # SQLite says what is wrong
            private_file(path)  # its journals (-wal, -shm) take its mode
        connection = sqlite3.connect(path, isolation_level=None)
    except sqlite3.Error as error:
        raise NewsletterError(f"the state file can't be opened ({error}); see [state] url", path=path) from None
    with contextlib.closing(connection), explained(path):
        configure(connection)
        found = _version_of_ours(connection, path)
        if found is None:
            _enter_wal(connection)
            found = _create(connection, path)
        if found != VERSION:
            _migrate(path, found)


def _version(connection: sqlite3.Connection) -> str | None:
    """The revision that the file is at; None where it has none."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def _version_of_ours(connection: sqlite3.Connection, path: Path) -> str | None:
    """The revision that the file is at; None for an empty one. Another program's is refused, and left as it is."""
    with transaction(connection, "DEFERRED"):  # one look, from its first SELECT on: another may be making the tables
        found = _version(connection)
        if found is None and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise NewsletterError("is another program's database; see [state] url", path=path)
    return found


def _enter_wal(connection: sqlite3.Connection) -> None:
    """Write-ahead logging stays with the file. Changing the mode does not wait for others by itself."""
    deadline = time.monotonic() + BUSY
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _create(connection: sqlite3.Connection, path: Path) -> str:
    """Make the tables in an empty file; another process may be at it, so look again under the lock."""
    with transaction(connection):
        found = _version(connection)
        if found is None:
            for statement in (Path(__file__).parent / "schema.sql").read_text(encoding="utf-8").split(";\n"):
                connection.execute(statement)
            connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
            connection.execute("INSERT INTO alembic_version VALUES (?)", (VERSION,))
            found = VERSION
    return found


def _migrate(path: Path, found: str) -> None:
    """Run the migrations between `found` and VERSION, in one transaction that holds the write lock."""
    from sqlalchemy import create_engine, event
    from sqlalchemy.engine import URL
    from sqlalchemy.exc import DBAPIError

    from newsletter.state.migrate import migrate

    engine = create_engine(URL.create("sqlite", database=str(path)))
    event.listen(engine, "connect", lambda connection, _record: setattr(connection, "isolation_level", None))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with engine.begin() as connection:
            if not migrate(found, connection):
                raise NewsletterError(NEWER.format(found), path=path)
    except DBAPIError as error:
        raise explain(error.orig or error, path) from None
    finally:
        engine.dispose()


def explain(error: BaseException, path: Path) -> NewsletterError:
    """What SQLite says about the file, in words, and what to do."""
    reason = str(error)
    if "locked" in reason or "busy" in reason:
        return TryAgainLater("the state file is busy; try again later", path=path)
    if "full" in reason:
        return NewsletterError("the disk is full; make room, then run the same command again to go on", path=path)
    if "I/O" in reason or "readonly" in reason:
        return NewsletterError(f"can't be written ({reason}); fix that, then run the same command again", path=path)
    if "not a database" in reason or "malformed" in reason:
        return NewsletterError(f"is no state file ({reason}); restore a copy, or move it away", path=path)
    return NewsletterError(f"the state file can't be used ({reason}); see [state] url", path=path)
