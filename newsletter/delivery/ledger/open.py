"""The ledger of a newsletter's state, whichever database that is."""

import time
from collections.abc import Callable

from newsletter.delivery.ledger.sql import SqlLedger
from newsletter.delivery.ledger.sqlite import SqliteLedger
from newsletter.state.database import Database
from newsletter.state.sqlite import SqliteDatabase


def open_ledger(database: Database, clock: Callable[[], float] | None = None) -> SqlLedger:
    """The ledger in `database`, for one sender; a context manager that gives the issue back. Raises NewsletterError.

    `clock`: seconds since 1970, unless it is the machine's, or that of the server that several machines share.
    """
    if isinstance(database, SqliteDatabase):
        return SqliteLedger(database.path, clock or time.time)
    from newsletter.delivery.ledger.postgres.ledger import PostgresLedger  # with psycopg
    from newsletter.state.postgres import PostgresDatabase

    assert isinstance(database, PostgresDatabase)
    return PostgresLedger(database, clock)
