"""The sample: one message as it will be sent, parsed once, with what it was made from.

Every rule reads a `Sample` and nothing else. It is made from the bytes of the message, so the checks see what the
reader's client will see; the post and the config only tell where things come from and what was meant. A message from
elsewhere (the test inbox) has neither.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from lxml import etree

from newsletter.checks.sources import Sources, read_sources
from newsletter.config.settings import Checks, Config
from newsletter.css import computed, parse
from newsletter.css.computed import ComputedStyle
from newsletter.css.nesting import parse_page
from newsletter.css.parse import Element, Rule, Sheet
from newsletter.mime.message import Message, read_message
from newsletter.mime.parse import Part
from newsletter.site.page import Page
from newsletter.site.post import Post

DEFAULT_CLIENTS: tuple[str, ...] = tuple(Checks().clients)
PADDING = re.compile(
    "[\\s\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u2000-\u200f\u202a-\u202f\u205f-\u206f\u2800\u3000\u3164\ufeff\uffa0]+"
)
"""White space and what shows as nothing: preheaders are padded with it."""
_DARK = re.compile(r"\(\s*prefers-color-scheme\s*:\s*dark\s*\)")
_LONGEST = 600_000  # characters of HTML, pictures in it aside; Gmail shows a sixth of that
_MOST_TAGS = 30_000
_LONGEST_HEADER = 10_000
_LONGEST_TEXT = 1_000_000  # characters of the plain text
_LONGEST_TAG = re.compile(r"(<[a-zA-Z][^>]{10000})[^>]+")
_LONGEST_STYLE = 250_000  # characters of all style elements; Gmail reads a fifteenth
_DATA = re.compile(r"(\bsrc\s*=\s*[\"']?\s*data:[^\"'\s>]{0,80})[^\"'\s>]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Style:
    """A `<style>` element of the message."""

    sheet: Sheet
    size: int  # bytes
    before: int  # lines of the HTML part before its text


@dataclass(frozen=True, slots=True)
class TextRun:
    """A piece of text that stands directly in an element, as it stands there."""

    text: str
    element: Element


@dataclass(frozen=True, slots=True)
class Body:
    """What a part says, its size without the transfer encoding, and what its header says of charsets."""

    text: str
    size: int  # bytes
    charset: str  # as declared, in lower case; empty if not
    mislabelled: bool  # bytes that are not in that charset


@dataclass(frozen=True, eq=False)
class Sample:
    """What a check sees. Lengths are bytes where not said otherwise; lines are from 1."""

    raw: bytes
    message: Message
    html: Body | None
    text: Body | None
    page: Page | None = None
    now: datetime | None = None  # when it would go out; None: that is not asked
    config: Config | None = None
    sources: Sources = field(default_factory=Sources)
    clients: tuple[str, ...] = DEFAULT_CLIENTS
    ignore: frozenset[str] = frozenset()

    @cached_property
    def subject(self) -> str | None:
        """The subject decoded; None without one."""
        root = self.message.root
        return None if root.header("subject") is None else root.get("subject")[:_LONGEST_HEADER].strip()

    @cached_property
    def attached(self) -> Mapping[str, int]:
        """The decoded sizes of the parts that the HTML can show, by Content-ID."""
        shown = (self.message.rich, self.message.plain)
        parts = (part for part in self.message.parts if part.content_id and not part.children and part not in shown)
        return {part.content_id: len(part.content()) for part in parts}

    @property
    def post(self) -> Post | None:
        """The post that the message was made of."""
        return self.page.post if self.page is not None else None

    @cached_property
    def tree(self) -> Element | None:
        """The html element; None without an HTML part."""
        if self.html is None or not self.html.text.strip():
            return None
        parser = etree.HTMLParser(encoding="utf-8")  # stops at a depth of 256
        text = bounded(self.html.text)
        try:
            return parse_page(text, parser)
        except (etree.ParserError, etree.XMLSyntaxError):
            return None

    @cached_property
    def elements(self) -> tuple[Element, ...]:
        """Every element in document order; comments, so conditional ones too, are none."""
        return () if self.tree is None else tuple(node for node in self.tree.iter() if isinstance(node.tag, str))

    @cached_property
    def styles(self) -> tuple[Style, ...]:
        """The style elements; those inside conditional comments are not among them."""
        found = []
        left = _LONGEST_STYLE
        for element in self.all("style"):
            text = element.text or ""
            line: object = element.sourceline
            before = line - 1 if isinstance(line, int) else 0
            found.append(Style(parse.parse_sheet(text[:left]), len(text.encode()), before))
            left = max(0, left - len(text))
        return tuple(found)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The style rules that apply on any screen, in order."""
        return tuple(rule for style in self.styles for rule in style.sheet.rules if not _conditional(rule))

    @cached_property
    def dark_rules(self) -> tuple[Rule, ...]:
        """The style rules that apply in dark mode only."""
        return tuple(rule for style in self.styles for rule in style.sheet.rules if _dark_only(rule))

    @cached_property
    def computed_styles(self) -> Mapping[Element, ComputedStyle]:
        """How each element looks in light mode."""
        return computed.computed_styles(self.elements, self.rules)

    @cached_property
    def knows_dark(self) -> bool:
        """Whether the message says `color-scheme: dark`, so that a client darkens the page behind it."""
        metas = (meta for meta in self.all("meta") if (meta.get("name") or "").lower() == "color-scheme")
        values = [meta.get("content") or "" for meta in metas]
        for rule in (rule for rule in self.rules if any(s.text.lower() in {":root", "html"} for s in rule.selectors)):
            values += [item.value for item in rule.declarations if item.name == "color-scheme"]
        return any("dark" in value.lower() for value in values)

    @cached_property
    def dark_styles(self) -> Mapping[Element, ComputedStyle] | None:
        """How each element looks in dark mode; None for a message that does not deal with it, whose colours clients
        turn over together."""
        if not (self.knows_dark or self.dark_rules):
            return None
        rules = [r for style in self.styles for r in style.sheet.rules if not _conditional(r) or _dark_only(r)]
        return computed.computed_styles(self.elements, rules, dark=self.knows_dark)

    @cached_property
    def drawn_for_outlook(self) -> bool:
        """Whether a background is drawn a second time in VML, which Outlook on Windows knows."""
        return self.html is not None and ("<v:fill" in self.html.text or "<v:background" in self.html.text)

    @cached_property
    def read(self) -> frozenset[Element]:
        """The elements in which the reader sees words, at any depth."""
        found: set[Element] = set()
        for words in self.shown:
            node: Element | None = words.element
            while node is not None and node not in found:
                found.add(node)
                node = node.getparent()
        return frozenset(found)

    @cached_property
    def words(self) -> tuple[TextRun, ...]:
        """Every piece of text in the body that is not only padding, in reading order, hidden or not."""
        return tuple(self._words())

    @cached_property
    def shown(self) -> tuple[TextRun, ...]:
        """The pieces of text that the reader sees."""
        return tuple(words for words in self.words if self.shows(words))

    def all(self, *tags: str) -> Iterator[Element]:
        """The elements of these names, in document order."""
        return (element for element in self.elements if element.tag in tags)

    def hidden(self, element: Element) -> bool:
        """Whether the reader never sees it, nor anything inside it."""
        return self.computed_styles[element].gone

    def shows(self, words: TextRun) -> bool:
        """Whether the reader sees these words."""
        return not self.computed_styles[words.element].hidden

    def _words(self) -> Iterator[TextRun]:
        if self.tree is not None:  # not the body: of a fragment, libxml2 may leave the beginning in the head
            for text, element in body_text(self.tree):
                if element.tag not in computed.NOT_SHOWN and PADDING.sub("", text):
                    yield TextRun(text, element)

    def header(self, name: str) -> str | None:
        """A header's value unfolded, encoded words left alone; None if it is not there."""
        value = self.message.root.header(name)
        return None if value is None else value[:_LONGEST_HEADER].strip()


