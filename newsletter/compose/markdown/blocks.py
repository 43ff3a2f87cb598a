"""What the readers of both dialects share: python-markdown's tree of blocks, and how its leaves are made.

A reader stands in python-markdown's place for a block parser: it is given lines and makes elements, whose text is
inline Markdown still. Code and raw HTML go to python-markdown's stash, links' targets to its references, footnotes to
its extension. Depth and time are bounded here.
"""

import re
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, ElementTree, SubElement

from markdown.blockparser import BlockParser
from markdown.util import AtomicString

from newsletter.compose.deadline import reach
from newsletter.compose.markdown.highlight import code_language, highlight
from newsletter.compose.markdown.lines import LAZY, lead, strip
from newsletter.compose.markdown.raw_html import RawElement
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.compose.markdown.convert import Converter

DEEPEST = 40
"""Quotes, lists and the like inside one another at most."""

TIGHT = "tight"
"""The attribute of a paragraph that is shown without one: an item's, in a list without blank lines."""

RAW = "raw"
"""The attribute of a paragraph that only holds a place for raw HTML."""

_LABEL = re.compile(r" {0,3}\[((?:[^\[\]\\]|\\.)+)\]:", re.DOTALL)
_DESTINATION = re.compile(r"\s*(?:<((?:[^<>\n\\]|\\.)*)>|([^\s<][^\s]*))")
_TITLE = re.compile(r"(?:\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'|\(((?:[^()\\]|\\.)*)\))[ \t]*(?=\n|\Z)", re.DOTALL)
_NAMED_CODE = re.compile(r"(?::{3,}|#!)([\w+#-]+)\n")


