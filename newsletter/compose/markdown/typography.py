"""Quotes, dashes and ellipses as the blog's generator sets them, in a tree of python-markdown.

A block's text is laid out as it was written, marks of emphasis and links included, because both generators look at what
stands before and after a quote in the source. What is set is put back; code, addresses and what a backslash escapes
stay. Sources: kramdown's smart_quotes.rb and typographic_symbol.rb; goldmark's typographer.go.
"""

import re
import string
import unicodedata
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from markdown.treeprocessors import Treeprocessor
from markdown.util import AtomicString

from newsletter.compose.markdown.grammar import SYMBOLS, Grammar

if TYPE_CHECKING:
    from newsletter.compose.markdown.convert import Converter

_SKIPPED = frozenset({"code", "pre"})
_MARKS = {"em": ("*", "*"), "strong": ("**", "**"), "del": ("~~", "~~"), "a": ("[", "](x)"), "sup": ("[^", "]")}
_INLINE = frozenset({"a", "abbr", "br", "code", "del", "em", "img", "span", "strong", "sup"})
_PLACE = re.compile(r"\x02(?:wzxhzdk:(\d+)|(\d+)|[^\x03]*)\x03")
_SIGNS = re.compile(r"-{2,}|\.\.\.|<< ?| ?>>|[\"']")

_PUNCTUATION = r"[!\"#$%'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"
_KRAMDOWN: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    # Ruby's word characters and blanks are ASCII's, its word boundaries are not.
    (re.compile(pattern.replace(r"\w", "[A-Za-z0-9_]").replace(r"\s", r"[ \t\r\n\f\v]")), side)
    for pattern, side in (
        (r"[\"'](?=[_*]{1,2}\S)", "l"),
        (rf"[\"'](?={_PUNCTUATION}(?!\.\.)\B)", "r"),
        (r"\s?\"'(?=\w)", "ll"),
        (r"\s?'\"(?=\w)", "ll"),
        (r"\s?'(?=\d\ds)", "r"),
        (r"\s[\"'](?=\w)", "l"),
        (r"[^ \\\t\r\n\[{(\-][\"']", "r"),
        (r"[\"'](?=\s|s\b|$)", "r"),
    )
)
_ASCII = frozenset(string.punctuation)
_CONTRACTED = re.compile(r"'(?:[smtd]|ve|ll|re)(?![^\W_])")


class Typography(Treeprocessor):
    """Runs after inline Markdown, before escapes are undone."""

    md: "Converter"

    def run(self, root: Element) -> None:
        goldmark = self.md.grammar.typography == "goldmark"
        quotes = (_Goldmark if goldmark else _Kramdown)(self.md.grammar.quotes)
        for element in root.iter():
            if element.tag not in _INLINE and element.tag not in _SKIPPED:
                _TextBlock(self.md, element, quotes.quote).set()


class _TextBlock:
    """The inline content of a block, laid out as one text."""

    def __init__(self, md: "Converter", element: Element, quote: Callable[[str, int, int], str]) -> None:
        self.md, self.quote = md, quote
        self.source = ""
        self.parts: list[tuple[Element, str, int, int]] = []  # whose text or tail stands where
        self.editable: list[tuple[int, int]] = []
        self.element = element

    def set(self) -> None:
        for run in self._runs():
            self.source, self.parts, self.editable = "", [], []
            for node, which in run:
                self._lay(node, which)
            if _SIGNS.search(self.source):
                self._put_back(self._replaced())

    def _runs(self) -> Iterator[list[tuple[Element, str]]]:
        """The stretches of text and inline elements between blocks in this one."""
        run = [(self.element, "text")]
        for child in self.element:
            if child.tag in _INLINE:
                run.append((child, "whole"))
            else:
                yield run
                run = []
            run.append((child, "tail"))
        yield run

    def _lay(self, element: Element, which: str) -> None:
        if which == "whole":
            opening, closing = _MARKS.get(element.tag, ("", ""))
            if element.tag == "br":
                self.source += "\n"
            elif element.get("class") == "footnote-backref":
                pass  # the text ends before it
            elif element.tag in {"code", "img"} or isinstance(element.text, AtomicString):
                self.source += "`x`" if element.tag == "code" else element.text or "![x](x)"
            else:
                self.source += opening
                self._lay(element, "text")
                for child in element:
                    self._lay(child, "whole")
                    self._lay(child, "tail")
                self.source += closing
            return
        text = getattr(element, which)
        if not text or isinstance(text, AtomicString):
            return
        at = 0
        for place in [*_PLACE.finditer(text), None]:
            end = place.start() if place else len(text)
            if end > at:
                self.parts.append((element, which, at, end))
                self.editable.append((len(self.source), len(self.source) + end - at))
                self.source += text[at:end]
            if place:
                at = place.end()
                if place[1]:
                    self.source += str(self.md.htmlStash.rawHtmlBlocks[int(place[1])])
                elif place[2]:
                    self.source += "\\" + chr(int(place[2]))

    def _replaced(self) -> list[str]:
        """Each editable part as it is set."""
        grammar = self.md.grammar
        found = []
        for start, end in self.editable:
            pieces: list[str] = []
            at = free = start  # `free`: from where on what stands before a quote is seen with it
            for sign in _SIGNS.finditer(self.source, start, end):
                if sign.start() < at:
                    continue
                pieces.append(self.source[at : sign.start()])
                if sign[0] in "\"'":
                    set_ = self.quote(self.source, sign.start(), free)
                    at = sign.start() + len(set_)
                else:
                    set_, at = _sign(sign[0], grammar) if grammar.signs else sign[0], sign.end()
                free = at
                pieces.append(set_)
            pieces.append(self.source[at:end])
            found.append("".join(pieces))
        return found

    def _put_back(self, replaced: list[str]) -> None:
        texts: dict[tuple[int, str], list[tuple[int, int, str]]] = {}
        holders: dict[int, Element] = {}
        for (element, which, start, end), text in zip(self.parts, replaced, strict=True):
            holders[id(element)] = element
            texts.setdefault((id(element), which), []).append((start, end, text))
        for (key, which), edits in texts.items():
            old = getattr(holders[key], which)
            pieces, at = [], 0
            for start, end, text in edits:
                pieces += [old[at:start], text]
                at = end
            setattr(holders[key], which, "".join([*pieces, old[at:]]))


