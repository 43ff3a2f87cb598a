"""Quotes, dashes and ellipses as kramdown and Hugo set them, in a tree of python-markdown.

Straight quotes curl by what stands before and after them, across inline elements; `--` is an en dash, `---` an em dash,
`...` an ellipsis. Code, mathematics and addresses keep what was written, and so does what a backslash escapes.
"""

import re
from xml.etree.ElementTree import Element

from markdown.treeprocessors import Treeprocessor
from markdown.util import AtomicString

_SKIPPED = frozenset({"code", "pre", "script", "style", "kbd", "samp", "math"})
_INLINE = frozenset({
    "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "img", "ins", "kbd", "mark",
    "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "u", "var",
})  # fmt: skip
_MARKS = re.compile(r"\"|'|-{2,}|(?<!\.)\.{3}(?!\.)|\x02[^\x03]*\x03")
_ESCAPE = re.compile(r"\x02(\d+)\x03")
_OPENERS = frozenset("([{<–—-/=«“‘\u00a0")
_DECADE = re.compile(r"\d\ds?(?!\w)")
_ELIDED = re.compile(r"(?:tis|twas|twere|twill|round|cause|em|til|n)\b", re.IGNORECASE)


class Typography(Treeprocessor):
    """Runs after inline Markdown, before escapes are undone."""

    def run(self, root: Element) -> None:
        _Setter().element(root)


class _Setter:
    def __init__(self) -> None:
        self.before = ""  # the character before, in the same block

    def element(self, element: Element) -> None:
        inline = element.tag in _INLINE
        if not inline:
            self.before = ""
        if element.tag in _SKIPPED:
            self.before = "x"
        else:
            following = self._first_of(element)
            if element.text and not isinstance(element.text, AtomicString):
                element.text = self.text(element.text, following)
            elif element.text:
                self.before = element.text[-1]
            children = list(element)
            for index, child in enumerate(children):
                self.element(child)
                if child.tag == "br":
                    self.before = " "
                elif child.tag == "img":
                    self.before = "x"
                if child.tail:
                    after = self._start(children[index + 1]) if index + 1 < len(children) else ""
                    child.tail = self.text(child.tail, after)
        if not inline:
            self.before = ""

    def text(self, text: str, following: str) -> str:
        """`text` set, between `self.before` and `following`."""
        if not text.strip():
            self.before = text[-1]
            return text
        if '"' not in text and "'" not in text and "--" not in text and "..." not in text:
            self.before = _last(text, self.before)
            return text
        pieces: list[str] = []
        end = 0
        for match in _MARKS.finditer(text):
            start = match.start()
            if start > end:
                pieces.append(text[end:start])
                self.before = text[start - 1]
            end = match.end()
            mark = match[0]
            after = text[end:] or following
            if mark[0] == "\x02":
                escaped = _ESCAPE.match(mark)
                self.before = chr(int(escaped[1])) if escaped else self.before
            elif mark == '"':
                mark = self._quote(after, "“", "”")
                self.before = mark
            elif mark == "'":
                mark = self._quote(after, "‘", "’")
                if mark == "‘" and (_DECADE.match(after) or _ELIDED.match(after)):
                    mark = "’"
                self.before = mark
            elif mark[0] == "-":
                mark = {2: "–", 3: "—"}.get(len(mark), mark)
                self.before = mark[-1]
            else:
                mark = "…"
                self.before = "x"
            pieces.append(mark)
        pieces.append(text[end:])
        if end < len(text):
            self.before = text[-1]
        return "".join(pieces)

    def _quote(self, after: str, opening: str, closing: str) -> str:
        opens = not self.before or self.before.isspace() or self.before in _OPENERS
        follows = bool(after) and not after[0].isspace()
        if not self.before and not follows:
            return opening
        # `("a")` opens after the bracket; `a-"b"` too; but a quote before a blank or the end closes.
        return opening if opens and follows and after[0] not in ".,;:!?)]" else closing

    def _first_of(self, element: Element) -> str:
        return self._start(element[0]) if len(element) else ""

    def _start(self, element: Element) -> str:
        """A character that stands for how `element` begins."""
        if element.tag == "br":
            return " "
        if element.tag not in _INLINE:
            return ""
        return (element.text or "")[:12] or (self._start(element[0]) if len(element) else "x")


def _last(text: str, before: str) -> str:
    """The last visible character of `text`; words that stand for raw HTML are looked through."""
    plain = re.sub(r"\x02[^\x03]*\x03", "", text)
    return plain[-1] if plain else before
