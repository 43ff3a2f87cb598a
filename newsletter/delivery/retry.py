"""When to try again. Pure: age and chance are arguments."""

import re
from dataclasses import dataclass

from newsletter.errors import NewsletterError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]{1,6})([smhd])\Z")


def parse_duration(text: str, name: str) -> float:
    """Seconds of "90s", "5m", "4h" or "2d". Raises NewsletterError that names the key `name`."""
    match = _DURATION.match(text.strip())
    if not match or int(match[1]) == 0:
        raise NewsletterError(f"{name}: {text!r} is no duration; use 90s, 5m, 4h or 2d")
    return float(int(match[1]) * _UNITS[match[2]])


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`[delivery]` of newsletter.toml, in seconds."""

    first: float = 300.0
    most: float = 4 * 3600.0
    give_up: float = 48 * 3600.0

    @classmethod
    def parse(cls, retry_first: str, retry_max: str, give_up: str) -> "RetryPolicy":
        """From the configured texts. Raises NewsletterError."""
        return cls(
            parse_duration(retry_first, "[delivery] retry_first"),
            parse_duration(retry_max, "[delivery] retry_max"),
            parse_duration(give_up, "[delivery] give_up"),
        )

    def delay(self, attempts: int, age: float, chance: float) -> float | None:
        """Seconds until the next attempt, or None to give up; `age` in seconds since the first, `chance` in [0, 1).

        Doubles from `first` to `most`, a fifth more or less. RFC 5321 section 4.5.4.1 asks for 30 minutes, which suits
        relays of last resort; a submission relay is asked again sooner.
        """
        if age >= self.give_up:
            return None
        wait = min(self.first * 2.0 ** min(attempts - 1, 30), self.most)
        return wait * (0.8 + 0.4 * chance)
