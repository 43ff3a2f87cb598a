"""What a run has in its hand: the shards it holds, how far it has claimed them, and what it writes about them.

Whatever is done here is done again where the server goes away meanwhile (ledger.postgres.reconnect), and comes to the
same. A shard that was lost ends the run: nothing more is sent of it, because no intent is recorded any more.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from newsletter.delivery.ledger.batch import Claimed, Record
from newsletter.delivery.ledger.postgres import batch as sql
from newsletter.delivery.ledger.postgres import shards
from newsletter.delivery.ledger.postgres.reconnect import Reconnecting
from newsletter.delivery.ledger.postgres.shards import Shard
from newsletter.errors import TryAgainLater
from newsletter.smtp.transaction import Transaction


class ShardLost(TryAgainLater):
    """Another worker has a shard that was ours: it took us for dead."""


@dataclass(slots=True)
class Held:
    """A shard, and how far it is claimed."""

    shard: Shard
    after: int  # the last recipient that was claimed
    is_claimed: bool = False  # as a whole
    open: set[int] = field(default_factory=set)  # claimed, and not settled


class Hand:
    """The shards of one run. For one thread at a time."""

    def __init__(self, reconnecting: Reconnecting, done: Callable[[Shard], None] = lambda _: None) -> None:
        self.held: list[Held] = []
        self._done = done  # told when a shard is finished
        self._reconnecting = reconnecting
        self._by_id: dict[int, Held] = {}
        self.keys: dict[int, str] = {}  # deliveries.key of all who are claimed and not settled
        self._serial = 0
        self._claims = 0

    def hold(self, shard: Shard) -> None:
        """A shard that was taken."""
        self.held.append(Held(shard, shard.first - 1))

    def _fence(self) -> str:
        return json.dumps([(held.shard.number, held.shard.epoch) for held in self.held])

    def check(self) -> None:
        """Raise ShardLost where a shard is no longer ours."""
        query = self._reconnecting.again(lambda: self._reconnecting.execute(sql.OURS, held=self._fence()).fetchone())
        if query is None or query[0] != len(self.held):
            raise _lost()

    def write(self, records: Iterable[Record], intents: list[Transaction], now: float) -> bool:
        """Write replies and intents; whether all intents were recorded, as they are while the issue runs.

        Raises ShardLost where a shard is no longer ours: then nothing is written.
        """
        rows = [self._kept_due(record) for record in records]
        if {one.id for one in intents} & {row[0] for row in rows}:  # refused, and on its way again
            self._write(rows, [], now)
            rows = []
        recorded = self._write(rows, [one.id for one in intents], now)
        for one in intents:
            one.intended = one.id in recorded
        for id_, state, *_ in rows:
            if state not in ("sending", "pending"):
                self._settled(id_)
        return len(recorded) == len(intents)

    def _kept_due(self, record: Record) -> Record:
        """Whoever is given back stays in the shard: it is known by their moment."""
        held = self._by_id.get(record[0])
        if held is not None and record[1] == "pending" and held.shard.due is not None and record[7] is None:
            return (*record[:7], held.shard.due, *record[8:])
        return record

    def _write(self, rows: list[Record], intents: list[int], now: float) -> set[int]:
        self._serial += 1
        asked = f"{{{','.join(map(str, intents))}}}"  # a text: a list's type, and so the plan, changes with its numbers
        named = {"held": self._fence(), "serial": self._serial, "intents": asked}
        text, again, execute = sql.rows_of(rows), self._reconnecting.again, self._reconnecting.execute
        whole, recorded = again(lambda: execute(sql.WRITE, rows=text, now=now, **named).fetchone())  # type: ignore[misc]
        if not whole and self.held:  # it may be written, and the answer was lost
            count, recorded = again(lambda: execute(sql.WRITTEN, **named).fetchone())  # type: ignore[misc]
            if count != len(self.held):
                raise _lost()
        return set(recorded)

    def _settled(self, id_: int) -> None:
        self.keys.pop(id_, None)
        held = self._by_id.pop(id_, None)
        if held is not None:
            held.open.discard(id_)
            self._finish(held)

    def _finish(self, held: Held) -> None:
        if held.is_claimed and not held.open:
            self._reconnecting.again(lambda: shards.finish(self._reconnecting.execute, held.shard))
            self.held.remove(held)
            self._done(held.shard)

    def claim(self, count: int, now: float) -> Claimed:
        """The next recipients of what is held, or fewer."""
        self._claims += 1
        found = Claimed([], [])
        for held in list(self.held):
            left = count - len(found.transactions) - len(found.skipped)
            if held.is_claimed or not left:
                continue
            shard, query = held.shard, sql.NEXT.format(whose=held.shard.whose)
            named = {"issue": shard.issue, "after": held.after, "last": shard.last, "due": shard.due, "count": left}
            rows = self._reconnecting.again(lambda: self._reconnecting.execute(query, **named).fetchall())  # noqa: B023
            held.is_claimed = len(rows) < left
            held.after = rows[-1][0] if rows else held.after
            self.keys |= {row[0]: row[-1] for row in rows}
            for one in sql.transactions_of(rows, self._claims):
                held.open.add(one.id)
                self._by_id[one.id] = held
                (found.skipped if one.withdrawn else found.transactions).append(one)
            self._finish(held)
        if found.skipped:
            self.write(
                [(one.id, "skipped", None, None, one.withdrawn, None, None, None, now, 0) for one in found.skipped],
                [], now,
            )  # fmt: skip
        return found

    def let_go(self) -> list[Shard]:
        """Nothing is held any more; what was, to be given back."""
        given, self.held = [held.shard for held in self.held], []
        self._by_id.clear()
        self.keys.clear()
        return given


def _lost() -> ShardLost:
    return ShardLost("another worker has taken over what this one was at; see `newsletter status`")