def _sign(written: str, grammar: Grammar) -> str:
    """Dashes, ellipses and guillemets."""
    symbols = {**SYMBOLS, **dict(grammar.symbols)}
    if written[0] == "-":
        rest = {0: "", 1: "-", 2: symbols["ndash"]}[len(written) % 3]
        return symbols["mdash"] * (len(written) // 3) + rest
    if written[0] == ".":
        return symbols["hellip"]
    if grammar.typography == "kramdown":
        name = {"<< ": "laquo_space", " >>": "raquo_space", "<<": "laquo", ">>": "raquo"}[written]
        return symbols[name]
    return written.replace("<<", symbols["laquo"]).replace(">>", symbols["raquo"])


class _Kramdown:
    """kramdown's rules, the first that matches; the character before belongs to them where nothing else took it."""

    def __init__(self, quotes: str) -> None:
        self.quotes = quotes

    def quote(self, source: str, at: int, free: int) -> str:
        """The quote or two at offset `at`, set."""
        start = at - 1 if at > free and source[at - 1] not in "\\*_`[" else at
        rules = ((pattern.match(source, start), side) for pattern, side in _KRAMDOWN)
        side = next((side for found, side in rules if found and found.end() > at), "l")
        return "".join(
            self.quotes[(0 if mark == "'" else 2) + (which == "r")]
            for mark, which in zip(source[at : at + len(side)], side, strict=True)
        )


class _Goldmark:
    """goldmark's rules: by what flanks the quote, and whether one is open in any block."""

    def __init__(self, quotes: str) -> None:
        self.quotes = quotes
        self.single = self.double = 0

    def quote(self, source: str, at: int, free: int) -> str:
        """The quote at offset `at`, set; straight where it neither opens nor closes."""
        mark = source[at]
        end = at + 1
        while source.startswith(mark, end):
            end += 1
        before, after = source[at - 1 : at] or "\n", source[at + 1 : at + 2] or "\n"
        third, behind = source[at + 2 : at + 3] or "\n", source[end : end + 1] or "\n"
        left = not behind.isspace() and (not _punctuation(behind) or before.isspace() or _punctuation(before))
        right = not before.isspace() and (not _punctuation(before) or behind.isspace() or _punctuation(behind))
        closes = right and (not left or (_is_p(after) and (third in _ASCII or third.isspace())))
        if mark == '"':
            if left and not right:
                self.double += 1
                return self.quotes[2]
            if self.double and closes and not (after == '"' and before.isdigit()):
                self.double -= 1
                return self.quotes[3]
            return mark
        if left and not right and re.match(r"'\d\d[sS](?![^\W_])", source[at:]):
            return self.quotes[1]
        if (before.isspace() or _is_p(before)) and after in "tenl":
            return self.quotes[1]
        if before.isalnum() and after.isalpha():
            return self.quotes[1]
        if left and not right:
            if _CONTRACTED.match(source, at):
                return self.quotes[1]
            self.single += 1
            return self.quotes[0]
        if len(source[at:].partition("\n")[0]) > 2 and not after.isdigit():
            return self.quotes[1]
        if self.single and closes:
            self.single -= 1
            return self.quotes[1]
        return mark


def _is_p(character: str) -> bool:
    return unicodedata.category(character)[0] == "P"


def _punctuation(character: str) -> bool:
    return _is_p(character) or character in "$+<=>^`|~"
