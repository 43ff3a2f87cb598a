"""`--log-format json`: what is told beside the output, an object a line on stderr, for programs that collect logs.

A line has `time`, `level`, `event` and what belongs to that. Addresses are cut down to their domains unless they are
asked for (`--log-addresses`): a log is copied to places where a list must not be.
"""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from newsletter.cli.console import EVENTS

ACCESS = logging.getLogger("newsletter.access")
_ADDRESS = re.compile(r"[^\s<>\"'(),;:=\[\]]+@(?=[\w-]+(?:\.[\w-]+)+)")
_REQUEST = ("method", "page", "status", "milliseconds")
_PAINT = re.compile(r"\x1b\[[\d;]*m")


class LogFormat(StrEnum):
    """How to tell what is told on stderr."""

    text = "text"
    json = "json"


LogFormatOption = Annotated[LogFormat, typer.Option("--log-format", help="Lines for people, or JSON for programs.")]
LogAddressesOption = Annotated[bool, typer.Option("--log-addresses", help="With JSON: addresses whole, not cut down.")]


def log_as(form: LogFormat, *, addresses: bool) -> None:
    """From now on, in this command, tell things that way."""
    if form is LogFormat.json:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Structured(addresses=addresses))
        for log in (EVENTS, ACCESS):
            log.handlers, log.propagate = [handler], False
            log.setLevel(logging.INFO)


def is_structured() -> bool:
    """Whether JSON is told."""
    return bool(EVENTS.handlers)


def event(name: str, **fields: Any) -> None:
    """Tell what has happened, where JSON is told; people see it otherwise."""
    if is_structured():
        EVENTS.info("", extra={"event": name, "fields": fields})


class _Structured(logging.Formatter):
    """A record as a JSON object."""

    def __init__(self, *, addresses: bool) -> None:
        super().__init__()
        self._addresses = addresses

    def format(self, record: logging.LogRecord) -> str:
        shown: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", "note"),
        }
        if record.name == ACCESS.name and isinstance(record.args, tuple) and len(record.args) == len(_REQUEST):
            values = (round(one, 1) if isinstance(one, float) else one for one in record.args)
            shown |= {**dict(zip(_REQUEST, values, strict=True)), "event": "request"}
        elif message := _PAINT.sub("", record.getMessage()):
            shown["message"] = message
        shown |= getattr(record, "fields", {})
        return json.dumps(shown if self._addresses else _without_addresses(shown))


def _without_addresses(value: Any) -> Any:
    """The same, with `***` for what stands before the @ of an address."""
    if isinstance(value, str):
        return _ADDRESS.sub("***@", value)
    if isinstance(value, dict):
        return {key: _without_addresses(one) for key, one in value.items()}
    return [_without_addresses(one) for one in value] if isinstance(value, list) else value
