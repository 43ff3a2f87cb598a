"""How fast, and when again: the rates that were asked for, slowing down when a relay asks us to, and retry times.

Pure: the clock is an argument (`now`, monotonic seconds), chance too, nothing sleeps. `Pace` is for one relay and
shared by its connections; recipients' domains are delivery.domains' business, what is shared with other senders that of
delivery.limits.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from newsletter.delivery.limits.windows import Spacing, Used, Window, windows_of
from newsletter.errors import NewsletterError
from newsletter.smtp.rate import Limit, Rate

if TYPE_CHECKING:
    from newsletter.delivery.limits.share import Share
    from newsletter.smtp.reply import Verdict

IN_A_ROW = 5
"""So many replies that ask for patience, one after the other, slow us down; so many refusals pause a domain."""
RECOVERY = 30.0
"""Seconds without trouble before the pace grows by a quarter."""
SETTLE = 1.0
"""Seconds between two halvings: replies to what was already under way don't count twice."""
SLOWEST = 0.2
"""Messages a second below which nothing is slowed."""


class Pace:
    """How fast one relay is served: the rates asked for, and what it makes of our mail.

    With a `share` it is that which keeps to rates and connections, together with other senders.
    """

    def __init__(
        self,
        rates: tuple[Limit, ...],
        connections: int,
        now: float,
        used: Used | None = None,
        share: "Share | None" = None,
    ) -> None:
        self.share = share
        self._limits: list[Window] | list[Share] = windows_of(rates, now, used or Used())
        if share is not None:
            self._limits = [share] if rates else []
        self._most = self._own = connections
        self.slowed: float | None = None  # messages a second while slowed
        self._spacing: Spacing | None = None
        self._before = 0.0  # the rate before it was first slowed
        self._row = 0
        self._changed = now - RECOVERY
        self._counted = (now, 0)
        self._observed = 0.0
        self.rests_until = 0.0

    @property
    def connections(self) -> int:
        """How many may be open now."""
        return self._own if self.share is None else min(self._own, self.share.connections)

    @property
    def is_free(self) -> bool:
        """Whether messages go as fast as they can."""
        return not self._limits and self._spacing is None and not self.rests_until

    def rest(self, until: float) -> None:
        """Nothing goes before `until`: the relay has taken as much of us as it may."""
        self.rests_until = until

    def wait(self, now: float) -> float:
        """Seconds until the next message may go; 0 or less: now."""
        if self.is_free:
            return 0.0
        if self.rests_until:
            if now < self.rests_until:
                return self.rests_until - now
            self.rests_until = 0.0
        waits = [limit.wait(now) for limit in self._limits]
        if self._spacing is not None:
            waits.append(self._spacing.wait(now))
        return max(waits, default=0.0)

    def take(self, now: float) -> None:
        """One goes now."""
        for limit in self._limits:
            limit.take(now)
        if self._spacing is not None:
            self._spacing.take(now)
        start, count = self._counted
        if now - start >= 1.0:
            self._observed = count / (now - start)
            self._counted = (now, 1)
        else:
            self._counted = (start, count + 1)

    def use(self, wanted: int, open_: int, now: float) -> None:
        """So many connections could be used now, so many are open or will be in a moment."""
        if self.share is not None:
            self.share.use(min(wanted, self._own), open_, now)

    def went_well(self) -> None:
        """A message was taken."""
        self._row = 0

    def answered(self, meaning: "Verdict", now: float) -> None:
        """Take note of a refusal."""
        self._row = self._row + 1 if meaning.slow else 0
        if self._row >= IN_A_ROW:
            self.slow_down(now)

    def slow_down(self, now: float, slowest: float = SLOWEST) -> bool:
        """Halve the rate and the connections; False where that was done a moment ago, for what was under way then."""
        if now - self._changed < SETTLE:
            return False
        start, count = self._counted
        rate = self.slowed or max(self._observed, count / max(now - start, 0.1))
        if self.slowed is None:
            self._before = rate
        self.slowed = max(rate / 2, slowest)
        self._own = max(1, self.connections // 2)
        self._spacing = Spacing(self.slowed, now)
        self._changed = now
        self._row = 0
        return True

    def recover(self, now: float) -> None:
        """Grow again after a quiet time; called now and then."""
        if self.slowed is None or now - self._changed < RECOVERY:
            return
        self._changed = now
        self.slowed *= 1.25
        self._own = min(self._most, self._own + 1 + self._own // 4)
        if self.slowed >= self._before and self._own == self._most:
            self.slowed = self._spacing = None
        else:
            self._spacing = Spacing(self.slowed, now)


def time_at_rates(limits: Sequence[tuple[Limit, ...]], count: int) -> float:
    """Seconds that `count` messages take at the least over relays of these rates; 0 where one has none.

    A ramp is counted in days (`smtp.rate.days_for`), not here. The shortest rate spaces the messages where it is in
    seconds or minutes; the others are quotas.
    """
    rates = [tuple(limit for limit in each if isinstance(limit, Rate)) for each in limits]
    if not count or not rates or not all(rates):
        return 0.0

    def room(rate: tuple[Rate, ...], seconds: float) -> float:
        first, *others = rate
        spaced = first.count * seconds / first.seconds if first.seconds <= 60 else math.inf
        quotas = others if first.seconds <= 60 else rate
        return min([spaced, *(quota.count * (seconds // quota.seconds + 1) for quota in quotas)])

    least, most = 0.0, 1.0
    while sum(room(rate, most) for rate in rates) < count:
        least, most = most, most * 2
    for _ in range(40):
        half = (least + most) / 2
        least, most = (least, half) if sum(room(rate, half) for rate in rates) >= count else (half, most)
    return most


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
