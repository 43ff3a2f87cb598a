"""What a provider posts, what is taken out of it, and why it may be refused: shared by all of them.

A webhook is believed for its signature, or for a secret that only the provider was given; what it says is then judged
like a bounce that came by mail.
"""

import base64
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from newsletter.feedback.dsn import Bounce
from newsletter.feedback.read import ReturnedMail, references
from newsletter.feedback.verdict import judge

LARGEST = 1024 * 1024
"""Bytes of a body at most: SendGrid's are the largest, with 768 KB."""
TOLERANCE = 300.0
"""Seconds that a signed time stamp may lie in the past or the future."""
_MOST = 10_000
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_ON_LIST = "on the provider's suppression list"


@dataclass(frozen=True, slots=True)
class Posted:
    """One request: its body as it came, its header (names in lower case), what follows the provider in its path."""

    body: bytes
    headers: Mapping[str, str]
    path: str
    now: float  # Unix seconds

    def json(self) -> Any:
        """The body, read. Raises WebhookRefused."""
        return read_json(self.body)


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """One thing that a provider tells; `key` is the same each time it is told."""

    key: str
    feedback: ReturnedMail


class WebhookRefused(Exception):  # noqa: N818 (an answer to the provider, not an error of ours)
    """Not signed by the provider, too old, or not its shape: changes nothing."""

    def __init__(self, why: str, status: int = 403) -> None:
        super().__init__(why)
        self.status = status


def read_json(body: bytes | str) -> Any:
    """Raises WebhookRefused for what is no JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise WebhookRefused("no JSON", 400) from None


def check_time(text: str, now: float) -> None:
    """Raises WebhookRefused for a time stamp, in seconds, that is none or far from now."""
    if not re.fullmatch(r"\d{1,12}", text, re.ASCII) or abs(int(text) - now) > TOLERANCE:
        raise WebhookRefused("stale")


def check_shared_secret(posted: Posted, secret: str) -> None:
    """Basic authentication with `user:password` (RFC 7617); a secret without a colon ends the path, or is a Bearer's.

    Raises WebhookRefused.
    """
    kind, _, given = posted.headers.get("authorization", "").partition(" ")
    offered = [posted.path] if posted.path else []
    if kind.lower() == "basic":
        offered = [_decoded(given)] if ":" in secret else []
    elif kind.lower() == "bearer":
        offered.append(given.strip())
    if not any(is_same(one, secret) for one in offered):
        raise WebhookRefused("no valid secret", 401 if ":" in secret else 403)


def is_same(given: str, expected: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def table(value: Any, *names: str) -> dict[str, Any]:
    """The object at these names inside a value; empty where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def rows(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; an object alone is a list of one."""
    values = value if isinstance(value, list) else [value]
    return [one for one in values[:_MOST] if isinstance(one, dict)]


def text(value: Any, name: str) -> str:
    """A field's text; empty where it is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found[:2000] if isinstance(found, str) else str(found) if isinstance(found, int | float) else ""


def refs_in(*values: Any) -> tuple[str, ...]:
    """The references of ours in what a provider gives back of the message: its header, in whatever shape."""
    return references("\n".join(line for value in values for line in _lines(value, 0)))


def failed(
    email: str, permanent: bool, diagnostic: str, *, status: str = "", suppressed: bool = False, **more: Any
) -> ReturnedMail:
    """A bounce: the provider says whether for good, the server's words whose fault; both must say that it is hard."""
    found = _STATUS.search(diagnostic)
    status = status or (found[1] if found else "")
    if suppressed:
        return _bounce(email, permanent, False, status, _ON_LIST, diagnostic, **more)
    verdict = judge(Bounce(email, "failed", status, diagnostic))
    is_silent = verdict.reason == "other"
    reason = "unknown address" if is_silent and permanent else verdict.reason
    hard = permanent and (verdict.hard or is_silent)
    return _bounce(email, hard, verdict.about_us, status, reason, diagnostic, **more)


def _bounce(
    email: str, hard: bool, about_us: bool, status: str, reason: str, diagnostic: str, **more: Any
) -> ReturnedMail:
    return ReturnedMail(
        "bounce", _bare(email), hard=hard, about_us=about_us, status=status, reason=reason, diagnostic=diagnostic,
        vouched=True, **more,
    )  # fmt: skip


def complained(email: str, **more: Any) -> ReturnedMail:
    """A reader pressed "spam"."""
    return ReturnedMail("complaint", _bare(email), reason="abuse", vouched=True, **more)


def left(email: str, **more: Any) -> ReturnedMail:
    """A reader left by a link or a header of the provider's."""
    return ReturnedMail("unsubscribe", _bare(email), vouched=True, **more)


def _bare(mailbox: str) -> str:
    """The address of `Name <address>`."""
    return mailbox.rpartition("<")[2].partition(">")[0].strip() if "<" in mailbox else mailbox.strip()


def _lines(value: Any, depth: int) -> Iterator[str]:
    if depth > 4:
        return
    if isinstance(value, str):
        yield value[:_MOST]
    elif isinstance(value, list):
        for one in value[:200]:
            if isinstance(one, dict) and isinstance(one.get("name"), str):
                yield f"{one['name']}: {one.get('value')}"[:_MOST]
            else:
                yield from _lines(one, depth + 1)
    elif isinstance(value, dict):
        for name, one in list(value.items())[:200]:
            yield from (f"{name}: {line}" for line in _lines(one, depth + 1))


def _decoded(given: str) -> str:
    try:
        return base64.b64decode(given.strip(), validate=True).decode("utf-8", "replace")
    except ValueError:
        return ""
