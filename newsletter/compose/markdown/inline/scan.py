"""Read inline Markdown from left to right, as CommonMark and kramdown do.

Takes the place of python-markdown's own inline tree processor, which runs one pattern after another over the whole
text. Its registry of patterns stays: at each mark, those that `patterns` and python-markdown's extensions have
registered for that mark are tried; brackets and emphasis, which need to see what is around them, are read here.
Sources: CommonMark 0.31, section 6 and the appendix on parsing; kramdown's parser/kramdown/emphasis.rb and link.rb.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from markdown.extensions.footnotes import NBSP_PLACEHOLDER
from markdown.inlinepatterns import InlineProcessor
from markdown.treeprocessors import Treeprocessor
from markdown.util import AtomicString

from newsletter.compose.markdown.blocks import TIGHT, normal_label
from newsletter.compose.markdown.inline.emphasis import KramdownEmphasis, Run, emphasise
from newsletter.compose.markdown.inline.patterns import decoded, escape_ampersand
from newsletter.compose.markdown.inline.targets import Parentheses, bracket_pairs, inline_target
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.compose.markdown.convert import Converter

InlineItem = str | Element | Run
_RAW_LINK = re.compile(r"<(/?)a(?=[\s>])", re.IGNORECASE)
_MARK = re.compile(r"[\\`<&\n\[\]!*_~$:@{]|https?://|ftp://|www\.")
_REFERENCE = re.compile(r"\[((?:[^\[\]\\]|\\.)*)\]", re.DOTALL)
_NOTE = re.compile(r"\[\^([^\]]*)\]")
_KRAMDOWN_REFERENCE = re.compile(r"\s*?\[([^\]]+)?\]")
_KRAMDOWN_ESCAPE = re.compile(r"\\([\\.*_+`<>()\[\]{}#!:|\"'$=-])")
_HOST = re.compile(r"[A-Za-z0-9-]+(?:[._-]+[A-Za-z0-9-]+)*\.[A-Za-z0-9]+(?![A-Za-z0-9_-])")
LONGEST_LABEL = 999
DEEPEST_MARKS = 100
"""Emphasis, links and pictures inside one another at most."""


@dataclass(slots=True, eq=False)
class _Bracket:
    image: bool
    node: int  # where it stands in the nodes
    start: int  # of the text behind it
    active: bool = True


class InlineMarkdown(Treeprocessor):
    """Runs where python-markdown's own would."""

    md: "Converter"

    def run(self, root: Element) -> None:
        """Parse the text of every element that holds inline Markdown; take tight paragraphs' tags away."""
        self.patterns = _by_mark(self.md)
        elements = [element for element in root.iter() if element in self.md.line_of]
        if self.md.grammar.goldmark and self.md.footnotes.footnotes:  # it numbers notes as they come in the source
            elements.sort(key=self.md.line_of.__getitem__)
        for element in elements:
            if not isinstance(element.text, AtomicString):
                text, element.text = element.text or "", None
                if element.tag[0] == "h":
                    self.md.headings[element] = text
                self.md.parser.check(self.md.line_of[element])
                behind: list[str | Element] = list(element)  # a footnote's way back
                for child in list(element):
                    element.remove(child)
                if text.endswith(NBSP_PLACEHOLDER):  # letters, which would end no emphasis
                    text = text.removesuffix(NBSP_PLACEHOLDER)
                    behind.insert(0, NBSP_PLACEHOLDER)
                _fill(element, [*self.parse(text, self.md.line_of[element]), *behind])
                if len(text) > 2 * DEEPEST_MARKS and _is_deeper(element, DEEPEST_MARKS):
                    what = f"marks stand more than {DEEPEST_MARKS} deep in one another here; write it simpler"
                    raise NewsletterError(what, line=self.md.line_of[element])
        _untie(root)

    def parse(self, text: str, line: int) -> list[str | Element]:
        """`text` as text and elements."""
        return _Scan(self, text, line).run()


