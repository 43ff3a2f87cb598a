"""How fast: the rates that were asked for, and slowing down when a relay or a recipient's domain asks us to.

Pure: the clock is an argument (`now`, monotonic seconds), nothing sleeps. `Pace` is for one relay and shared by its
connections; `Domains` remembers only domains that gave trouble, so the usual message costs one failed dict lookup.
"""

import re
from collections import deque
from dataclasses import dataclass, field

from newsletter.errors import NewsletterError
from newsletter.smtp.reply import Verdict

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_RATE = re.compile(r"([0-9]{1,9})/([smhd])\Z")

IN_A_ROW = 5
"""So many replies that ask for patience, one after the other, slow us down; so many refusals pause a domain."""
RECOVERY = 30.0
"""Seconds without trouble before the pace grows by a quarter."""
SETTLE = 1.0
"""Seconds between two halvings: replies to what was already under way don't count twice."""
SLOWEST = 0.2
"""Messages a second below which nothing is slowed."""
DOMAIN_START = 5.0
"""Messages a second for a domain when it first asks for patience; above four times that it is free again."""
DOMAIN_PAUSE = 3600.0
LAST = 50
REFUSED_SHARE = 0.2


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


def limits(rates: tuple[Rate, ...], now: float, used: dict[Rate, list[tuple[float, int]]]) -> list[Spacing | Quota]:
    """What keeps to `rates`: the shortest window of up to a minute is spaced evenly, the others are quotas.

    So "14/s 50000/d" sends 14 a second until the day's share is used up, and "200/m" sends one every 0.3 s. `used`
    holds what earlier runs took of each window: (when, how many).
    """
    spaced = rates[0] if rates and rates[0].seconds <= 60 else None
    found: list[Spacing | Quota] = [Spacing(spaced.count / spaced.seconds, now)] if spaced else []
    return found + [Quota(rate, used.get(rate, [])) for rate in rates if rate is not spaced]


class Pace:
    """How fast one relay is served: the rates asked for, and what it makes of our mail."""

    def __init__(
        self,
        rates: tuple[Rate, ...],
        connections: int,
        now: float,
        used: dict[Rate, list[tuple[float, int]]] | None = None,
    ) -> None:
        self._limits = limits(rates, now, used or {})
        self._most = connections
        self.connections = connections  # how many may be open now
        self.slowed: float | None = None  # messages a second while slowed
        self._spacing: Spacing | None = None
        self._before = 0.0  # the rate before it was first slowed
        self._row = 0
        self._changed = now - RECOVERY
        self._counted = (now, 0)
        self._observed = 0.0

    @property
    def is_free(self) -> bool:
        """Whether messages go as fast as they can."""
        return not self._limits and self._spacing is None

    def wait(self, now: float) -> float:
        """Seconds until the next message may go; 0 or less: now."""
        if self.is_free:
            return 0.0
        waits = [limit.wait(now) for limit in self._limits]
        if self._spacing is not None:
            waits.append(self._spacing.wait(now))
        return max(waits)

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
        if self._row >= IN_A_ROW and now - self._changed >= SETTLE:
            self._slow_down(now)

    def _slow_down(self, now: float) -> None:
        start, count = self._counted
        rate = self.slowed or max(self._observed, count / max(now - start, 0.1))
        if self.slowed is None:
            self._before = rate
        self.slowed = max(rate / 2, SLOWEST)
        self.connections = max(1, self.connections // 2)
        self._spacing = Spacing(self.slowed, now)
        self._changed = now
        self._row = 0

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


@dataclass(slots=True)
class _Domain:
    slow_row: int = 0
    refused_row: int = 0
    last: deque[bool] = field(default_factory=lambda: deque(maxlen=LAST))  # refused by policy?
    spacing: Spacing | None = None
    slowed: float = 0.0
    changed: float = 0.0
    paused_until: float = 0.0
    held: int = 0


class Domains:
    """Recipients' domains that gave trouble: slowed when they ask for patience, paused when they refuse our mail."""

    def __init__(self) -> None:
        self.known: dict[str, _Domain] = {}
        self.notes: dict[str, str] = {}  # domain: what was done and why, for the report

    def hold(self, domain: str, now: float) -> float:
        """Seconds to put a message to `domain` aside; 0: send it now, and count it."""
        found = self.known.get(domain)
        if found is None:
            return 0.0
        if found.paused_until > now:
            return found.paused_until - now
        if found.spacing is None:
            return 0.0
        if found.spacing.wait(now) > 0:
            found.held += 1
            return min(found.spacing.wait(now) + found.held / found.slowed, DOMAIN_PAUSE)
        found.held = max(0, found.held - 1)
        found.spacing.take(now)
        return 0.0

    def answered(self, domain: str, meaning: Verdict, text: str, now: float) -> None:
        """Take note of a reply about a recipient at `domain`."""
        found = self.known.get(domain)
        if found is None:
            if not (meaning.slow or meaning.policy):
                return
            found = self.known[domain] = _Domain()
        found.last.append(meaning.policy)
        found.refused_row = found.refused_row + 1 if meaning.policy else 0
        found.slow_row = found.slow_row + 1 if meaning.slow else 0
        if found.paused_until <= now and (
            found.refused_row >= IN_A_ROW
            or (len(found.last) == LAST and sum(found.last) >= LAST * REFUSED_SHARE)
        ):  # fmt: skip
            found.paused_until = now + DOMAIN_PAUSE
            found.last.clear()
            found.refused_row = IN_A_ROW - 1  # after the pause, one more refusal is enough
            self.notes[domain] = f"paused: {text}"
        if found.slow_row >= IN_A_ROW and now - found.changed >= SETTLE:
            found.slowed = max(found.slowed / 2, SLOWEST) if found.spacing else DOMAIN_START
            found.spacing = Spacing(found.slowed, now)
            found.changed = now
            found.slow_row = 0
            self.notes[domain] = f"slowed to {found.slowed:.3g}/s: {text}"

    def recover(self, now: float) -> None:
        """Grow again after a quiet time; called now and then."""
        for found in self.known.values():
            if found.spacing is not None and now - found.changed >= RECOVERY:
                found.changed = now
                found.slowed *= 1.25
                found.spacing = Spacing(found.slowed, now) if found.slowed < 4 * DOMAIN_START else None
