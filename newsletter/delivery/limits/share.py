"""One sender's part of a relay's limits: what it was granted, and asking for more in time.

`Share` is what `delivery.pace` asks before each message, without a look into the state; `Sharing` asks the state for
lots, twice a second, or sooner where a share is used up. A state that is away grants nothing: what was granted goes
within a second, and connections are closed before the lease of their slots ends.
"""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from newsletter.delivery.limits.shared import AHEAD, Ask, Grant, settle
from newsletter.delivery.limits.windows import Used
from newsletter.errors import NewsletterError, TryAgainLater
from newsletter.smtp.rate import Limit

INTERVAL = 0.5
"""Seconds from one look into the state to the next."""
SOON = 0.1
"""Seconds that pass at least, however much is needed."""
LATE = 0.25
"""Seconds after its moment for which a message may still go; then it is given back."""
KEPT = 2.0
"""The same for messages that have no moment: those of a quota."""
BUSY = 5.0
"""Seconds for which a sender is taken to need what it needed: between two claims it needs nothing."""
MARGIN = 1.0
"""Seconds before its lease ends that a sender's connections are closed."""
FEW = 2
"""Messages that are asked for where hardly any were used."""
MOST = 10_000
"""Messages that are asked for at once, at most."""
GOODBYE = 5.0
"""Seconds that the end of a run waits for the state, to give its share back."""

Settle = Callable[[str, str, float], tuple[str, str, Grant]]
"""(windows, slots, the server's clock) -> both as they are to be, and the answer."""


class LimitStore(Protocol):
    """Where shared limits are kept: `limits` of a state that several senders can reach. Blocking; one at a time."""

    me: str  # this sender

    def exchange(self, relay: str, settle: Settle) -> Grant:
        """Read what is there of a relay, settle, write it if nobody else has meanwhile; else again.

        Raises TryAgainLater where the state is away.
        """

    def close(self) -> None:
        """Let go of the connection."""


class Share:
    """One sender's part of one relay's limits; clocks are the loop's."""

    def __init__(self, key: str, rates: tuple[Limit, ...], most: int, used: Used | None, now: float) -> None:
        self.key = key
        self.number = 0  # among this sender's: the same relay may be named twice
        self.rates = rates
        self.connections = 0  # how many may be open
        self.is_short = True  # more is needed
        self.waits = False  # for a connection: others have all
        self._most = most
        self._used = used
        self._granted: deque[tuple[float, int, float]] = deque()  # the next one's moment, how many, and their distance
        self._unspent = 0
        self._wanted, self._wanted_at = most, now  # as long as nobody says otherwise
        self._said = 0  # what was wanted when it was asked last
        self._open = 0
        self._taken = 0  # since the last answer
        self._asked = now
        self._target = 2 * most
        self._again_at = 0.0

    # What the pace asks

    def wait(self, now: float) -> float:
        """Seconds until the next message may go; 0 or less: now."""
        self._drop(now)
        if self._granted:
            return self._granted[0][0] - now
        self.is_short = True
        return max(self._again_at - now, SOON)

    def take(self, now: float) -> None:
        """One goes now."""
        if self._granted:
            moment, count, interval = self._granted.popleft()
            self._taken += 1
            if count > 1:
                self._granted.appendleft((moment + interval, count - 1, interval))

    def use(self, wanted: int, open_: int, now: float) -> None:
        """So many connections could be used, so many are open or will be in a moment."""
        self._open = open_
        if wanted >= self._wanted or now - self._wanted_at > BUSY:
            self._wanted, self._wanted_at = min(wanted, self._most), now
        if self._wanted > self._said:
            self.is_short = True

    def _drop(self, now: float) -> None:
        """Give back what was not used in time."""
        while self._granted:
            moment, count, interval = self._granted[0]
            late = now - moment - (LATE if interval else KEPT)
            if late <= 0:
                return
            gone = min(math.floor(late / interval) + 1, count) if interval else count
            self._unspent += gone
            self._granted.popleft()
            if count > gone:
                self._granted.appendleft((moment + gone * interval, count - gone, interval))

    # What is asked of the state

    def ask(self, me: str, now: float) -> Ask:
        """What is to be said now."""
        self._drop(now)
        wanted = self._said = self._wanted if now - self._wanted_at <= BUSY else 0
        if not wanted:
            self._give_up()
            self.connections = min(self.connections, self._open)  # others may have a smaller number of them in all
        if self.is_short and not (self._granted or self._unspent):
            self._target = min(2 * self._target, MOST)
        elif now - self._asked >= INTERVAL:
            self._target = math.ceil(1.5 * AHEAD * self._taken / (now - self._asked)) + FEW
        if now - self._asked >= INTERVAL:
            self._taken, self._asked = 0, now
        held = sum(count for _, count, _ in self._granted)
        is_open = now >= self._again_at and wanted and not self.waits
        unspent, self._unspent = self._unspent, 0
        return Ask(
            me, self.rates, self._most, holds=max(self.connections, self._open), wants=wanted,
            messages=self._target if is_open else 0, held=held, unspent=unspent, used=self._used,
        )  # fmt: skip

    def answered(self, ask: Ask, answer: Grant, now: float) -> None:
        """What the state says."""
        self._used = None
        self.waits = ask.wants > 0 and not answer.connections
        self.connections = answer.connections
        if ask.messages:
            self._again_at = now + answer.wait
        is_answered = answer.messages or self.waits or self._again_at > now or not self.rates
        self.is_short = self.is_short and not is_answered
        if answer.messages:
            self._granted.append((now + answer.begin, answer.messages, answer.interval))

    def failed(self, ask: Ask) -> None:
        """The state is away."""
        self._unspent += ask.unspent

    def leave(self, me: str) -> Ask:
        """Everything is given back."""
        self._give_up()
        return Ask(me, self.rates, self._most, unspent=self._unspent, leaves=True)

    def _give_up(self) -> None:
        self._unspent += sum(count for _, count, _ in self._granted)
        self._granted.clear()