class _Scan:
    def __init__(self, inline: InlineMarkdown, text: str, line: int) -> None:
        self.md, self.patterns = inline.md, inline.patterns
        self.text, self.line = text, line
        self.nodes: list[InlineItem] = []
        self.brackets: list[_Bracket] = []
        self.bare: set[Element] = set()  # links of bare addresses, which are text in a link
        self.kramdown = inline.md.grammar.name == "kramdown"
        self.pairs = bracket_pairs(text) if self.kramdown and "[" in text else {}
        self.parentheses = Parentheses(text if self.pairs else "")
        self.in_link = 0  # where the text of a link ends, in which brackets are text
        self.in_raw_link = False  # between `<a …>` and `</a>`

    def run(self) -> list[str | Element]:
        at, steps = 0, 0
        while match := _MARK.search(self.text, at):
            steps += 1
            if steps % 256 == 0:
                self.md.parser.check(self.line + self.text.count("\n", 0, at))
            if match.start() > at:
                self.nodes.append(self.text[at : match.start()])
            at = self._mark(match[0], match.start())
        if at < len(self.text):
            self.nodes.append(self.text[at:])
        return self._paired(self.nodes)

    def _paired(self, nodes: list[InlineItem]) -> list[str | Element]:
        return KramdownEmphasis(nodes).pair() if self.kramdown else emphasise(nodes, 0)

    def _mark(self, mark: str, at: int) -> int:
        """What `mark` at offset `at` comes to; the offset behind it."""
        if mark == "<" and self.text.startswith("<!--", at) and self.text.find("-->", at) < 0:
            self.nodes.append(mark)
            return at + 1
        if (self.in_raw_link and mark[0] in "hwf@") or (
            self.brackets and mark[0] in ("hwf@" if self.md.grammar.goldmark else "hwf")  # perhaps in a link's text
        ):
            self.nodes.append(mark)
            return at + len(mark)
        for pattern in self.patterns.get(mark[0], ()):
            match = pattern.compiled_re.match(self.text, at)
            if match is None:
                continue
            node, start, end = pattern.handleMatch(match, self.text)
            if start is None or end is None or node is None:
                continue
            if mark[0] == "\n" and self.nodes and isinstance(self.nodes[-1], str):
                self.nodes[-1] = self.nodes[-1].rstrip(" ")
            if isinstance(node, Element) and node.tag == "a":
                if mark[0] in "hwf":
                    self.bare.add(node)
                else:
                    self._deactivate()
            if mark == "<" and (tag := _RAW_LINK.match(match[0])):
                self.in_raw_link = not tag[1]
            self.nodes.append(node)
            return int(end)
        if mark == "@" and self.md.grammar.linkify and not self.kramdown and (end := self._mail(at)):
            return end
        if mark == "\n":
            if self.nodes and isinstance(self.nodes[-1], str):
                self.nodes[-1] = self.nodes[-1].rstrip(" \t")
            self.nodes.append("\n")
            return at + 1
        if mark == "[" or (mark == "!" and self.text.startswith("[", at + 1) and not self._is_note(at + 1)):
            end = at + len(mark) + (mark == "!")
            if self.kramdown and (self.text.startswith("^", end) or (mark == "[" and not self._opens_link(at))):
                self.nodes.append(self.text[at:end])  # what begins with a caret names a note, if there is one
                return end
            self.brackets.append(_Bracket(mark == "!", len(self.nodes), end))
            self.nodes.append(self.text[at:end])
            return end
        if mark == "]" and self.brackets and (not self.kramdown or self.brackets[-1].start == self.pairs.get(at)):
            return self._close(at)
        if mark in "*_~" and (mark != "~" or self.md.grammar.gfm):
            run = Run.of(self.text, at, kramdown=self.kramdown, single=self.md.grammar.pulldown)
            self.nodes.append(run)
            return at + run.count
        self.nodes.append(escape_ampersand(mark))
        return at + len(mark)

    def _is_note(self, at: int) -> bool:
        """Whether a footnote is named at `at`: in `Enjoy![^1]` the exclamation mark makes no picture of it."""
        note = _NOTE.match(self.text, at)
        return note is not None and note[1] in self.md.footnotes.footnotes

    def _opens_link(self, at: int) -> bool:
        """Whether kramdown takes the bracket at `at` for a link's: the outer of two wins, and what is in it is text."""
        if at < self.in_link or (end := self.pairs.get(-at - 1)) is None:
            return False
        if self._target(_Bracket(False, 0, at + 1), end) is None:
            return False
        self.in_link = end
        return True

    def _mail(self, at: int) -> int:
        """A bare address to write to, of which the text before `at` is the first half; 0 where it is none."""
        first = len(self.nodes)
        before = ""
        while first and re.fullmatch(r"[A-Za-z0-9._+-]*", before):
            node = self.nodes[first - 1]
            if not isinstance(node, str) and not (isinstance(node, Run) and node.mark == "_"):
                break
            before = (node if isinstance(node, str) else node.mark * node.count) + before
            first -= 1
        name = re.search(r"[A-Za-z0-9._+-]+\Z", before)
        host = _HOST.match(self.text, at + 1)
        ahead = self.nodes[first - 1] if first else None
        begins = ahead is None or (isinstance(ahead, Element) and ahead.tag == "br")
        own = name is not None and (name.start() > 0 or not begins)
        if own and self.md.grammar.goldmark and not re.search(r"[\s*_~(]\Z", before[: name.start()] if name else ""):
            return 0
        if name is None or host is None:
            return 0
        self.nodes[first:] = [before[: name.start()]]
        address = f"{name[0]}@{host[0]}"
        link = Element("a", {"href": f"mailto:{address}"})
        link.text = AtomicString(address)
        self.bare.add(link)
        self.nodes.append(link)
        return host.end()

    def _close(self, at: int) -> int:
        """A closing bracket: a link, a picture, or a bracket."""
        opener = self.brackets.pop()
        found = self._target(opener, at) if opener.active else None
        if found is None:
            self.nodes.append("]")
            return at + 1
        href, title, end = found
        inner = self._paired(self.nodes[opener.node + 1 :])
        del self.nodes[opener.node :]
        if opener.image:
            words = decoded(self.text[opener.start : at]) if self.kramdown else _words(inner)
            element = Element("img", {"src": href, "alt": words})
        else:
            element = Element("a", {"href": href})
            _fill(element, self._unlinked(inner))
            self._deactivate()
        if title:
            element.set("title", title)
        self.nodes.append(element)
        return end

    def _unlinked(self, nodes: list[str | Element]) -> list[str | Element]:
        """`nodes` with bare addresses as text: no link inside a link."""
        if not self.bare:
            return nodes
        for node in nodes:
            if isinstance(node, Element) and node not in self.bare:
                inside = self._unlinked(
                    [node.text or "", *(part for child in node for part in (child, child.tail or ""))]
                )
                node.text = None
                for child in list(node):
                    child.tail = None
                    node.remove(child)
                _fill(node, inside)
        return [node.text or "" if isinstance(node, Element) and node in self.bare else node for node in nodes]

    def _deactivate(self) -> None:
        """No link inside a link."""
        for bracket in self.brackets:
            if not bracket.image:
                bracket.active = False

    def _target(self, opener: _Bracket, at: int) -> tuple[str, str, int] | None:
        """Address, title and end of what follows the closing bracket at `at`, or what the label itself names."""
        text = self.text
        if text.startswith("(", at + 1):
            found = self.parentheses.target(at + 1) if self.kramdown else inline_target(text, at + 2)
            if found or self.kramdown:
                return found
        label = text[opener.start : at]
        if len(label) > LONGEST_LABEL:
            return None
        written = (_KRAMDOWN_REFERENCE if self.kramdown else _REFERENCE).match(text, at + 1)
        own = (written[1] if written else "") or ""
        if not own.strip():
            own = _KRAMDOWN_ESCAPE.sub(r"\1", label) if self.kramdown else label
        own = normal_label(own, fold=not self.kramdown)
        if own not in self.md.references:
            return None
        return *self._named(own), written.end() if written else at + 1

    def _named(self, label: str) -> tuple[str, str]:
        href, title = self.md.references[label]
        return decoded(href), decoded(title or "")


