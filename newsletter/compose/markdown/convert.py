"""Markdown to an HTML fragment for mail, as the post's own blog would show it.

python-markdown runs it: a reader of the post's dialect stands in its block parser's place (`kramdown`, `commonmark`),
`inline` in its inline processor's; footnotes, abbreviations and attributes are its extensions; `typography`, `finish`
and `sanitize` come behind. What surrounds the fragment, and CSS, is the template's business; Liquid and shortcodes have
been evaluated before (`body`).
"""

import re
import threading
from collections.abc import Mapping
from html import escape
from typing import Any
from xml.etree.ElementTree import Element

import markdown
from markdown.extensions.abbr import AbbrExtension
from markdown.extensions.footnotes import FootnoteExtension
from markdown.postprocessors import Postprocessor
from markdown.preprocessors import Preprocessor

from newsletter.compose.html.images import fit, natural_size
from newsletter.compose.html.sanitize import sanitize
from newsletter.compose.markdown.blocks import RAW, Blocks
from newsletter.compose.markdown.commonmark import CommonMark
from newsletter.compose.markdown.finish import Attributes, Finish
from newsletter.compose.markdown.grammar import Grammar, grammar_of
from newsletter.compose.markdown.inline import patterns
from newsletter.compose.markdown.inline.scan import InlineMarkdown
from newsletter.compose.markdown.kramdown import Kramdown
from newsletter.compose.markdown.typography import Typography
from newsletter.compose.templating.tokens import TOKEN
from newsletter.errors import NewsletterError
from newsletter.site.page import Page

SECONDS = 4.0
"""Processor time that a post's Markdown may take: a busy machine refuses no honest post."""

_FOOTNOTES: dict[str, Any] = {
    "SEPARATOR": "-",
    "BACKLINK_TEXT": "↩\ufe0e",
    "BACKLINK_TITLE": "Back to the text",
    "USE_DEFINITION_ORDER": False,
}
_WORD = re.compile("<p>\\s*(\ue000\\d+\ue001)\\s*</p>|(\ue000\\d+\ue001)")
_NAMED = re.compile(r'\s(?:id|name)="([^"]*)"')
_FRAGMENT = re.compile(r'(<a\b[^<>]*?\shref=")#([^"]+)"')
_MORE = re.compile(r"<!--[ \t]*more[ \t]*-->")
_LOCAL = threading.local()


def render_markdown(source: str, page: Page, places: Mapping[str, str] | None = None) -> str:
    """`source` as HTML: addresses absolute, code coloured inline, words in it that stand for a reader's values kept.

    `places` has the HTML for words that stand for some (shortcodes).

    Raises NewsletterError with the post's line for what is nested too deep or takes too long.
    """
    converter = _converter(grammar_of(page.site))
    converter.reset()
    converter.first_line = page.post.body_line
    try:
        html = converter.convert(source)
    except NewsletterError as error:
        line = page.post.body_line + (error.line or 1) - 1
        raise NewsletterError(error.what, path=page.post.path, line=line) from None
    return fit_for_mail(_placed(html, places) if places else html, page)


def _placed(html: str, places: Mapping[str, str]) -> str:
    """`html` with what the words in `places` stand for; one that is a paragraph takes the paragraph's place."""
    for _ in range(len(places)):
        html, count = _WORD.subn(lambda found: places.get(found[1] or found[2], ""), html)
        if not count:
            break
    return html


def fit_for_mail(html: str, page: Page) -> str:
    """`html`, a part of the post, tidied: its addresses absolute, its pictures with a width."""

    def sized(address: str, attributes: dict[str, str]) -> dict[str, str]:
        return fit(attributes, natural_size(address, page))

    def absolute(url: str) -> str:
        return url if TOKEN.match(url.strip()) else page.absolute(url)

    try:
        tidied = sanitize(html, absolute, sized)
    except NewsletterError as error:
        raise NewsletterError(error.what, path=page.post.path, line=page.post.body_line) from None
    return _with_targets(tidied, page.url)


