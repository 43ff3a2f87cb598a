"""Blocks that no standard has and people write all the same: footnotes, definitions, notes, kramdown's own.

Sources: PHP Markdown Extra, GitHub's alerts, python-markdown's admonitions, kramdown's syntax page.
"""

import re
from collections.abc import Mapping, MutableMapping
from html import escape
from xml.etree.ElementTree import Element

from markdown.extensions.attr_list import get_attrs_and_remainder

from newsletter.compose.markdown.blocks import Blocks

FOOTNOTE = re.compile(r"\[\^([^\]\s]+)\]:[ \t]*(.*)")
ADMONITION = re.compile(r"(?:!!!|\?\?\?\+?)[ \t]+([\w-]+(?: +[\w-]+)*)(?:[ \t]+(\"[^\"]*\"))?[ \t]*\Z")
ALERT = re.compile(r"\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\][ \t]*\Z", re.IGNORECASE)
ATTRIBUTES = re.compile(r"\{:(?![:/])[^{}\n]*\}[ \t]*\Z")
GOLDMARK_ATTRIBUTES = re.compile(r"\{[ \t]*(?:[.#][\w-]+|[\w-]+=)[^{}\n]*\}[ \t]*\Z")
_EXTENSION = re.compile(r"\{::(comment|nomarkdown|options)\b[^{}\n]*?(/?)\}[ \t]*")
_ABBREVIATION = re.compile(r"\*\[([^\]\\]+)\][ ]?:[ \t]*(.+?)[ \t]*\Z")


def abbreviation(text: str, known: MutableMapping[str, str]) -> bool:
    """Whether `text` says what an abbreviation means; it is then kept."""
    match = _ABBREVIATION.match(text)
    if match:
        known[match[1].strip(" \t")] = match[2]
    return match is not None


def extension(reader: Blocks, parent: Element, lines: list[str], at: int, text: str) -> int:
    """kramdown's `{::comment}`, `{::nomarkdown}` and `{::options /}`; the line that follows, 0 where there is none."""
    match = _EXTENSION.match(text)
    if match is None:
        return 0
    if match[2]:
        return at + 1
    end = re.compile(rf"\{{:/(?:{match[1]})?\}}")
    if end.search(text, match.end()):  # on one line it is a part of the text
        return 0
    inner: list[str] = []
    rest = text[match.end() :]
    while True:
        closing = end.search(rest)
        inner.append(rest[: closing.start()] if closing else rest)
        at += 1
        if closing or at >= len(lines):
            break
        rest = lines[at]
    if match[1] == "nomarkdown":
        reader.raw(parent, "\n".join(inner))
    return at


def expanded(written: str, named: Mapping[str, str], depth: int = 8) -> str:
    """Attributes, with what the names in them stand for in their places."""
    words = re.split(r"""(\s+|[\w-]+=(?:"[^"]*"|'[^']*'))""", written)
    return "".join(
        expanded(named[word], named, depth - 1) if word in named and depth else word
        for word in words
        if word in named or not re.fullmatch(r"[\w-]+", word)
    )


def assign(element: Element, written: str) -> None:
    """Give `element` the attributes of kramdown's `{: .class #id name="value"}`."""
    for name, value in get_attrs_and_remainder(written)[0]:
        if name == ".":
            element.set("class", " ".join(filter(None, [element.get("class"), value])))
        elif value is not None and re.fullmatch(r"[A-Za-z_][\w:.-]*", name):
            element.set(name, value)


def math(reader: Blocks, parent: Element, lines: list[str], at: int, text: str) -> int:
    """A block between `$$` and `$$`: shown as written, because mail has no mathematics; 0 where there is none."""
    if not text.startswith("$$"):
        return 0
    inner: list[str] = []
    for end in range(at, len(lines)):
        line = text if end == at else lines[end]
        if not line.strip(" \t"):
            return 0
        inner.append(line)
        if line.rstrip().endswith("$$") and (end > at or len(text.strip(" \t")) > 4):
            reader.raw(parent, f'<p class="math">{escape(chr(10).join(inner), quote=False)}</p>')
            return end + 1
    return 0
