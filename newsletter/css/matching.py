"""Which element a selector means: never, at times, always.

In three values, since `a:hover` is true at times; over lxml's own elements; and bounded, since a hostile sheet (`b ~ i`
a hundred times, over ten thousand siblings) would run for hours. https://www.w3.org/TR/selectors-4/
"""

from collections.abc import Callable, Iterable
from enum import IntEnum
from functools import lru_cache

from newsletter.css.selectors import COUNTING, DYNAMIC, Attribute, Compound, Element, Pseudo, Selector

_MOST_STEPS = 200_000  # an element held against a part of a selector; a long newsletter takes some thousands


class Match(IntEnum):
    """Whether a selector means an element: never, at times (`:hover`), always."""

    NO = 0
    MAYBE = 1
    YES = 2


class Matcher:
    """Holds elements against selectors, until `steps` are used up: then nothing matches any more."""

    def __init__(self, steps: int = _MOST_STEPS) -> None:
        self.left = steps
        self._places: dict[tuple[Element | None, str, bool], dict[Element, int]] = {}

    @property
    def exhausted(self) -> bool:
        """Whether the steps are used up, so that answers given since say nothing."""
        return self.left < 0

    def match(self, element: Element, selector: Selector, scope: Element | None = None) -> Match:
        """Whether the selector means this element, or a part of it where it ends in a pseudo-element."""
        return self._match(element, selector.compounds, len(selector.compounds) - 1, {}, scope)

    def _match(
        self,
        element: Element,
        compounds: tuple[Compound, ...],
        index: int,
        known: dict[tuple[Element, int], Match],
        scope: Element | None,
    ) -> Match:
        """`known` keeps `div div div …` in a deep tree from being tried in every combination."""
        found = self._fits(element, compounds[index], scope)
        if index == 0 or found is Match.NO:
            return found
        if (element, index) not in known:
            known[element, index] = self._joined(element, compounds, index, known, scope)
        return min(found, known[element, index])

    def _joined(
        self,
        element: Element,
        compounds: tuple[Compound, ...],
        index: int,
        known: dict[tuple[Element, int], Match],
        scope: Element | None,
    ) -> Match:
        """Whether what stands left of the combinator matches too."""
        best = Match.NO
        for other in _related(element, compounds[index].combinator):
            best = max(best, self._match(other, compounds, index - 1, known, scope))
            if best is Match.YES or self.left <= 0:
                break
        return best

    def _fits(self, element: Element, compound: Compound, scope: Element | None) -> Match:
        self.left -= 1
        if self.left < 0 or (compound.tag and compound.tag != element.tag and compound.tag != str(element.tag).lower()):
            return Match.NO
        if compound.classes and not compound.classes.issubset((element.get("class") or "").split()):
            return Match.NO
        if compound.ids and any(name != element.get("id") for name in compound.ids):
            return Match.NO
        if compound.attributes and not all(_has(element, attribute) for attribute in compound.attributes):
            return Match.NO
        found = Match.YES
        for pseudo in compound.pseudos:
            found = min(found, self._is(element, pseudo, scope))
            if found is Match.NO:
                break
        return found

    def _is(self, element: Element, pseudo: Pseudo, scope: Element | None) -> Match:
        name = pseudo.name
        if name in DYNAMIC:
            return Match.MAYBE
        if name in {"is", "where"}:
            return max((self.match(element, inner, scope) for inner in pseudo.inner), default=Match.NO)
        if name == "not":
            return Match(2 - max((self.match(element, inner, scope) for inner in pseudo.inner), default=Match.NO))
        if name == "has":
            return self._has_inside(element, pseudo)
        if name in COUNTING:
            return self._counts(element, pseudo, scope)
        if name == "lang":
            spoken = _speaks(element, pseudo.languages)
            return Match.MAYBE if spoken and len(pseudo.languages) > 1 else _yes(spoken)  # Chromium knows no lists
        if name == "scope":
            return _yes(element is scope if scope is not None else element.getparent() is None)
        return _yes(_SIMPLE[name](element))

    def _has_inside(self, element: Element, pseudo: Pseudo) -> Match:
        best = Match.NO
        for inner in pseudo.inner:
            beside = inner.compounds[1].combinator in "+~"
            tops = [element, *element.itersiblings()] if beside else [element]
            for top in tops:
                for other in top.iter():
                    if isinstance(other.tag, str) and other is not element:
                        best = max(best, self.match(other, inner, element))
                        if best is Match.YES or self.left <= 0:
                            return best
        return best

    def _counts(self, element: Element, pseudo: Pseudo, scope: Element | None) -> Match:
        if pseudo.inner:
            return self._counts_of(element, pseudo, scope)
        of_type = str(element.tag) if pseudo.name.endswith("of-type") else ""
        last = "last" in pseudo.name
        parent = element.getparent()
        if (parent, of_type, last) not in self._places:
            siblings = [element] if parent is None else _children(parent)
            self.left -= len(siblings)
            alike = [other for other in siblings if not of_type or other.tag == of_type]
            ordered = reversed(alike) if last else alike
            self._places[parent, of_type, last] = {other: place for place, other in enumerate(ordered, 1)}
        return _yes(_stepped(self._places[parent, of_type, last][element], *pseudo.step))

    def _counts_of(self, element: Element, pseudo: Pseudo, scope: Element | None) -> Match:
        """`:nth-child(an+b of S)`; not certain where a sibling before is not."""

        def alike(other: Element) -> Match:
            return max((self.match(other, inner, scope) for inner in pseudo.inner), default=Match.NO)

        own = alike(element)
        parent = element.getparent()
        siblings = [element] if parent is None else _children(parent)
        if "last" in pseudo.name:
            siblings.reverse()
        self.left -= len(siblings)
        before = [alike(other) for other in siblings[: siblings.index(element)]]
        if own is Match.NO or Match.MAYBE in before:
            return min(own, Match.MAYBE)
        return min(own, _yes(_stepped(1 + before.count(Match.YES), *pseudo.step)))


