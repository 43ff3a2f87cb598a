"""A rate: at most so many messages in so much time, as it is written and as it is counted.

Pure. What keeps to a rate is delivery.pace's business.
"""

import re
from dataclasses import dataclass

from newsletter.errors import NewsletterError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_RATE = re.compile(r"([0-9]{1,9})/([smhd])\Z")


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` messages in any `seconds`."""

    count: int
    seconds: int

    def __str__(self) -> str:
        unit = next((unit for unit, seconds in _UNITS.items() if seconds == self.seconds), f"{self.seconds} s")
        return f"{self.count}/{unit}"


def parse_rate(text: str) -> tuple[Rate, ...]:
    """The windows of "14/s 50000/d", shortest first; empty text means no limit. Raises NewsletterError."""
    rates = []
    for word in text.replace(",", " ").split():
        match = _RATE.match(word)
        if not match or int(match[1]) == 0:
            raise NewsletterError(f"{word!r} is no rate; use 14/s, 200/m, 500/h, 50000/d, or several of them")
        rates.append(Rate(int(match[1]), _UNITS[match[2]]))
    return tuple(sorted(rates, key=lambda rate: (rate.seconds, rate.count)))
