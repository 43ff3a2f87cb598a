"""What keeps to a rate: messages at even distances, a number in any window of time, a share of each day.

Pure: the clock is an argument, seconds of any clock that goes on. One sender counts by its own; senders that share a
state keep the same three in it, by the server's clock (limits.shared).
"""

import math
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from newsletter.smtp.rate import DAY, Limit, Ramp, Rate


class Window(Protocol):
    """What has room for so many messages."""

    def wait(self, now: float) -> float:
        """Seconds until the next message may go; 0 or less: now."""

    def room(self, now: float, ahead: float) -> int:
        """How many may go by `now`; where they go at distances, by `ahead` seconds later."""

    def take(self, now: float, count: int = 1) -> None:
        """So many go now."""

    def give_back(self, count: int) -> None:
        """So many were taken, and did not go."""


class Spacing:
    """Messages at even distances; lateness of up to LATE seconds is made up for, so the rate is met over time."""

    LATE = 0.15

    def __init__(self, per_second: float, next_: float) -> None:
        self.interval = 1 / per_second
        self.next = next_  # when the next message may go

    def wait(self, now: float) -> float:
        return self.next - now

    def room(self, now: float, ahead: float) -> int:
        return max(math.floor((now + ahead - max(self.next, now - self.LATE)) / self.interval) + 1, 0)

    def take(self, now: float, count: int = 1) -> None:
        self.next = max(self.next, now - self.LATE) + count * self.interval

    def give_back(self, count: int) -> None:
        self.next -= count * self.interval


class Quota:
    """A number of messages in any window of time, counted in sixtieths of the window: never more, hardly less."""

    def __init__(self, rate: Rate, used: Sequence[tuple[float, int]] = ()) -> None:
        self._rate = rate
        self._step = rate.seconds / 60
        self.used = deque(used)  # (when the part began, messages), oldest first
        self.total = sum(count for _, count in used)

    def _forget(self, now: float) -> None:
        while self.used and self.used[0][0] + self._step + self._rate.seconds <= now:
            self.total -= self.used.popleft()[1]

    def wait(self, now: float) -> float:
        self._forget(now)
        if self.total < self._rate.count:
            return 0.0
        return self.used[0][0] + self._step + self._rate.seconds - now

    def room(self, now: float, ahead: float) -> int:
        self._forget(now)
        return max(self._rate.count - self.total, 0)

    def take(self, now: float, count: int = 1) -> None:
        self.total += count
        if self.used and now < self.used[-1][0] + self._step:
            start, before = self.used[-1]
            self.used[-1] = (start, before + count)
        else:
            self.used.append((now, count))

    def give_back(self, count: int) -> None:
        while count and self.used:
            start, before = self.used.pop()
            back = min(count, before)
            count -= back
            self.total -= back
            if before > back:
                self.used.append((start, before - back))


class DayShare:
    """What a ramp allows: a share of each day of UTC, larger on each further day on which something was sent.

    `sent`: how many went on which day (since 1970). `wall`: what makes `now` seconds since 1970.
    """

    def __init__(self, ramp: Ramp, sent: Mapping[int, int], wall: float) -> None:
        self._ramp = ramp
        self.sent = Counter(sent)
        self._wall = wall
        self._today, self._share = -1, 0

    def wait(self, now: float) -> float:
        passed = (now + self._wall) % DAY
        return 0.0 if self.room(now, 0.0) else DAY - passed

    def room(self, now: float, ahead: float) -> int:
        day = int((now + self._wall) // DAY)
        if day != self._today:
            self._today, self._share = day, self._ramp.share(day, self.sent)
        return max(self._share - self.sent[day], 0)

    def take(self, now: float, count: int = 1) -> None:
        self.sent[int((now + self._wall) // DAY)] += count

    def give_back(self, count: int) -> None:
        if self.sent:
            self.sent[max(self.sent)] -= min(count, self.sent[max(self.sent)])


@dataclass(frozen=True, slots=True)
class Used:
    """What earlier runs took of a relay's limits, by its ledger."""

    windows: Mapping[Rate, list[tuple[float, int]]] = field(default_factory=dict)  # (when, how many), by a long rate
    days: Mapping[int, int] = field(default_factory=dict)  # how many on which day, for a ramp
    wall: float = 0.0  # what makes the clock of `windows` seconds since 1970


def spaced_of(rates: Sequence[Limit]) -> Rate | None:
    """Which of them is met by even distances: the shortest window of up to a minute; the others are quotas.

    So "14/s 50000/d" sends 14 a second until the day's share is used up, and "200/m" sends one every 0.3 s.
    """
    first = rates[0] if rates else None
    return first if isinstance(first, Rate) and first.seconds <= 60 else None


def windows_of(rates: Sequence[Limit], now: float, used: Used) -> list[Window]:
    """What keeps to `rates`, for one sender."""
    spaced = spaced_of(rates)
    found: list[Window] = [Spacing(spaced.count / spaced.seconds, now)] if spaced else []
    for rate in rates:
        if isinstance(rate, Ramp):
            found.append(DayShare(rate, used.days, used.wall))
        elif rate is not spaced:
            found.append(Quota(rate, used.windows.get(rate, [])))
    return found