def _has(element: Element, attribute: Attribute) -> bool:
    actual = element.get(attribute.name)
    if actual is None:
        return False
    if attribute.caseless:
        actual = actual.lower()
    value = attribute.value
    match attribute.operator:
        case "":
            return True
        case "=":
            return actual == value
        case "~=":
            return value in actual.split()
        case "|=":
            return actual == value or actual.startswith(value + "-")
        case "^=":
            return bool(value) and actual.startswith(value)
        case "$=":
            return bool(value) and actual.endswith(value)
    return bool(value) and value in actual


def _related(element: Element, combinator: str) -> Iterable[Element]:
    """The elements that may stand left of the combinator."""
    if combinator == ">":
        parent = element.getparent()
        return () if parent is None else (parent,)
    if combinator == " ":
        return element.iterancestors()
    before = (other for other in element.itersiblings(preceding=True) if isinstance(other.tag, str))
    return (other for other in [next(before, None)] if other is not None) if combinator == "+" else before


def _children(parent: Element) -> list[Element]:
    return [child for child in parent if isinstance(child.tag, str)]


def _first(element: Element, of_type: bool = False, preceding: bool = True) -> bool:
    others = element.itersiblings(preceding=preceding)
    return not any(isinstance(other.tag, str) and (not of_type or other.tag == element.tag) for other in others)


def _empty(element: Element) -> bool:
    return not element.text and not any(child.tail or isinstance(child.tag, str) for child in element)


def _link(element: Element) -> bool:
    return element.tag in {"a", "area"} and element.get("href") is not None


_SIMPLE: dict[str, Callable[[Element], bool]] = {
    "first-child": _first,
    "last-child": lambda element: _first(element, preceding=False),
    "only-child": lambda element: _first(element) and _first(element, preceding=False),
    "first-of-type": lambda element: _first(element, of_type=True),
    "last-of-type": lambda element: _first(element, of_type=True, preceding=False),
    "only-of-type": lambda element: _first(element, True) and _first(element, True, preceding=False),
    "root": lambda element: element.getparent() is None,
    "empty": _empty,
    "link": _link,
    "any-link": _link,
    "defined": lambda element: "-" not in str(element.tag),
}


def _speaks(element: Element, languages: tuple[str, ...]) -> bool:
    """Whether the nearest `lang` is one of these, or begins with one: `en` for `en-GB`."""
    spoken = next((lang for one in (element, *element.iterancestors()) if (lang := one.get("lang")) is not None), "")
    for language in languages:
        wanted, tag = language.lower().removeprefix("*-"), spoken.lower()
        if wanted and (tag == wanted or tag.startswith(wanted + "-") or (wanted == "*" and tag)):
            return True
    return False


@lru_cache(maxsize=4096)
def _stepped(place: int, a: int, b: int) -> bool:
    """Whether `place` is an + b for an n from 0."""
    return place == b if a == 0 else (place - b) % a == 0 and (place - b) // a >= 0


def _yes(true: bool) -> Match:
    return Match.YES if true else Match.NO
