"""The cascade: which rules apply to an element, and which declaration is stronger.

One for inlining and for the checks. https://www.w3.org/TR/css-cascade-5/
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

from newsletter.css.matching import Match, Matcher
from newsletter.css.parse import AtRule, Declaration, Element, Rule, Verbatim, declarations
from newsletter.css.selectors import Selector, keys_of

Strength = tuple[bool, bool, tuple[float, ...], tuple[int, ...], int]
"""Important, from a style attribute, layer, specificity and scope, order: the greater one wins."""
LayerOrder = tuple[float, ...]

_UNLAYERED: LayerOrder = (math.inf,)


@dataclass(frozen=True, slots=True)
class Matched:
    """A rule that means an element, by the strongest of its selectors that does; `order` counts the rules."""

    rule: Rule
    selector: Selector
    match: Match
    order: int


class Cascade:
    """The rules of a page's style sheets, to be asked for what applies to an element."""

    def __init__(self, items: Iterable[Rule | Verbatim], matcher: Matcher | None = None) -> None:
        self.matcher = matcher or Matcher()
        self._by_key: dict[str, list[tuple[int, Rule, Selector, frozenset[str]]]] = {}
        self._around: dict[Element, frozenset[str]] = {}
        self._layers = _Layers()
        for order, item in enumerate(items):
            self._layers.add(item)
            if isinstance(item, Rule):
                for selector in item.selectors:
                    self._by_key.setdefault(selector.subject.key, []).append(
                        (order, item, selector, frozenset(_keys_around(selector)))
                    )

    def matched(self, element: Element) -> list[Matched]:
        """Each selector of each rule that means the element, or a part of it."""
        found: list[Matched] = []
        around = self._keys_around(element)
        for key in dict.fromkeys(keys_of(element)):
            for order, rule, selector, needed in self._by_key.get(key, ()):
                if self.matcher.left <= 0:
                    return found
                if needed <= around and (match := self.matcher.match(element, selector)):
                    found.append(Matched(rule, selector, match, order))
        return found

    def _keys_around(self, element: Element) -> frozenset[str]:
        """The keys of all ancestors: what needs others need not be tried."""
        parent = element.getparent()
        if parent is None:
            return frozenset()
        if parent not in self._around:
            self._around[parent] = self._keys_around(parent).union(keys_of(parent))
        return self._around[parent]

    def strength(self, item: Declaration, matched: Matched) -> Strength:
        """How strong a declaration of a sheet is."""
        layer = self._layers.of(matched.rule)
        if item.important:
            layer = tuple(-number for number in layer)
        scoped = any(at_rule.name == "scope" for at_rule in matched.rule.around)
        return (item.important, False, layer, (*matched.selector.specificity, scoped), matched.order)


def _keys_around(selector: Selector) -> Iterator[str]:
    """Keys that the element's ancestors must have, one or the other of them."""
    for compound, joined in zip(selector.compounds, selector.compounds[1:], strict=False):
        if joined.combinator in {" ", ">"} and compound.key:
            yield compound.key


def own_strength(item: Declaration) -> Strength:
    """How strong a declaration in a style attribute is."""
    return (item.important, True, (), (), 0)


def cascade(elements: Sequence[Element], rules: Sequence[Rule]) -> Iterator[tuple[Element, list[Declaration]]]:
    """Each element with the declarations that apply to it for certain, the strongest last."""
    page = Cascade(rules)
    for element in elements:
        found = [(own_strength(item), item) for item in declarations(element.get("style") or "")]
        for matched in page.matched(element):
            if matched.match is Match.YES and not matched.selector.pseudo_element:
                found += [(page.strength(item, matched), item) for item in matched.rule.declarations]
        found.sort(key=itemgetter(0))
        yield element, [item for _, item in found]


class _Layers:
    """Cascade layers, in the order in which they are first named."""

    def __init__(self) -> None:
        self._places: dict[tuple[object, ...], int] = {}
        self._known: dict[tuple[AtRule, ...], LayerOrder] = {(): _UNLAYERED}

    def add(self, item: Rule | Verbatim) -> None:
        self.of(item)
        if isinstance(item, Verbatim) and item.name == "layer":
            outer = self._path(item.around)
            for name in item.text.strip().removeprefix("@layer").rstrip(";").split(","):
                self._place((*outer, *name.strip().split(".")))

    def of(self, item: Rule | Verbatim) -> LayerOrder:
        """Where the item's layer stands: sublayers before what their layer holds itself, what has no layer last."""
        if item.around not in self._known:
            self._known[item.around] = self._place(self._path(item.around))
        return self._known[item.around]

    @staticmethod
    def _path(around: tuple[AtRule, ...]) -> tuple[object, ...]:
        path: list[object] = []
        for at_rule in around:
            if at_rule.name == "layer":
                path += at_rule.prelude.split(".") if at_rule.prelude else [at_rule]
        return tuple(path)

    def _place(self, path: tuple[object, ...]) -> LayerOrder:
        steps = [path[: length + 1] for length in range(len(path))]
        return (*(self._places.setdefault(step, len(self._places)) for step in steps), math.inf)
