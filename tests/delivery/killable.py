"""A sender in a process of its own, to be killed.

`killable.py LEDGER URL COUNT CONNECTIONS` sends until it is killed. With `hasty` at the end it trusts its lease
for half a second only. With `each` at the end it sends again and again, each time with a fresh ledger LEDGER-1,
LEDGER-2, … and is killed before the journal's first, second, … statement, until one run has got to its end; then it
prints how many were killed.
"""

import asyncio
import itertools
import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

from newsletter.delivery.ledger import journal, sqlite
from newsletter.delivery.ledger.journal import Journal
from newsletter.state.sqlite import connect
from tests.delivery.sending import QUICK, Place, people, send


def run(path: Place, url: str, count: int, connections: int, domain: str = "example.org") -> None:
    asyncio.run(send(path, url, people(count, domain), connections=connections, retry=QUICK))


def die_before(number: int) -> None:
    """Let SIGKILL come before the journal's statement of that number."""
    begin, left = Journal.__init__, itertools.count(number, -1)
    opened: list[sqlite3.Connection] = []

    def connect_and_keep(path: Path) -> sqlite3.Connection:
        opened.append(connect(path))
        return opened[-1]

    def traced(self: Journal, *arguments: Any) -> None:
        def before(_statement: str) -> None:
            if next(left) == 1:
                os.kill(os.getpid(), signal.SIGKILL)

        opened[-1].set_trace_callback(before)
        begin(self, *arguments)

    sqlite.connect = connect_and_keep  # type: ignore[attr-defined]
    Journal.__init__ = traced  # type: ignore[method-assign,assignment]


def kill_at_each_statement(path: Path, url: str, count: int, connections: int) -> int:
    for number in itertools.count(1):
        child = os.fork()
        if not child:
            die_before(number)
            run(Path(f"{path}-{number}"), url, count, connections, f"run{number}.example.org")
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            return number - 1
    raise AssertionError


if __name__ == "__main__":
    path, url, *numbers = sys.argv[1:]
    place: Place = path if path.startswith("postgresql:") else Path(path)
    count, connections = map(int, numbers[:2])
    if numbers[2:] == ["each"]:
        print(kill_at_each_statement(Path(path), url, count, connections))
    else:
        if numbers[2:] == ["hasty"]:
            journal.SURE, sqlite.GRACE = 0.5, 1.0  # type: ignore[attr-defined]
        run(place, url, count, connections)
