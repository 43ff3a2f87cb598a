"""What a spam filter on this machine or network says: rspamd or SpamAssassin, whichever answers at `[checks] spamd`.

rspamd is asked over HTTP (`POST /checkv2`, https://docs.rspamd.com/developers/protocol), SpamAssassin by the protocol
of spamd (`REPORT`, https://svn.apache.org/repos/asf/spamassassin/trunk/spamd/PROTOCOL). Which it is shows in the
answer: spamd refuses HTTP with a line that begins with its own name.
"""

import asyncio
import contextlib
import json
import re
from dataclasses import dataclass

from newsletter.checks.finding import Finding, Severity
from newsletter.checks.rule import Check, Violation
from newsletter.checks.sample import Sample
from newsletter.errors import NewsletterError

SECONDS = 30.0
WARNING = 3.0
ERROR = 5.0
_ANSWER_MOST = 1024 * 1024
_SCORE = re.compile(r"^Spam:\s*\w+\s*;\s*(-?[\d.]+)\s*/\s*(-?[\d.]+)", re.MULTILINE)
_RULE = re.compile(r"^\s*(-?\d+(?:\.\d+)?)\s+([A-Z][A-Z0-9_]+)\s+(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SpamRule:
    """A rule of the filter that the message met, and what it adds to the score."""

    name: str
    score: float
    description: str


@dataclass(frozen=True, slots=True)
class SpamScore:
    """What the filter said; the rules with the highest score first."""

    filter: str  # "rspamd" or "SpamAssassin"
    score: float
    rules: tuple[SpamRule, ...]


async def spam_score(message: bytes, at: str, seconds: float = SECONDS) -> SpamScore | None:
    """Ask the filter at `host:port`; None if nothing answers there. Raises NewsletterError for what is no host:port."""
    host, port = _host_and_port(at)
    try:
        async with asyncio.timeout(seconds):
            answer = await _talk(host, port, _http(host, message))
            if answer.startswith(b"HTTP/"):
                return _read_rspamd(answer)
            request = f"REPORT SPAMC/1.5\r\nContent-length: {len(message)}\r\n\r\n".encode("ascii") + message
            return _read_spamd(await _talk(host, port, request))
    except (OSError, TimeoutError):
        return None


async def check_spam(sample: Sample, at: str, seconds: float = SECONDS) -> list[Finding]:
    """The filter's score as a finding of `spam`, with its rules; an info when nothing answers at `host:port`."""
    if not at or SPAM.name in sample.ignore:
        return []
    found = await spam_score(sample.raw, at, seconds)
    if found is None:
        what = f"no spam filter answers at {at}, so there is no score"
        return [
            SPAM.finding(Violation("info", what, None, None, "Start rspamd or spamd there, or empty [checks] spamd."))
        ]
    adding = [rule for rule in found.rules if rule.score > 0]
    why = ", ".join(f"{rule.name} {rule.score:g}" for rule in adding[:8]) or "no rule that adds to it"
    what = f"{found.filter} gives {found.score:g} points: {why}"
    severity: Severity = "error" if found.score > ERROR else "warning" if found.score > WARNING else "info"
    hint = "; ".join(f"{rule.name}: {rule.description}" for rule in adding[:4] if rule.description)
    return [SPAM.finding(Violation(severity, what, hint=hint if severity != "info" else "Nothing to do."))]


def _host_and_port(at: str) -> tuple[str, int]:
    host, colon, port = at.strip().removeprefix("http://").rstrip("/").rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise NewsletterError(f"[checks] spamd: {at!r} is no host:port; write it like localhost:783")
    return host.strip("[]"), int(port)


async def _talk(host: str, port: int, request: bytes) -> bytes:
    """Send everything, read until the other side closes."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        with contextlib.suppress(ConnectionError):  # it answers before it has read everything: spamd, asked in HTTP
            await writer.drain()
        answer = b""
        while len(answer) < _ANSWER_MOST and (chunk := await _read(reader)):
            answer += chunk
            if _whole(answer):
                break
        return answer
    finally:
        writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(65536)
    except ConnectionError:
        return b""


def _whole(answer: bytes) -> bool:
    """Whether all is there, for a server that keeps the connection open."""
    head, found, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"^content-length:\s*(\d+)", head, re.IGNORECASE | re.MULTILINE)
    return bool(found and length and len(body) >= int(length[1]))


def _http(host: str, message: bytes) -> bytes:
    head = f"POST /checkv2 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {len(message)}\r\n\r\n"
    return head.encode("ascii", "replace") + message


def _read_rspamd(answer: bytes) -> SpamScore | None:
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"chunked" in head.lower():
        body = _unchunked(body)
    try:
        data = json.loads(body)
        rules = [
            SpamRule(name, float(about.get("score") or 0), str(about.get("description") or ""))
            for name, about in (data.get("symbols") or {}).items()
        ]
        return SpamScore("rspamd", float(data["score"]), _sorted(rules))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _read_spamd(answer: bytes) -> SpamScore | None:
    text = answer.decode("utf-8", "replace")
    score = _SCORE.search(text)
    if not text.startswith("SPAMD/") or score is None:
        return None
    body = text.partition("\r\n\r\n")[2]
    rules = [SpamRule(match[2], float(match[1]), match[3].strip()) for match in _RULE.finditer(body)]
    return SpamScore("SpamAssassin", float(score[1]), _sorted(rules))


def _sorted(rules: list[SpamRule]) -> tuple[SpamRule, ...]:
    return tuple(sorted(rules, key=lambda rule: -rule.score))


def _unchunked(body: bytes) -> bytes:
    """The chunks of RFC 9112 section 7.1 put together."""
    out = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size.split(b";")[0] or b"0", 16)
        if not length:
            break
        out, body = out + rest[:length], rest[length + 2 :]
    return out


SPAM = Check(
    "spam", lambda sample: (),
    {"error": "score over 5", "warning": "score over 3", "info": "any other score; no filter answers"},
    "The message lands among spam, or nowhere.",
    "Fix what the rules name.",
    "https://docs.rspamd.com/",
)  # fmt: skip
