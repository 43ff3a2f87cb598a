"""Against sign-up bombing: who signs up whom, how often, and what a suspicious one must do first.

No third party, no cookie. A form carries a signed time stamp, which a script that never fetched the form lacks. Who
lacks it, or comes too often from one network, is asked for a proof of work (a SHA-256 with leading zeros, hashcash),
which the page solves in JavaScript, or, without that, for patience; either holds for one address. Beyond a limit a
network is answered as all are, and nothing is done. Counts are kept in memory for an hour; one confirmation a day and
address is `audience.signup`'s.
"""

import hashlib
import hmac
from collections import OrderedDict, deque
from typing import Literal

from newsletter.audience.signup import AN_HOUR
from newsletter.audience.token import digest

FRESH = 4 * 3600.0
QUICKEST = 1.0
"""Seconds in which nobody fills in a form."""
PATIENCE = 25.0
EASY = 3
BUSY = 10
MOST = AN_HOUR
"""Sign-ups of a network in an hour: without a stamp, with one, and at all."""
CROWD = 300
"""Sign-ups of all networks in an hour, beyond which everybody is asked for a proof: a bomb comes from many networks."""
BITS = 16
"""Leading zero bits of a proof: some 65,000 hashes, a second or two in a browser."""

Admission = Literal["go", "prove", "drop"]


class Limits:
    """What networks did in the last hour; bounded, the least recent forgotten first."""

    def __init__(self, most: int = 100_000) -> None:
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()
        self._most = most
        self._all: deque[float] = deque(maxlen=CROWD + 1)

    def count(self, network: str, now: float) -> int:
        """How many sign-ups this one makes within the hour, itself included."""
        moments = self._seen.setdefault(network, deque(maxlen=MOST + 2))
        self._seen.move_to_end(network)
        while moments and moments[0] < now - 3600:
            moments.popleft()
        moments.append(now)
        self._all.append(now)
        while len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return len(moments)

    def crowded(self, now: float) -> bool:
        """Do more sign up within the hour than any form of ours is likely to bring?"""
        return len(self._all) > CROWD and self._all[0] >= now - 3600


def stamp(secret: bytes, now: float, email: str = "") -> str:
    """A signed time stamp for a form, or for the puzzle that one address was given."""
    moment = f"{now:.0f}"
    return f"{moment}.{digest(secret, 'form', moment, email)}"


def stamp_age(secret: bytes, text: str, now: float, email: str = "") -> float | None:
    """Seconds since a stamp was made; None for one that is none of ours, or another's."""
    moment, _, mac = text.partition(".")
    if not moment.isascii() or not moment.isdigit() or len(moment) > 12:
        return None
    if not hmac.compare_digest(mac.encode(), digest(secret, "form", moment, email).encode()):
        return None
    return now - float(moment)


def proves(text: str, proof: str) -> bool:
    """Does `proof` solve the puzzle that the stamp `text` is?"""
    if len(proof) > 40:
        return False
    found = hashlib.sha256(f"{text}:{proof}".encode()).digest()
    return int.from_bytes(found[:4], "big") >> (32 - BITS) == 0


def admit(age: float | None, stamped: bool, done: bool, count: int, *, crowded: bool = False) -> Admission:
    """What becomes of a sign-up.

    `age` is its stamp's, None where it has none of ours; `done`: what it was asked for is done; `count` is its
    network's within the hour; `crowded`, whether all networks together are too many.
    """
    if count > MOST:
        return "drop"
    fresh = age is not None and age <= FRESH
    if done and fresh:
        return "go"
    if crowded:
        return "prove"
    if age is not None and QUICKEST <= age <= FRESH:
        return "go" if count <= BUSY else "prove"
    forged = stamped and age is None
    return "go" if count <= EASY and not forged else "prove"
