"""A rate: at most so many messages in so much time, as it is written and as it is counted; and a ramp of a day's rate.

Pure. What keeps to a rate is delivery.pace's business.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from newsletter.errors import NewsletterError

DAY = 86400
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": DAY}
_RATE = re.compile(r"([0-9]{1,9})/([smhd])\Z")
_FACTOR = re.compile(r"[x×]([0-9]{1,2}(?:\.[0-9]{1,3})?)\Z")
_MOST = 10**12
_FORMS = "use 14/s, 200/m, 500/h, 50000/d, several of them, or ramp 500/d x1.5"


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` messages in any `seconds`."""

    count: int
    seconds: int

    def __str__(self) -> str:
        unit = next((unit for unit, seconds in _UNITS.items() if seconds == self.seconds), f"{self.seconds} s")
        return f"{self.count}/{unit}"


@dataclass(frozen=True, slots=True)
class Ramp:
    """So many on the first day of sending, and `factor` times as many on each further one; days are those of UTC.

    A new address, or a new domain, is trusted little by little: who sends a whole list from it on its first day is
    taken for a spammer.
    """

    count: int
    factor: float
    seconds: int = DAY

    def __str__(self) -> str:
        return f"ramp {self.count}/d x{self.factor:g}"

    def share(self, day: int, sent: Mapping[int, int]) -> int:
        """How many may go on `day` (since 1970) in all; `sent`: how many went on which day, by the ledger."""
        return self.after(sum(1 for other, count in sent.items() if count and other < day))

    def after(self, before: int) -> int:
        """How many may go on a day before which there were so many days of sending."""
        return int(min(self.count * self.factor ** min(before, 250), _MOST))


Limit = Rate | Ramp


def days_for(count: int, day: int, ramps: Sequence[tuple[Ramp, Mapping[int, int]]]) -> int:
    """On how many days in a row, from `day` on, `count` messages go by these ramps; each with what it sent by day."""
    before = [sum(1 for other, went in sent.items() if went and other < day) for _, sent in ramps]
    days, room = 0, -sum(sent.get(day, 0) for _, sent in ramps)
    while room < count:
        room += sum(ramp.after(earlier + days) for (ramp, _), earlier in zip(ramps, before, strict=True))
        days += 1
    return days


def parse_rate(text: str) -> tuple[Limit, ...]:
    """The windows of "14/s 50000/d" or "14/s ramp 500/d x1.5", shortest first; empty text means no limit.

    Raises NewsletterError.
    """
    rates: list[Limit] = []
    words = iter(text.replace(",", " ").split())
    for word in words:
        if word.lower() == "ramp":
            rates.append(_ramp(next(words, ""), next(words, "")))
        else:
            rates.append(_rate(word))
    if sum(isinstance(rate, Ramp) for rate in rates) > 1:
        raise NewsletterError(f"{text!r} has two ramps; give one")
    return tuple(sorted(rates, key=lambda rate: (rate.seconds, rate.count)))


def _rate(word: str) -> Rate:
    match = _RATE.match(word)
    if not match or int(match[1]) == 0:
        raise NewsletterError(f"{word!r} is no rate; {_FORMS}")
    return Rate(int(match[1]), _UNITS[match[2]])


def _ramp(first: str, factor: str) -> Ramp:
    match = _FACTOR.match(factor)
    rate = _RATE.match(first)
    if not rate or int(rate[1]) == 0 or rate[2] != "d" or not match or not 1 < float(match[1]) <= 10:
        what = " ".join(filter(None, ("ramp", first, factor)))
        raise NewsletterError(
            f"{what!r} is no ramp; use ramp 500/d x1.5: the first day's share, and what multiplies it"
        )
    return Ramp(int(rate[1]), float(match[1]))
