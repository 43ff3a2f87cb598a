"""What every room knows of the database that the state is kept in: a file of SQLite's, or a database of PostgreSQL's.

`state.open` says which one is configured. Questions to a state that must not be made or changed are state.questions'.
"""

from typing import TYPE_CHECKING, Any, Protocol

from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine import ExceptionContext

VERSION = "0012"
"""The newest revision in migrations/versions."""

_DENIED = "42501"
"""PostgreSQL's SQLSTATE: insufficient privilege."""

NEWER = "was written by a newer version (schema {}); update newsletter"


class Database(Protocol):
    """Where the state is kept. Failures are NewsletterError; TryAgainLater where it is busy or away."""

    @property
    def name(self) -> str:
        """What people know it by: a path, or an address without its password."""

    def exists(self) -> bool:
        """Has the state been made?"""

    def prepare(self) -> None:
        """Make the state, or bring it up to date; cheap where it is."""

    def engine(self) -> "Engine":
        """The state, made or brought up to date where needed."""

    def query(self, sql: str, *values: Any) -> list[Any]:
        """The rows of a query with `?` for each value; nothing is made or changed, be it older than this program.

        None where there is no state yet, or the table is of a later version than the state.
        """

    def mark(self) -> object:
        """Another one whenever the state may have changed; None where there is none."""

    def explain(self, error: BaseException) -> NewsletterError:
        """What the driver says, in words, and what to do."""


def explaining(engine: "Engine", database: Database) -> "Engine":
    """An engine whose troubles come as NewsletterError; a bug of ours, or a row that is there, stays what it is.

    A user without the right to make tables is a bug's kind to SQLAlchemy, and none of ours.
    """
    from sqlalchemy import event
    from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError

    def explain(context: "ExceptionContext") -> None:
        error = context.sqlalchemy_exception
        if context.is_pre_ping:  # a connection of before a restart: the pool makes another
            return
        is_denied = getattr(context.original_exception, "sqlstate", None) == _DENIED
        if error is not None and (is_denied or not isinstance(error, DataError | IntegrityError | ProgrammingError)):
            raise database.explain(context.original_exception) from None

    event.listen(engine, "handle_error", explain)
    return engine
