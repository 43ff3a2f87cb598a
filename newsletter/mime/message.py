"""A message as people look at it: who, what, its texts, its pictures, its attachments.

The one reader for the test inbox, the studio and the checks, so that a panel and a finding cannot disagree. Pure.
Taking it apart is `parse`'s.
"""

import functools
import html
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import getaddresses, parsedate_to_datetime

from newsletter.mime.parse import MAX_FIELD, Part, decode_text, decode_words, parse

MAX_TEXT = 1_000_000
"""Encoded bytes of a text part that are looked at for words and snippets."""
MAX_WORDS = 50_000
"""Characters of a message that can be searched."""
MAX_START = 100_000
"""Characters in which the first words are looked for."""
FEW = 2_000
"""Characters that most often hold them; a text part that has as many is one to read."""
MARGIN = 40
"""Characters at the end of those few that may be half a tag, or half a character's name."""
SNIPPET = 160

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_MAILBOX = re.compile(
    rf"(?:({_ATOM}(?: {_ATOM}){{0,9}}) )?<?((?<=<){_ATOM}(?:\.{_ATOM}){{0,9}}@[A-Za-z0-9.-]{{1,255}}(?=>))>"
)
"""One mailbox as it is usually written, which needs no parser: `Ada Moreau <ada@example.org>`."""
_MARKS = "\u00ad\u034f\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_MARKUP = re.compile(
    r"""<((?i:style|script|title|noscript|template))(?:\s[^<>]*)?(?<!/)(?:>|(?=<)|\Z)   # what is not shown, to its end
        (?:[^<]++|<(?!/(?i:\1)(?:[\s<>]|\Z)))*+(?:<[^<>]*>?)?
      | <[^<>]*>?""",
    re.VERBOSE,
)
"""Without regard to case in its words alone: to look for `[^<>]` so would be several times slower."""


@dataclass(frozen=True, slots=True)
class Message:
    """A parsed message. Nothing here is trusted: escape it where it is shown."""

    root: Part
    defects: tuple[str, ...]  # what had to be forgiven, or was left out
    subject: str
    sender: str  # the From field, decoded
    to: tuple[str, ...]  # To and Cc, each as "Name <address>" or an address
    date: datetime | None  # the Date field, aware
    message_id: str
    plain: Part | None  # the text to read
    rich: Part | None  # the HTML to show
    attachments: tuple[Part, ...]  # neither of the two, nor an inline picture of the HTML

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The header fields in their order, decoded."""
        return [(name, decode_words(value)) for name, value in self.root.fields]

    @property
    def parts(self) -> list[Part]:
        return list(self.root.walk())

    def part(self, number: str) -> Part | None:
        """The part of that number, such as "1.2"; the root is ""."""
        return next((part for part in self.root.walk() if part.number == number), None)

    def picture(self, content_id: str) -> Part | None:
        """The part that `cid:` names (RFC 2392)."""
        return next((part for part in self.root.walk() if part.content_id and part.content_id == content_id), None)

    @property
    def text(self) -> str:
        """The plain text; where there is none, what the HTML says."""
        if self.plain is not None:
            return self.plain.text()
        return strip_tags(self.rich.text(MAX_TEXT)) if self.rich is not None else ""

    @property
    def html(self) -> str:
        return self.rich.text() if self.rich is not None else ""


def read_message(data: bytes) -> Message:
    """Any bytes as a message; never raises."""
    root, defects = parse(data)
    plain, rich = _find(root, "text/plain"), _find(root, "text/html")
    inline = _referenced(root, rich) if rich is not None else set()
    attachments = tuple(
        part
        for part in root.walk()
        if not part.content_type.startswith("multipart/")
        and part is not plain
        and part is not rich
        and (part.disposition == "attachment" or part.filename or not part.content_type.startswith("text/"))
        and not (part.content_id and part.content_id in inline)
    )
    return Message(
        root=root, defects=tuple(defects), subject=root.get("subject"), sender=root.get("from"),
        to=tuple(addresses(root.get("to")) + addresses(root.get("cc"))), date=_date(root.get("date")[:200]),
        message_id=root.get("message-id").strip(), plain=plain, rich=rich, attachments=attachments,
    )  # fmt: skip


def addresses(value: str) -> list[str]:
    """The mailboxes of an address field, at most 1,000 of them."""
    if usual := _MAILBOX.fullmatch(value):
        return [value] if usual[1] else [usual[2]]
    try:
        found = getaddresses([value[:MAX_FIELD]])
    except (ValueError, IndexError, TypeError, RecursionError):
        return [value] if value.strip() else []
    return [f"{name} <{address}>" if name else address for name, address in found[:1000] if name or address]


def searched_words(message: Message) -> tuple[str, str]:
    """What can be searched of a message, and its first words as an inbox shows them; both bounded.

    Searched are its text, its HTML's where that says much more, and its attachments' names. The first words are those
    of the HTML where there is some, so with its preheader.
    """
    text = message.plain.text(MAX_TEXT)[: MAX_WORDS * 2] if message.plain is not None else ""
    rich, shown = message.rich, ""
    if rich is not None and len(text) < FEW:  # perhaps a text that only says where to look
        shown = strip_tags(rich.text(MAX_TEXT))
    words = f"{text} {shown}" if len(shown) > 2 * len(text) else _squeeze(text) if len(text) > MAX_WORDS else text
    names = " ".join(part.filename for part in message.attachments[:100])
    first = _first(shown) or (_first_shown(rich) if rich is not None else "")
    return f"{words[:MAX_WORDS]} {names}".strip(), first or _first(text)


def _first_shown(rich: Part) -> str:
    """The first words of HTML; most often a few characters of its body hold them."""
    source = rich.content(6 * FEW)
    at = max(0, source.find(b"<body"))
    start = source[at : at + 2 * FEW]
    few = _squeeze(strip_tags(decode_text(start, rich.charset, cut=at + len(start) < len(source))))
    return few[:SNIPPET] if len(few) >= SNIPPET + MARGIN else _first(strip_tags(rich.text(MAX_TEXT)))


def _first(text: str) -> str:
    few = _squeeze(text[:FEW])
    return (few if len(few) >= SNIPPET else _squeeze(text[:MAX_START]))[:SNIPPET]


def _squeeze(text: str) -> str:
    for mark in _MARKS:
        if mark in text:
            text = text.replace(mark, " ")
    return " ".join(text.split())


def strip_tags(source: str) -> str:
    """What HTML says, without its markup. In one pass, whatever the input: for searching, not for showing."""
    return html.unescape(_MARKUP.sub(" ", source))


def _find(part: Part, content_type: str) -> Part | None:
    """The first part of a type that is there to be read."""
    return next(
        (one for one in part.walk() if one.content_type == content_type and one.disposition != "attachment"), None
    )


def _referenced(root: Part, rich: Part) -> set[str]:
    """The parts that the HTML shows, by their Content-ID."""
    if not any(part.content_id for part in root.walk()) or b"cid:" not in rich.content(MAX_TEXT):
        return set()
    return set(re.findall(r"cid:([^\s\"'<>)]{1,300})", rich.text(MAX_TEXT)))


@functools.lru_cache(maxsize=64)
def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
