"""How fast, and when again: the rates that were asked for, slowing down when a relay asks us to, and retry times.

Pure: the clock is an argument (`now`, monotonic seconds), chance too, nothing sleeps. `Pace` is for one relay and
shared by its connections; recipients' domains are delivery.domains' business.
"""

import math
import re
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from newsletter.errors import NewsletterError
from newsletter.smtp.rate import DAY, Limit, Ramp, Rate
from newsletter.smtp.reply import Verdict

IN_A_ROW = 5
"""So many replies that ask for patience, one after the other, slow us down; so many refusals pause a domain."""
RECOVERY = 30.0
"""Seconds without trouble before the pace grows by a quarter."""
SETTLE = 1.0
"""Seconds between two halvings: replies to what was already under way don't count twice."""
SLOWEST = 0.2
"""Messages a second below which nothing is slowed."""


class Spacing:
    """Messages at even distances; lateness of up to LATE seconds is made up for, so the rate is met over time."""

    LATE = 0.15

    def __init__(self, per_second: float, now: float) -> None:
        self.interval = 1 / per_second
        self._next = now

    def wait(self, now: float) -> float:
        """Seconds until the next message may go; 0 or less: now."""
        return self._next - now

    def take(self, now: float) -> None:
        """One goes now."""
        self._next = max(self._next, now - self.LATE) + self.interval


class Quota:
    """A number of messages in any window of time, counted in sixtieths of the window: never more, hardly less."""

    def __init__(self, rate: Rate, used: list[tuple[float, int]] = []) -> None:  # noqa: B006 (read only)
        self._rate = rate
        self._step = rate.seconds / 60
        self._used: deque[tuple[float, int]] = deque(used)  # (when the part began, messages), oldest first
        self._total = sum(count for _, count in used)

    def wait(self, now: float) -> float:
        """Seconds until the next message may go; 0 or less: now."""
        while self._used and self._used[0][0] + self._step + self._rate.seconds <= now:
            self._total -= self._used.popleft()[1]
        if self._total < self._rate.count:
            return 0.0
        return self._used[0][0] + self._step + self._rate.seconds - now

    def take(self, now: float) -> None:
        """One goes now."""
        self._total += 1
        if self._used and now < self._used[-1][0] + self._step:
            start, count = self._used[-1]
            self._used[-1] = (start, count + 1)
        else:
            self._used.append((now, 1))


class DayShare:
    """What a ramp allows: a share of each day of UTC, larger on each further day on which something was sent.

    `sent`: how many went on which day (since 1970). `wall`: what makes `now` seconds since 1970.
    """

    def __init__(self, ramp: Ramp, sent: Mapping[int, int], wall: float) -> None:
        self._ramp = ramp
        self._sent = Counter(sent)
        self._wall = wall
        self._today, self._share = -1, 0

    def wait(self, now: float) -> float:
        """Seconds until the next message may go; 0 or less: now."""
        day, passed = divmod(now + self._wall, DAY)
        if day != self._today:
            self._today, self._share = int(day), self._ramp.share(int(day), self._sent)
        return 0.0 if self._sent[self._today] < self._share else DAY - passed

    def take(self, now: float) -> None:
        """One goes now."""
        self._sent[int((now + self._wall) // DAY)] += 1


@dataclass(frozen=True, slots=True)
class Used:
    """What earlier runs took of a relay's limits, by its ledger."""

    windows: Mapping[Rate, list[tuple[float, int]]] = field(default_factory=dict)  # (when, how many), by a long rate
    days: Mapping[int, int] = field(default_factory=dict)  # how many on which day, for a ramp
    wall: float = 0.0  # what makes the loop's clock seconds since 1970


def limits(rates: tuple[Limit, ...], now: float, used: Used) -> list[Spacing | Quota | DayShare]:
    """What keeps to `rates`: the shortest window of up to a minute is spaced evenly, the others are quotas.

    So "14/s 50000/d" sends 14 a second until the day's share is used up, and "200/m" sends one every 0.3 s.
    """
    spaced = rates[0] if rates and rates[0].seconds <= 60 else None
    found: list[Spacing | Quota | DayShare] = [Spacing(spaced.count / spaced.seconds, now)] if spaced else []
    for rate in rates:
        if isinstance(rate, Ramp):
            found.append(DayShare(rate, used.days, used.wall))
        elif rate is not spaced:
            found.append(Quota(rate, used.windows.get(rate, [])))
    return found


class Pace:
    """How fast one relay is served: the rates asked for, and what it makes of our mail."""

    def __init__(
        self,
        rates: tuple[Limit, ...],
        connections: int,
        now: float,
        used: Used | None = None,
    ) -> None:
        self._limits = limits(rates, now, used or Used())
        self._most = connections
        self.connections = connections  # how many may be open now
        self.slowed: float | None = None  # messages a second while slowed
        self._spacing: Spacing | None = None
        self._before = 0.0  # the rate before it was first slowed
        self._row = 0
        self._changed = now - RECOVERY
        self._counted = (now, 0)
        self._observed = 0.0
        self.rests_until = 0.0

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

    def went_well(self) -> None:
        """A message was taken."""
        self._row = 0

    def answered(self, meaning: Verdict, now: float) -> None:
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
        self.connections = max(1, self.connections // 2)
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
        self.connections = min(self._most, self.connections + 1 + self.connections // 4)
        if self.slowed >= self._before and self.connections == self._most:
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
