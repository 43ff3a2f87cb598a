"""Jekyll's Liquid filters for dates; formats are Ruby's strftime. Source: Jekyll's filters/date_filters.rb."""

import re
from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from liquid import RenderContext
from liquid.filter import with_context

from newsletter.compose.liquid.nodes import as_text, scene_of
from newsletter.site.dates import as_date


@with_context
def _date(value: Any, style: Any = "", *, context: RenderContext) -> str:
    if as_text(value) in {"now", "today"}:
        value = context.resolve("site")["time"]
    moment = _moment(value, context)
    if moment is None:
        return as_text(value)
    return _strftime(moment, as_text(style)) if as_text(style) else str(moment)


@with_context
def _date_to_string(value: Any, kind: Any = "", style: Any = "", *, context: RenderContext) -> str:
    return _written(value, "%b", kind, style, context)


@with_context
def _date_to_long_string(value: Any, kind: Any = "", style: Any = "", *, context: RenderContext) -> str:
    return _written(value, "%B", kind, style, context)


@with_context
def _date_to_xmlschema(value: Any, *, context: RenderContext) -> str:
    moment = _moment(value, context)
    return moment.isoformat(timespec="seconds") if moment else as_text(value)


@with_context
def _date_to_rfc822(value: Any, *, context: RenderContext) -> str:
    moment = _moment(value, context)
    return format_datetime(moment) if moment else as_text(value)


def _written(value: Any, month: str, kind: Any, style: Any, context: RenderContext) -> str:
    moment = _moment(value, context)
    if moment is None:
        return as_text(value)
    if as_text(kind) != "ordinal":
        return moment.strftime(f"%d {month} %Y")
    ending = "th" if 11 <= moment.day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(moment.day % 10, "th")
    day = f"{moment.day}{ending}"
    return moment.strftime(f"{month} {day}, %Y" if as_text(style) == "US" else f"{day} {month} %Y")


def _moment(value: Any, context: RenderContext) -> datetime | None:
    site = scene_of(context).page.site
    if isinstance(value, float) or (isinstance(value, str) and value.isdigit() and len(value) > 8):
        value = int(value)
    try:
        if isinstance(value, int) and not isinstance(value, bool) and value > 100_000_000:
            return datetime.fromtimestamp(value, site.timezone)
        moment = as_date(value, site.timezone)
    except (ValueError, OverflowError, OSError):
        return None
    return moment.astimezone(site.timezone)


def _strftime(moment: datetime, style: str) -> str:
    """Ruby's strftime where it differs from Python's: `%-d`, `%e`, `%P`, `%s`, `%L`."""

    def field(match: re.Match[str]) -> str:
        flag, letter = match[1], match[2]
        simple = {
            "P": moment.strftime("%p").lower(),
            "s": str(int(moment.timestamp())),
            "L": f"{moment.microsecond // 1000:03}",
            "e": f"{moment.day:2}",
            "l": f"{moment.hour % 12 or 12:2}",
            "k": f"{moment.hour:2}",
            "F": f"{moment:%Y-%m-%d}",
            "T": f"{moment:%H:%M:%S}",
            "R": f"{moment:%H:%M}",
            "D": f"{moment:%m/%d/%y}",
            "n": "\n",
            "t": "\t",
            "%": "%",
        }
        text = simple[letter] if letter in simple else moment.strftime(f"%{letter}")
        if flag == "-":
            return text.lstrip("0 ") or "0"
        return text.upper() if flag == "^" else text

    return re.sub(r"%([-^0_]?)([A-Za-z%])", field, style)


DATES: dict[str, Callable[..., Any]] = {
    "date": _date,
    "date_to_string": _date_to_string,
    "date_to_long_string": _date_to_long_string,
    "date_to_xmlschema": _date_to_xmlschema,
    "date_to_rfc822": _date_to_rfc822,
}
