"""Emphasis: runs of `*`, `_` and `~`, paired as CommonMark pairs them.

For kramdown the same pairing is used with its own, laxer word of what may open and close. Source: CommonMark 0.31,
section 6.2 and the appendix, "process emphasis".
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

_ASCII = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_RUN = re.compile(r"\*+|_+|~+")
_SPACES = " \t\r\n\f\v"
_BEFORE_UNDERSCORE = re.compile(r"[^\W\d_]-?[^\W\d_]*\Z")


@dataclass(slots=True, eq=False)
class Run:
    """A run of the same mark: how many are left of how many, and whether it may open or close."""

    mark: str
    count: int
    length: int
    opens: bool
    closes: bool
    before: str = ""
    after: str = ""
    worded: bool = False  # whether a letter stands before it

    @classmethod
    def of(cls, text: str, at: int, *, kramdown: bool, single: bool = False) -> "Run":
        """The run that begins at offset `at` of `text`; with `single`, one `~` outside of a word strikes out too."""
        match = _RUN.match(text, at)
        assert match is not None
        mark, count = match[0][0], len(match[0])
        before, after = text[at - 1 : at] or " ", text[match.end() : match.end() + 1] or " "
        left = not _blank(after) and (not _punctuation(after) or _blank(before) or _punctuation(before))
        right = not _blank(before) and (not _punctuation(before) or _blank(after) or _punctuation(after))
        if kramdown and mark != "~":
            worded = _BEFORE_UNDERSCORE.search(text, max(at - 40, 0), at) is not None
            return cls(mark, count, count, after not in _SPACES, before not in _SPACES, before, after, worded)
        if mark == "~":
            strikes = count == 2 or (single and count == 1 and not (before.isalnum() and after.isalnum()))
            return cls(mark, count, count, left and strikes, right and strikes)
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


MOST_RUNS = 300
"""Runs of a paragraph that are paired kramdown's way, which may look at each of them from each."""


class KramdownEmphasis:
    """kramdown's pairing: each mark, from left to right, looks for the next one that may close it."""

    def __init__(self, nodes: "list[str | Element | Run]") -> None:
        self.nodes = nodes
        self.failed: set[tuple[int, int, str, tuple[str, ...]]] = set()

    def pair(self) -> list[str | Element]:
        """The nodes with their runs paired, as `emphasise` gives them."""
        if sum(isinstance(node, Run) for node in self.nodes) > MOST_RUNS:
            return emphasise(self.nodes, 0)
        found = self._read(0, 0, "", ())
        assert found is not None
        return emphasise(found[0], 0)

    def _read(
        self, at: int, used: int, stop: str, inside: tuple[str, ...]
    ) -> "tuple[list[str | Element | Run], int, int] | None":
        """From node `at`, of whose run `used` marks are gone, to the run that `stop` closes; None where none does."""
        key = (at, used, stop, inside)
        if key in self.failed:
            return None
        out: list[str | Element | Run] = []
        while at < len(self.nodes):
            run = self.nodes[at]
            if not isinstance(run, Run) or run.mark == "~":
                out.append(replace(run) if isinstance(run, Run) else run)  # pairing counts its marks down
                at, used = at + 1, 0
                continue
            left = run.count - used
            if left and stop and self._closes(run, used, stop, bool(out)):
                return out, at, used + len(stop)
            taken = min(left, 2)
            if taken:
                found = self._element(run, at, used, taken, inside)
                if found is None:
                    out.append(run.mark * taken)
                    used += taken
                else:
                    element, at, used = found
                    out.append(element)
                    run = self.nodes[at]
                    assert isinstance(run, Run)
            if used >= run.count:
                at, used = at + 1, 0
        if stop:
            self.failed.add(key)
            return None
        return out, at, used

    def _element(
        self, run: Run, at: int, used: int, taken: int, inside: tuple[str, ...]
    ) -> tuple[Element, int, int] | None:
        """The element that the marks from `used` on open, and what follows its end."""
        kind = "strong" if taken == 2 else "em"
        after = run.mark if used + taken < run.count else run.after
        if (run.mark == "_" and used == 0 and run.worded) or after in _SPACES or kind in inside:
            return None
        found = self._read(at, used + taken, run.mark * taken, (*inside, kind))
        if found is None and kind == "strong" and inside[-1:] != ("em",) and "em" not in inside:
            kind = "em"
            found = self._read(at, used + 1, run.mark, (*inside, kind))
        if found is None:
            return None
        element = Element(kind)
        _fill(element, emphasise(found[0], 0))
        return element, found[1], found[2]

    @staticmethod
    def _closes(run: Run, used: int, stop: str, filled: bool) -> bool:
        left = run.count - used
        if run.mark != stop[0] or left < len(stop) or not filled:
            return False
        before = run.mark if used else run.before
        after = run.mark if left > len(stop) else run.after
        if before in _SPACES or (run.mark == "_" and after.isalnum()):
            return False
        return len(stop) == 2 or left != 2


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
            node.tail = None  # of an attempt that came to nothing
            last = node
        elif last is None:
            element.text = (element.text or "") + node
        else:
            last.tail = (last.tail or "") + node


def _blank(character: str) -> bool:
    return character.isspace()


def _punctuation(character: str) -> bool:
    return character in _ASCII or unicodedata.category(character)[0] == "P"
