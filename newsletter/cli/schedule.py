"""What `--at` means: a time of day or a date and time, in the newsletter's timezone, as one moment to come.

Pure but for the machine's timezone, which stands in where neither newsletter nor site name one. Forms: ISO 8601 as
`datetime.fromisoformat` reads it. A time that clocks skip is refused; of one that they show twice, it is the first to
come.
"""

import re
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING

from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.config.settings import Config

_FORMS = "write 18:30 or 2026-05-04T09:00"
_ONE_DIGIT = re.compile(r"(?<![\d:.+-])(\d)(?=:\d\d)")


def newsletter_zone(config: "Config") -> tzinfo | None:
    """The timezone of `[newsletter]`, else the site's own; None for the machine's."""
    from zoneinfo import ZoneInfo

    from newsletter.site.dates import zone_named
    from newsletter.site.load import load_site

    if config.newsletter.timezone:
        return ZoneInfo(config.newsletter.timezone)
    own = load_site(config).config.get("timezone")
    return zone_named(own) if isinstance(own, str) and own else None


def parse_moment(text: str, now: datetime, zone: tzinfo | None) -> datetime:
    """The moment that `text` means, as the clocks of `zone` (None: the machine's) show it; `18:30` is the next one.

    Raises NewsletterError for what is no time, has passed, or is skipped when clocks go forward.
    """
    written = _ONE_DIGIT.sub(r"0\1", text.strip().upper())
    if re.fullmatch(r"\d{4}-?\d\d-?\d\d", written):
        raise NewsletterError(f"--at {text!r} has no time of day; {_FORMS}")
    if not re.search(r"\d\d:\d\d", written):
        raise NewsletterError(f"--at {text!r} is no time; {_FORMS}")
    now = now.astimezone(zone)
    try:
        moment = _of_day(time.fromisoformat(written), now, zone, text)
    except ValueError:
        try:
            moment = _in_zone(datetime.fromisoformat(written), zone, text, now)
        except (ValueError, OverflowError):
            raise NewsletterError(f"--at {text!r} is no time; {_FORMS}") from None
    if moment.timestamp() <= now.timestamp():  # two of one timezone are compared by what clocks show
        raise NewsletterError(f"--at {text!r} has passed: it is {say_moment(now)} now; give a time to come")
    return moment.astimezone(zone)


def say_moment(moment: datetime) -> str:
    """`Fri 27 November 2026, 09:00 (Europe/Paris, UTC+01:00)`."""
    offset = f"UTC{moment:%z}"
    offset = f"{offset[:-2]}:{offset[-2:]}" if moment.utcoffset() else "UTC"
    name = str(moment.tzinfo) if str(moment.tzinfo) != offset else ""
    day = f"{moment:%a} {moment.day} {moment:%B %Y, %H:%M}" + (f":{moment:%S}" if moment.second else "")
    return f"{day} ({', '.join(filter(None, (name, offset)))})"


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