def _is_deeper(element: Element, most: int) -> bool:
    level = list(element)
    for _ in range(most):
        level = [inner for child in level for inner in child]
        if not level:
            return False
    return True


def _by_mark(md: "Converter") -> dict[str, list[InlineProcessor]]:
    """python-markdown's registered patterns by the characters that they begin with."""
    found: dict[str, list[InlineProcessor]] = {}
    for pattern in md.inlinePatterns:
        for mark in getattr(pattern, "MARKS", "["):
            assert isinstance(pattern, InlineProcessor)
            found.setdefault(mark, []).append(pattern)
    return found


def _fill(element: Element, nodes: list[str | Element]) -> None:
    last: Element | None = None
    for node in nodes:
        if isinstance(node, Element):
            element.append(node)
            last = node
        elif last is None:
            element.text = (element.text or "") + node
        else:
            last.tail = (last.tail or "") + node


def _words(nodes: list[str | Element]) -> str:
    """The words of a picture's description, without their marks."""
    return "".join(
        node if isinstance(node, str) else node.get("alt") or "".join(node.itertext()) for node in nodes
    ).replace("\n", " ")


def _untie(root: Element) -> None:
    """Take away the tags of tight paragraphs, level by level."""
    for parent in root.iter():
        if not any(child.get(TIGHT) for child in parent):
            continue
        children = list(parent)
        text = parent.text or ""
        for child in children:
            parent.remove(child)
        parent.text = None
        nodes: list[str | Element] = [text] if text.strip() else []
        for child in children:
            if child.get(TIGHT):
                nodes.extend([child.text or "", *child])
            else:
                nodes.append(child)
        _append(parent, nodes)


def _append(parent: Element, nodes: list[str | Element]) -> None:
    """Text and elements, whose tails stay, at the end of `parent`."""
    for node in nodes:
        if isinstance(node, Element):
            parent.append(node)
        elif node:
            if len(parent):
                parent[-1].tail = (parent[-1].tail or "") + node
            else:
                parent.text = (parent.text or "") + node
