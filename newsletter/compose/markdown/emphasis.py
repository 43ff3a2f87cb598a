"""Emphasis: runs of `*`, `_` and `~`, paired as CommonMark pairs them.

For kramdown the same pairing is used with its own, laxer word of what may open and close. Source: CommonMark 0.31,
section 6.2 and the appendix, "process emphasis".
"""

import re
import unicodedata
from dataclasses import dataclass
from xml.etree.ElementTree import Element

_ASCII = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_RUN = re.compile(r"\*+|_+|~+")
_BEFORE_UNDERSCORE = re.compile(r"[^\W\d_]-?[^\W\d_]*\Z")


@dataclass(slots=True, eq=False)
class Run:
    """A run of the same mark: how many are left of how many, and whether it may open or close."""

    mark: str
    count: int
    length: int
    opens: bool
    closes: bool

    @classmethod
    def of(cls, text: str, at: int, *, kramdown: bool) -> "Run":
        """The run that begins at offset `at` of `text`."""
        match = _RUN.match(text, at)
        assert match is not None
        mark, count = match[0][0], len(match[0])
        before, after = text[at - 1 : at] or " ", text[match.end() : match.end() + 1] or " "
        left = not _blank(after) and (not _punctuation(after) or _blank(before) or _punctuation(before))
        right = not _blank(before) and (not _punctuation(before) or _blank(after) or _punctuation(after))
        if kramdown and mark != "~":
            opens, closes = after not in " \t\r\n\f\v", before not in " \t\r\n\f\v"
            if mark == "_":
                opens = opens and not _BEFORE_UNDERSCORE.search(text, max(at - 40, 0), at)
                closes = closes and not after.isalnum()
            return cls(mark, count, count, opens, closes)
        if mark == "~":
            return cls(mark, count, count, left and count == 2, right and count == 2)
        if mark == "_":
            return cls(
                mark,
                count,
                count,
                left and (not right or _punctuation(before)),
                right and (not left or _punctuation(after)),
            )
        return cls(mark, count, count, left, right)


def emphasise(nodes: "list[str | Element | Run]", start: int) -> list[str | Element]:
    """`nodes` with their runs paired into elements; what is left of runs is text."""
    openers: list[int] = []  # where the runs that may open stand in `out`
    bottom: dict[tuple[str, int, bool], int] = {}
    out: list[str | Element | Run] = []
    for node in nodes[start:]:
        out.append(node)
        if not isinstance(node, Run):
            continue
        run = node
        while run.closes and run.count:
            key = (run.mark, run.length % 3, run.opens)
            floor = bottom.get(key, 0)
            found = next((n for n in range(len(openers) - 1, floor - 1, -1) if _pairs(out[openers[n]], run)), None)
            if found is None:
                bottom[key] = len(openers)
                break
            at = openers[found]
            opener = out[at]
            assert isinstance(opener, Run)
            used = run.count if run.mark == "~" else 2 if opener.count >= 2 and run.count >= 2 else 1
            element = Element("del" if run.mark == "~" else "strong" if used == 2 else "em")
            inner = [_left(part) for part in out[at + 1 : -1]]
            _fill(element, inner)
            opener.count -= used
            run.count -= used
            del openers[found + (opener.count > 0) :]
            del out[at + (opener.count > 0) :]
            out.extend([element, run])
            for each, height in bottom.items():
                bottom[each] = min(height, len(openers))
        if run.opens and run.count:
            openers.append(len(out) - 1)
    return [_left(node) for node in out]


def _pairs(opener: "str | Element | Run", closer: Run) -> bool:
    if not isinstance(opener, Run) or opener.mark != closer.mark:
        return False
    if closer.mark == "~":
        return opener.count == closer.count
    both = (opener.closes or closer.opens) and (opener.length + closer.length) % 3 == 0
    return not both or (opener.length % 3 == 0 and closer.length % 3 == 0)


def _left(node: "str | Element | Run") -> str | Element:
    return node.mark * node.count if isinstance(node, Run) else node


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


def _blank(character: str) -> bool:
    return character.isspace()


def _punctuation(character: str) -> bool:
    return character in _ASCII or unicodedata.category(character)[0] == "P"
