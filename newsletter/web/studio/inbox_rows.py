"""The row that a message is in an inbox: who, what, and the first words, cut where each client cuts.

The cut is computed, so that it does not depend on the fonts of this machine: the clients' fonts (Roboto, San Francisco,
Segoe UI) are within a few percent of Helvetica, whose widths are in the Adobe font metrics; wide scripts take an em.
The sizes were measured on the clients' own screens at their default settings. Pure.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from lxml import etree

from newsletter.checks.sample import Sample
from newsletter.css.computed import NOT_SHOWN
from newsletter.css.parse import Element

_COLLAPSED = re.compile(r"[ \t\r\n\f]+")
"""What HTML shows as one blank (CSS Text, section 4.1.1); no-break and zero-width characters are not among it."""

_INLINE = frozenset(
    "a abbr b bdi bdo cite code em font i kbd mark q s small span strong sub sup time u var wbr".split()  # noqa: SIM905
)

SNIPPET_MOST = 1000
"""Characters of the first words that any client could show, those without width among them."""

_WIDTHS: Mapping[str, int] = {
    **dict.fromkeys("ijl'|", 222), **dict.fromkeys(" !,./:;I[]\\ft", 278), **dict.fromkeys("()-r`", 333),
    **dict.fromkeys('"*', 370), **dict.fromkeys("Jckszvxy{}", 500), **dict.fromkeys("^", 469),
    **dict.fromkeys("+<=>~", 584), **dict.fromkeys("FTZ", 611), **dict.fromkeys("&ABEKPSVXY", 667),
    **dict.fromkeys("CDHNRUw", 722), **dict.fromkeys("GOQ", 778), **dict.fromkeys("Mm", 833), "W": 944, "@": 1015,
    "%": 889, "…": 1000, "—": 1000, "–": 556, "’": 222, "‘": 222, "“": 333, "”": 333, "\u00a0": 278,
}  # fmt: skip
_ORDINARY, _WIDE = 556, 1000


@dataclass(frozen=True, slots=True)
class Line:
    """A field in a row: its room in CSS pixels over all its lines, and its font."""

    room: int
    font: int  # pixels
    bold: bool = False
    lines: int = 1


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An inbox and the room that it gives; subject and snippet share `subject` where `shared`."""

    key: str
    name: str
    where: str  # "Desktop" or "Phone"
    width: int  # of the row, CSS pixels
    sender: Line
    subject: Line
    snippet: Line
    shared: bool = False  # the snippet takes what the subject leaves of its line


CLIENTS: tuple[Mailbox, ...] = (
    Mailbox("gmail-desktop", "Gmail", "Desktop", 800, Line(164, 14, True), Line(468, 14, True), Line(468, 14), True),
    Mailbox("gmail-phone", "Gmail", "Phone", 390, Line(232, 16, True), Line(272, 14, True), Line(272, 14)),
    Mailbox("apple-desktop", "Apple Mail", "Desktop", 340, Line(190, 13, True), Line(280, 13), Line(560, 13, lines=2)),
    Mailbox("apple-phone", "Apple Mail", "Phone", 390, Line(246, 17, True), Line(330, 15), Line(660, 15, lines=2)),
    Mailbox("outlook-desktop", "Outlook", "Desktop", 360, Line(226, 14), Line(226, 14, True), Line(280, 12)),
    Mailbox("outlook-phone", "Outlook", "Phone", 390, Line(226, 16, True), Line(300, 15), Line(600, 14, lines=2)),
)


