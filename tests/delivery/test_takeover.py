"""An issue that changes hands while its sender is frozen: the relay's log is the truth."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from newsletter.delivery.ledger.batch import Batch, Record
from newsletter.delivery.ledger.journal import SURE, Journal
from newsletter.delivery.ledger.lease import HEARTBEAT, STALE, Process
from newsletter.delivery.ledger.sqlite import SqliteLedger
from newsletter.errors import TryAgainLater
from newsletter.smtp.transaction import Transaction

from .relay_server import RelayServer, Talk, serving
from .sending import by_state, execute, people, plan, rows, send

COUNT = 8
ROOT = Path(__file__).parents[2]


@dataclass
class Sender:
    """What one process holds in its hands; it does what the engine does, a step at a time."""

    ledger: SqliteLedger
    claimed: list[Transaction] = field(default_factory=list)
    intended: list[Transaction] = field(default_factory=list)  # the body may go, as far as the sender knows
    handed: list[Transaction] = field(default_factory=list)  # the relay has taken it, the reply is not recorded
    sure_until: float = 0.0
    beaten: float = 0.0
    frozen: bool = False


class Takeovers(RuleBasedStateMachine):
    """Three places on two or three hosts, in which senders start, work, freeze, wake and die in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "newsletter.db"
        self.now = 1_000_000.0  # for everybody; each host's clock is off by its skew
        self.skews = [0.0, 0.0, 0.0]
        self.senders: list[Sender | None] = [None, None, None]
        self.gone: list[Sender] = []  # dead: nothing was given back
        self.incarnations = 0
        self.log: list[str] = []  # what the relay has accepted
        with SqliteLedger(self.path, lambda: self.now) as ledger:
            plan(ledger, people(COUNT))

    @initialize(skews=st.sampled_from([[0.0, 0.0, 0.0], [0.0, -180.0, 240.0]]))
    def clocks_differ(self, skews: list[float]) -> None:
        self.skews = skews

    def start_at(self, place: int) -> Sender | None:
        self.incarnations += 1
        here = Process(f"host{place}-{self.incarnations}", "a boot", 1, "")
        ledger = SqliteLedger(self.path, lambda: self.now + self.skews[place], here)
        try:
            ledger.hold("hello")
        except TryAgainLater:
            ledger.close()
            return None
        ledger.begin(3600.0)
        return Sender(ledger, sure_until=self.now + SURE, beaten=self.now)

    def commit(self, sender: Sender, batch: Batch) -> bool:
        """As the journal does; False where the issue is another's, and the sender ends."""
        try:
            sender.ledger.commit(batch)
            if self.now - sender.beaten > HEARTBEAT:
                sender.ledger.beat()
                sender.beaten = self.now
        except TryAgainLater:
            sender.ledger.close()
            self.senders = [None if one is sender else one for one in self.senders]
            return False
        sender.sure_until = self.now + SURE
        return True

    def holds(self, sender: Sender) -> bool:
        return execute(self.path, "SELECT epoch FROM leases") == [(sender.ledger.epoch,)]

    def awake(self) -> list[Sender]:
        return [sender for sender in self.senders if sender and not sender.frozen]

    def intending(self) -> list[Sender]:
        return [sender for sender in self.awake() if sender.intended]

    def handing(self) -> list[Sender]:
        return [sender for sender in self.awake() if sender.handed]

    # What senders do

    @precondition(lambda self: None in self.senders)
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        place = data.draw(st.sampled_from([place for place in range(3) if self.senders[place] is None]))
        self.senders[place] = self.start_at(place)

    @precondition(lambda self: self.awake())
    @rule(data=st.data(), count=st.integers(1, 4))
    def claim_and_intend(self, data: st.DataObject, count: int) -> None:
        sender = data.draw(st.sampled_from(self.awake()))
        if not sender.claimed:
            batch = Batch(claim=count)
            if not self.commit(sender, batch):
                return
            assert batch.claimed is not None
            sender.claimed += batch.claimed.transactions
        going, sender.claimed = sender.claimed[:count], sender.claimed[count:]
        if going and self.commit(sender, Batch(intents=[(one, lambda _: None) for one in going])):
            sender.intended += going

    @precondition(lambda self: self.intending())
    @rule(data=st.data())
    def hand_over(self, data: st.DataObject) -> None:
        self.hand_over_by(data.draw(st.sampled_from(self.intending())))

    def hand_over_by(self, sender: Sender) -> None:
        if self.now >= sender.sure_until and not self.commit(
            sender, Batch(confirm=[(sender.intended[0], lambda _: None)])
        ):
            return
        transaction = sender.intended.pop(0)
        if not any(self.skews):
            assert self.holds(sender), "mailed somebody who is another's to mail"
        self.log.append(transaction.email)
        sender.handed.append(transaction)

    @precondition(lambda self: self.handing())
    @rule(data=st.data())
    def record(self, data: st.DataObject) -> None:
        self.record_by(data.draw(st.sampled_from(self.handing())))

    def record_by(self, sender: Sender) -> None:
        done, sender.handed = sender.handed, []
        self.commit(sender, Batch(records={one.id: self.said("sent", one) for one in done}))

    @precondition(lambda self: self.intending())
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        """Refused with a word about us: pending again."""
        sender = data.draw(st.sampled_from(self.intending()))
        transaction = sender.intended.pop()
        if self.commit(sender, Batch(records={transaction.id: self.said("pending", transaction)})):
            sender.claimed.append(transaction)

    @precondition(lambda self: self.awake())
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        """Ctrl-C: what is under way is finished, nothing stays claimed."""
        self.stop_by(data.draw(st.sampled_from(self.awake())))

    def stop_by(self, sender: Sender) -> None:
        while sender.intended and sender in self.senders:
            self.hand_over_by(sender)
        records = {one.id: self.said("sent", one) for one in sender.handed}
        if sender in self.senders and self.commit(sender, Batch(records=records, last=True)):
            sender.ledger.close()
            self.senders = [None if one is sender else one for one in self.senders]

    # What happens to them

    @precondition(lambda self: self.awake())
    @rule(data=st.data())
    def freeze(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.awake())).frozen = True

    @precondition(lambda self: self.awake() and None in self.senders)
    @rule(data=st.data())
    def freeze_long_enough_for_another_to_take_over(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.intending() or self.awake())).frozen = True
        self.time_passes(STALE + 1)
        self.start(data)

    @precondition(lambda self: any(sender and sender.frozen for sender in self.senders))
    @rule(data=st.data())
    def wake(self, data: st.DataObject) -> None:
        """It goes on where it was: what was about to be handed over is, what was answered is recorded."""
        sender = data.draw(st.sampled_from([sender for sender in self.senders if sender and sender.frozen]))
        sender.frozen = False
        if sender.intended:
            self.hand_over_by(sender)
        if sender.handed and sender in self.senders:
            self.record_by(sender)

    @precondition(lambda self: any(self.senders))
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        sender = data.draw(st.sampled_from([sender for sender in self.senders if sender]))
        self.gone.append(sender)
        self.senders = [None if one is sender else one for one in self.senders]

    @rule(seconds=st.sampled_from([1.0, HEARTBEAT, SURE, STALE + 1]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for sender in self.awake():
            with contextlib.suppress(TryAgainLater):  # learnt at the next commit
                sender.ledger.beat()
                sender.beaten = self.now

    def said(self, state: str, transaction: Transaction) -> Record:
        return (transaction.id, state, 250, "2.0.0", "ok", ".", "relay:25", None, self.now, 0)

    @invariant()
    def nobody_has_it_twice_and_what_the_relay_took_is_not_free(self) -> None:
        assert len(self.log) == len(set(self.log))
        states = by_state(self.path)
        assert set(self.log) <= states.get("sending", set()) | states.get("sent", set()) | states.get("unknown", set())
        assert states.get("sent", set()) <= set(self.log)

    def teardown(self) -> None:
        """One that comes later finishes; those who were frozen then wake, and do what they had in mind."""
        self.now += 10_000.0
        self.skews = [0.0, 0.0, 0.0]
        last = self.start_at(0)
        assert last is not None
        batch = Batch(claim=COUNT)
        last.ledger.commit(batch)
        assert batch.claimed is not None
        last.ledger.commit(Batch(intents=[(one, lambda _: None) for one in batch.claimed.transactions]))
        self.log += [one.email for one in batch.claimed.transactions]
        records = {one.id: self.said("sent", one) for one in batch.claimed.transactions}
        last.ledger.commit(Batch(records=records, last=True))
        before = rows(self.path)
        for sender in filter(None, list(self.senders)):
            sender.frozen = False
            if sender.handed:
                self.record_by(sender)
            if sender in self.senders:
                self.stop_by(sender)
        assert rows(self.path) == before
        self.nobody_has_it_twice_and_what_the_relay_took_is_not_free()
        assert {row["state"] for row in before} <= {"sent", "unknown"}
        last.ledger.close()
        for sender in (*filter(None, self.senders), *self.gone):
            sender.ledger.close()
        self.folder.cleanup()


Takeovers.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestTakeovers = Takeovers.TestCase


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
        first.send_signal(signal.SIGSTOP)
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
