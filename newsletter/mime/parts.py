"""The parts of a message that checks look at: subject, HTML, plain text, and what is attached.

Takes any bytes; what can't be parsed is missing. What a part says is left to `sample`.
"""

import email
import email.policy
import re
from dataclasses import dataclass, replace
from email.header import decode_header, make_header
from email.message import Message

_DEEPEST = 50
_MOST_PARTS = 5_000  # lines that may begin one
_LONGEST_SUBJECT = 10_000
_LONGEST_TEXT = 1_000_000  # characters of the plain text
_ODD_CODECS = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem"}
"""What Python calls encodings and mail does not; some take the square of the time."""


@dataclass(frozen=True, slots=True)
class Part:
    """A body part: its text, its size as decoded from the transfer encoding, and what its header says of charsets."""

    text: str
    size: int  # bytes
    charset: str  # as declared, in lower case; empty if not
    broken: bool  # bytes that are not in that charset


def parse(message: bytes) -> "Message[str, str]":
    """The message's headers and parts, whatever it holds; after 5,000 parts no more."""
    if message.count(b"\n--") > _MOST_PARTS:
        message = b"\n--".join(message.split(b"\n--", _MOST_PARTS)[:_MOST_PARTS])
    try:
        return email.message_from_bytes(message, policy=email.policy.compat32)
    except RecursionError:  # multiparts in multiparts, a thousand deep
        return email.message_from_bytes(message.partition(b"\r\n\r\n")[0], policy=email.policy.compat32)


def subject_of(message: "Message[str, str]") -> str | None:
    """The subject decoded; None without one."""
    raw = message.get("Subject")
    if raw is None:
        return None
    try:
        text = str(make_header(decode_header(re.sub(r"\r?\n(?=[ \t])", "", str(raw)[:_LONGEST_SUBJECT]))))
    except (ValueError, LookupError, UnicodeError, email.errors.HeaderParseError):
        text = str(raw)[:_LONGEST_SUBJECT]
    return text.strip()


def parts_of(message: "Message[str, str]") -> tuple[Part | None, Part | None, dict[str, int]]:
    """The first HTML and text parts that are shown, and the sizes of what is attached by Content-ID."""
    html = text = None
    attached: dict[str, int] = {}
    queue: list[tuple[Message[str, str], int]] = [(message, 0)]
    while queue:
        part, depth = queue.pop(0)
        if part.is_multipart():
            if depth < _DEEPEST:
                queue[:0] = [(child, depth + 1) for child in part.get_payload() if isinstance(child, Message)]
            continue
        kind = part.get_content_type()
        attachment = part.get_content_disposition() == "attachment"
        if kind == "text/html" and html is None and not attachment:
            html = _part(part)
        elif kind == "text/plain" and text is None and not attachment:
            whole = _part(part)
            text = replace(whole, text=whole.text[:_LONGEST_TEXT])
        elif identity := str(part.get("Content-ID") or "").strip().strip("<>"):
            attached[identity] = len(_payload(part))
    return html, text, attached


def _part(part: "Message[str, str]") -> Part:
    data = _payload(part)
    charset = (part.get_content_charset() or "").lower()
    try:
        if charset.replace("-", "_") in _ODD_CODECS:
            raise LookupError(charset)
        return Part(data.decode(charset or "utf-8"), len(data), charset, False)
    except (ValueError, LookupError):  # UnicodeError is a ValueError; so is a NUL in the name
        return Part(data.decode("utf-8", "replace"), len(data), charset, True)


def _payload(part: "Message[str, str]") -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""
