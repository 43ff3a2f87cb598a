"""Taking turns at the state file: real connections, real threads."""

import fcntl
import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import delete

from newsletter.delivery.ledger import sqlite_batch
from newsletter.state import open_sqlite, turn
from newsletter.state.schema import suppressions
from newsletter.state.sqlite import connect, transaction


def holds_the_turn(folder: Path) -> bool:
    """Does anybody?"""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def test_who_waits_to_write_is_next_however_soon_the_writer_comes_again(tmp_path: Path) -> None:
    path = tmp_path / "newsletter.db"
    engine = open_sqlite(path)
    order: list[str] = []

    def page() -> None:
        with engine.begin() as connection:
            connection.execute(delete(suppressions))
            order.append("page")

    writer = connect(path)
    with transaction(writer, turn=path):
        waiting = threading.Thread(target=page)
        waiting.start()
        deadline = time.monotonic() + 10
        while not holds_the_turn(tmp_path) and time.monotonic() < deadline:
            pass
    with transaction(writer, turn=path):
        order.append("writer")
    waiting.join()
    writer.close()
    engine.dispose()
    assert order == ["page", "writer"]


def test_who_was_stopped_with_the_turn_in_hand_stops_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "_POLITE", 0.01)
    path = tmp_path / "newsletter.db"
    open_sqlite(path).dispose()
    stopped = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(stopped, fcntl.LOCK_EX)
    with transaction(writer := connect(path), turn=path):
        assert writer.in_transaction
    writer.close()
    os.close(stopped)


def test_a_sender_looks_for_the_suppressed_among_those_it_has_claimed_not_among_all(tmp_path: Path) -> None:
    path = tmp_path / "newsletter.db"
    open_sqlite(path).dispose()
    db = sqlite3.connect(path)
    steps = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sqlite_batch._SUPPRESSED}", (1,))]
    db.close()
    assert any(step.startswith("SEARCH d USING INTEGER PRIMARY KEY") for step in steps), steps
