"""Read the dates that people write in front matter.

What Jekyll (Ruby's Time.parse), Hugo and YAML take: ISO 8601 in its everyday forms, an offset with or without a colon
or a zone's name, and a few written-out forms. A date without an offset is in the timezone given.
"""

import calendar
import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

_ISO = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})"
    r"(?:(?:[Tt]|[ \t]+)(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?[ \t]*([AaPp][Mm])?)?"
    r"[ \t]*(?:([Zz])|([-+])(\d{2}):?(\d{2})?|([-+])(\d)(?::(\d{2}))?|([A-Za-z][A-Za-z_]*(?:/[A-Za-z_+\d-]+)*))?\Z"
)
_DAY_FIRST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})(?![\d-])")
_SLIP = re.compile(
    r"(\d{4}-\d{1,2}-\d{1,2}[Tt\s]+\d{1,2}:\d{2}(?::\d{2})?)(?:::\d*|:(?=\s)|\s+\d{4}(?=\s|\Z))(?:\s*[-+]\d{2}:?\d{2})?\Z"
)
_WRITTEN = ("%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y", "%B %d %Y", "%b %d %Y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p")
_ZONES = {"UTC": 0, "GMT": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
          "CET": 1, "CEST": 2, "BST": 1, "JST": 9}  # fmt: skip


def as_date(value: object, zone: tzinfo | None = UTC, *, roll: bool = False) -> datetime:
    """A datetime from a datetime, a date, a number such as 20180701, or text; in `zone` where it names none.

    With `roll`, a month's missing 31st is the first of the next one, as in Ruby, and so in Jekyll. Raises ValueError
    with a reason for anything else.
    """
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=zone)
    if isinstance(value, date):
        return datetime.combine(value, time(), zone)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{value!r} is not a date")
    text = _DAY_FIRST.sub(r"\4-\3-\1", " ".join(str(value).split()), count=1)  # day before month, as Ruby has it
    if slip := _SLIP.match(text):  # `00:10::00`, a year said again: Ruby reads no further
        text = slip[1]
    over = 0
    if roll and (day := re.match(r"(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)", text)) and 1 <= int(day[2]) <= 12:
        last = calendar.monthrange(max(int(day[1]), 1), int(day[2]))[1]
        if last < int(day[3]) <= 31:
            over = int(day[3]) - last
            text = f"{day[1]}-{day[2]}-{last}{text[day.end() :]}"
    found = (_iso(text, zone) if _ISO.match(text) else _other(text)) + timedelta(days=over)
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)


def aware(moment: datetime, zone: tzinfo | None) -> datetime:
    """The same; where it names no offset, as the clocks of `zone` (None: the machine's) show it."""
    if moment.tzinfo is not None:
        return moment
    return moment.astimezone() if zone is None else moment.replace(tzinfo=zone)


def zone_named(name: str) -> tzinfo | None:
    """The timezone of a name such as `Europe/Paris`, `UTC` or `PST`; None where nobody knows it."""
    if name.upper() in _ZONES:
        return timezone(timedelta(hours=_ZONES[name.upper()]))
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None


def _iso(text: str, zone: tzinfo | None) -> datetime:
    match = _ISO.match(text)
    assert match is not None
    (
        year,
        month,
        day,
        hour,
        minute,
        second,
        fraction,
        half,
        zulu,
        sign,
        hours,
        minutes,
        sign1,
        hours1,
        minutes1,
        name,
    ) = match.groups()
    clock = int(hour or 0)
    if half:
        if not 1 <= clock <= 12:
            raise ValueError(f"{text!r} is not a time")
        clock = clock % 12 + (12 if half.lower() == "pm" else 0)
    if zulu:
        zone = UTC
    elif sign or sign1:
        offset = timedelta(hours=int(hours or hours1), minutes=int(minutes or minutes1 or 0))
        if offset >= timedelta(hours=24) or int(minutes or minutes1 or 0) > 59:
            raise ValueError(f"{text!r} has no such offset from UTC")
        zone = timezone(-offset if (sign or sign1) == "-" else offset)
    elif name:
        named = zone_named(name)
        if named is None:
            raise ValueError(f"{name!r} is no timezone that we know")
        zone = named
    micro = int((fraction or "0").ljust(6, "0")[:6])
    return datetime(int(year), int(month), int(day), clock, int(minute or 0), int(second or 0), micro, zone)


def _other(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    plain = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b", "", text)
    for day in _WRITTEN:
        for clock in _TIMES:
            try:
                return datetime.strptime(plain, day + clock)
            except ValueError:
                continue
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError):
        raise ValueError(f"{text!r} is not a date") from None
