"""What all senders took of a relay's limits, as it stands in the state, and what one of them is granted of it.

Pure; `now` is the server's clock, so senders' clocks need not agree. A sender asks for messages some time ahead, in
lots; what it does not use it gives back. What it holds when it dies is lost to the others: less than a second's worth,
and little of a quota.
"""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

from newsletter.delivery.limits.slots import HeldSlots, allot
from newsletter.delivery.limits.windows import DayShare, Quota, Spacing, Used, Window, spaced_of
from newsletter.smtp.rate import Limit, Ramp

AHEAD = 1.0
"""Seconds ahead for which messages are granted."""
LOT = 100
"""The part of a quota that is granted at once: so many of them are the whole."""
SMALL = 20
"""Messages that are granted at once however small a quota is."""
AGAIN = 0.1
"""Seconds until it is worth asking again where others have all there is just now."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a sender says of itself, and would like."""

    me: str
    rates: tuple[Limit, ...]
    connections: int  # of the relay, for all senders together
    holds: int = 0  # connections that may be open now
    wants: int = 0  # connections it could use
    messages: int = 0  # that it would like to have been granted
    held: int = 0  # that it was granted, and is still to send
    unspent: int = 0  # that it was granted and won't send
    used: Used | None = None  # by the ledger, for a first time; moments are seconds from now
    leaves: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """What it may do."""

    connections: int = 0
    lease: float = 0.0  # seconds for which it may have those
    messages: int = 0
    begin: float = 0.0  # seconds until the first of them may go
    interval: float = 0.0  # seconds from each to the next
    wait: float = 0.0  # seconds until it is worth asking again, where there are none


def settle(windows: str, slots: str, ask: Ask, now: float) -> tuple[str, str, Grant]:
    """Both columns of the relay's row as they are after `ask`, and the answer to it."""
    held = {name: HeldSlots(*values) for name, values in json.loads(slots or "{}").items()}
    if ask.leaves:
        held = {name: theirs for name, theirs in held.items() if name != ask.me and theirs.until > now}
        answer = Grant()
    else:
        allowed, held = allot(held, ask.me, ask.connections, ask.holds, ask.wants, now)
        answer = Grant(allowed, held[ask.me].until - now)
    taken = Taken(windows, ask.rates, now)
    if ask.used is not None:
        taken.seed(ask.used, now)
    taken.give_back(ask.unspent)
    sharers = max(sum(theirs.wants > 0 for theirs in held.values()), 1)
    if ask.rates and ask.messages > ask.held:
        answer = taken.grant(answer, ask, sharers, now)
    return taken.dumps(), json.dumps({name: astuple(theirs) for name, theirs in held.items()}), answer


class Taken:
    """What was taken of a relay's rates, as read from the state; a rate that another sender has is left as it is."""

    def __init__(self, text: str, rates: Sequence[Limit], now: float) -> None:
        self._stored = json.loads(text or "{}")
        self._windows: dict[str, Window] = {}
        spaced = spaced_of(rates)
        for rate in rates:
            if isinstance(rate, Ramp):
                sent = {int(day): count for day, count in self._stored.get("ramp", {}).items()}
                self._windows["ramp"] = DayShare(rate, sent, 0.0)
            elif rate is spaced:
                interval = rate.seconds / rate.count
                latest = now + AHEAD + max(rate.seconds, interval)  # further off where the clock was set back
                self._windows["next"] = Spacing(1 / interval, min(self._stored.get("next", now), latest))
            else:
                used = [(when, count) for when, count in self._stored.get(str(rate.seconds), [])]
                self._windows[str(rate.seconds)] = Quota(rate, used)

    def seed(self, used: Used, now: float) -> None:
        """Take note of what the ledger has, where that is more: the state may be older than what is counted here."""
        for rate, taken in used.windows.items():
            quota = self._windows[str(rate.seconds)]
            if isinstance(quota, Quota) and sum(count for _, count in taken) > rate.count - quota.room(now, 0.0):
                self._windows[str(rate.seconds)] = Quota(rate, [(now + when, count) for when, count in taken])
        ramp = self._windows.get("ramp")
        if isinstance(ramp, DayShare):
            for day, count in used.days.items():
                ramp.sent[day] = max(ramp.sent[day], count)

    def give_back(self, count: int) -> None:
        if count:
            for window in self._windows.values():
                window.give_back(count)

    def grant(self, answer: Grant, ask: Ask, sharers: int, now: float) -> Grant:
        """`answer`, with as many messages as there are for one of so many senders.

        Of what is spaced nobody holds more than its part, so that all who can use theirs have it.
        """
        wanted = ask.messages - ask.held
        spacing = self._windows.get("next")
        begin, interval = 0.0, 0.0
        for window in self._windows.values():
            room = window.room(now, AHEAD)
            if isinstance(window, Spacing):
                begin, interval = max(window.next, now - window.LATE) - now, window.interval
                wanted = min(wanted, room, max(int((AHEAD / interval + 1) / sharers), 1) - ask.held)
            else:
                wanted = min(wanted, room, max(room // (LOT * sharers), SMALL))
        if wanted <= 0:
            waits = [w.wait(now) - (AHEAD if w is spacing else 0.0) for w in self._windows.values()]
            return replace(answer, wait=max(*waits, AGAIN))
        for window in self._windows.values():
            window.take(now, wanted)
        return replace(answer, messages=wanted, begin=begin, interval=interval)

    def dumps(self) -> str:
        """As it stands in the state."""
        found = dict(self._stored)
        for name, window in self._windows.items():
            match window:
                case Spacing():
                    found[name] = window.next
                case Quota():
                    found[name] = list(window.used)
                case DayShare():
                    found[name] = {str(day): count for day, count in window.sent.items()}
        return json.dumps(found)
