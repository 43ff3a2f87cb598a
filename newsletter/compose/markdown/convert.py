"""Markdown to an HTML fragment for mail, as the post's own blog would show it.

python-markdown with `blocks` in front (lists, fences, raw HTML and kramdown as their authors meant them), typography,
and `tidy` behind (absolute addresses, nothing that runs, everything closed). What surrounds the fragment, and CSS, is
the template's business; Liquid and shortcodes have been evaluated before (`body`).
"""

import re
import threading
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import markdown
from markdown.blockprocessors import BlockQuoteProcessor
from markdown.extensions.attr_list import AttrListTreeprocessor
from markdown.inlinepatterns import InlineProcessor, SimpleTagInlineProcessor
from markdown.preprocessors import Preprocessor
from markdown.treeprocessors import Treeprocessor
from markdown.util import AtomicString
from pymdownx.saneheaders import SaneHeadersProcessor

from newsletter.compose.html.images import fit, natural_size
from newsletter.compose.html.sanitize import tidy
from newsletter.compose.markdown.highlight import highlight, language_of
from newsletter.compose.markdown.normalize import normalise
from newsletter.compose.markdown.raw_html import Dialect
from newsletter.compose.markdown.typography import Typography
from newsletter.site.page import Page

WIDE = 5
"""Columns of a table from which on phones have no room for it: templates let it scroll."""

_EXTENSIONS = ("tables", "footnotes", "def_list", "attr_list", "abbr", "admonition", "sane_lists")
_OPTIONS: dict[str, dict[str, Any]] = {
    "footnotes": {"SEPARATOR": "-", "BACKLINK_TEXT": "↩\ufe0e", "BACKLINK_TITLE": "Back to the text"},
}
_MORE_ESCAPES = "\"'$%&,/:;<=>?@^|~"
_BARE = r"(?<![\w/@.=\"'(\[])((?:https?://|www\.)[^\s<>\"'\x02\x03]+)|(?<=\()(https?://[^\s<>\"'\x02\x03]+)"
_LEFT = re.compile(r"[ \t]*\{:(?!:)[^{}\n]*\}")
_INDENT = re.compile(r"\n +")
_LOCAL = threading.local()


def render_markdown(source: str, page: Page) -> str:
    """`source` as HTML: addresses absolute, code coloured inline, words in it that stand for a reader's values kept."""
    dialect: Dialect = "commonmark" if page.site.kind == "hugo" else "kramdown"
    converter = _converter(dialect)
    converter.reset()
    html = converter.convert(source)
    return fit_for_mail(html, page)


def fit_for_mail(html: str, page: Page) -> str:
    """`html`, a part of the post, tidied: its addresses absolute, its pictures with a width."""

    def sized(address: str, attributes: dict[str, str]) -> dict[str, str]:
        return fit(attributes, natural_size(address, page))

    return tidy(html, page.absolute, sized)


def _converter(dialect: Dialect) -> markdown.Markdown:
    """The converter of this thread; making one takes as long as a post."""
    made = getattr(_LOCAL, dialect, None)
    if made is None:
        made = _make(dialect)
        setattr(_LOCAL, dialect, made)
    assert isinstance(made, markdown.Markdown)
    return made


def _make(dialect: Dialect) -> markdown.Markdown:
    converter = markdown.Markdown(extensions=list(_EXTENSIONS), extension_configs=_OPTIONS, output_format="html")
    converter.ESCAPED_CHARS = [
        *converter.ESCAPED_CHARS,
        *(c for c in _MORE_ESCAPES if c not in converter.ESCAPED_CHARS),
    ]
    converter.preprocessors.deregister("html_block")
    converter.parser.blockprocessors.register(SaneHeadersProcessor(converter.parser), "hashheader", 70)
    converter.parser.blockprocessors.register(_Quote(converter.parser), "quote", 20)
    converter.preprocessors.register(_Blocks(converter, dialect), "blocks", 27)
    converter.inlinePatterns.register(SimpleTagInlineProcessor(r"(~~)(?=\S)(.+?)(?<=\S)~~", "del"), "strike", 65)
    converter.inlinePatterns.register(_BareAddress(_BARE, converter), "bare", 85)
    converter.inlinePatterns.register(_Mail(r"<([^<>\s@]+@[^<>\s@]+\.[^<>\s@]+)>", converter), "automail", 110)
    if dialect == "kramdown":
        converter.inlinePatterns.register(_Math(r"\$\$(.+?)\$\$", converter), "math", 185)
    converter.treeprocessors.register(_Attributes(converter), "attr_list", 8)
    converter.treeprocessors.register(Typography(converter), "typography", 4)
    converter.treeprocessors.register(_Finish(converter, dialect), "finish", 3)
    return converter


class _Blocks(Preprocessor):
    """`blocks`, with python-markdown's stash for what is HTML already."""

    def __init__(self, converter: markdown.Markdown, dialect: Dialect) -> None:
        super().__init__(converter)
        self.dialect = dialect

    def run(self, lines: list[str]) -> list[str]:
        return normalise(lines, self._stash, self.dialect)

    def _stash(self, kind: str, text: str) -> str:
        html = text if kind == "html" else highlight(text, language_of(kind))
        return str(self.md.htmlStash.store(html))


