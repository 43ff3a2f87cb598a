"""Pause, resume, cancel, schedules: what is asked of an issue while it is sent, or waits for its hour."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from newsletter.audience.subscriber import Subscriber
from newsletter.delivery import control, waiting
from newsletter.delivery.engine import deliver
from newsletter.delivery.ledger import journal
from newsletter.delivery.ledger.batch import Asked
from newsletter.delivery.ledger.lease import boot_id
from newsletter.delivery.ledger.plan import make_plan
from newsletter.delivery.ledger.report import issue_counts
from newsletter.delivery.pace import RetryPolicy
from newsletter.delivery.progress import Progress
from newsletter.errors import Cancelled, NewsletterError, TooLate
from newsletter.smtp.relay import parse_relay

from .relay_server import RelayServer, Talk, serving
from .sending import (
    Place,
    PlainWriter,
    an_issue,
    by_state,
    database_at,
    execute,
    ledger_at,
    listing,
    people,
    plan,
    send,
)


@pytest.fixture
def path(path: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A state, in a file or in PostgreSQL, whose sender looks often."""
    monkeypatch.setattr(journal, "IDLE", 0.02)
    monkeypatch.setattr(journal, "LOOKED", 0.02)
    return path


def ask(path: Place, what: str) -> dict[str, Any]:
    """Ask it of the issue, as another process would; how it stands."""
    engine = database_at(path).engine()
    if what == "cancel":
        with ledger_at(path) as ledger:
            control.cancel(engine, ledger, "hello")
    else:
        getattr(control, what)(engine, "hello")
    [found] = issue_counts(engine, "hello")
    engine.dispose()
    return found


def when(server: RelayServer, count: int, path: Place, what: str) -> None:
    """Ask it when so many messages were accepted."""

    def on_message(got: int) -> None:
        if got == count:
            ask(path, what)

    server.on_message = on_message


@pytest.mark.parametrize("limit", [None, 80])
async def test_a_paused_run_sends_nothing_keeps_nobody_in_doubt_and_goes_on_when_resumed(
    path: Place, limit: int | None
) -> None:
    seen: list[int] = []

    def on_progress(now: Progress) -> None:
        if now.state == "paused" and not server.open_now:
            seen.append(len(server.accepted))
            if len(seen) > 2 and not execute(path, "SELECT * FROM claims"):
                assert ask(path, "resume")["state"] == "running"

    async with serving(RelayServer()) as server:
        when(server, 20, path, "pause")
        report = await send(
            path, server.url, people(200), connections=2, on_progress=on_progress, plan_options={"limit": limit}
        )
    assert len(set(seen)) == 1
    assert 20 <= seen[0] < 80
    assert set(server.counts.values()) == {1}
    assert (len(server.accepted), report.sent, report.state) == (limit or 200, limit or 200, "running")
    assert report.paused > 0
    assert report.pending == 200 - (limit or 200)


async def test_a_run_of_a_paused_issue_waits_and_a_stop_ends_it(path: Place) -> None:
    with ledger_at(path) as ledger:
        plan(ledger, people(3))
    assert ask(path, "pause")["state"] == "paused"
    stop = asyncio.Event()

    def on_progress(now: Progress) -> None:
        if now.state == "paused":
            stop.set()

    async with serving(RelayServer()) as server:
        report = await send(path, server.url, people(3), on_progress=on_progress, stop=stop)
        assert (report.interrupted, report.state, report.pending) == (True, "paused", 3)
        assert server.connections == 0
        ask(path, "resume")
        assert (await send(path, server.url, people(3))).sent == 3


async def test_a_cancelled_run_finishes_what_is_under_way_and_skips_the_others(path: Place) -> None:
    def script(_talk: Talk, command: str, argument: str) -> str | None:
        return "451 4.7.1 try later" if command == "RCPT" and "reader1@" in argument else None

    async with serving(RelayServer(script=script)) as server:
        when(server, 20, path, "cancel")
        report = await send(path, server.url, people(2000), connections=2)
    states = by_state(path)
    assert isinstance(report.stopped, Cancelled)
    assert 20 <= len(server.accepted) < 2000
    assert states["sent"] == server.addresses
    assert states["skipped"] == {person.email for person in people(2000)} - server.addresses
    assert (report.skipped, report.pending, report.deferred) == (len(states["skipped"]), 0, 0)


async def test_a_run_that_waits_for_the_deferred_ends_when_it_is_cancelled(path: Place) -> None:
    def script(_talk: Talk, command: str, _argument: str) -> str | None:
        return "451 4.7.1 try later" if command == "RCPT" else None

    def on_progress(now: Progress) -> None:
        if now.next_retry is not None and now.state == "running":
            ask(path, "cancel")

    async with serving(RelayServer(script=script)) as server:
        report = await send(
            path, server.url, people(3), on_progress=on_progress, retry=RetryPolicy(3600, 3600, 86400), connections=1
        )
    assert isinstance(report.stopped, Cancelled)
    assert by_state(path).keys() == {"skipped"}


def test_what_a_dead_sender_had_under_way_stays_unknown_when_the_issue_is_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "newsletter.db"  # whose claims are rows of their own
    with ledger_at(path) as ledger:
        plan(ledger, people(6))
        execute(path, "INSERT INTO claims (issue, boot, ids) VALUES (1, ?, '[1,2,3]')", boot_id())
        execute(path, "INSERT INTO claims (issue, boot, ids) VALUES (1, 'before the power cut', '[4]')")
        execute(path, "UPDATE deliveries SET state = 'sending' WHERE id = 2")
        execute(path, "UPDATE deliveries SET state = 'sent' WHERE id = 1")
        assert ask(path, "cancel")["pending"] == 4  # its sender lives
    execute(path, "UPDATE issues SET state = 'running'")
    found = ask(path, "cancel")
    assert (found["state"], found["sent"], found["unknown"], found["skipped"]) == ("cancelled", 1, 2, 3)
    assert found["sender"] is None


