"""Claimed recipients who wait for a connection, by the relays that may take them.

A relay that is bound to domains takes their recipients and nobody else's; all others share the rest. Pure.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, islice, takewhile
from operator import attrgetter

from newsletter.smtp.transaction import Transaction

REST = ""
"""The lane of whoever has a domain that no relay is bound to."""


class Backlog:
    """Who waits; `bound` are the domains that relays are bound to, each of which is a lane."""

    def __init__(self, bound: Collection[str] = ()) -> None:
        self._lanes: dict[str, deque[Transaction]] = {lane: deque() for lane in (REST, *bound)}
        self._rest = self._lanes[REST]
        self.is_row = not bound

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def __iter__(self) -> Iterator[Transaction]:
        return chain.from_iterable(self._lanes.values())

    def depth(self, lanes: Iterable[str]) -> int:
        """How many wait in these lanes."""
        if self.is_row:
            return len(self._rest)
        return sum(len(self._lanes[lane]) for lane in lanes)

    def take(self, lanes: Iterable[str]) -> Transaction:
        """The next of the longest of these lanes, of which one is not empty."""
        if self.is_row:
            return self._rest.popleft()
        return max((self._lanes[lane] for lane in lanes), key=len).popleft()

    def extend(self, transactions: Iterable[Transaction]) -> None:
        """Behind all others."""
        if self.is_row:
            self._rest.extend(transactions)
            return
        for transaction in transactions:
            self._lane(transaction).append(transaction)

    def put_back(self, transaction: Transaction) -> None:
        """Before all others, but for those whose intents are ahead: one who goes before them would be in doubt too."""
        lane = self._lane(transaction)
        lane.insert(sum(1 for _ in takewhile(attrgetter("ahead"), lane)), transaction)

    def remove(self, transaction: Transaction) -> None:
        """This one waits no longer."""
        self._lane(transaction).remove(transaction)

    def ahead(self, count: int) -> list[Transaction]:
        """The first of each lane, so many at most."""
        return [each for lane in self._lanes.values() for each in islice(lane, count)]

    def drain(self, lanes: Iterable[str] | None = None) -> list[Transaction]:
        """All of these lanes, or of all; nobody waits there any more."""
        found: list[Transaction] = []
        for lane in self._lanes if lanes is None else lanes:
            found += self._lanes[lane]
            self._lanes[lane].clear()
        return found

    def _lane(self, transaction: Transaction) -> deque[Transaction]:
        return self._lanes.get(transaction.domain.lower(), self._rest)