class _Quote(BlockQuoteProcessor):
    """A blank line ends a quote; python-markdown makes one of two."""

    def run(self, parent: Element, blocks: list[str]) -> None:
        before = self.lastChild(parent)
        if before is None or before.tag != "blockquote" or self.RE.search(blocks[0]) is None:
            super().run(parent, blocks)
            return
        apart = SubElement(parent, "hr")
        super().run(parent, blocks)
        parent.remove(apart)


class _BareAddress(InlineProcessor):
    """A web address in the text is a link, as on GitHub; punctuation after it isn't part of it."""

    ANCESTOR_EXCLUDES = ("a",)

    def handleMatch(  # type: ignore[override]  # noqa: N802
        self, m: re.Match[str], data: str
    ) -> tuple[Element | None, int | None, int | None]:
        address = m[1] or m[2]
        while address and (
            address[-1] in "?!.,:;*_~" or (address[-1] == ")" and address.count("(") < address.count(")"))
        ):
            address = address[:-1]
        if address in {"http://", "https://", "www."} or len(address) < 8:
            return None, None, None
        link = Element("a", href=address if address.startswith("http") else f"https://{address}")
        link.text = AtomicString(address)
        return link, m.start(0), m.start(0) + len(address)


class _Mail(InlineProcessor):
    """`<ada@example.org>` is a link to write to; spam harvesters don't read mail, so nothing is disguised."""

    def handleMatch(  # type: ignore[override]  # noqa: N802
        self, m: re.Match[str], data: str
    ) -> tuple[Element, int, int]:
        address = m[1].removeprefix("mailto:")
        link = Element("a", href=f"mailto:{address}")
        link.text = AtomicString(address)
        return link, m.start(0), m.end(0)


class _Math(InlineProcessor):
    """`$$x_1$$`: shown as written, its underscores no emphasis."""

    def handleMatch(  # type: ignore[override]  # noqa: N802
        self, m: re.Match[str], data: str
    ) -> tuple[Element, int, int]:
        span = Element("span", {"class": "math"})
        span.text = AtomicString(m[0])
        return span, m.start(0), m.end(0)


class _Attributes(AttrListTreeprocessor):
    """Attribute lists begin with a colon, a class, an id or a pair; `the set {a, b}` is text."""

    # The stubs call these final; the class reads them from its instance.
    BASE_RE = r"\{(?=:|[ ]*[.#]|[ ]*[\w-]+=)\:?[ ]*([^\}\n ][^\}\n]*)\}"  # type: ignore[misc]
    HEADER_RE = re.compile(rf"[ ]+{BASE_RE}[ ]*$")  # type: ignore[misc]
    BLOCK_RE = re.compile(rf"\n[ ]*{BASE_RE}[ ]*$")  # type: ignore[misc]
    INLINE_RE = re.compile(rf"^{BASE_RE}")  # type: ignore[misc]


class _Finish(Treeprocessor):
    """What is easier done in the tree: task items, headless tables, names of headings that are linked to."""

    def __init__(self, converter: markdown.Markdown, dialect: Dialect) -> None:
        super().__init__(converter)
        self.dialect = dialect

    def run(self, root: Element) -> None:
        linked = any((link.get("href") or "").startswith("#") for link in root.iter("a"))
        names: set[str] = {name for element in root.iter() if (name := element.get("id"))}
        for element in root.iter():
            if element.text and "\n " in element.text and element.tag not in {"code", "pre"}:
                element.text = _INDENT.sub("\n", element.text)
            if element.tail and "\n " in element.tail:
                element.tail = _INDENT.sub("\n", element.tail)
            if element.tag == "pre" and len(element) and element[0].text:
                element[0].text = AtomicString(element[0].text.rstrip("\n"))
            elif element.tag == "li":
                self._item(element)
            elif element.tag == "table":
                head = element.find("thead")
                if head is not None and not any(
                    "".join(cell.itertext()).strip() or len(cell) for cell in head.iter("th")
                ):
                    element.remove(head)
                if max((len(row) for row in element.iter("tr")), default=0) >= WIDE:
                    element.set("class", "wide")
            elif linked and re.fullmatch(r"h[1-6]", str(element.tag)) and not element.get("id"):
                name = _name("".join(element.itertext()), names)
                if name:
                    element.set("id", name)
            if self.dialect == "kramdown" and element.tag not in {"code", "pre"}:
                self._remove_attributes(element)

    @staticmethod
    def _item(item: Element) -> None:
        first = item[0] if len(item) and item[0].tag == "p" and not (item.text or "").strip() else item
        if (first.text or "").lstrip().startswith(("☐", "☑")):
            item.set("class", "task")
            item.set("style", "list-style-type: none")

    @staticmethod
    def _remove_attributes(element: Element) -> None:
        """kramdown's attribute lists that found nothing to hold on to."""
        if element.text and "{:" in element.text and not isinstance(element.text, AtomicString):
            element.text = _LEFT.sub("", element.text)
        for child in element:
            if child.tail and "{:" in child.tail:
                child.tail = _LEFT.sub("", child.tail)


def _name(text: str, names: set[str]) -> str:
    """A heading's id as kramdown and GitHub make it; none for what depends on the reader."""
    text = re.sub(r"\x02[^\x03]*\x03", "", text)
    if re.search(r"slot[0-9a-f]{12}n\d+z", text):
        return ""
    base = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-") or "section"
    name, number = base, 0
    while name in names:
        number += 1
        name = f"{base}-{number}"
    names.add(name)
    return name
