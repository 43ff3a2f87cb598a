"""Fences of a lease that changes hands, each by itself: with real processes, a frozen one, and another host."""

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from newsletter.delivery.ledger.batch import Batch
from newsletter.delivery.ledger.journal import Journal
from newsletter.delivery.ledger.lease import STALE, Process, boot_id
from newsletter.delivery.ledger.sqlite import SqliteLedger
from newsletter.errors import TryAgainLater

from .relay_server import RelayServer, Talk, serving
from .sending import by_state, execute, people, plan, send

COUNT = 8
ROOT = Path(__file__).parents[2]


async def test_a_body_waits_until_the_ledger_has_said_that_the_issue_is_still_ours(tmp_path: Path) -> None:
    """The clock jumps, as it does over a freeze, between the intent and the answer to DATA."""
    now, held = [100.0], asyncio.Event()

    def script(_talk: Talk, command: str, _argument: str) -> str | None:
        if command == "DATA" and not held.is_set():
            now[0] += STALE
            execute(path, "UPDATE leases SET epoch = epoch + 1")
            held.set()
        return None

    path = tmp_path / "newsletter.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal.__init__, "__defaults__", (lambda: now[0],))
        async with serving(RelayServer(script=script)) as server:
            report = await send(path, server.url, people(20), connections=1)
    assert isinstance(report.stopped, TryAgainLater)
    assert server.accepted == []


def stop_between_transactions(sender: asyncio.subprocess.Process, path: Path) -> None:
    """Freeze it where it holds no lock on the state file; else nobody could take over before it is dead."""
    while True:
        sender.send_signal(signal.SIGSTOP)
        with contextlib.closing(sqlite3.connect(path, timeout=0.2)) as db:
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                sender.send_signal(signal.SIGCONT)
            else:
                return


def elsewhere(command: list[str], name: str) -> "subprocess.Popen[bytes]":
    """Run a command as on another host, as far as it can tell: with another host name."""
    code = "import os, socket, sys; socket.sethostname(sys.argv[1]); os.execvp(sys.argv[2], sys.argv[2:])"
    return subprocess.Popen(
        ["unshare", "-u", sys.executable, "-c", code, name, *command], cwd=Path(__file__).parents[2]
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="another host name takes root")
@pytest.mark.timeout(120)
async def test_a_sender_frozen_while_another_host_finishes_sends_nothing_when_it_wakes(tmp_path: Path) -> None:
    path, count = tmp_path / "newsletter.db", 400
    halfway = asyncio.Event()
    async with serving(RelayServer(on_message=lambda got: halfway.set() if got == 60 else None)) as server:
        killable = [sys.executable, "-m", "tests.delivery.killable", str(path), server.url, str(count), "2", "hasty"]
        first = await asyncio.create_subprocess_exec(*killable, cwd=ROOT)
        await halfway.wait()
        stop_between_transactions(first, path)
        execute(path, "UPDATE leases SET heartbeat = heartbeat - ?", STALE + 1)  # half a minute later
        second = elsewhere(killable, "otherhost")
        assert await asyncio.to_thread(second.wait) == 0
        before, accepted = by_state(path), len(server.accepted)
        first.send_signal(signal.SIGCONT)
        await first.wait()
        await server.quiet()
        assert by_state(path) == before
        assert len(server.accepted) == accepted
        report = await send(path, server.url, people(count))
    assert report.sent == 0
    assert set(server.counts.values()) == {1}
    assert set(before) <= {"sent", "unknown"}
    assert len(before.get("unknown", set())) <= 2 * 2
    assert socket.gethostname() != "otherhost"


def test_even_a_transaction_without_a_word_asks_whose_the_issue_is(tmp_path: Path) -> None:
    """What is written down already, and waits for its body, is confirmed by nothing else."""
    path, now = tmp_path / "newsletter.db", [1_000.0]
    with SqliteLedger(path, lambda: now[0], Process("one", boot_id(), 1, "")) as first:
        plan(first, people(2))
        first.begin(3600.0)
        first.commit(Batch())
        now[0] += STALE + 1
        with SqliteLedger(path, lambda: now[0], Process("two", boot_id(), 1, ""), lambda _seconds: None) as second:
            second.hold("hello")
            with pytest.raises(TryAgainLater):
                first.commit(Batch())


def test_a_settled_claim_is_forgotten_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "newsletter.db"
    with SqliteLedger(path) as ledger:
        plan(ledger, people(4))
        ledger.begin(3600.0)
        batches = [Batch(claim=2), Batch(claim=2)]
        for batch in batches:
            ledger.commit(batch)
        one, other = (batch.claimed.transactions[0].claim for batch in batches if batch.claimed)
        ledger.commit(Batch(done_claims=[one]))
        assert execute(path, "SELECT number FROM claims") == [(other,)]
