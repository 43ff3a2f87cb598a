"""The dispatcher: gives each connection its next message, and does with the reply what it means.

The handler of a run's connections (smtp.connection). What a reply means is smtp.reply's business, how fast to go
delivery.pace's, what survives a crash the journal's; starting, waiting and ending a run are delivery.engine's.

The hot path is `next` and `settle`: a connection asks for a message, and brings the reply.
"""

import asyncio
import json
import random
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Protocol

from newsletter.audience.subscriber import Subscriber
from newsletter.compose.message.envelope import Envelope
from newsletter.delivery.backlog import Backlog
from newsletter.delivery.domains import Domains
from newsletter.delivery.ledger.batch import Claimed
from newsletter.delivery.ledger.journal import HELD, Journal
from newsletter.delivery.pace import RetryPolicy
from newsletter.delivery.pool import RelayPool, Route
from newsletter.delivery.progress import Ending, Tally
from newsletter.errors import Refused, TryAgainLater
from newsletter.smtp.connection import Connection
from newsletter.smtp.reply import Action, Reply, Verdict, verdict
from newsletter.smtp.transaction import Transaction

MOST_WAITING = 2000
"""Claimed recipients above which no more are claimed, though a relay that is not bound to their domains has room."""
DROPS = 3
"""Connections that may be lost under one message before it has to wait like a deferred one."""
_ANSWERED = {
    "connect": "to the connection", "MAIL": "to the sender", "RCPT": "to a recipient", "DATA": "to a message",
    ".": "to a message", "AUTH": "to the login",
}  # fmt: skip
"""What a relay's refusal answers, by the command, in words."""
FAR = float("inf")
WELL = Verdict(Action.SENT)
_json = json.JSONDecoder().raw_decode  # what we wrote ourselves, without a look for spaces around it


class Writer(Protocol):
    """What writes messages: compose.message.MessageWriter."""

    def envelope(self, subscriber: Subscriber) -> Envelope:
        """The message for one recipient."""


