"""Lists and definitions as kramdown reads them: an item takes what is indented, and lines that follow lazily.

Written after kramdown 2.4's parser/kramdown/list.rb (MIT); `kramdown` reads what is in the items.
"""

import re
from functools import cache
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from newsletter.compose.markdown.blocks import RAW, TIGHT
from newsletter.compose.markdown.lines import RULE, lead
from newsletter.compose.markdown.raw_html import ends_paragraph

if TYPE_CHECKING:
    from newsletter.compose.markdown.kramdown import Kramdown

BLANK = "blank"
"""The tag that stands for blank lines while a list or the like asks for them."""

END = "eob"
"""The tag that stands for kramdown's end-of-block mark."""

ATTRIBUTES = re.compile(r" {0,3}\{:(?!(?:[\w:.-]+)?:|/)([^}\n]+)\}\s*\Z")
UL = re.compile(r"( {0,3}[+*-])([\t ].*)\Z")
OL = re.compile(r"( {0,3}[0-9]+\.)([\t ].*)\Z")
DEFINITION = re.compile(r"( {0,3}:)([\t ].*)\Z")
_ITEM_ATTRIBUTES = re.compile(r"\s*\{:(?!(?:[\w:.-]+)?:|/)([^}\n]+)\}\s*")


def read_list(reader: "Kramdown", parent: Element, lines: list[str], at: int, first: int) -> int:
    ordered = UL.match(lines[at]) is None
    box = SubElement(parent, "ol" if ordered else "ul")
    marker = OL if ordered else UL
    items: list[ListItem] = []
    blank, ended = False, False
    while at < len(lines):
        line = lines[at]
        text = line.lstrip(" ")
        if blank and text[:1] in "-*_" and len(line) - len(text) < 4 and RULE.match(text):
            break
        if line.rstrip() == "^":
            ended, at = True, at + 1
            break
        if (match := marker.match(line)) and len(match[1]) - len(match[1].lstrip(" ")) <= (
            min(items[-1].indent - 1, 3) if items else 3
        ):
            items.append(ListItem.of(len(match[1]), match[2], first + at))
            blank = False
        elif items[-1].takes(line) or (not blank and line.strip(" \t") and not _ends_item(line, items[-1].indent)):
            items[-1].add(line)
            blank = False
        elif not line.strip(" \t"):
            items[-1].blank()
            blank = True
        else:
            break
        at += 1
    _fill(reader, parent, box, items, ended)
    return at


def _fill(reader: "Kramdown", parent: Element, box: Element, items: list["ListItem"], ended: bool) -> None:
    """Read the items' lines, and say which of their paragraphs are shown as such."""
    filled: list[Element] = []
    for item in items:
        element = SubElement(box, "li")
        _parts(reader, element, item)
        filled.append(element)
    kinds = ["" if not len(element) or element[0].get(RAW) is not None else element[0].tag for element in filled]
    last: Element | None = None
    tights: list[bool] = []
    for number, element in enumerate(filled):
        children = list(element)
        if not children:
            tights.append(False)
            continue
        final = number == len(filled) - 1
        tight = (
            kinds[number] == "p"
            and (len(children) < 2 or children[1].tag != BLANK or (final and len(children) == 2 and not ended))
            and (not final or len(filled) == 1 or any(kinds[n] != "p" or tights[n] for n in range(len(filled) - 1)))
        )
        tights.append(tight)
        if tight:
            _tighten(reader, children[0], followed=len(children) > 1 and children[1].tag != BLANK)
        last = children[-1] if children[-1].tag == BLANK else None
        for child in children:
            if child.tag in {BLANK, END}:
                element.remove(child)
        if reader.md.grammar.gfm:
            _task(element)
    if last is not None and not ended:
        SubElement(parent, BLANK)


def _tighten(reader: "Kramdown", paragraph: Element, *, followed: bool) -> None:
    """Show `paragraph` without its tags. Where a block follows, it ends in a line's end, and may break there."""
    paragraph.set(TIGHT, TIGHT)
    text = paragraph.text or ""
    if followed and (marks := len(text) - len(text.rstrip("\\"))):
        if marks % 2 == 0:
            paragraph.text = text + "\n"
        elif reader.md.grammar.gfm and not reader.md.grammar.hard_wrap:
            paragraph.text = text[:-1]


def _parts(reader: "Kramdown", element: Element, item: "ListItem") -> None:
    """Read an item's lines: what comes before a list in it, and the rest, apart."""
    reader.enter(item.first)
    line = item.first
    for part in item.parts:
        reader.parse(element, part, line)
        line += len(part)
    reader.depth -= 1