@dataclass(frozen=True, slots=True)
class Cut:
    """A field as a client shows it: `shown` ends with an ellipsis where something is `hidden`."""

    shown: str
    hidden: str
    whole: str

    @property
    def is_cut(self) -> bool:
        return bool(self.hidden)

    @property
    def count(self) -> int:
        """Characters of the whole that are shown."""
        return len(self.whole) - len(self.hidden)


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A message as a row of `client`."""

    client: Mailbox
    sender: Cut
    subject: Cut
    snippet: Cut

    @property
    def note(self) -> str:
        """What the reader does not see, in words; empty if the sender and subject are whole."""
        cut = [name for name, field in (("sender", self.sender), ("subject", self.subject)) if field.is_cut]
        return f"{' and '.join(cut)} cut" if cut else ""


def rows(sender: str, subject: str, snippet: str) -> tuple[InboxRow, ...]:
    """The message in each inbox; empty fields read as the clients write them."""
    return tuple(_row(client, sender, subject or "(no subject)", snippet) for client in CLIENTS)


def snippet_of(sample: Sample) -> str:
    """The words that inboxes show after the subject: the first of the HTML, hidden ones too, else of the text part.

    What pads a preheader stays: clients show it as the blank that it is, so that the mail's own words don't follow.
    """
    texts = _texts(sample.tree) if sample.tree is not None else [sample.text.text] if sample.text else []
    return _COLLAPSED.sub(" ", "".join(_until(texts))).strip(" ")[:SNIPPET_MOST]


def cut(text: str, line: Line) -> Cut:
    """`text` in the room of `line`; never inside a character that is made of several code points."""
    if text_width(text, line) <= line.room:
        return Cut(text, "", text)
    room = line.room - text_width("…", line)
    # A word that does not fit goes to the next line whole, so lines are not filled to their end.
    room -= (line.lines - 1) * line.font * 2
    used, at = 0.0, 0
    for cluster in clusters(text):
        used += text_width(cluster, line)
        if used > room:
            break
        at += len(cluster)
    return Cut(text[:at].rstrip(" ") + "…", text[at:], text)


def text_width(text: str, line: Line) -> float:
    """Width of `text` in CSS pixels."""
    units = sum(_units(character) for character in text)
    return units * line.font / 1000 * (1.06 if line.bold else 1.0)


def clusters(text: str) -> list[str]:
    """`text` in pieces that no client cuts: a base with its combining marks, an emoji with its joiners."""
    pieces: list[str] = []
    for character in text:
        joins = bool(pieces) and (
            unicodedata.combining(character) != 0
            or unicodedata.category(character) in {"Mn", "Me", "Cf"}
            or "\U0001f3fb" <= character <= "\U0001f3ff"
            or pieces[-1].endswith("\u200d")
        )
        if joins:
            pieces[-1] += character
        else:
            pieces.append(character)
    return pieces


def _units(character: str) -> int:
    """Thousandths of an em."""
    if (width := _WIDTHS.get(character)) is not None:
        return width
    if character.isascii():
        return _ORDINARY
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    if unicodedata.east_asian_width(character) in {"W", "F"}:
        return _WIDE + 200 if character >= "\U0001f000" else _WIDE
    base = unicodedata.normalize("NFD", character)[0]
    return _WIDTHS.get(base, _ORDINARY)


def _row(client: Mailbox, sender: str, subject: str, snippet: str) -> InboxRow:
    title = cut(subject, client.subject)
    line = client.snippet
    if client.shared:
        left = line.room - text_width(title.shown, client.subject) - text_width(" - ", line)
        line = Line(max(0, int(left)), line.font)
        words = cut(snippet, line) if left > 3 * line.font and not title.is_cut else Cut("", snippet, snippet)
    else:
        words = cut(snippet, line)
    return InboxRow(client, cut(sender, client.sender), title, words)


def _texts(tree: Element) -> Iterator[str]:
    """What the body says, in reading order, blocks apart."""
    for event, node in etree.iterwalk(tree, events=("start", "end", "comment")):
        if event == "start" and isinstance(node.tag, str):
            if node.tag not in _INLINE:
                yield " "
            if node.text and node.tag not in NOT_SHOWN:
                yield node.text
        elif event != "start":
            if event == "end" and node.tag not in _INLINE:
                yield " "
            parent = node.getparent()
            if node is not tree and node.tail and parent is not None and parent.tag not in NOT_SHOWN:
                yield node.tail


def _until(texts: Iterable[str]) -> Iterator[str]:
    """The first texts, as many as a snippet can hold."""
    length = 0
    for text in texts:
        yield text
        length += len(_COLLAPSED.sub(" ", text))
        if length > SNIPPET_MOST:
            return
