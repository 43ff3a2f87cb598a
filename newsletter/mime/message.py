"""A message as people look at it: who, what, its texts, its pictures, its attachments.

The one reader for the test inbox, the studio and the checks, so that a panel and a finding cannot disagree. Pure.
Taking it apart is `parse`'s.
"""

import functools
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
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
ENOUGH = 2 * SNIPPET
"""Characters between tags that most often hold as many, once what is not seen of them is taken out."""

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_MAILBOX = re.compile(
    rf"(?:({_ATOM}(?: {_ATOM}){{0,9}}) )?<?((?<=<){_ATOM}(?:\.{_ATOM}){{0,9}}@[A-Za-z0-9.-]{{1,255}}(?=>))>"
)
"""One mailbox as it is usually written, which needs no parser: `Ada Moreau <ada@example.org>`."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(
    rf"(?:[A-Z][a-z]{{2}}, )?(\d{{1,2}}) ({'|'.join(_MONTHS)}) (\d{{4}}) (\d\d):(\d\d):(\d\d) "
    r"([+-])(\d\d)(\d\d)(?: \([A-Z]+\))?",
    re.ASCII,
)
"""A date as it is usually written: `Fri, 27 Nov 2026 11:24:05 +0000`."""
_MARKS = "\u00ad\u034f\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_UNSHOWN = re.compile(r"(style|script|title|noscript|template)(?:\s[^>]*)?(?<!/)(?:>|\Z)", re.IGNORECASE)
"""What a tag says that begins something which is not shown."""
_UNSHOWN_BEGIN = frozenset("sStTnN")


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
    parts = list(root.walk())
    plain, rich = _find(parts, "text/plain"), _find(parts, "text/html")
    inline = _referenced(parts, rich) if rich is not None else set()
    attachments = tuple(
        part
        for part in parts
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
    text = message.plain.words(MAX_TEXT)[: MAX_WORDS * 2] if message.plain is not None else ""
    rich, shown = message.rich, ""
    if rich is not None and len(text) < FEW:  # perhaps a text that only says where to look
        shown = strip_tags(rich.words(MAX_TEXT))
    words = f"{text} {shown}" if len(shown) > 2 * len(text) else _squeeze(text) if len(text) > MAX_WORDS else text
    names = " ".join(part.filename for part in message.attachments[:100])
    first = _first(shown) or (_first_shown(rich) if rich is not None else "")
    return f"{words[:MAX_WORDS]} {names}".strip(), first or _first(text)


def _first_shown(rich: Part) -> str:
    """The first words of HTML; most often a few characters of its body hold them."""
    skipped = max(0, rich.data.find(b"<body", rich.body, min(rich.end, rich.body + 6 * FEW)) - rich.body)
    most = skipped + 3 * FEW if skipped else 6 * FEW
    source = rich.content(most, skipped)
    begin = max(0, source.find(b"<body"))
    cut = most < rich.end - rich.body or begin + 2 * FEW < len(source)
    start = decode_text(source[begin : begin + 2 * FEW], rich.charset, cut=cut)
    pieces: list[str] = []
    shown = 0
    for text in _between_tags(start):
        if piece := text.strip():
            pieces.append(piece)
            shown += len(piece)
            if shown >= ENOUGH:
                break
    few = _squeeze(html.unescape(" ".join(pieces)))
    return few[:SNIPPET] if len(few) >= SNIPPET + MARGIN else _first(strip_tags(rich.words(MAX_TEXT)))


def _first(text: str) -> str:
    few = _squeeze(text[:FEW])
    return (few if len(few) >= SNIPPET else _squeeze(text[:MAX_START]))[:SNIPPET]


def _squeeze(text: str) -> str:
    if not text.isascii():
        for mark in _MARKS:
            text = text.replace(mark, " ")
    return " ".join(text.split())


def strip_tags(source: str) -> str:
    """What HTML says, without its markup. In one pass, whatever the input: for searching, not for showing."""
    return html.unescape(" ".join(_between_tags(source)))


def _between_tags(source: str) -> Iterator[str]:
    """What stands before, between and behind tags, also where that is nothing. A tag that is not closed ends where the
    next begins; what stands in a style or the like is part of it."""
    pieces = iter(source.split("<"))
    yield next(pieces)
    for piece in pieces:
        tag, mark, text = piece.partition(">")
        if tag[:1] in _UNSHOWN_BEGIN and (unshown := _UNSHOWN.match(tag + mark)):
            end = f"/{unshown[1].lower()}"
            closing = (last for last in pieces if _is_tag(last, end))
            text = next(closing, "").partition(">")[2]
        yield text


def _is_tag(piece: str, name: str) -> bool:
    """Is what stands behind a < the tag of that name?"""
    size = len(name)
    return piece[:size].lower() == name and (len(piece) == size or piece[size] == ">" or piece[size].isspace())


def _find(parts: list[Part], content_type: str) -> Part | None:
    """The first part of a type that is there to be read."""
    for part in parts:
        if part.content_type == content_type and part.disposition != "attachment":
            return part
    return None


def _referenced(parts: list[Part], rich: Part) -> set[str]:
    """The parts that the HTML shows, by their Content-ID."""
    if not any(part.content_id for part in parts) or b"cid:" not in rich.content(MAX_TEXT):
        return set()
    return set(re.findall(r"cid:([^\s\"'<>)]{1,300})", rich.words(MAX_TEXT)))


@functools.lru_cache(maxsize=64)
def _date(value: str) -> datetime | None:
    try:
        if usual := _DATE.fullmatch(value):
            day, month, year, hour, minute, second, sign, hours, minutes = usual.groups()
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            zone = timezone(-offset if sign == "-" else offset) if offset else UTC
            return datetime(
                int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=zone
            )
        date = parsedate_to_datetime(value)
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