def _task(item: Element) -> None:
    first = item[0] if len(item) else None
    if first is not None and first.tag == "p" and (task := re.match(r"\[([ xX])\]\s+", first.text or "")):
        first.text = ("☐ " if task[1] == " " else "☑ ") + (first.text or "")[task.end() :]


def read_definitions(reader: "Kramdown", parent: Element, lines: list[str], at: int, first: int) -> int:
    """Terms and what they mean; the terms are the paragraph before."""
    apart = len(parent) > 1 and parent[-1].tag == BLANK and parent[-2].tag == "p"
    if not (len(parent) and parent[-1].tag == "p" and not parent[-1].attrib) and not apart:
        return 0
    if apart:
        parent.remove(parent[-1])
    terms = parent[-1]
    parent.remove(terms)
    while len(parent) > 1 and parent[-1].tag == BLANK and parent[-2].tag == "dl":
        parent.remove(parent[-1])
    box = parent[-1] if len(parent) and parent[-1].tag == "dl" else SubElement(parent, "dl")
    for term in (terms.text or "").split("\n"):
        reader.add(box, "dt", term.strip(" \t"), first + at)
    items: list[tuple[ListItem, bool]] = []
    blank = False
    while at < len(lines):
        line = lines[at]
        indent = items[-1][0].indent if items else 4
        if (match := DEFINITION.match(line)) and len(match[1]) <= min(indent, 4):
            items.append((ListItem.of(len(match[1]), match[2], first + at), apart))
            apart = blank = False
        elif line.rstrip() == "^":
            break
        elif items[-1][0].takes(line) or (not blank and line.strip(" \t") and not _ends_item(line, indent)):
            items[-1][0].parts[-1].append(items[-1][0].outdented(line)[0])
            apart = blank = False
        elif not line.strip(" \t"):
            items[-1][0].parts[-1].append("")
            apart = blank = True
        else:
            break
        at += 1
    trailing = False
    for item, paragraph in items:
        body = SubElement(box, "dd")
        _parts(reader, body, item)
        children = list(body)
        trailing = bool(children) and children[-1].tag == BLANK
        if children and children[0].tag == "p" and not paragraph:
            _tighten(reader, children[0], followed=len(children) - trailing > 1)
        for child in children:
            if child.tag in {BLANK, END}:
                body.remove(child)
    if trailing:
        SubElement(parent, BLANK)
    return at


class ListItem:
    """The lines of an item; `parts` are read one after another."""

    def __init__(self, indent: int, content: str, first: int) -> None:
        self.indent, self.first = indent, first if content else first + 1
        self.parts = [[content] if content else []]
        self.nested = bool(UL.match(content) or OL.match(content))

    @classmethod
    def of(cls, marker: int, rest: str, first: int) -> "ListItem":
        """The item whose marker ends at column `marker`, with `rest` behind it."""
        attributes = _ITEM_ATTRIBUTES.match(rest)
        if not rest[attributes.end() if attributes else 0 :].strip(" \t"):
            return cls(4, "", first)
        width, text = lead(rest, marker)
        return cls(marker + width, _ITEM_ATTRIBUTES.sub("", text, count=1) if attributes else text, first)

    def takes(self, line: str) -> bool:
        """Whether `line` is indented far enough."""
        return _indented(self.indent).match(line) is not None

    def outdented(self, line: str) -> tuple[str, bool]:
        """`line` without the item's indent, and whether it had that: a tab counts at its very start alone."""
        text = line.lstrip("\t")
        text = "    " * (len(line) - len(text)) + text
        inside = text.startswith(" " * self.indent)
        return (text[self.indent :] if inside else text), inside

    def add(self, line: str) -> None:
        text, inside = self.outdented(line)
        starts = UL.match(text) or OL.match(text)
        if starts and inside and not self.nested:
            self.parts.append([])
            self.nested = True
        elif starts and not inside and self.nested:
            text = " " * (self.indent + 4) + text
        self.parts[-1].append(text)

    def blank(self) -> None:
        self.nested = True
        self.parts[-1].append("")


@cache
def _indented(columns: int) -> re.Pattern[str]:
    """Lines that an item takes which begins in column `columns`: tabs count where a step of four begins."""
    steps, rest = divmod(columns, 4)
    step = r"(?:\t| {4})"
    return re.compile(rf"(?:{step}{{{steps}}} {{{rest}}}|{step}{{{steps + 1}}})[ \t]*[^ \t]")


def _ends_item(line: str, indent: int) -> bool:
    """Whether `line` can't go on lazily with an item."""
    text = line.lstrip(" ")
    if len(line) - len(text) > min(indent, 3):
        return False
    return ATTRIBUTES.match(line) is not None or (text[0] == "<" and ends_paragraph(text))
