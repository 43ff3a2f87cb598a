"""Whose turn it is to write to the state file: one after the other, however often one of them comes again.

SQLite gives its lock to whoever asks just when it is free, and sleeps up to a tenth of a second between two looks. A
sender, which writes again as soon as it has written, is there first every time, and a page waits for seconds. So
whoever waits for the lock holds the turn meanwhile, a lock (flock) on the state's folder, and whoever comes later waits
behind. It is a courtesy: where it can't be had, SQLite's lock still keeps everything whole.
"""

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

BUSY = 30.0
"""Seconds to wait for another writer; planning a million recipients holds the file for several."""
_POLITE = 1.0
"""Seconds for which the turn is waited for: who has it may be stopped, and must not stop others."""
_LOOK = 0.001


def begin_in_turn(connection: sqlite3.Connection, path: Path) -> None:
    """BEGIN IMMEDIATE on the state file at `path`, when it is our turn. Raises sqlite3.OperationalError after BUSY."""
    deadline = time.monotonic() + BUSY
    with _turn(path):
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    connection.execute("BEGIN IMMEDIATE")
                    return
                except sqlite3.OperationalError as error:
                    if "locked" not in str(error) or time.monotonic() > deadline:
                        raise
                time.sleep(_LOOK)
        finally:
            connection.execute(f"PRAGMA busy_timeout = {int(BUSY * 1000)}")


@contextlib.contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Be the one who writes next, from here to the end."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    deadline = time.monotonic() + _POLITE
    try:
        while time.monotonic() < deadline:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_LOOK)
            except OSError:  # a file system without such locks
                break
            else:
                break
        yield
    finally:
        os.close(folder)