def _with_targets(html: str, url: str) -> str:
    """`html`, its links to a place that is on the page but not in this mail (its comments) leading to the page."""
    if not url or 'href="#' not in html:
        return html
    names = set(_NAMED.findall(html))

    def target(found: re.Match[str]) -> str:
        here = re.sub(r"\A(fn|fnref):", r"\1-", found[2])  # what a footnote is called in a mail
        name = next((name for name in (found[2], here) if name in names), None)
        return f'{found[1]}{escape(url)}#{found[2]}"' if name is None else f'{found[1]}#{name}"'

    return _FRAGMENT.sub(target, html)


def _converter(grammar: Grammar) -> "Converter":
    """The converter of this thread; making one takes as long as a post."""
    made: dict[Grammar, Converter] = _LOCAL.__dict__.setdefault("converters", {})
    if grammar not in made:
        made[grammar] = Converter(grammar)
    return made[grammar]


class Converter(markdown.Markdown):
    """python-markdown with a dialect's grammar."""

    parser: Blocks

    def __init__(self, grammar: Grammar, seconds: float = SECONDS) -> None:
        self.grammar, self.seconds = grammar, seconds
        self.line_of: dict[Element, int] = {}  # elements that hold inline Markdown, with their lines in the post
        self.headings: dict[Element, str] = {}  # as they were written
        self.footnote_lines: dict[str, int] = {}
        self.first_line = 1  # of the text, in its post
        super().__init__(
            extensions=[FootnoteExtension(**_FOOTNOTES), AbbrExtension(), "attr_list"], output_format="html"
        )
        self.footnotes = next(each for each in self.registeredExtensions if isinstance(each, FootnoteExtension))
        abbreviations = next(each for each in self.registeredExtensions if isinstance(each, AbbrExtension))
        self.abbreviations: dict[str, str] = getattr(abbreviations, "abbrs")  # noqa: B009 (the stubs lack it)
        for name in ("html_block", "normalize_whitespace"):
            self.preprocessors.deregister(name)
        self.preprocessors.register(_Clean(self), "clean", 30)
        patterns.register(self)
        self.treeprocessors.register(InlineMarkdown(self), "inline", 20)
        self.treeprocessors.register(Attributes(self), "attr_list", 8)
        if grammar.typography:
            self.treeprocessors.register(Typography(self), "typography", 4)
        self.treeprocessors.register(Finish(self), "finish", 3)
        self.postprocessors.register(_Raw(self), "raw_html", 30)

    def build_parser(self) -> "Converter":
        super().build_parser()
        self.parser = Kramdown(self) if self.grammar.name == "kramdown" else CommonMark(self)
        return self

    def reset(self) -> "Converter":
        self.line_of.clear()
        self.headings.clear()
        self.footnote_lines.clear()
        super().reset()
        return self


class _Clean(Preprocessor):
    """Takes out the characters that python-markdown's places are made of; tabs stay, unlike in its own.

    Hugo ends the paragraph at `<!--more-->`.
    """

    md: Converter

    def run(self, lines: list[str]) -> list[str]:
        if self.md.grammar.goldmark:
            lines = [part for line in lines for part in _MORE.sub("\n\n", line).split("\n")]
        return [line.replace("\x02", "").replace("\x03", "").replace("\0", "\ufffd") for line in lines]


class _Raw(Postprocessor):
    """Puts raw HTML in its places: a block's in place of its paragraph."""

    _PLACE = re.compile(rf'<p {RAW}="">\x02wzxhzdk:(\d+)\x03</p>|\x02wzxhzdk:(\d+)\x03')

    def run(self, text: str) -> str:
        blocks = self.md.htmlStash.rawHtmlBlocks
        return self._PLACE.sub(lambda found: str(blocks[int(found[1] or found[2])]), text)