class Sharing:
    """Keeps the shares of a run's relays filled, and its slots leased, until it is stopped.

    `changed` is called when there is something to go on with, `trouble` when the state can't be used at all.
    """

    def __init__(
        self, table: LimitStore, changed: Callable[[], None], trouble: Callable[[NewsletterError], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._table = table
        self._changed = changed
        self._trouble = trouble
        self._shares: list[Share] = []
        self._leases: dict[Share, asyncio.TimerHandle] = {}
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, shares: Iterable[Share]) -> None:
        self._shares = list(shares)
        for number, share in enumerate(self._shares):
            share.number = number
        self._task = self._loop.create_task(self._run())

    async def stop(self) -> None:
        """Give everything back, if the state is there."""
        self._stopping.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE):
                if self._task is not None:
                    await asyncio.shield(self._task)
                for share in self._shares:
                    with contextlib.suppress(NewsletterError):
                        await self._exchange(share, share.leave(self._me(share)))
                await asyncio.to_thread(self._table.close)
        for timer in self._leases.values():
            timer.cancel()

    async def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                for share in self._shares:
                    await self._refill(share)
                for _ in range(round(INTERVAL / SOON)):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._stopping.wait(), SOON)
                    if self._stopping.is_set() or any(share.is_short for share in self._shares):
                        break
        except NewsletterError as error:
            self._trouble(error)

    async def _refill(self, share: Share) -> None:
        asked = self._loop.time()
        ask = share.ask(self._me(share), asked)
        try:
            answer = await self._exchange(share, ask)
        except TryAgainLater:
            share.failed(ask)
            return
        share.answered(ask, answer, self._loop.time())
        if share in self._leases:
            self._leases.pop(share).cancel()
        self._leases[share] = self._loop.call_at(asked + answer.lease - MARGIN, self._expire, share)
        self._changed()

    def _me(self, share: Share) -> str:
        return f"{self._table.me}.{share.number}"

    async def _exchange(self, share: Share, ask: Ask) -> Grant:
        return await asyncio.to_thread(
            self._table.exchange, share.key, lambda windows, slots, now: settle(windows, slots, ask, now)
        )

    def _expire(self, share: Share) -> None:
        share.connections = 0
        self._changed()
