"""The plain-text part, from the HTML of a post or a mail, for people who read plain text.

Pure. Words within a paragraph are `inline`'s, tables `tables`'s, line breaks `wrap`'s; here are blocks: what
stands below what, how far in, and how much room is between. Slots' tokens stay where they are: a tag of a block goes in
front of the next line, so that what the block leaves out leaves no gap.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import count

from lxml import etree
from lxml import html as lxml_html

from newsletter.compose.templating.tokens import TOKEN, TOKENS_ONLY
from newsletter.compose.text.inline import INVISIBLE, InlineText, collapse
from newsletter.compose.text.lists import list_marks
from newsletter.compose.text.nodes import Item, Node, contents, has_block, is_comment, is_hidden, token_of
from newsletter.compose.text.tables import draw_table, is_layout, read_table
from newsletter.compose.text.words import words_of
from newsletter.compose.text.wrap import display_width, wrap
from newsletter.css.nesting import parse_page

_UNDERLINES = {"h1": "=", "h2": "-", "h3": "~"}
_MARGINS = {"p": 1, "figure": 1, "address": 1, "details": 1, "td": 1, "th": 1, "fieldset": 1}
_NARROWEST = 20  # columns left for text, however deep it is nested
_DEEPEST = 120  # elements; deeper ones are flattened
_NOT_TEXT = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]")
_DECLARATION = re.compile(r"<\?xml[^<>]*\?>")


def html_to_text(html: str, width: int = 72, is_value: Callable[[str], bool] = lambda token: False) -> str:
    """`html`, a fragment or a page, as text in lines of at most `width` columns; no line end at its end.

    `is_value` tells a slot's token that writes something from one that opens, parts or closes a block. It is asked only
    about tokens between two blocks, where nothing else shows.
    """
    source = _NOT_TEXT.sub("", _DECLARATION.sub("", html, count=1)).replace("\r\n", "\n")
    if not source.strip():
        return ""
    parser = lxml_html.HTMLParser(encoding="utf-8", huge_tree=True)
    root = parse_page(source if "<body" in source.lower() else f"<html><body>{source}</body></html>", parser)
    if root is None or "Excessive depth" in str(parser.error_log):
        return "\n".join(wrap(words_of(source), width)).strip()
    inline = InlineText()
    flow = _Flow(inline, width, is_value)
    flow.walk(_flatten(root))
    if inline.links:
        flow.add([f"[{number}] {address}" for address, number in inline.links.items()])
    return "\n".join(line.rstrip() for line in flow.done()).strip("\n")


class _Flow:
    """Lines below one another; `tight` leaves no room around lists (within an item of a tight list)."""

    def __init__(self, inline: InlineText, width: int, is_value: Callable[[str], bool], *, tight: bool = False) -> None:
        self._inline = inline
        self._width = max(width, _NARROWEST)
        self._is_value = is_value
        self._tight = tight
        self._lines: list[str] = []
        self._owed = 0  # blank lines before whatever comes next
        self._given = 0  # of them, those that stand already, before a token
        self._tokens = ""  # for the front of the next line

    def add(self, lines: Sequence[str], before: int = 1, after: int = 1) -> None:
        """Put `lines` below, with at least `before` blank lines above and `after` below."""
        if not lines:
            return
        blank = max(self._owed, before - self._given, 0) if self._lines else 0
        below = [*[""] * blank, *lines]
        below[0] = self._tokens + below[0]
        self._tokens = ""
        self._lines += below
        self._owed, self._given = after, 0

    def token(self, tokens: str) -> None:
        """Tags of blocks: they stand in front of the next line, after the room that is owed to the last."""
        if self._lines:
            self._lines += [""] * self._owed
            self._owed, self._given = 0, self._given + self._owed
        self._tokens += tokens

    def room(self, blank: int) -> None:
        """At least so many blank lines before the next."""
        if self._lines:
            self._owed = max(self._owed, blank - self._given)

    def done(self) -> list[str]:
        """All lines; tokens that nothing followed are the last one."""
        if self._tokens:
            self._lines.append(self._tokens)
            self._tokens = ""
        return self._lines

    def walk(self, element: Node) -> None:
        """Everything in `element`: its blocks, and what stands between them as paragraphs of their own."""
        items = contents(element)
        alone = not any(map(has_block, items))
        run: list[Item] = []
        for item in items:
            if isinstance(item, str) or not has_block(item):
                run.append(item)
                continue
            self._run(run, alone)
            run = []
            self._block(item)
        self._run(run, alone)

    def within(self, width: int, *, tight: bool = False) -> "_Flow":
        """A flow for what is set in, into so many columns."""
        return _Flow(self._inline, width, self._is_value, tight=tight)

    def paragraph(self, items: Iterable[Item], before: int = 0, after: int = 0) -> None:
        text = self._inline.read(items)
        if text:
            self.add(wrap(text, self._width), before, after)

    def _run(self, items: list[Item], alone: bool) -> None:
        words = [item if isinstance(item, str) else token_of(item) if is_comment(item) else None for item in items]
        text = "".join(word for word in words if word)
        if None not in words and (not text.strip() or (not alone and TOKENS_ONLY.match(text))):
            for token in TOKEN.findall(text):
                if self._is_value(token):
                    self.add([token], 0, 0)
                else:
                    self.token(token)
            return
        self.paragraph(items)

    def _block(self, element: Node) -> None:
        if is_hidden(element):
            return
        tag = str(element.tag)
        if tag in _DRAWN:
            _DRAWN[tag](self, element)
            return
        margin = _MARGINS.get(tag, 0)
        self.room(margin)
        if "admonition" in element.get("class", "").split():
            self._set_in(element, "| ")
            return
        self.walk(element)
        if tag == "a" and self._lines:
            shown = collapse(" ".join(str(text) for text in element.itertext()))
            self._lines[-1] += self._inline.address(element.get("href", "").strip(), shown).replace("\u00a0", " ")
        self.room(margin)

    def _heading(self, element: Node) -> None:
        text = self._inline.read(contents(element), plain=True)
        if not text:
            return
        lines = wrap(text, self._width)
        if mark := _UNDERLINES.get(str(element.tag)):
            lines.append(mark * max(map(display_width, lines)))
        else:
            lines = wrap(f"*{text}*", self._width)
        self.add(lines, before=2 if element.tag in ("h1", "h2") else 1)

    def _pre(self, element: Node) -> None:
        text = "".join(_verbatim(element)).translate(INVISIBLE).removeprefix("\n").rstrip()
        self.add([f"    {line}".rstrip() for line in text.split("\n")] if text.strip() else [])

    def _quote(self, element: Node) -> None:
        self._set_in(element, "> ")

    def _set_in(self, element: Node, prefix: str) -> None:
        inner = self.within(self._width - len(prefix))
        inner.walk(element)
        self.add([prefix + line for line in inner.done()])

    def _rule(self, element: Node) -> None:
        parent = element.getparent()
        notes = parent is not None and "footnote" in parent.get("class", "").split()
        self.add(["_" * 12] if notes else ["* * *".center(self._width).rstrip()])

    def _list(self, element: Node) -> None:
        items = [child for child in element if child.tag == "li"]
        loose = any(child.tag == "p" for item in items for child in item)
        marks = list_marks(element, items)
        room = max(map(display_width, marks), default=0)
        gap = 0 if self._tight and not loose else 1
        self.room(gap)
        number = count()
        for item in contents(element):
            if isinstance(item, str) or is_comment(item):
                text = item if isinstance(item, str) else token_of(item)
                if TOKENS_ONLY.match(text):
                    self.token(text.strip())
                else:
                    self.paragraph([text])
                continue
            mark = marks[next(number)] if item.tag == "li" else ""
            if is_hidden(item):
                continue
            inner = self.within(self._width - room - 1, tight=not loose)
            inner.walk(item) if item.tag == "li" else inner._block(item)
            indent = " " * (room + 1)
            lines = [indent + line if line else "" for line in inner.done() or [""]]
            if mark:
                lines[0] = " " * (room - display_width(mark)) + f"{mark} " + lines[0].removeprefix(indent)
            self.add(lines, int(loose), int(loose))
        self.room(gap)

    def _definitions(self, element: Node) -> None:
        self.room(1)
        for item in contents(element):
            if isinstance(item, str) or is_comment(item):
                text = item if isinstance(item, str) else token_of(item)
                if TOKENS_ONLY.match(text):
                    self.token(text.strip())
                elif text.strip():
                    self.paragraph([item], 0, 0)
            elif item.tag == "dd":
                inner = self.within(self._width - 4)
                inner.walk(item)
                self.add([f"    {line}" if line else "" for line in inner.done()], 0, 1)
            elif item.tag == "dt":
                self.room(int(self._owed > 0))
                self.walk(item)
            elif isinstance(item.tag, str):
                self._definitions(item)
        self.room(1)

    def _table(self, element: Node) -> None:
        self.room(1)
        if is_layout(element):
            self.walk(element)
        else:
            for caption in element.iterchildren("caption"):
                self.paragraph(contents(caption), before=1, after=1)
            rows, rest = read_table(element, self._inline)
            if rows:
                self.add(draw_table(rows, self._width), before=1, after=0)
            if rest:
                self.token(rest)
        self.room(1)


_DRAWN: dict[str, Callable[[_Flow, Node], None]] = {
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), _Flow._heading),
    **dict.fromkeys(("ul", "ol", "menu", "dir"), _Flow._list),
    "blockquote": _Flow._quote,
    "dl": _Flow._definitions,
    "hr": _Flow._rule,
    "p": lambda flow, element: flow.paragraph(contents(element), 1, 1),
    "pre": _Flow._pre,
    "table": _Flow._table,
}


def _verbatim(element: Node) -> Iterable[str]:
    """The text of preformatted code, tokens kept; line numbers beside it (Pygments' table) left out."""
    for item in contents(element):
        if isinstance(item, str):
            yield item
        elif is_comment(item):
            yield token_of(item)
        elif item.tag == "br":
            yield "\n"
        elif not is_hidden(item):
            yield from _verbatim(item)


def _flatten(root: Node) -> Node:
    """`root`, with what is nested deeper than anybody can read made plain words, so that walking it is bounded."""
    depth = 0
    deep = []
    for event, element in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth == _DEEPEST and event == "start":
            deep.append(element)
    for element in deep:
        words = " ".join(element.itertext(etree.Element))
        for child in list(element):
            element.remove(child)
        element.text = words
    return root