class Dispatcher:
    """The recipients of a run on their way, from `journal` to the connections of `pool`."""

    def __init__(
        self, writer: Writer, journal: Journal, pool: RelayPool, tally: Tally, ending: Ending, retry: RetryPolicy, *,
        clock: Callable[[], float], chance: random.Random,
    ) -> None:  # fmt: skip
        self._loop = asyncio.get_running_loop()
        self._writer = writer
        self._journal = journal
        self._pool = pool
        self._ending = ending
        self._retry = retry
        self._clock = clock
        self._chance = chance
        self.tally = tally
        self.domains = Domains()
        self.queue = Backlog(pool.bound)  # claimed, not under way
        self.set_aside = 0  # recipients whom no relay takes any more in this run
        self.under_way = 0
        self.batch = 50  # recipients to claim at once
        self.claiming = False
        self.held = False  # no further message until it no longer is: somebody has paused the issue
        self.exhausted = False  # the last claim found nobody
        self.due = FAR  # when the first deferred recipient is to be tried again, by the ledger's clock
        self._paced: asyncio.TimerHandle | None = None  # wakes the connections when the pace allows
        self._ahead = False  # `_write_ahead` is to come
        self._doubt_row = 0

    # The hot path

    def next(self, connection: Connection) -> Transaction | None:
        """The next message for this connection."""
        route = self._pool.of[connection]
        queue, lanes = self.queue, route.lanes
        while queue.depth(lanes) and not (self.held or self._ending.asked or route.left_out):
            now = self._loop.time()
            wait = route.pace.wait(now)
            if wait > 0:
                self._wake_later(wait)
                return None
            transaction = queue.take(lanes)
            if queue.depth(lanes) < self.batch // 2:
                self._claim_more()
            is_doubtful = self._journal.suppressed or self.domains.known or not connection.smtputf8
            if is_doubtful and not self._is_free(transaction, connection, now):
                continue
            if transaction.envelope is None and not self._write(transaction):
                continue
            route.pace.take(now)
            transaction.ahead = False
            self.under_way += 1
            if not self._ahead and route.pace.is_free:
                self._ahead = True
                self._loop.call_soon(self._write_ahead)
            return transaction
        if not queue.depth(lanes):
            self._claim_more()
        return None

    def _write_ahead(self) -> None:
        """Write the next messages, while those before them are on their way."""
        self._ahead = False
        for transaction in self.queue.ahead(self._pool.most):
            if transaction.envelope is None and not self._write(transaction):
                self.queue.remove(transaction)

    def may_go(self, connection: Connection, transaction: Transaction) -> bool:
        """Whether the body may go now; its intent is recorded then."""
        return self._journal.may_go(transaction, connection.decided, self._next_ones)

    def _next_ones(self, sending: Collection[int]) -> list[Transaction]:
        """Who come next, if they go at once: so many that two are in doubt for each connection, should we die.

        Where relays are bound to domains the queue is no row: another than the next may be taken, and asked for too.
        """
        most = 2 * len(self._pool.of)
        if len(sending) >= most or self.held or self._ending.asked or not self._pool.is_free:
            return []
        opening = (connection.opening for connection in self._pool)
        found = [one for one in opening if one is not None and one.id not in sending]
        for one in self.queue.ahead(most) if self.queue.is_row else ():
            if one.id not in sending and len(sending) + len(found) < most:
                one.ahead = True
                found.append(one)
        return found

    def settle(self, connection: Connection, transaction: Transaction, reply: Reply) -> None:
        """The relay has answered."""
        self.under_way -= 1
        route = self._pool.of[connection]
        if reply.command != "." or not 200 <= reply.code < 300:
            self._settle_refusal(route, transaction, reply)
            return
        self._journal.record(transaction, "sent", reply, route.name)
        self.tally.count["sent"] += 1
        self._doubt_row = 0
        connection.useful = True
        route.went_well()
        if self.domains.known:
            self.domains.answered(transaction.domain, WELL, "", self._loop.time())
        if not (self.under_way or self.queue):
            self._ending.changed.set()

    def _is_free(self, transaction: Transaction, connection: Connection, now: float) -> bool:
        """Whether this recipient may be tried here and now; if not, that is recorded."""
        if transaction.id in self._journal.suppressed:
            self._finish(transaction, "skipped", None, reason=self._journal.suppressed[transaction.id])
            return False
        if not connection.smtputf8 and not transaction.email.isascii():
            self._finish(transaction, "skipped", None, reason="the relay offers no SMTPUTF8 for a non-ASCII address")
            return False
        hold = self.domains.hold(transaction.domain, now) if self.domains.known else 0.0
        if hold > 0:
            reason = f"held back: {transaction.domain} {self.domains.notes.get(transaction.domain, 'is slowed')}"
            self._finish(transaction, "deferred", None, reason=reason, not_before=self._clock() + hold)
            return False
        return True

    def _write(self, transaction: Transaction) -> bool:
        try:
            columns = _json(transaction.columns)[0] if transaction.columns != "{}" else {}
            transaction.envelope = self._writer.envelope(Subscriber(transaction.email, transaction.name, columns))
        except Exception as error:  # a slot is an expression over this recipient's data, and may fail in any way
            self._finish(transaction, "failed", None, reason=f"the message could not be written: {error}")
            return False
        return True

    # What else a connection reports

    def _settle_refusal(self, route: Route, transaction: Transaction, reply: Reply) -> None:
        """Anything but success."""
        now = self._loop.time()
        meaning = verdict(reply)
        route.pace.answered(meaning, now)
        self.domains.answered(transaction.domain, meaning, str(reply), now)
        match meaning.action:
            case Action.STOP:
                self._give_back(transaction, reply)
                self._stop(route, reply, meaning.hint)
            case Action.REST:
                self._give_back(transaction, reply)
                self._pool.limit(route, meaning.window, str(reply))
            case Action.AGAIN:
                self._try_elsewhere(transaction, reply, route)
            case Action.DEFER:
                self._defer(transaction, reply, route)
            case Action.UNKNOWN:
                self._finish(transaction, "unknown", reply, route=route)
            case _:
                self._fail(route, transaction, reply, meaning)

    def _fail(self, route: Route, transaction: Transaction, reply: Reply, meaning: Verdict) -> None:
        """Refused for good; unless this makes too many who were refused alike, which is about us."""
        if meaning.suppress or meaning.full:
            self._journal.suppress(transaction, f"bounce: {reply}", only_if_it_stays_full=meaning.full)
        self._finish(transaction, "failed", reply, route=route)
        if refused := route.refusals.refused(transaction, reply, meaning):
            for one in refused:
                self._journal.take_back(one, reply)
            self.tally.count["failed"] -= len(refused)
            self._stop(
                route, reply, "it answers so for everybody; check the login, the sender, and what this relay takes"
            )

    def _stop(self, route: Route, reply: Reply, hint: str) -> None:
        """It is about us: nothing more goes to that relay."""
        what = f"{route.relay.name}: {reply} ({_ANSWERED.get(reply.command, reply.command)}); {hint}"
        self._pool.leave_out(route, Refused(what))

    def again(self, connection: Connection, transaction: Transaction) -> None:
        """Lost before it was handed over."""
        self.under_way -= 1
        route, reply = self._pool.of[connection], connection.last_reply
        meaning = verdict(reply) if reply is not None and reply.code else WELL
        if reply is not None and (meaning.action in (Action.REST, Action.STOP) or meaning.hint):
            self._settle_refusal(route, transaction, reply)  # a 421 that says more than that it closes
        else:
            lost = Reply(0, "", "connection lost before the message was handed over", "")
            self._try_elsewhere(transaction, reply or lost, route)

    def in_doubt(self, connection: Connection, transaction: Transaction, reason: str) -> None:
        """Lost after the final dot: never sent again on a guess, and not many more put at risk."""
        self.under_way -= 1
        route = self._pool.of[connection]
        self._finish(transaction, "unknown", None, route=route, reason=reason)
        if connection.aborted:
            return
        route.lost_in_doubt()
        self._doubt_row += 1
        if self._doubt_row > route.relay.connections + 2:
            what = f"{route.relay.name} takes messages and closes without an answer ({reason})"
            self._ending.ask(TryAgainLater(f"{what}; ask whoever runs it, then run the same command again to go on"))

    def closed(self, connection: Connection, reply: Reply | None) -> None:
        """Another connection takes its place, if there is work."""
        if reply is not None and reply.code:
            self.tally.count_reply(str(reply))
        self._pool.closed(connection, reply)

    def _try_elsewhere(self, transaction: Transaction, reply: Reply, route: Route) -> None:
        transaction.drops += 1
        if transaction.drops >= DROPS:
            self._defer(transaction, reply, route)
        else:
            self._give_back(transaction, reply)

    def _give_back(self, transaction: Transaction, reply: Reply) -> None:
        """To the front of the queue, under another Transaction: a late word about the old one can't be taken for it."""
        self._journal.record(transaction, "pending", reply, "")
        self.queue.put_back(
            replace(
                transaction,
                envelope=None,
                deferred=False,
                intended=False,
                ahead=False,
                withdrawn="",
                refused=None,
                attempts=transaction.attempts + 1,
            )
        )
        self._ending.changed.set()

    def _defer(self, transaction: Transaction, reply: Reply, route: Route) -> None:
        now = self._clock()
        first = now if transaction.first_attempt is None else transaction.first_attempt
        delay = self._retry.delay(transaction.attempts + 1, now - first, self._chance.random())
        if delay is None:  # refused for good, if not in those words
            self._fail(route, transaction, reply, Verdict(Action.FAIL))
        else:
            self._finish(transaction, "deferred", reply, route=route, not_before=now + delay)

    def _finish(
        self, transaction: Transaction, state: str, reply: Reply | None, *,
        route: Route | None = None, reason: str = "", not_before: float | None = None,
    ) -> None:  # fmt: skip
        """Settled for this run, or until it is due again, and not sent."""
        self._journal.record(transaction, state, reply, route.relay.name if route else "", not_before, reason)
        self.tally.settled(state, transaction.email, str(reply) if reply else reason)
        if not_before is not None:
            self.due = min(self.due, not_before)
        self._ending.changed.set()

    def withdrawn(self, connection: Connection, transaction: Transaction) -> None:
        """Suppressed since it was claimed; or the issue does not run just now."""
        self.under_way -= 1
        if transaction.withdrawn == HELD:
            self._give_back(transaction, Reply(0, "", "", ""))
            return
        self._finish(transaction, "skipped", None, reason=transaction.withdrawn)

    def _skipped(self, transaction: Transaction) -> None:
        self.tally.settled("skipped", transaction.email, transaction.withdrawn)
        self._ending.changed.set()

    # Claims and waking

    def claim(self) -> None:
        if self.claiming or self._ending.asked:
            return
        self.claiming = True
        self.due = FAR
        self._journal.claim(self.batch).add_done_callback(self._claimed)

    def _claimed(self, future: "asyncio.Future[Claimed]") -> None:
        claimed = future.result()
        self.claiming = False
        self.exhausted = not (claimed.transactions or claimed.skipped)
        if claimed.due is not None:
            self.due = min(self.due, claimed.due)
        found = (*claimed.transactions, *claimed.skipped)
        self.tally.count["retried"] += sum(transaction.deferred for transaction in found)
        for transaction in claimed.skipped:
            self._skipped(transaction)
        self.queue.extend(claimed.transactions)
        self._ending.changed.set()
        self.drop_orphans()
        if not self.queue:  # all of them are suppressed: no connection may be open to ask on
            self._claim_more()
        self.wake()

    def more(self) -> None:
        """There may be recipients again, after a claim that found nobody."""
        self.exhausted = False
        if len(self.queue) < self.batch // 2:
            self._claim_more()

    def _claim_more(self) -> None:
        """Claim on, unless so many wait for the relays that they are bound to that it would be of no use."""
        if not (self.claiming or self.exhausted or self.held) and len(self.queue) < max(self.batch, MOST_WAITING):
            self.claim()

    def drop_orphans(self) -> None:
        """Whoever waits for relays that are all left out stays as they are, for the next run."""
        for transaction in self.queue.drain(self._pool.orphaned):
            self.set_aside += 1
            self.tally.count["retried"] -= transaction.deferred
            self._journal.put_down(transaction)
            self._journal.settled(transaction)

    def hold(self) -> None:
        """No further message. Once nobody is under way, who was claimed is given back: a long pause leaves no doubt."""
        self.held = True
        if self.under_way or self.claiming or not self.queue:
            return
        waiting = self.queue.drain()
        untried = sum(not transaction.deferred for transaction in waiting)
        self.tally.count["retried"] -= len(waiting) - untried
        self.exhausted = False
        for transaction in waiting:
            self._journal.put_down(transaction)
        self._journal.release(untried)

    def put_down(self) -> None:
        """Whoever waits still stays as they are: the run ends."""
        for transaction in self.queue.drain():
            self._journal.put_down(transaction)

    def go_on(self) -> None:
        """After a hold."""
        self.held = False
        if not (self.queue or self.exhausted):
            self.claim()

    def _wake_later(self, wait: float) -> None:
        if self._paced is None:
            self._paced = self._loop.call_later(wait, self.wake)

    def wake(self) -> None:
        """Offer what is queued to every connection that has room."""
        self.rest()
        for connection in self._pool:
            if not self.queue:
                return
            connection.wake()

    def rest(self) -> None:
        """Wake nobody later."""
        if self._paced is not None:
            self._paced.cancel()
            self._paced = None
