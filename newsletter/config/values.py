"""The kinds of values that newsletter.toml has: each checks its shape, and says in plain words what is wrong."""

import contextlib
import difflib
import os
import re
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator

_COLOUR = re.compile(r"#[0-9A-Fa-f]{3}(?:[0-9A-Fa-f]{3})?\Z")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*\Z")
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\\]+@[^\s@<>,;:\"()\\]+\Z")


def _web_address(value: str) -> str:
    with contextlib.suppress(ValueError):
        parts = urlsplit(value)
        is_of_host = (
            parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and "@" not in parts.netloc
        )
        if not value or (is_of_host and value.isprintable() and " " not in value):
            return value
    raise ValueError(f"{value!r} is no web address; write it like https://example.org")


def _mail_address(value: str) -> str:
    if value and not (_ADDRESS.match(value) and value.isprintable()):
        raise ValueError(f"{value!r} is no address; write it like ada@example.org, and nothing else")
    return value


def _colour(value: str) -> str:
    if not _COLOUR.match(value):
        raise ValueError(f"{value!r} is no colour; write it like #0b5cad")
    return value


def _language(value: str) -> str:
    if not _LANGUAGE.match(value):
        raise ValueError(f"{value!r} is no language; write its code, such as en or pt-BR")
    return value.replace("_", "-")


def _timezone(value: str) -> str:
    if value:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            near = difflib.get_close_matches(value, available_timezones(), n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else "write it like Europe/Paris"
            raise ValueError(f"{value!r} is no timezone; {hint}") from None
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is no whole number; write one")
    return value


def _folder_of_its_own(value: str) -> str:
    if not value.strip() or os.path.normpath(os.path.expanduser(value)) in {".", "..", "/", os.path.expanduser("~")}:
        raise ValueError(f"{value!r} is no folder of its own; write it like .newsletter or /srv/newsletter/state")
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]
MailAddress = Annotated[str, AfterValidator(_mail_address)]
HexColour = Annotated[str, AfterValidator(_colour)]
Language = Annotated[str, AfterValidator(_language)]
Timezone = Annotated[str, AfterValidator(_timezone)]
OwnFolder = Annotated[str, AfterValidator(_folder_of_its_own)]
Number = Annotated[int, BeforeValidator(_number)]
