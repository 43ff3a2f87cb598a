"""`--local-time`: each reader gets an issue when the clocks of the reader's own zone show the time of `--at`.

The list's column `timezone` names the zone (Europe/Paris, UTC, CET); whoever has none, or one that nobody knows, goes
by the newsletter's. Pure but for the machine's timezone, as `cli.schedule`.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING

from newsletter.cli.console import plural
from newsletter.cli.schedule import read_clock, say_moment
from newsletter.errors import NewsletterError
from newsletter.site.dates import aware, zone_named

if TYPE_CHECKING:
    from newsletter.audience.listing import RowBlock
    from newsletter.audience.source import MailingList

COLUMN = "timezone"
_NAMED = 3


class LocalTimes:
    """When the readers of a list are to be sent to; `zone` is the newsletter's (None: the machine's)."""

    def __init__(self, text: str, zone: tzinfo | None) -> None:
        self.clock = read_clock(text)
        if self.clock.tzinfo is not None:
            raise NewsletterError(f"--at {text!r} names an offset, and --local-time means each reader's; leave it out")
        self._text = text
        self._zone = zone
        self._count: Counter[str] = Counter()  # readers by what the column says
        self._lines: dict[str, int] = {}  # where the unknown ones stand first

    def reading(self, rows: "MailingList") -> "Iterator[RowBlock]":
        """The list, whose zones are noted while it is read. Raises NewsletterError where it has no such column."""
        if COLUMN not in rows.columns:
            has = ", ".join(rows.columns) or "nothing but addresses and names"
            raise NewsletterError(f"--local-time needs a column `{COLUMN}`; the list has {has}", path=rows.name)
        self._count.clear()
        return self._noting(rows)

    def _noting(self, rows: "MailingList") -> "Iterator[RowBlock]":
        for block in rows.blocks():
            zones = block.mailed(block.fields(COLUMN))
            for written in dict.fromkeys(zones):
                if written not in self._count and self._zone_of(written) is None:
                    self._lines[written] = block.mailed(block.lines)[zones.index(written)]
            self._count.update(zones)
            yield block

    def moments(self, now: datetime) -> dict[str, float | None]:
        """When the readers of each zone are to be sent to, by what the column says; None: it has passed there."""
        return {written: m.timestamp() if (m := self._moment(written, now)) > now else None for written in self._count}

    def later(self, until: float, now: datetime) -> int:
        """Of how many readers the hour comes when nobody gets it any more."""
        return sum(count for written, count in self._count.items() if self._moment(written, now).timestamp() >= until)

    def passed(self) -> NewsletterError:
        """What is said where it has passed for everybody."""
        return NewsletterError(f"--at {self._text!r} has passed by every reader's clock; give a time to come")

    def in_words(self, now: datetime) -> tuple[str, ...]:
        """What the plan says of it."""
        moments = {written: self._moment(written, now) for written in self._count}
        zones = {str(self._zone_of(written) or self._zone) for written in moments}
        to_come = sorted(moment.astimezone(self._zone) for moment in moments.values() if moment > now)
        said = [f"{self._text.strip()} by each reader's clock, in {plural(len(zones), 'timezone')}"]
        if to_come:
            until = f" until {say_moment(to_come[-1])}" if to_come[0] != to_come[-1] else ""
            said.append(f"from {say_moment(to_come[0])}{until}")
        if passed := sum(self._count[written] for written, moment in moments.items() if moment <= now):
            said.append(f"{passed:,} whose clocks are past it get it at once")
        if none := self._count.get("", 0):
            said.append(f"{none:,} without a timezone go by the newsletter's")
        if unknown := {written: line for written, line in self._lines.items() if written.strip()}:
            count = sum(self._count[written] for written in unknown)
            named = ", ".join(f"{written[:40]!r} in line {line:,}" for written, line in [*unknown.items()][:_NAMED])
            more = ", …" if len(unknown) > _NAMED else ""
            said.append(f"{count:,} with a timezone that nobody knows go by the newsletter's: {named}{more}")
        return tuple(said)

    def _zone_of(self, written: str) -> tzinfo | None:
        return zone_named(written.strip()) if written.strip() else None

    def _moment(self, written: str, now: datetime) -> datetime:
        """In UTC: when the clocks of a zone show the time, the first of two; where they skip it, an hour later."""
        zone = self._zone_of(written) or self._zone
        if isinstance(self.clock, datetime):
            return aware(self.clock, zone).astimezone(UTC)
        today = now.astimezone(zone).date()
        moment = _at(today, self.clock, zone)
        return moment if moment > now else _at(today + timedelta(days=1), self.clock, zone)


def _at(day: date, clock: time, zone: tzinfo | None) -> datetime:
    return aware(datetime.combine(day, clock), zone).astimezone(UTC)