class Blocks(BlockParser):
    """A block parser of python-markdown that reads by a dialect's grammar."""

    md: "Converter"

    def parseDocument(self, lines: Iterable[str]) -> ElementTree:  # noqa: N802
        """The tree of a whole post."""
        self.root = Element(self.md.doc_tag)
        self.depth = 0
        self.line = self.md.first_line  # of the post
        self.codes: dict[Element, str] = {}
        self.until = time.thread_time() + self.md.seconds
        self.read(self.root, list(lines), 1)
        return ElementTree(self.root)

    def parseChunk(self, parent: Element, text: str) -> None:  # noqa: N802
        """A footnote, when python-markdown puts them together."""
        line = self.md.footnote_lines.get(text, 1)
        self.read(parent, text.split("\n"), line)
        if not len(parent) or parent[-1].get(RAW) is not None:  # the way back needs a place
            self.add(parent, "p", "", line)

    def read(self, parent: Element, lines: list[str], first: int, base: int = 0) -> bool:
        """Read `lines`, which start on line `first` and in column `base`, into `parent`.

        True where a blank line stands between two of its blocks.
        """
        self.enter(first)
        spread = self.blocks(parent, lines, first, base)
        self.depth -= 1
        return spread

    def blocks(self, parent: Element, lines: list[str], first: int, base: int) -> bool:
        """What `read` does, by the dialect's grammar."""
        raise NotImplementedError

    def enter(self, line: int) -> None:
        """Go one level deeper. Raises NewsletterError with the line where that is too deep."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise NewsletterError(
                f"lists and quotes stand more than {DEEPEST} deep in one another here; write it flatter", line=line
            )

    def check(self, line: int) -> None:
        """Raises NewsletterError with the line where the post takes too long."""
        self.line = self.md.first_line + line - 1
        reach("its Markdown", self.line)
        if time.thread_time() > self.until:
            raise NewsletterError("its Markdown takes too long from here on; write it simpler", line=line)

    # -- leaves

    def add(self, parent: Element, tag: str, text: str, line: int) -> Element:
        """An element with inline Markdown."""
        element = SubElement(parent, tag)
        element.text = text.replace(LAZY, "")
        self.md.line_of[element] = line
        return element

    def raw(self, parent: Element, html: str) -> None:
        """HTML as it is."""
        if html:
            place = SubElement(parent, "p", {RAW: ""})
            place.text = AtomicString(self.md.htmlStash.store(html))

    def code(self, parent: Element, code: str, info: str = "") -> None:
        """A block of code."""
        if self.md.grammar.codehilite and not info and (named := _NAMED_CODE.match(code)):
            info, code = named[1], code[named.end() :]
        if language := code_language(info):
            reach(f"its {language} code", self.line)
        self.raw(parent, highlight(code, language))
        self.codes[parent[-1]] = code

    def colour(self, place: Element, language: str) -> None:
        """Colour a block of code whose language is told behind it."""
        number = re.search(r"\d+", place.text or "")
        assert number is not None
        self.md.htmlStash.rawHtmlBlocks[int(number[0])] = highlight(self.codes[place], language)

    def quote(self, parent: Element, lines: list[str], first: int, alert: str = "", base: int = 0) -> None:
        """A quote, or GitHub's kind of note, which is written as one."""
        if alert:
            self.admonition(parent, alert.lower(), alert.capitalize(), lines, first)
        else:
            self.read(SubElement(parent, "blockquote"), lines, first, base)

    def admonition(self, parent: Element, kind: str, title: str, lines: list[str], first: int) -> None:
        """A note with a title, or without where that is empty."""
        box = SubElement(parent, "div", {"class": f"admonition {kind}"})
        if title:
            self.add(box, "p", title, first).set("class", "admonition-title")
        self.read(box, lines, first)

    def markdown_inside(self, parent: Element, found: RawElement, line: int) -> None:
        """An element of raw HTML with markdown="1": its tags as they are, its content as Markdown."""
        inner = found.inner or ""
        if found.spans:
            place = self.add(parent, "p", "", line)
            place.set(TIGHT, TIGHT)
            stash = self.md.htmlStash
            place.text = f"{stash.store(found.html)}{' '.join(inner.split())}{stash.store(found.close)}"
            return
        self.raw(parent, found.html)
        lines = inner.strip("\n").split("\n")
        margin = min((lead(text)[0] for text in lines if text.strip(" \t")), default=0)
        if self.md.grammar.name == "commonmark":
            lines = [strip(text, margin) for text in lines]
        inside = Element(parent.tag)
        self.read(inside, lines, line + found.html.count("\n") + len(inner) - len(inner.lstrip("\n")))
        parent.extend(inside)
        self.raw(parent, found.close)

    def row(self, parent: Element, cells: Sequence[str], tag: str, aligns: Sequence[str], line: int) -> None:
        """A row of a table."""
        row = SubElement(parent, "tr")
        for number, text in enumerate(cells):
            cell = self.add(row, tag, text.strip(" \t"), line)
            if number < len(aligns) and aligns[number]:
                cell.set("style", f"text-align: {aligns[number]};")

    def footnote(self, label: str, lines: list[str], first: int) -> None:
        """The text of a footnote, kept until python-markdown puts them together."""
        text = "\n".join(lines).rstrip()
        if label not in self.md.footnotes.footnotes or self.md.grammar.name == "kramdown":  # where the last one counts
            self.md.footnotes.setFootnote(label, text)
            self.md.footnote_lines[text] = first

    def definitions(self, text: str) -> str:
        """`text`, a paragraph, without the link definitions that it begins with; these are kept."""
        while text.lstrip(" ").startswith("["):
            label = _LABEL.match(text)
            if label is None or not label[1].strip() or label[1].startswith("^"):
                break
            place = _DESTINATION.match(text, label.end())
            if place is None or "\n\n" in place[0]:
                break
            end = place.end()
            title = None
            if spaces := re.compile(r"[ \t]*\n?[ \t]*").match(text, end):
                title = _TITLE.match(text, spaces.end()) if spaces.end() > end else None
            rest = re.compile(r"[ \t]*(?:\n|\Z)").match(text, title.end() if title else end)
            if rest is None and title is not None:
                title, rest = None, re.compile(r"[ \t]*(?:\n|\Z)").match(text, end)
            if rest is None:
                break
            written = next((part for part in title.groups() if part is not None), "") if title else None
            href = place[1] if place[1] is not None else place[2]
            self.md.references.setdefault(normal_label(label[1]), (href, written or ""))
            text = text[rest.end() :]
        return text


def normal_label(label: str, *, fold: bool = True) -> str:
    """A link's label as it is compared: blanks don't count, nor does case (nor, with `fold`, `ß` for `ss`)."""
    label = " ".join(label.split())
    return label.casefold() if fold else label.lower()
