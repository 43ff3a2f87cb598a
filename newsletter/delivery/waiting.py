"""Wait until a planned issue begins: for its hour, as long as it is paused, until somebody cancels it or stops us.

The issue is frozen and held meanwhile, so that it is seen by others, and nobody else sends it. What comes after is
delivery.engine's business.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable

from newsletter.delivery.ledger.batch import Batch
from newsletter.delivery.ledger.lease import HEARTBEAT
from newsletter.delivery.ledger.ledger import Ledger
from newsletter.errors import Cancelled

EVERY = 1.0
"""Seconds between two looks at what is asked of the issue."""


async def wait_until(
    ledger: Ledger, starts: float, stop: asyncio.Event, on_state: Callable[[str], None] | None = None
) -> bool:
    """Wait until `starts`, by the ledger's clock; False if `stop` was set before.

    `on_state` is told what is asked of the issue, whenever that has changed. Raises Cancelled, and TryAgainLater where
    another sender has taken the issue over.
    """
    state, beaten = "running", time.monotonic()
    while (left := starts - ledger.clock()) > 0 or state == "paused":
        seen = Batch()
        await asyncio.to_thread(ledger.catch_up, seen)
        if seen.state not in (None, state):
            state = seen.state or state
            if state == "cancelled":
                raise Cancelled("the issue was cancelled; nobody got it")
            if on_state is not None:
                on_state(state)
            continue
        if time.monotonic() - beaten > HEARTBEAT:
            beaten = time.monotonic()
            await asyncio.to_thread(ledger.beat)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), min(left, EVERY) if left > 0 else EVERY)
        if stop.is_set():
            return False
    return True
