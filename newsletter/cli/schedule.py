"""What `--at` means: a time of day or a date and time, in the newsletter's timezone, as one moment to come.

Pure but for the machine's timezone, which stands in where neither newsletter nor site name one. Forms: ISO 8601 as
`datetime.fromisoformat` reads it. A time that clocks skip is refused; of one that they show twice, it is the first to
come. When each reader's own clock shows it, is `cli.local_time`'s to say.
"""

import re
from datetime import UTC, datetime, time, timedelta, tzinfo

from newsletter.errors import NewsletterError

NOW = "now"
"""At once: what `--at` says to an issue that was scheduled."""
_FORMS = 'write 18:30 or "2026-05-04 09:00"'
_ONE_DIGIT = re.compile(r"(?<![\d:.+-])(\d)(?=:\d\d)")


class Passed(NewsletterError):  # noqa: N818 (named for what has happened to it)
    """The moment has passed; an issue that was begun then goes on all the same."""

    def __init__(self, what: str, moment: datetime) -> None:
        super().__init__(what)
        self.moment = moment


def parse_moment(text: str, now: datetime, zone: tzinfo | None) -> datetime:
    """The moment that `text` means, as the clocks of `zone` (None: the machine's) show it; `18:30` is the next one.

    Raises NewsletterError for what is no time or is skipped when clocks go forward, and Passed.
    """
    written = read_clock(text)
    now = now.astimezone(zone)
    try:
        if isinstance(written, datetime):
            moment = _in_zone(written, zone, text, now)
        else:
            moment = _of_day(written, now, zone, text)
    except OverflowError:
        raise NewsletterError(f"--at {text!r} is no time; {_FORMS}") from None
    if moment.timestamp() <= now.timestamp():  # two of one timezone are compared by what clocks show
        raise Passed(f"--at {text!r} has passed: it is {say_moment(now)} now; give a time to come", moment)
    return moment.astimezone(zone)


def read_clock(text: str) -> datetime | time:
    """A date and time, or a time of day, as it is written. Raises NewsletterError."""
    written = _ONE_DIGIT.sub(r"0\1", text.strip().upper())
    if re.fullmatch(r"\d{4}-?\d\d-?\d\d", written):
        raise NewsletterError(f"--at {text!r} has no time of day; {_FORMS}")
    if re.search(r"\d\d:\d\d", written):
        for read in (time.fromisoformat, datetime.fromisoformat):
            try:
                return read(written)
            except ValueError:
                continue
    raise NewsletterError(f"--at {text!r} is no time; {_FORMS}")


def say_moment(moment: datetime) -> str:
    """`Fri 27 November 2026, 09:00 (Europe/Paris, UTC+01:00)`."""
    offset = f"UTC{moment:%z}"
    offset = f"{offset[:-2]}:{offset[-2:]}" if moment.utcoffset() else "UTC"
    name = str(moment.tzinfo) if str(moment.tzinfo) != offset else ""
    day = f"{moment:%a} {moment.day} {moment:%B %Y, %H:%M}" + (f":{moment:%S}" if moment.second else "")
    return f"{day} ({', '.join(filter(None, (name, offset)))})"


def say_fold(moment: datetime, zone: tzinfo | None) -> str:
    """A word for a moment of an hour that the clocks of `zone` show twice; empty for any other."""
    first, second = (each.timestamp() for each in _both(moment.replace(tzinfo=None), zone))
    if first == second:
        return ""
    return (
        f"clocks show {moment:%H:%M} twice that day; this is the {'first' if moment.timestamp() == first else 'second'}"
    )


def _of_day(clock: time, now: datetime, zone: tzinfo | None, text: str) -> datetime:
    """The next time that clocks show `clock`: today, else tomorrow."""
    if clock.tzinfo is not None:
        now = now.astimezone(clock.tzinfo)
    today = datetime.combine(now.date(), clock)
    if clock.tzinfo is not None or any(each.timestamp() > now.timestamp() for each in _both(today, zone)):
        moment = _in_zone(today, zone, text, now)
        if moment.timestamp() > now.timestamp():
            return moment
    return _in_zone(today + timedelta(days=1), zone, text, now)


def _in_zone(moment: datetime, zone: tzinfo | None, text: str, now: datetime) -> datetime:
    """`moment` made aware: refused where clocks skip it, the one to come where they show it twice."""
    if moment.tzinfo is not None:
        return moment
    both = _both(moment, zone)
    if both[0].replace(tzinfo=None) != moment:
        where = f" in {zone}" if zone is not None else ""
        raise NewsletterError(
            f"--at {text!r}: clocks skip {moment:%H:%M} on {moment.day} {moment:%B %Y}{where}; "
            f"give {max(both):%H:%M}, or an earlier time"
        )
    return next((each for each in both if each.timestamp() > now.timestamp()), both[0])


def _both(moment: datetime, zone: tzinfo | None) -> list[datetime]:
    """What `moment` means before and after clocks are changed: twice the same but on such days."""
    return [moment.replace(tzinfo=zone, fold=fold).astimezone(UTC).astimezone(zone) for fold in (0, 1)]
