"""The ledger against a simple model: whatever happens in whatever order, nobody is lost and nobody is free twice."""

import asyncio
import contextlib
import sqlite3
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from newsletter.delivery.ledger.batch import Claimed
from newsletter.delivery.ledger.journal import LOOKED, Journal
from newsletter.delivery.ledger.lease import SURE
from newsletter.delivery.ledger.sqlite import SqliteLedger
from newsletter.smtp.reply import Reply
from newsletter.smtp.transaction import Transaction

from .sending import execute, people, plan, rows, suppress

COUNT = 12
FINAL = {
    "sent": Reply(250, "2.0.0", "ok", "."),
    "failed": Reply(550, "5.1.1", "no such user", "RCPT"),
    "unknown": Reply(0, "", "lost", "."),
}


class LedgerMachine(RuleBasedStateMachine):
    """The model is a dict of states, and what the sender holds in its hands."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "newsletter.db"
        self.loop = asyncio.new_event_loop()
        self.now = 1000.0
        self.model = dict.fromkeys(range(1, COUNT + 1), "pending")
        self.due: dict[int, float] = {}
        self.suppressed: set[int] = set()
        self.skipped: set[int] = set()
        with SqliteLedger(self.path, lambda: self.now) as ledger:
            plan(ledger, people(COUNT))
        self.start()

    def start(self) -> None:
        self.held: dict[int, Transaction] = {}
        self.intended: set[int] = set()
        self.ledger = SqliteLedger(self.path, lambda: self.now)
        self.ledger.hold("hello")
        self.ledger.begin(3600.0)
        self.awake = 0.0  # the journal's clock
        self.free: set[int] = set()  # whose bodies may go

        async def start() -> None:
            self.journal = Journal(self.ledger, lambda: self.awake)
            self.journal.trouble.add_done_callback(lambda trouble: self.trouble(trouble.result()))

        self.loop.run_until_complete(start())

    def trouble(self, error: Exception) -> None:
        raise AssertionError(error)

    def note_skipped(self, transaction: Transaction) -> None:
        self.skipped.add(transaction.id)
        self.model[transaction.id] = "skipped"
        self.held.pop(transaction.id, None)

    def settle(self) -> None:
        """Let the thread do what it was asked."""

        async def ask() -> None:
            assert not (await self.journal.claim(0)).transactions

        self.loop.run_until_complete(ask())

    @rule(count=st.integers(1, 5))
    def claim(self, count: int) -> None:
        async def claim() -> Claimed:
            return await self.journal.claim(count)

        claimed = self.loop.run_until_complete(claim())
        for transaction in claimed.skipped:
            self.note_skipped(transaction)
        for transaction in claimed.transactions:
            assert transaction.id not in self.held
            assert self.model[transaction.id] in ("pending", "deferred")
            assert self.model[transaction.id] == "pending" or self.due[transaction.id] <= self.now
            assert transaction.id not in self.suppressed
            self.held[transaction.id] = transaction

    def ask(self, transaction: Transaction) -> None:
        if self.journal.may_go(transaction, self.ask):
            self.free.add(transaction.id)

    @precondition(lambda self: set(self.held) - self.intended)
    @rule(data=st.data(), pause=st.sampled_from([0.1, LOOKED, SURE]))
    def intend(self, data: st.DataObject, pause: float) -> None:
        id_ = data.draw(st.sampled_from(sorted(set(self.held) - self.intended)))
        transaction = self.held[id_]
        self.awake += pause
        self.ask(transaction)
        self.settle()
        if transaction.withdrawn:
            assert id_ in self.suppressed
            self.journal.record(transaction, "skipped", None, "", reason=transaction.withdrawn)
            self.settle()
            self.note_skipped(transaction)
        else:
            assert id_ in self.free
            assert id_ not in self.suppressed or pause < LOOKED
            self.intended.add(id_)
            self.model[id_] = "sending"

    @precondition(lambda self: self.intended)
    @rule(data=st.data(), state=st.sampled_from(["sent", "failed", "unknown", "deferred", "pending"]))
    def answer(self, data: st.DataObject, state: str) -> None:
        id_ = data.draw(st.sampled_from(sorted(self.intended)))
        transaction = self.held[id_]
        self.intended.discard(id_)
        self.model[id_] = state
        if state == "deferred":
            self.due[id_] = self.now + 100
            self.journal.record(transaction, state, Reply(450, "4.2.0", "later", "RCPT"), "relay:25", self.due[id_])
        else:
            self.journal.record(transaction, state, FINAL.get(state), "relay:25")
        if state != "pending":
            del self.held[id_]
        transaction.intended = False  # as one that comes again under another name
        self.settle()

    @rule(id_=st.integers(1, COUNT))
    def suppress(self, id_: int) -> None:
        if id_ in self.intended:
            return
        self.suppressed.add(id_)
        self.settle()
        email = people(COUNT)[id_ - 1].email
        suppress(self.path, email)

    @rule()
    def time_passes(self) -> None:
        self.now += 60

    @rule()
    def stop(self) -> None:
        """A stop settles what is under way, and gives the claims back."""
        for id_ in self.intended:
            self.journal.record(self.held[id_], "sent", FINAL["sent"], "relay:25")
            self.model[id_] = "sent"
        self.loop.run_until_complete(self.journal.stop())
        self.begin_again()

    @rule(boot=st.sampled_from(["this", "another"]), settled=st.booleans(), torn=st.sampled_from([b"", b"[1", b"[1,5"]))
    def die(self, boot: str, settled: bool, torn: bytes) -> None:
        """Nothing is given back: state file and log are left as they are at this moment."""
        if settled:
            self.settle()
        for id_ in self.intended if boot == "this" else self.held:
            self.model[id_] = "unknown"
        left = self.path.with_name("left.db")
        with contextlib.closing(sqlite3.connect(self.path)) as db:
            db.execute("VACUUM INTO ?", (str(left),))
        log = self.path.with_name("newsletter.db-intents")
        logged = log.read_bytes()
        self.loop.run_until_complete(self.journal.stop())
        self.ledger.close()
        left.replace(self.path)
        log.write_bytes(logged + torn)
        with sqlite3.connect(self.path) as db:
            db.execute("UPDATE leases SET owner = ''")  # the test's own process lives on
            if boot == "another":
                db.execute("UPDATE claims SET boot = 'another'")
        db.close()
        self.begin_again()

    def begin_again(self) -> None:
        self.ledger.close()
        for id_ in self.held:
            if self.model[id_] == "deferred":
                self.due[id_] = self.now
        self.start()

    @invariant()
    def the_ledger_says_what_the_model_says(self) -> None:
        assert {row["id"]: row["state"] for row in rows(self.path)} == self.model

    def teardown(self) -> None:
        self.loop.run_until_complete(self.journal.stop())
        self.ledger.close()
        self.loop.close()
        self.folder.cleanup()


LedgerMachine.TestCase.settings = settings(max_examples=10, stateful_step_count=25, deadline=None)
TestLedgerMachine = LedgerMachine.TestCase


async def test_of_two_words_in_one_batch_the_last_counts_and_both_attempts(tmp_path: Path) -> None:
    path = tmp_path / "newsletter.db"
    with SqliteLedger(path, lambda: 1000.0) as ledger:
        plan(ledger, people(1))
        ledger.begin(3600.0)
        journal = Journal(ledger)
        [transaction] = (await journal.claim(1)).transactions
        assert journal.may_go(transaction, lambda _: None)
        journal.record(transaction, "pending", Reply(421, "4.3.2", "closing", "."), "relay:25")
        transaction.intended = False
        journal.record(transaction, "deferred", Reply(450, "4.2.0", "later", "RCPT"), "relay:25", 1300.0)
        await journal.stop()
    [row] = rows(path)
    assert (row["state"], row["code"], row["not_before"]) == ("deferred", 450, 1300.0)
    assert (row["attempts"], row["first_attempt"]) == (2, 1000.0)


def test_a_retry_time_that_a_jump_of_the_clock_put_out_of_reach_is_brought_back(tmp_path: Path) -> None:
    path = tmp_path / "newsletter.db"
    with SqliteLedger(path, lambda: 1000.0) as ledger:
        plan(ledger, people(2))
        execute(path, "UPDATE deliveries SET state = 'deferred', not_before = iif(id = 1, 4e9, 1050.0)")
        assert ledger.begin(100.0) == {"deferred": 2}
    assert [row["not_before"] for row in rows(path)] == [1200.0, 1050.0]
