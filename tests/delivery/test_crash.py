"""What a kill leaves: the ledger against the log of the server, which is the truth."""

import asyncio
import itertools
import os
import random
import signal
import sqlite3
import sys
import threading
from pathlib import Path

import pytest

from newsletter.delivery.ledger.journal import Journal
from newsletter.delivery.ledger.lease import STALE, Process, boot_id
from newsletter.delivery.ledger.sqlite import SqliteLedger
from newsletter.errors import TryAgainLater
from newsletter.state.sqlite import connect

from .relay_server import RelayServer, Talk, serving
from .sending import an_issue, by_state, execute, people, plan, send

ROOT = Path(__file__).parents[2]


async def start_sender(path: Path, url: str, count: int, connections: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.delivery.killable", str(path), url, str(count), str(connections), cwd=ROOT
    )


async def test_after_kills_at_random_moments_nobody_has_it_twice_and_nobody_is_lost(tmp_path: Path) -> None:
    path, count, connections, kills = tmp_path / "newsletter.db", 1500, 4, 6
    chance = random.Random(7)
    async with serving(RelayServer()) as server:
        for number in range(kills):
            goal, reached = (number + 1) * 150 + chance.randrange(60), asyncio.Event()
            server.on_message = lambda got, goal=goal, reached=reached: reached.set() if got >= goal else None
            sender = await start_sender(path, server.url, count, connections)
            await reached.wait()
            await asyncio.sleep(chance.random() * 0.01)
            sender.send_signal(signal.SIGKILL)
            await sender.wait()
            await server.quiet()
        server.on_message = None
        before = sum(server.counts.values())
        report = await send(path, server.url, people(count))
    states = by_state(path)
    sent, unknown = states["sent"], states.get("unknown", set())
    assert before > 0
    assert set(server.counts.values()) == {1}
    assert server.addresses <= sent | unknown
    assert sent <= server.addresses
    assert len(sent) + len(unknown) == count
    assert len(unknown) <= 2 * connections * kills
    assert report.pending == 0


@pytest.mark.soak
async def test_killed_before_any_statement_of_the_journal_nobody_has_it_twice_and_nobody_is_lost(
    tmp_path: Path,
) -> None:
    path, count, connections = tmp_path / "ledger", 9, 2
    async with serving(RelayServer()) as server:
        arguments = [str(path), server.url, str(count), str(connections), "each"]
        sender = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.delivery.killable", *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        killed = int((await sender.communicate())[0])
        await server.quiet()
        assert killed > 4 * count / connections  # begin, reply, intent, commit
        for number in range(1, killed + 1):
            left, domain = Path(f"{path}-{number}"), f"run{number}.example.org"
            accepted = {address for address in server.addresses if address.endswith(f"@{domain}")}
            with SqliteLedger(left) as ledger:
                ledger.hold("hello")
            states = by_state(left)
            sent, unknown = states.get("sent", set()), states.get("unknown", set())
            assert accepted <= sent | unknown, number
            assert sent <= accepted, number
            assert len(unknown) <= 2 * connections, number
            await send(left, server.url, people(count, domain))
            states = by_state(left)
            assert len(states.get("sent", set()) | states.get("unknown", set())) == count, number
    assert set(server.counts.values()) == {1}


async def test_a_second_sender_is_told_who_holds_the_issue(tmp_path: Path) -> None:
    path = tmp_path / "newsletter.db"
    reached = asyncio.Event()
    async with serving(RelayServer(on_message=lambda _: reached.set())) as server:
        sender = await start_sender(path, server.url, 20_000, 2)
        await reached.wait()
        began = asyncio.get_running_loop().time()
        with SqliteLedger(path) as ledger, pytest.raises(TryAgainLater, match=f"process {sender.pid} on "):
            ledger.hold("hello")
        assert asyncio.get_running_loop().time() - began < 1
        sender.send_signal(signal.SIGSTOP)  # stopped is not dead
        with SqliteLedger(path) as ledger, pytest.raises(TryAgainLater):
            ledger.hold("hello")
        sender.kill()
        await sender.wait()
        with SqliteLedger(path) as ledger:
            ledger.hold("hello")


def claimed(path: Path, boot: str) -> None:
    """A ledger as a dead sender leaves it: four claimed, of which one is under way and one is sent."""
    with SqliteLedger(path) as ledger:
        plan(ledger, people(6))
        execute(path, "INSERT INTO claims (issue, boot, ids) VALUES (1, ?, '[1,2,3,4]')", boot)
        execute(path, "UPDATE deliveries SET state = 'sending' WHERE id = 2")
        execute(path, "UPDATE deliveries SET state = 'sent' WHERE id = 1")
    with SqliteLedger(path) as ledger:
        ledger.hold("hello")


