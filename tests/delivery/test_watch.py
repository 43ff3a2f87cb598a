"""How an issue goes, from one look to the next: rate, time left, relays, refusals, and when it is over."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from newsletter.cli.watch import one_line
from newsletter.delivery.ledger.sqlite import SqliteLedger
from newsletter.delivery.watch import count_newest, watch
from newsletter.state import open_sqlite

from .sending import an_issue, execute, people, plan


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state file with an issue for a hundred people, of whom nobody has it."""
    path = tmp_path / "newsletter.db"
    with SqliteLedger(path) as ledger:
        plan(ledger, people(100))
    return path


def looks(path: Path, happenings: list[list[str]]) -> list[dict[str, Any]]:
    """A look, what happens in the ten seconds after it, the next look, and so on until there is no more to see."""
    now, left = [0.0], iter(happenings)

    def pause(seconds: float) -> None:
        assert seconds == 1.0
        now[0] += 10.0
        for statement in next(left):
            execute(path, statement)

    engine = open_sqlite(path)
    found: Iterator[dict[str, Any]] = watch(engine, "hello", clock=lambda: now[0], pause=pause)
    seen = list(found)
    engine.dispose()
    return seen


def settle(state: str, first: int, last: int, relay: str = "a.example.org:587", reply: str = "NULL, NULL, NULL") -> str:
    return (
        f"UPDATE deliveries SET state = '{state}', relay = '{relay}', (code, status, text) = ({reply})"
        f" WHERE id BETWEEN {first} AND {last}"
    )


def test_looks_tell_the_rate_the_time_left_the_relays_and_the_most_frequent_refusals(path: Path) -> None:
    seen = looks(
        path,
        [
            [settle("sent", 1, 20), settle("sent", 21, 30, "b.example.org:587")],
            [
                settle("sent", 31, 50),
                settle("failed", 51, 53, reply="550, '5.1.1', 'no such user'"),
                settle("deferred", 54, 54, "b.example.org:587", "451, '4.7.1', 'greylisted'"),
            ],
            ["UPDATE deliveries SET state = 'sent' WHERE state IN ('pending', 'deferred')"],
        ],
    )
    assert [(one["state"], one["sent"], one["rate"], one["seconds_left"]) for one in seen] == [
        ("running", 0, 0.0, None), ("running", 30, 3.0, 23), ("running", 50, 2.5, 18), ("done", 97, 1.7, None),
    ]  # fmt: skip
    assert seen[2]["relays"] == [
        {"relay": "a.example.org:587", "sent": 40, "deferred": 0, "failed": 3, "unknown": 0, "rate": 2.0},
        {"relay": "b.example.org:587", "sent": 10, "deferred": 1, "failed": 0, "unknown": 0, "rate": 0.5},
    ]
    assert seen[2]["refusals"] == [
        {"reply": "550 5.1.1 no such user", "count": 3}, {"reply": "451 4.7.1 greylisted", "count": 1},
    ]  # fmt: skip
    assert one_line(seen[1]) == "stopped: 30 of 100 sent, 70 pending; 3.0/s, about 23 s left"
    assert one_line({**seen[1], "state": "paused"}) == "paused: 30 of 100 sent, 70 pending"


def test_monitoring_is_told_of_the_newest_issue_alone(path: Path) -> None:
    with SqliteLedger(path) as ledger:
        plan(ledger, people(3), an_issue("Another one", "newer"))
    engine = open_sqlite(path)
    assert {state: count for state, count in count_newest(engine).items() if count} == {"pending": 3}
    engine.dispose()


def test_a_cancelled_issue_is_watched_no_longer(path: Path) -> None:
    cancelled = ["UPDATE issues SET state = 'cancelled'", "UPDATE deliveries SET state = 'skipped'"]
    assert [one["state"] for one in looks(path, [cancelled])] == ["running", "cancelled"]
