"""A sender's connection to PostgreSQL, which outlives the server's restarts: what failed with it is done once more.

So whatever goes through `Reconnecting.again` must come to the same when it is done twice: the answer to the first time
may have been lost after the server had done it.
"""

import functools
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg

from newsletter.errors import TryAgainLater
from newsletter.state.postgres import PostgresDatabase

PATIENCE = 600.0
"""Seconds that a run waits for a server that is away."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
_GONE = ("08", "57", "53300", "25006", "40")
"""SQLSTATEs, or how they begin: no connection, the server is shutting down, full, not the primary, a deadlock."""
_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
_LIMITS = """
SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false),
  set_config('idle_in_transaction_session_timeout', '60s', false)
"""
"""A plan of a million takes longer than is usual for a web page; whoever is frozen in a transaction holds up nobody."""
_TIME = "SELECT extract(epoch FROM clock_timestamp())::float8"
_Answer = TypeVar("_Answer")


class Reconnecting:
    """A connection, made anew where it is lost. For one thread at a time."""

    def __init__(self, database: PostgresDatabase, pause: Callable[[float], None]) -> None:
        self.database = database
        self._settings = [_DURABLE, _LIMITS]
        self._ahead = 0.0  # seconds that the server's clock is ahead of this host's
        self.db = self._connect()
        self.away = ""  # why the server can't be reached just now
        self.patience = PATIENCE
        self._pause = pause

    def close(self) -> None:
        self.db.close()

    def clock(self) -> float:
        """The server's clock, as far as it was looked at: hosts' clocks need not agree."""
        return time.time() + self._ahead

    def look_at_clock(self) -> None:
        """See what the server's clock shows: it, or ours, may have been set."""
        self.again(lambda: self._set_clock(self.db))

    def _set_clock(self, db: "psycopg.Connection[tuple[Any, ...]]") -> None:
        [(now,)] = db.execute(_TIME).fetchall()
        self._ahead = now - time.time()

    def execute(self, query: str, **named: Any) -> "psycopg.Cursor[tuple[Any, ...]]":
        """Run a query with `:name` for each value."""
        return execute_on(self.db, query, **named)

    def set(self, settings: str) -> None:
        """Run a query that changes settings of the connection: of this one, and of each that takes its place."""
        self._settings.append(settings)
        self.again(lambda: self.execute(settings))

    def again(self, step: Callable[[], _Answer]) -> _Answer:
        """Do `step`; where the server goes away meanwhile, wait for it, as long as `patience`, and do it again.

        Raises NewsletterError; TryAgainLater where patience ends.
        """
        began, pause = 0.0, FIRST_PAUSE
        while True:
            try:
                if self.db.closed:
                    self.db = self._connect()
                answer = step()
            except psycopg.Error as error:
                explained = self.database.explain(error)
                if not (self.db.closed or (error.sqlstate or "").startswith(_GONE)):
                    raise explained from None
                self.db.close()
            except TryAgainLater as error:
                if not self.db.closed:  # said by the step
                    raise
                explained = error
            else:
                self.away = ""
                return answer
            self.away = str(explained)
            is_over = began and time.monotonic() - began > self.patience  # a lost connection is replaced at least once
            if is_over or self.database.connections.left() == 0:
                self.patience = 0.0  # the next that is to be done waits no more
                raise explained
            began = began or time.monotonic()
            self._pause(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def together(self, step: Callable[[], _Answer]) -> _Answer:
        """Do `step` in one transaction, and again as above."""

        def transaction() -> _Answer:
            with self.db.transaction():
                return step()

        return self.again(transaction)

    def _connect(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """A connection whose commits outlive a crash of the server, whatever is the default there."""
        db = self.database.connect()
        try:
            self.database.refuse_pooler(db)
            for settings in self._settings:
                db.execute(settings)
            self._set_clock(db)
        except psycopg.Error as error:
            db.close()
            raise self.database.explain(error) from None
        return db


def execute_on(
    db: "psycopg.Connection[tuple[Any, ...]]", query: str, **named: Any
) -> "psycopg.Cursor[tuple[Any, ...]]":
    """Run a query with `:name` for each value on a connection of somebody else's."""
    return db.execute(_pyformat(query), named)


@functools.cache
def _pyformat(query: str) -> str:
    """As psycopg wants it: `%(name)s` for `:name`, and a per cent sign twice."""
    return re.sub(r"(?<!:):([a-z_]+)", r"%(\1)s", query.replace("%", "%%"))