def test_after_a_crash_only_what_was_under_way_is_unknown(tmp_path: Path) -> None:
    claimed(tmp_path / "newsletter.db", boot_id())
    states = by_state(tmp_path / "newsletter.db")
    assert states["unknown"] == {"reader1@example.org"}
    assert len(states["pending"]) == 4


def test_what_was_under_way_is_unknown_without_a_claim_too(tmp_path: Path) -> None:
    path = tmp_path / "newsletter.db"
    with SqliteLedger(path) as ledger:
        plan(ledger, people(3))
    execute(path, "UPDATE deliveries SET state = 'sending' WHERE id = 2")
    with SqliteLedger(path) as ledger:
        ledger.hold("hello")
    assert by_state(path)["unknown"] == {"reader1@example.org"}


def test_after_a_power_cut_whatever_was_claimed_is_unknown(tmp_path: Path) -> None:
    claimed(tmp_path / "newsletter.db", "another boot")
    states = by_state(tmp_path / "newsletter.db")
    assert states["unknown"] == {f"reader{number}@example.org" for number in (1, 2, 3)}
    assert states["sent"] == {"reader0@example.org"}
    assert len(states["pending"]) == 2


def test_after_a_power_cut_who_was_deferred_since_the_claim_is_known(tmp_path: Path) -> None:
    """A claim takes the time of the next try away; whoever has one was answered since."""
    path = tmp_path / "newsletter.db"
    with SqliteLedger(path) as ledger:
        plan(ledger, people(2))
        execute(path, "INSERT INTO claims (issue, boot, ids) VALUES (1, 'another boot', '[1,2]')")
        execute(path, "UPDATE deliveries SET state = 'deferred', not_before = iif(id = 1, 1e9, NULL)")
    with SqliteLedger(path) as ledger:
        ledger.hold("hello")
    assert by_state(path) == {"deferred": {"reader0@example.org"}, "unknown": {"reader1@example.org"}}


async def test_who_has_lost_the_lease_sends_no_further_body(tmp_path: Path) -> None:
    """Another takes over while the first is at its fastest; it begins when the first has stopped by itself."""
    path, count = tmp_path / "newsletter.db", 20_000
    halfway, stopped = asyncio.Event(), threading.Event()
    elsewhere = Process("otherhost", "another boot", 1, "")

    def take_over() -> None:
        execute(path, "UPDATE leases SET heartbeat = heartbeat - ?", STALE + 1)
        with SqliteLedger(path, here=elsewhere, pause=lambda seconds: paused.append(stopped.wait(seconds))) as ledger:
            ledger.hold("hello")

    paused: list[bool] = []
    async with serving(RelayServer(on_message=lambda got: halfway.set() if got == 100 else None)) as server:
        first = asyncio.create_task(send(path, server.url, people(count), connections=2))
        await halfway.wait()
        second = asyncio.create_task(asyncio.to_thread(take_over))
        report = await first
        stopped.set()
        await second
        assert isinstance(report.stopped, TryAgainLater)
        states = by_state(path)
        sent, unknown = states["sent"], states.get("unknown", set())
        assert sent <= server.addresses <= sent | unknown
        assert len(unknown) <= 2
        assert len(states["pending"]) == count - len(sent | unknown) > 0
    assert paused == [True]


async def test_a_log_that_is_gone_leaves_who_was_claimed_unknown(tmp_path: Path) -> None:
    path = tmp_path / "newsletter.db"
    reached = asyncio.Event()
    async with serving(RelayServer(on_message=lambda got: reached.set() if got == 20 else None)) as server:
        sender = await start_sender(path, server.url, 20_000, 2)
        await reached.wait()
        sender.kill()
        await sender.wait()
        await server.quiet()
    (tmp_path / "newsletter.db-intents").unlink()
    with SqliteLedger(path) as ledger:
        ledger.hold("hello")
    states = by_state(path)
    assert server.addresses <= states.get("sent", set()) | states["unknown"]


