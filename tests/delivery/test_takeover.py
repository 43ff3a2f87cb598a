"""An issue that changes hands while its sender is frozen: the relay's log is the truth."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from newsletter.delivery.ledger.batch import Batch, Record
from newsletter.delivery.ledger.lease import HEARTBEAT, STALE, SURE, Process, boot_id
from newsletter.delivery.ledger.log import Log
from newsletter.delivery.ledger.sqlite import SqliteLedger
from newsletter.errors import TryAgainLater
from newsletter.smtp.transaction import Transaction

from .sending import by_state, execute, people, plan, rows

COUNT = 8
ROOT = Path(__file__).parents[2]


@dataclass
class Sender:
    """What one process holds in its hands; it does what the engine does, a step at a time."""

    ledger: SqliteLedger
    log: Log
    claimed: list[Transaction] = field(default_factory=list)
    intended: list[Transaction] = field(default_factory=list)  # the intent is in the log
    cleared: list[Transaction] = field(default_factory=list)  # it was found that the body may go
    handed: list[Transaction] = field(default_factory=list)  # the relay has taken it, the reply is not recorded
    records: dict[int, Record] = field(default_factory=dict)  # in the log, not in the rows
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
        self.gone: list[SqliteLedger] = []  # of the dead: nothing was given back
        self.incarnations = 0
        self.log: list[str] = []  # what the relay has accepted
        with SqliteLedger(self.path, lambda: self.now) as ledger:
            plan(ledger, people(COUNT))

    @initialize(skews=st.sampled_from([[0.0, 0.0, 0.0], [0.0, -180.0, 240.0]]))
    def clocks_differ(self, skews: list[float]) -> None:
        self.skews = skews

    def start_at(self, place: int) -> Sender | None:
        self.incarnations += 1
        here = Process(f"host{place}-{self.incarnations}", boot_id(), 1, "")
        ledger = SqliteLedger(self.path, lambda: self.now + self.skews[place], here, self.others_go_on)
        try:
            ledger.hold("hello")
        except TryAgainLater:
            ledger.close()
            return None
        ledger.begin(3600.0)
        return Sender(ledger, ledger.open_log(), sure_until=self.now, beaten=self.now)

    def others_go_on(self, seconds: float) -> None:
        """While one waits that takes over, whoever lives does what it is sure that it may."""
        for moment in (0.0, SURE - 0.1, SURE, seconds):
            self.now += moment
            for sender in self.awake():
                self.intend_by(sender)
                self.clear_by(sender, commit=False)
                while sender.cleared:
                    self.write_by(sender)
            self.now -= moment
        self.now += seconds

    def commit(self, sender: Sender, batch: Batch) -> bool:
        """As the journal does; False where the issue is another's, and the sender ends."""
        confirmed = self.now
        for record in batch.records.values():
            sender.log.record(record)
        batch.mark = sender.log.mark()
        sender.log.write()
        batch.records = sender.records | batch.records
        before = self.claims()
        if not self.fenced(sender, lambda: sender.ledger.commit(batch)):
            self.end(sender, settled=False)
            return False
        if batch.done_claims:
            assert self.claims() == before - set(batch.done_claims), "a claim is forgotten by its number"
        if self.now - sender.beaten > HEARTBEAT:
            sender.ledger.beat()
            sender.beaten = self.now
        sender.records = {}
        sender.sure_until = confirmed + SURE
        return True

    def fenced(self, sender: Sender, write: Callable[[], None]) -> bool:
        """Let a sender write; one whose issue is another's is told so, and changes nothing. Whether it is its own."""
        before = None if self.holds(sender) else self.everything()
        try:
            write()
        except TryAgainLater:
            assert before is not None, "refused what was its own"
            assert before == self.everything(), "told so, but wrote all the same"
        else:
            assert before is None, "wrote to what is another's"
        return before is None

    def everything(self) -> list[object]:
        """Whatever a sender may write."""
        return [execute(self.path, f"SELECT * FROM {name}") for name in ("deliveries", "claims", "leases")]

    def claims(self) -> set[int]:
        """The claims that are not settled yet."""
        return {number for (number,) in execute(self.path, "SELECT number FROM claims")}

    def end(self, sender: Sender, *, settled: bool) -> None:
        sender.log.close(settled=settled)
        before = None if self.holds(sender) else self.everything()
        sender.ledger.close()
        assert before in (None, self.everything()), "gave back what is another's"
        self.leave(sender)

    def leave(self, sender: Sender) -> None:
        self.senders = [None if one is sender else one for one in self.senders]

    def holds(self, sender: Sender) -> bool:
        return execute(self.path, "SELECT epoch FROM leases") == [(sender.ledger.epoch,)]

    def awake(self) -> list[Sender]:
        return [sender for sender in self.senders if sender and not sender.frozen]

    def with_some(self, what: str) -> list[Sender]:
        return [sender for sender in self.awake() if getattr(sender, what)]

    # What senders do

    @precondition(lambda self: None in self.senders)
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        place = data.draw(st.sampled_from([place for place in range(3) if self.senders[place] is None]))
        self.senders[place] = self.start_at(place)

    @precondition(lambda self: self.awake())
    @rule(data=st.data(), count=st.integers(1, 4))
    def claim(self, data: st.DataObject, count: int) -> None:
        sender = data.draw(st.sampled_from(self.awake()))
        batch = Batch(claim=count)
        if not sender.claimed and self.commit(sender, batch):
            assert batch.claimed is not None
            sender.claimed += batch.claimed.transactions

    @precondition(lambda self: self.with_some("claimed"))
    @rule(data=st.data())
    def intend(self, data: st.DataObject) -> None:
        self.intend_by(data.draw(st.sampled_from(self.with_some("claimed"))))

    def intend_by(self, sender: Sender) -> None:
        if sender.claimed:
            transaction = sender.claimed.pop(0)
            sender.log.intend(transaction.id, self.now)
            sender.log.write()
            sender.records[transaction.id] = (transaction.id, "sending", *[None] * 6, self.now, 1)  # type: ignore[assignment]
            sender.intended.append(transaction)

    @precondition(lambda self: self.with_some("intended"))
    @rule(data=st.data())
    def clear(self, data: st.DataObject) -> None:
        self.clear_by(data.draw(st.sampled_from(self.with_some("intended"))))

    def clear_by(self, sender: Sender, *, commit: bool = True) -> None:
        """Look at the clock, and ask the ledger where too much time has passed."""
        if sender.intended and (self.now < sender.sure_until or (commit and self.commit(sender, Batch()))):
            sender.cleared.append(sender.intended.pop(0))

    @precondition(lambda self: self.with_some("cleared"))
    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        self.write_by(data.draw(st.sampled_from(self.with_some("cleared"))))

    def write_by(self, sender: Sender) -> None:
        transaction = sender.cleared.pop(0)
        self.log.append(transaction.email)
        sender.handed.append(transaction)

    @precondition(lambda self: self.with_some("handed"))
    @rule(data=st.data(), rows=st.booleans())
    def record(self, data: st.DataObject, rows: bool) -> None:
        self.record_by(data.draw(st.sampled_from(self.with_some("handed"))), rows=rows)

    def record_by(self, sender: Sender, *, rows: bool = True) -> None:
        done, sender.handed = sender.handed, []
        records = {one.id: self.said("sent", one) for one in done}
        if rows:
            waiting = {one.claim for one in (*sender.claimed, *sender.intended, *sender.cleared)}
            settled = sorted({one.claim for one in done} - waiting)
            self.commit(sender, Batch(records=records, done_claims=settled))
        else:
            for record in records.values():
                sender.log.record(record)
            sender.log.write()
            sender.records |= records

    @precondition(lambda self: self.with_some("intended"))
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        """Lost before its body: pending again."""
        sender = data.draw(st.sampled_from(self.with_some("intended")))
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
            self.clear_by(sender)
        while sender.cleared and sender in self.senders:
            self.write_by(sender)
        records = {one.id: self.said("sent", one) for one in sender.handed}
        if sender in self.senders and self.commit(sender, Batch(records=records, last=True)):
            self.end(sender, settled=True)

    # What happens to them

    @precondition(lambda self: self.awake())
    @rule(data=st.data())
    def freeze(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.awake())).frozen = True

    @precondition(lambda self: self.awake() and None in self.senders)
    @rule(data=st.data(), what=st.sampled_from(["claimed", "intended", "cleared", "handed"]))
    def freeze_long_enough_for_another_to_take_over(self, data: st.DataObject, what: str) -> None:
        data.draw(st.sampled_from(self.with_some(what) or self.awake())).frozen = True
        self.time_passes(STALE + 1)
        self.start(data)

    @precondition(lambda self: any(self.skews) and None in self.senders and self.with_some("claimed"))
    @rule(data=st.data())
    def another_takes_over_from_one_that_lives(self, data: st.DataObject) -> None:
        """A clock that is ahead takes it for dead."""
        before = self.with_some("claimed")
        self.start(data)
        for sender in before:
            self.intend_by(sender)
            self.clear_by(sender, commit=False)
            while sender.cleared:
                self.write_by(sender)

    @precondition(lambda self: any(sender and sender.frozen for sender in self.senders))
    @rule(data=st.data())
    def wake(self, data: st.DataObject) -> None:
        """It goes on where it was: what was about to be written is, what was answered is recorded."""
        sender = data.draw(st.sampled_from([sender for sender in self.senders if sender and sender.frozen]))
        sender.frozen = False
        while sender.cleared:
            self.write_by(sender)
        self.intend_by(sender)
        if sender.intended:
            self.clear_by(sender)
        if sender.handed and sender in self.senders:
            self.record_by(sender)

    @precondition(lambda self: any(self.senders))
    @rule(data=st.data(), torn=st.sampled_from([b"", b"[", b"[1,2"]))
    def die(self, data: st.DataObject, torn: bytes) -> None:
        """Nothing is given back, and the last line of the log may not be whole."""
        sender = data.draw(st.sampled_from([sender for sender in self.senders if sender]))
        with open(sender.log.path, "ab") as log:
            log.write(torn)
        sender.log.close(settled=False)
        self.gone.append(sender.ledger)
        self.leave(sender)

    @rule(seconds=st.sampled_from([1.0, HEARTBEAT, SURE, STALE + 1]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for sender in self.awake():
            if self.fenced(sender, sender.ledger.beat):  # else learnt at the next commit
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
        self.log += [one.email for one in batch.claimed.transactions]
        records = {one.id: self.said("sent", one) for one in batch.claimed.transactions}
        last.ledger.commit(Batch(records=records, mark=1, last=True))
        last.log.close(settled=True)
        before = rows(self.path)
        for sender in filter(None, list(self.senders)):
            sender.frozen = False
            while sender.cleared:
                self.write_by(sender)
            if sender.handed:
                self.record_by(sender)
            if sender in self.senders:
                self.stop_by(sender)
        assert rows(self.path) == before
        self.nobody_has_it_twice_and_what_the_relay_took_is_not_free()
        assert {row["state"] for row in before} <= {"sent", "unknown"}
        last.ledger.close()
        for sender in filter(None, self.senders):
            self.end(sender, settled=False)
        for ledger in self.gone:
            ledger.close()
        self.folder.cleanup()


Takeovers.TestCase.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
TestTakeovers = Takeovers.TestCase


def test_whoever_takes_over_from_one_that_lives_waits_until_that_one_is_sure_of_nothing() -> None:
    """Its clock is four minutes ahead, so it takes the other for dead."""
    hosts = Takeovers()
    hosts.skews = [0.0, -180.0, 240.0]
    alive = hosts.senders[0] = hosts.start_at(0)
    assert alive is not None
    claim = Batch(claim=3)
    assert hosts.commit(alive, claim)
    assert claim.claimed is not None
    alive.claimed += claim.claimed.transactions
    hosts.senders[2] = hosts.start_at(2)
    assert hosts.senders[2] is not None
    assert hosts.log, "it went on meanwhile"
    hosts.intend_by(alive)
    hosts.clear_by(alive, commit=False)
    while alive.cleared:
        hosts.write_by(alive)
    hosts.nobody_has_it_twice_and_what_the_relay_took_is_not_free()
    hosts.teardown()
