"""The state that a newsletter's configuration names: `[state] url`."""

from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.errors import NewsletterError
from newsletter.state.database import Database
from newsletter.state.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from newsletter.config.settings import Config


def database_of(config: "Config") -> Database:
    """Where the state is; nothing is opened yet. Raises NewsletterError for an URL that is no database."""
    with config.naming("state", "url"):
        return database_at(config.state.url, config.root)


def database_at(url: str, root: Path) -> Database:
    """The database of an URL; a file is relative to `root`. Raises NewsletterError for an URL that is none."""
    scheme, _, rest = url.partition("://")
    if scheme.partition("+")[0] in ("postgresql", "postgres"):
        from newsletter.state.postgres import PostgresDatabase

        return PostgresDatabase(url)
    if scheme != "sqlite" or not rest.startswith("/") or rest == "/":
        raise NewsletterError(f"{url!r} is no database; use sqlite:///newsletter.db, or postgresql://…")
    return SqliteDatabase(root / rest.removeprefix("/"))


def open_state(config: "Config") -> "Engine":
    """The state of this newsletter, made or brought up to date where needed. Raises NewsletterError."""
    return database_of(config).engine()


def state_file(config: "Config", purpose: str) -> Path:
    """The file that the state is in, for what only a file can do. Raises NewsletterError for a server's."""
    database = database_of(config)
    if not isinstance(database, SqliteDatabase):
        raise NewsletterError(f"{purpose} is for a state in a file; pg_dump copies one of PostgreSQL")
    return database.path
