"""The ledger of a newsletter's state, whichever database that is."""

import time
from collections.abc import Callable

from newsletter.delivery.ledger.sqlite import SqliteLedger
from newsletter.state.database import Database
from newsletter.state.sqlite import SqliteDatabase


def open_ledger(database: Database, clock: Callable[[], float] = time.time) -> SqliteLedger:
    """The ledger in `database`, for one sender; a context manager that gives the issue back. Raises NewsletterError."""
    assert isinstance(database, SqliteDatabase)
    return SqliteLedger(database.path, clock)