def test_an_issue_cancelled_at_the_question_is_skipped_when_its_sender_goes(path: Place) -> None:
    with ledger_at(path) as ledger:
        plan(ledger, people(3))
        assert ask(path, "cancel")["sender"] is not None
    assert by_state(path).keys() == {"skipped"}
    with ledger_at(path) as ledger:
        ledger.hold("hello")
        with pytest.raises(NewsletterError, match="'hello' was cancelled; `--again NAME --except hello`"):
            make_plan(ledger, an_issue(), None)


ENDED = "there is nothing to {what}; `newsletter status` shows it"


@pytest.mark.parametrize(
    ("before", "what", "after"),
    [
        ((), "pause", "paused"),
        (("pause",), "pause", "paused"),
        (("pause",), "resume", "running"),
        (("pause", "resume"), "resume", "running"),
        ((), "resume", "running"),
        (("pause",), "cancel", "cancelled"),
        (("cancel",), "cancel", "cancelled"),
        (("cancel",), "pause", "'hello' was cancelled, "),
        (("cancel",), "resume", "'hello' was cancelled, "),
        (("done",), "pause", "'hello' is done, "),
        (("done",), "resume", "'hello' is done, "),
        (("done",), "cancel", "'hello' is done, "),
    ],
)
def test_what_may_be_asked_of_an_issue_by_how_it_stands(
    path: Place, before: tuple[str, ...], what: str, after: str
) -> None:
    with ledger_at(path) as ledger:
        plan(ledger, people(2))
    for word in before:
        if word == "done":
            execute(path, "UPDATE deliveries SET state = 'sent'")
        else:
            ask(path, word)
    if after.endswith(" "):
        with pytest.raises(NewsletterError) as caught:
            ask(path, what)
        assert str(caught.value) == after + ENDED.format(what=what)
    else:
        assert ask(path, what)["state"] == after


async def test_a_schedule_waits_for_its_hour_and_as_long_as_it_is_paused(
    path: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "EVERY", 0.02)
    now, stop, told = [1000.0], asyncio.Event(), list[str]()

    def on_state(state: str) -> None:
        told.append(state)
        if state == "paused":
            now[0] = 2001.0  # its hour comes, and passes
            asyncio.get_running_loop().call_later(0.1, ask, path, "resume")

    with ledger_at(path, clock=lambda: now[0]) as ledger:
        plan(ledger, people(2))
        asyncio.get_running_loop().call_later(0.05, ask, path, "pause")
        assert await waiting.wait_until(ledger, 2000.0, stop, on_state)
        assert told == ["paused", "running"]
        stop.set()
        assert not await waiting.wait_until(ledger, 3000.0, stop)
        stop.clear()
        asyncio.get_running_loop().call_later(0.05, ask, path, "cancel")
        with pytest.raises(Cancelled):
            await waiting.wait_until(ledger, 3000.0, stop)


async def test_each_zone_s_readers_go_when_their_moment_comes_and_a_limit_counts_them(path: Place) -> None:
    zones = ["Europe/Paris", "Asia/Tokyo", "", "America/New_York"]
    readers = [Subscriber(f"reader{n}@example.org", "", {"timezone": zones[n % 4]}) for n in range(40)]
    base, began = 1_000_000.0, time.monotonic()
    moments = {"Asia/Tokyo": None, "": base + 1000.0, "Europe/Paris": base + 2000.0, "America/New_York": base + 3000.0}
    turns: list[tuple[float, str]] = []

    def clock() -> float:
        return base + (time.monotonic() - began) * 1000

    server = RelayServer()
    server.on_message = lambda _: turns.append((clock(), server.accepted[-1][0]))
    async with serving(server):
        for limit in (35, None):
            with ledger_at(path, clock) as ledger:
                ledger.hold("hello")
                made = make_plan(ledger, an_issue(), ledger.read_audience(listing(readers)), limit=limit)
                ledger.freeze(replace(made, moments=moments if made.is_new else None))
                report = await deliver(
                    ledger, PlainWriter(), [parse_relay(server.url)], retry=RetryPolicy(60, 600, 1e9), total=40
                )
            assert report.sent == (limit or 5)
    zone_of = {reader.email: reader.columns["timezone"] for reader in readers}
    assert all(moment >= (moments[zone_of[email]] or 0.0) for moment, email in turns)
    assert set(server.counts.values()) == {1}
    assert len(server.counts) == 40


async def test_nobody_gets_it_after_its_send_before_and_who_is_left_stays_pending(path: Place) -> None:
    now = [1000.0]

    def on_message(got: int) -> None:
        if got == 5:
            now[0] = 2000.0

    async with serving(RelayServer(on_message=on_message)) as server:
        with ledger_at(path, lambda: now[0]) as ledger:
            ledger.hold("hello")
            made = make_plan(ledger, an_issue(), ledger.read_audience(listing(people(50))))
            ledger.freeze(replace(made, asked=Asked(send_before=2000.0)))
            relay = parse_relay(f"{server.url}?rate=20/s&connections=1")
            report = await deliver(ledger, PlainWriter(), [relay], retry=RetryPolicy(60, 600, 1e9))
    assert isinstance(report.stopped, TooLate)
    assert 5 <= report.sent <= 15
    assert (report.pending, report.failed) == (50 - report.sent, 0)
