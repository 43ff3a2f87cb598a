"""Take a person out of the test inbox: a rehearsal leaves everybody's message there."""

import contextlib
import sqlite3
from pathlib import Path

from newsletter.inbox.store import Store


def erase_from_inbox(folder: Path, email: str) -> int:
    """Delete every message that names the address, and write the index anew; how many there were."""
    if not folder.is_dir():
        return 0
    with Store(folder) as store:
        found = store.delete_matching(f'"{email}"') + store.delete_matching(f'to:"{email}"')
    if found:
        index = sqlite3.connect(folder / "index.sqlite", isolation_level=None)
        # Where it is in use, its free pages are written over in time.
        with contextlib.closing(index), contextlib.suppress(sqlite3.OperationalError):
            index.execute("INSERT INTO words (words) VALUES ('optimize')")  # FTS5 keeps deleted words until it merges
            index.execute("VACUUM")
            index.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return found