async def test_the_log_is_private_and_empty_after_a_clean_end_and_begins_anew_when_it_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "newsletter.db"
    log = tmp_path / "newsletter.db-intents"
    monkeypatch.setattr("newsletter.delivery.ledger.log.LONGEST", 20_000)
    sizes: list[int] = []
    async with serving(RelayServer(on_message=lambda _: sizes.append(log.stat().st_size))) as server:
        report = await send(path, server.url, people(3000), connections=2)
    assert report.sent == 3000
    assert log.stat().st_size == 0
    assert log.stat().st_mode & 0o777 == 0o600
    assert any(after < before for before, after in itertools.pairwise(sizes))
    assert not any(name.endswith("~") for name in os.listdir(tmp_path))
    assert len(by_state(path)["sent"]) == 3000


async def test_what_a_killed_sender_left_in_its_log_outlives_another_issue(tmp_path: Path) -> None:
    path = tmp_path / "newsletter.db"
    reached = asyncio.Event()
    async with serving(RelayServer(on_message=lambda got: reached.set() if got == 20 else None)) as server:
        sender = await start_sender(path, server.url, 20_000, 2)
        await reached.wait()
        sender.kill()
        await sender.wait()
        await server.quiet()
        accepted = server.addresses
        plan_options = {"issue": an_issue("Other words.", "other")}
        await send(path, server.url, people(5, "example.net"), plan_options=plan_options)
    with SqliteLedger(path) as ledger:
        ledger.hold("hello")
    states = by_state(path)
    assert accepted <= states["sent"] | states.get("unknown", set())
    assert len(states.get("unknown", set())) <= 2


async def test_two_issues_at_once_have_a_log_each(tmp_path: Path) -> None:
    path = tmp_path / "newsletter.db"
    async with serving(RelayServer()) as server:
        other = an_issue("Other words.", "other")
        sends = (
            send(path, server.url, people(300), connections=2),
            send(path, server.url, people(300), connections=2, plan_options={"issue": other}),
        )
        reports = await asyncio.gather(*sends)
    assert [report.sent for report in reports] == [300, 300]
    logs = {name for name in os.listdir(tmp_path) if "intents" in name}
    assert logs == {"newsletter.db-intents", "newsletter.db-intents-2"}


@pytest.mark.parametrize("moment", [1, 30, 90])
async def test_a_ledger_that_can_t_be_written_stops_before_the_next_body(
    tmp_path: Path, moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "newsletter.db"
    opened: list[sqlite3.Connection] = []

    def connect_and_keep(path: Path) -> sqlite3.Connection:
        opened.append(connect(path))
        return opened[-1]

    monkeypatch.setattr("newsletter.delivery.ledger.sqlite.connect", connect_and_keep)
    with SqliteLedger(path) as ledger:
        plan(ledger, people(2000))

        def no_room(count: int) -> None:
            if count == moment:
                pages = opened[0].execute("PRAGMA page_count").fetchone()[0]
                opened[0].execute(f"PRAGMA max_page_count = {pages}")

        from newsletter.delivery.engine import deliver
        from newsletter.smtp.relay import parse_relay

        from .sending import SHORT, PlainWriter

        def wordy(_talk: Talk, command: str, _argument: str) -> str | None:
            return f"250 2.0.0 ok: {'queued ' * 60}" if command == "." else None  # rows outgrow their pages

        async with serving(RelayServer(on_message=no_room, script=wordy)) as server:
            report = await deliver(ledger, PlainWriter(), [parse_relay(server.url, connections=2)], timeouts=SHORT)
        assert "disk is full" in str(report.stopped)
    accepted = server.addresses
    with SqliteLedger(path) as ledger:
        ledger.hold("hello")
    states = by_state(path)
    assert accepted <= states.get("sent", set()) | states.get("unknown", set())
    assert states.get("sent", set()) <= accepted
    counts = {state: len(states.get(state, set())) for state in ("sent", "unknown", "pending")}
    assert (report.sent, report.unknown, report.pending) == tuple(counts.values())  # what is said is what is recorded


async def test_who_was_taken_over_leaves_its_log_to_the_new_owner(tmp_path: Path) -> None:
    """It ends by itself before the other has read it; nothing but the log says what it sent last."""
    path = tmp_path / "newsletter.db"
    with SqliteLedger(path) as ledger:
        plan(ledger, people(4))
        ledger.begin(3600.0)
        journal = Journal(ledger)
        first, *_ = (await journal.claim(4)).transactions
        assert journal.may_go(first, lambda _: None)
        execute(path, "UPDATE leases SET epoch = epoch + 1, owner = ''")
        await journal.stop()
    with SqliteLedger(path) as ledger:
        ledger.hold("hello")
    states = by_state(path)
    assert states == {"unknown": {first.email}, "pending": {f"reader{number}@example.org" for number in (1, 2, 3)}}
