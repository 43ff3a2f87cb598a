"""A worker's side of the state: it lives, takes shards and gives them back, and writes what became of each.

`Keeper` is the worker as others see it, with a connection of its own; `WorkerLedger` is the ledger of its run of one
issue, whose shards are given to it. Whoever waits for jobs and sends is delivery.workers.worker.
"""

import queue as queues
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from newsletter.delivery.ledger.lease import Process
from newsletter.delivery.ledger.postgres import queue, shards
from newsletter.delivery.ledger.postgres.hand import Hand
from newsletter.delivery.ledger.postgres.ledger import BY_INDEX, HURRY, SWEEP, PostgresLedger
from newsletter.delivery.ledger.postgres.reconnect import Reconnecting
from newsletter.delivery.ledger.postgres.shards import Shard
from newsletter.errors import TryAgainLater
from newsletter.state.postgres import PostgresDatabase

BEAT = 10.0
"""Seconds between two heartbeats of a worker."""
_Step = TypeVar("_Step")


class Keeper:
    """One worker among the workers. Any thread may call it; one at a time is served."""

    def __init__(self, database: PostgresDatabase, size: int) -> None:
        database.prepare()
        self._size = size
        self._here = Process.current()
        self._reconnecting = Reconnecting(database, time.sleep)
        self.clock = self._reconnecting.clock
        self._reconnecting.patience = 0.0  # whoever begins is told at once what is wrong
        self._lock = threading.Lock()
        self._has_left = False
        self._beaten = time.monotonic()
        self._swept = -SWEEP  # at once: the one before us on this machine may have died
        self._is_sure = False
        self._owed: dict[tuple[int, int], Shard] = {}  # by number and epoch: could not be given back yet
        self._together(lambda: queue.prepare(self._reconnecting.db))
        self.number = self._together(lambda: shards.register(self._reconnecting.execute, self._here))
        self._reconnecting.patience = float("inf")

    @property
    def away(self) -> str:
        """Why the server can't be reached just now."""
        return self._reconnecting.away

    def hurry(self) -> None:
        """Wait for a server that is away a moment longer, no more."""
        self._reconnecting.patience = min(self._reconnecting.patience, HURRY)

    def _together(self, step: Callable[[], _Step]) -> _Step:
        with self._lock:
            if self._has_left:
                raise TryAgainLater("this worker has left")
            return self._reconnecting.together(step)

    def take(self, number: int, job: int) -> Shard | None:
        """Take the shard that a job is about, if it is to be had."""
        return self._together(lambda: shards.take(self._reconnecting.execute, self.number, number, job, ()))

    def give_back(self, held: list[Shard]) -> None:
        """Return shards that can't be finished; whatever the server does not take now is returned by `look_after`."""
        self._owed |= {(shard.number, shard.epoch): shard for shard in held}
        self._return()

    def _return(self) -> None:
        if not (owed := dict(self._owed)):
            return
        state = self._reconnecting
        self._together(lambda: shards.give_back(state.db, state.execute, owed.values(), self.clock()))
        for key in owed:
            self._owed.pop(key, None)

    def issue(self, number: int) -> tuple[str, str, str | None]:
        """An issue: its id, what was frozen, and the digest of the secret that it was planned with."""
        query = "SELECT id, frozen, secret FROM issues WHERE number = :number"
        row = self._together(lambda: self._reconnecting.execute(query, number=number).fetchone())
        assert row is not None
        return row

    def newest(self) -> tuple[str, str] | None:
        """The id of the issue that was queued last, and the digest of its secret."""
        query = "SELECT id, secret FROM issues WHERE secret != '' ORDER BY number DESC LIMIT 1"
        return self._together(lambda: self._reconnecting.execute(query).fetchone())

    def look_after(self) -> None:
        """What is due: say that we live, make shards of who is to be tried again, look for workers that have died."""
        now = time.monotonic()
        if now - self._beaten >= BEAT:
            self._together(self._reconnecting.look_at_clock)
            if not self._together(lambda: shards.beat(self._reconnecting.execute, self.number)):
                self.number = self._together(lambda: shards.register(self._reconnecting.execute, self._here))
            self._is_sure, self._beaten = now - self._beaten < 2 * BEAT, now
        if now - self._swept >= SWEEP:
            self._swept = now
            self._together(self._sweep)
        self._return()
        self._together(self._gather)

    def _sweep(self) -> None:
        db, execute = self._reconnecting.db, self._reconnecting.execute
        is_sure = self._is_sure and time.monotonic() - self._beaten < 2 * BEAT  # not after a server that was away
        shards.sweep(db, execute, self._here, self.clock(), is_sure=is_sure)

    def _gather(self) -> None:
        shards.gather(self._reconnecting.db, self._reconnecting.execute, self._size, self.clock())

    def leave(self) -> None:
        """Be a worker no longer. What it holds must be given back before."""
        try:
            self._together(lambda: shards.leave(self._reconnecting.execute, self.number))
        finally:
            with self._lock:  # whoever is looked after last is done by then
                self._has_left = True
                self._reconnecting.close()


class WorkerLedger(PostgresLedger):
    """The ledger of a worker's run: nothing but the shards that it is given. `done` is told of each that is no more."""

    def __init__(
        self, database: PostgresDatabase, number: int, given: "queues.SimpleQueue[Shard]", done: Callable[[Shard], None]
    ) -> None:
        super().__init__(database)
        self._number = number
        self._given = given
        self._done = done

    def close(self) -> None:
        self._reconnecting.close()

    def begin(self, longest_wait: float) -> dict[str, int]:
        self._see_room()
        self._reconnecting.set(BY_INDEX)
        self._hand = Hand(self._reconnecting, self._finished)
        return {}

    def counts(self) -> dict[str, int]:
        """Not asked for a run of a part."""
        return {}

    def beat(self) -> None:
        self._reconnecting.look_at_clock()
        self._hand.check()

    def _finished(self, shard: Shard) -> None:
        self._reconnecting.again(lambda: shards.settle(self._execute, shard.issue))
        self._done(shard)

    def _give_back(self, now: float) -> None:
        held = self._hand.let_go()
        self._reconnecting.together(lambda: shards.give_back(self._reconnecting.db, self._execute, held, now))
        for shard in held:
            self._done(shard)

    def _next_shard(self) -> Shard | None:
        try:
            return self._given.get_nowait()
        except queues.Empty:
            return None

    def _next_moment(self) -> float | None:
        return None
