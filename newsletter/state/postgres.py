"""The state in a database of PostgreSQL's: made from the schema's metadata, brought up to date by Alembic.

psycopg 3 speaks to the server and libpq reads the address, so whatever `psql` takes is taken here too (PGPASSWORD,
~/.pgpass, several hosts, sslmode). Neither is imported before `[state] url` says postgresql.
"""

import contextlib
import functools
import importlib.util
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from newsletter.errors import NewsletterError, TryAgainLater
from newsletter.state.connections import Connections
from newsletter.state.database import NEWER, VERSION, explaining

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import Connection, Engine

_DEFAULTS = {
    "connect_timeout": "10",
    "application_name": "newsletter",
    "keepalives_idle": "10",  # a server that is gone without a word is noticed in half a minute
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
_MAKING = 0x6E6C7374
"""The advisory lock of whoever makes the tables or brings them up to date."""
_WRONG = re.compile(
    "authentication failed|no password supplied|does not exist|pg_hba|permission denied|Name or service not known|"
    "nodename nor servname|Servname not supported|certificate|SSL|invalid|not permitted",
    re.IGNORECASE,
)
"""What is said of an address that is wrong; whatever else is said when connecting may be well in a while."""
_TABLES = """
SELECT coalesce(array_agg(relname::text), '{}') FROM pg_class c
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
  AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
"""
"""Of one moment, while another process may be making them; not those that an extension has brought."""


def has_password(url: str) -> bool:
    """Does an address of PostgreSQL's hold a password?"""
    return "password=" in url or re.search(r"://[^/@:]*:[^/@]+@", url) is not None


class NoRoom(NewsletterError):  # noqa: N818 (named for what the server lacks)
    """The server's disk is full."""


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """The state in the database at `url` (`state.database.Database`)."""

    url: str
    connections: Connections = field(default_factory=Connections, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raise NewsletterError where the driver is missing, or the address can't be read."""
        scheme, _, rest = self.url.partition("://")
        object.__setattr__(self, "url", f"{scheme.partition('+')[0]}://{rest}")  # as SQLAlchemy spells it
        self._fields()
        if importlib.util.find_spec("procrastinate") is None:  # the queue of whoever sends, by the same extra
            raise _missing("procrastinate")

    def _fields(self) -> dict[str, Any]:
        conninfo, errors = _psycopg().conninfo, _psycopg().errors
        try:
            return dict(conninfo.conninfo_to_dict(self.url))
        except errors.Error as error:
            what = f"{str(error).strip()}; write it like postgresql://user@host/database"
            raise NewsletterError(_hidden(what, self.url)) from None

    @property
    def name(self) -> str:
        fields = self._fields()
        host = fields.get("host") or fields.get("hostaddr") or ""
        host = "" if host.startswith("/") else host
        port = f":{fields['port']}" if host and "," not in host and fields.get("port", "5432") != "5432" else ""
        return f"postgresql://{host}{port}/{fields.get('dbname') or fields.get('user') or ''}"

    def parameters(self) -> dict[str, Any]:
        """What a connection is made with. Raises TryAgainLater once there are to be no more (`end_within`)."""
        left, parameters = self.connections.left(), _DEFAULTS | self._fields()
        if left == 0:
            raise TryAgainLater("the server did not answer in time; try again later", path=self.name)
        if left is not None:
            wanted, most = int(parameters["connect_timeout"]), max(int(left), 2)  # libpq takes no less than two seconds
            parameters["connect_timeout"] = str(min(wanted, most) if wanted > 0 else most)
        return parameters

    def connect(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """A connection of one's own, each statement a transaction unless one is begun. Raises NewsletterError."""
        try:
            db: psycopg.Connection[tuple[Any, ...]] = _psycopg().connect(autocommit=True, **self.parameters())
        except _psycopg().Error as error:
            raise self.explain(error) from None
        self.connections.add(db)
        return db

    def refuse_pooler(self, db: "psycopg.Connection[tuple[Any, ...]]") -> None:
        """Raise NewsletterError where a pooler gives each transaction on `db` another session of the server's.

        Ours keep settings, temporary tables and prepared statements there. A pooler has numbers of its own for its
        connections; one that keeps a session for each is as good as none.
        """
        if db.execute("SELECT pg_backend_pid()").fetchone() == (db.info.backend_pid,):
            return
        mark = secrets.token_hex(8)
        db.execute("SELECT set_config('newsletter.session', %s, false)", (mark,))
        with contextlib.closing(self.connect()) as other, other.transaction():
            other.execute("SELECT 1")  # takes the session that is free: ours, if it is nobody's
            kept = db.execute("SELECT current_setting('newsletter.session', true)").fetchone()
        if kept != (mark,):
            what = "is a pooler that changes the session with each transaction; name the server itself in [state] url,"
            raise NewsletterError(f"{what} or a pooler that pools sessions", path=self.name)

    def exists(self) -> bool:
        with self._looking() as db:
            return db is not None

    def prepare(self) -> None:
        self.engine().dispose()

    def engine(self) -> "Engine":
        from sqlalchemy import create_engine

        engine = explaining(
            create_engine("postgresql+psycopg://", creator=self._connect_plain, pool_pre_ping=True), self
        )
        with engine.connect() as connection:
            is_ready = self._version(connection.exec_driver_sql) == VERSION
        if not is_ready:
            with engine.begin() as connection:
                self._prepare(connection)
        return engine

    def _connect_plain(self) -> Any:
        db = _pooled().connect(**self.parameters())
        self.connections.add(db)
        return db

    def query(self, sql: str, *values: Any) -> list[Any]:
        with self._looking() as db:
            if db is None:
                return []
            try:
                return db.execute(sql.replace("%", "%%").replace("?", "%s"), values).fetchall()
            except _psycopg().errors.UndefinedTable:
                return []
            except _psycopg().Error as error:
                raise self.explain(error) from None

    @contextlib.contextmanager
    def _looking(self) -> "Iterator[psycopg.Connection[tuple[Any, ...]] | None]":
        """A connection that only reads, to a state that may be older than this program; None where there is none."""
        with contextlib.closing(self.connect()) as db:
            db.read_only = True
            found = self._version(db.execute)
            if found is not None and found > VERSION:
                raise NewsletterError(NEWER.format(found), path=self.name)
            yield db if found is not None else None

    def mark(self) -> object:
        with self._looking() as db:
            return db.execute("SELECT pg_current_wal_insert_lsn()").fetchone() if db is not None else None

    def _version(self, execute: Any) -> str | None:
        """The revision that the state is at; None where there is none. Another program's database is refused."""
        tables = set(execute(_TABLES).fetchone()[0])
        if {"alembic_version", "deliveries"} <= tables:
            return str(execute("SELECT version_num FROM alembic_version").fetchone()[0])
        if tables:
            raise NewsletterError("is another program's database; see [state] url", path=self.name)
        return None

    def _prepare(self, connection: "Connection") -> None:
        """Make the tables or bring them up to date, in the transaction that is open; whoever comes second waits."""
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MAKING})")
        found = self._version(connection.exec_driver_sql)
        if found is None:
            from newsletter.state.schema import metadata

            metadata.create_all(connection)
            connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
            connection.exec_driver_sql("INSERT INTO alembic_version VALUES (%s)", (VERSION,))
        elif found != VERSION:
            from newsletter.state.migrate import migrate

            if not migrate(found, connection):
                raise NewsletterError(NEWER.format(found), path=self.name)

    def explain(self, error: BaseException) -> NewsletterError:
        reason = _hidden(_first_line(error), self.url)
        state = getattr(error, "sqlstate", None) or ""
        if state == "53100":
            return NoRoom("the server's disk is full; make room, then run it again to go on", path=self.name)
        if state in ("42501", "25006"):
            what = f"can't be written ({reason}); grant [state] url's user what it needs, or name the primary server"
            return NewsletterError(what, path=self.name)
        if state[:2] in ("08", "40", "53", "55", "57") or (not state and not _WRONG.search(reason)):
            return TryAgainLater(f"the server is away or busy ({reason}); try again later", path=self.name)
        password = ", and PGPASSWORD or ~/.pgpass" if "password" in reason else ""
        return NewsletterError(f"the state can't be used ({reason}); see [state] url{password}", path=self.name)


def _psycopg() -> Any:
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError:
        raise _missing("psycopg") from None
    return psycopg


def _missing(module: str) -> NewsletterError:
    what = f"PostgreSQL needs {module}, which is not installed; "
    return NewsletterError(f"{what}`pip install 'newsletter-press[postgres]'` brings it")


@functools.cache
def _pooled() -> Any:
    """A connection that is closed when the pool that holds it is let go, as SQLite's is."""

    class Pooled(_psycopg().Connection):  # type: ignore[misc]
        def __del__(self) -> None:
            if hasattr(self, "pgconn"):
                self.close()

    return Pooled


def _first_line(error: BaseException) -> str:
    """What the server, or libpq, says first, without what every such line begins with."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return re.sub(r"^(?:connection failed: )?(?:connection to server [^:]*failed: )?(?:FATAL: *)?", "", line).strip()


def _hidden(text: str, url: str) -> str:
    """`text` without the password that `url` may hold."""
    password = re.search(r"://[^/@]*:([^/@]+)@", url)
    return text.replace(password[1], "…") if password else text