def sample_of(
    message: bytes,
    page: Page | None = None,
    config: Config | None = None,
    template: Path | None = None,
    *,
    now: datetime | None = None,
) -> Sample:
    """Parse a message for the checks. `template` is the file that it was rendered with, for the lines of findings;
    `now` (aware) is the moment at which it would go out.

    Takes any bytes: what can't be parsed is missing in the sample, and the rules say so.
    """
    parse.forget_sheets()
    parsed = read_message(message)
    root = config.root if config else None
    post = page.post if page else None
    sources = read_sources(post.path if post else None, post.body_line if post else 1, template, root)
    return Sample(
        raw=message,
        message=parsed,
        html=_body(parsed.rich),
        text=_body(parsed.plain, _LONGEST_TEXT),
        page=page,
        now=now,
        config=config,
        sources=sources,
        clients=tuple(config.checks.clients) if config else DEFAULT_CLIENTS,
        ignore=frozenset(config.checks.ignore if config else ()) | _silenced(post),
    )


def body_text(element: Element) -> Iterator[tuple[str, Element]]:
    """Every text under an element in reading order, with the element that it stands in directly."""
    for event, node in etree.iterwalk(element, events=("start", "end", "comment")):
        if event == "start":
            if node.text and isinstance(node.tag, str):
                yield node.text, node
            continue
        if node is not element and node.tail:
            parent = node.getparent()
            if parent is not None:
                yield node.tail, parent


def squeeze(text: str) -> str:
    """The text as read: padding becomes one blank, none at the ends."""
    return PADDING.sub(" ", text).strip()


def element_text(element: Element) -> str:
    """What an element says, squeezed; scripts and styles left out."""
    return squeeze("".join(text for text, at in body_text(element) if at.tag not in computed.NOT_SHOWN))


def _body(part: Part | None, most: int | None = None) -> Body | None:
    if part is None:
        return None
    content = part.content()
    return Body(part.text()[:most], len(content), part.charset, part.mislabelled)


def bounded(html: str) -> str:
    """What is looked at of a message's HTML, so that a hostile one costs no more than a large one.

    The data of pictures says nothing; tags of more than 10,000 characters cost libxml2 the square of their attributes.
    """
    html = _LONGEST_TAG.sub(r"\1", _DATA.sub(r"\1", html.replace("\0", "")))[:_LONGEST]
    return "<".join(html.split("<", _MOST_TAGS)[:_MOST_TAGS]) if html.count("<") > _MOST_TAGS else html


def _silenced(post: Post | None) -> frozenset[str]:
    if post is None:
        return frozenset()
    checks = post.front_matter.get("checks")
    names: Any = checks.get("ignore") if isinstance(checks, Mapping) else ()
    if isinstance(names, str):
        names = [names]
    return frozenset(str(name) for name in names) if isinstance(names, Iterable) else frozenset()


def _conditional(rule: Rule) -> bool:
    """Whether something around the rule may keep it from applying; `@media screen` and `all` do not."""
    return any(
        at_rule.condition not in {"media all", "media screen", "media only screen"} and at_rule.name != "layer"
        for at_rule in rule.around
    )  # fmt: skip


def _dark_only(rule: Rule) -> bool:
    """Whether dark mode is all that the rule waits for."""
    return bool(rule.around) and all(
        _DARK.sub("", name).replace("only", "").replace("screen", "").replace("and", "").strip() == "media"
        and _DARK.search(name)
        for name in (at_rule.condition for at_rule in rule.around)
    )
