"""How many of a relay's connections each of several senders may have. Pure; `now` is the server's clock.

A slot is leased: a sender that dies without a word gives its own back when the lease ends. Nobody takes a slot before
whoever had it has closed the connection, so a relay never sees more connections than it was configured for.
"""

from collections.abc import Mapping
from dataclasses import dataclass

LEASE = 15.0
"""Seconds for which a sender may keep its connections without another word with the state."""
KEPT = LEASE * 2 / 3
"""Seconds that a lease must still last to be left as it is."""
TURN = 10.0
"""Seconds after which the next senders have their turn, where there are fewer connections than senders."""


@dataclass(frozen=True, slots=True)
class HeldSlots:
    """One sender's: how many connections it may have open, how many it could use, and until when that holds."""

    holds: int
    wants: int
    until: float


def share_out(total: int, wants: Mapping[str, int], turn: int) -> dict[str, int]:
    """`total` shared so that nobody has less than another who has more than it wants.

    Where there are more senders than connections, some have one and the others wait; `turn` moves on who that is.
    """
    left = dict.fromkeys(sorted(wants), 0)
    asking = [name for name in left if wants[name] > 0]
    if 0 < total < len(asking):
        chosen = [asking[(turn + number) % len(asking)] for number in range(total)]
        return left | dict.fromkeys(chosen, 1)
    for number, name in enumerate(sorted(asking, key=lambda name: wants[name])):
        left[name] = min(wants[name], total // (len(asking) - number))
        total -= left[name]
    return left


def allot(
    slots: Mapping[str, HeldSlots], me: str, total: int, holds: int, wants: int, now: float
) -> tuple[int, dict[str, HeldSlots]]:
    """How many of `total` connections `me` may have now, and what everybody has then.

    `holds`: how many it may have open at this moment. It keeps what nobody else wants.
    """
    others = {name: theirs for name, theirs in slots.items() if name != me and theirs.until > now}
    wanted = {name: theirs.wants for name, theirs in others.items()} | {me: wants}
    fair = share_out(total, wanted, int(now // TURN))
    spare = total - sum(fair.values())
    room = total - sum(theirs.holds for theirs in others.values())
    allowed = max(min(max(fair[me], min(holds, fair[me] + spare)), room), 0)
    mine = HeldSlots(max(allowed, holds), wants, now + LEASE)
    before = slots.get(me)
    if before is not None and (before.holds, before.wants) == (mine.holds, wants) and before.until > now + KEPT:
        mine = before
    return allowed, others | {me: mine}
