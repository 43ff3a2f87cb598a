"""Which element a selector means, and which declarations win.

The selectors that messages use: types, classes, ids, attributes, descendants, children, siblings, the structural
pseudo-classes and `:not()`. What depends on the reader (`:hover`) or stands outside the tree (`::before`) matches
nothing. Cascade: https://www.w3.org/TR/css-cascade-3/ section 6.
"""

from collections.abc import Iterator, Sequence

from newsletter.css.parse import Compound, Declaration, Element, Rule, Selector, declarations

Compounds = tuple[Compound, ...]
Known = dict[tuple[Element, int], bool]

_MOST_STEPS = 200_000  # an element held against a part of a selector; a long newsletter takes some thousands


class Matcher:
    """Holds elements against selectors, until `steps` are used up: then nothing matches any more.

    So a hostile sheet (`b ~ i ~ u ~ p` a hundred times, over ten thousand siblings) costs no more than a second.
    """

    def __init__(self, steps: int = _MOST_STEPS) -> None:
        self.left = steps

    def matches(self, element: Element, selector: Selector) -> bool:
        """Whether the selector means this element; never for a dynamic one."""
        return not selector.dynamic and self._matches(element, selector.compounds, len(selector.compounds) - 1, {})

    def _matches(self, element: Element, compounds: Compounds, index: int, known: Known) -> bool:
        """`known` keeps `div div div …` in a deep tree from being tried in every combination."""
        if not self._fits(element, compounds[index]):
            return False
        if index == 0:
            return True
        if (element, index) not in known:
            known[element, index] = self._joined(element, compounds, index, known)
        return known[element, index]

    def _joined(self, element: Element, compounds: Compounds, index: int, known: Known) -> bool:
        """Whether what stands left of the combinator matches too."""
        step = compounds[index].combinator
        if step == ">":
            parent = element.getparent()
            return parent is not None and self._matches(parent, compounds, index - 1, known)
        if step == "+":
            before = _previous(element)
            return before is not None and self._matches(before, compounds, index - 1, known)
        others = element.iterancestors() if step == " " else element.itersiblings(preceding=True)
        for other in others:
            if isinstance(other.tag, str) and self._matches(other, compounds, index - 1, known):
                return True
            if self.left <= 0:
                break
        return False

    def _fits(self, element: Element, compound: Compound) -> bool:
        self.left -= 1
        if self.left < 0 or (compound.tag and compound.tag != element.tag):
            return False
        if compound.classes and not set(compound.classes) <= set((element.get("class") or "").split()):
            return False
        if compound.ids and any(name != element.get("id") for name in compound.ids):
            return False
        return all(_has(element, *attribute) for attribute in compound.attributes) and all(
            self._is(element, name, inner) for name, inner in compound.pseudos
        )

    def _is(self, element: Element, name: str, inner: tuple[Selector, ...]) -> bool:
        match name:
            case "first-child":
                return _previous(element) is None
            case "last-child":
                return _next(element) is None
            case "only-child":
                return _previous(element) is None and _next(element) is None
            case "root":
                return element.getparent() is None
            case "empty":
                return len(element) == 0 and not element.text
            case "link" | "any-link":
                return element.tag == "a" and element.get("href") is not None
            case "not":
                return not any(selector.dynamic or self.matches(element, selector) for selector in inner)
        return False


def cascade(elements: Sequence[Element], rules: Sequence[Rule]) -> Iterator[tuple[Element, list[Declaration]]]:
    """Each element with the declarations that apply to it, the strongest last: rules in order, then its own style."""
    matcher = Matcher()
    by_key: dict[str, list[tuple[int, Rule, Selector]]] = {}
    for order, rule in enumerate(rules):
        for selector in rule.selectors:
            if not selector.dynamic:
                by_key.setdefault(_key(selector.compounds[-1]), []).append((order, rule, selector))
    for element in elements:
        own = declarations(element.get("style") or "")
        found: list[tuple[tuple[int, int, int], int, Rule]] = []
        if by_key and matcher.left > 0:
            keys = {f".{name}" for name in (element.get("class") or "").split()}
            keys |= {str(element.tag), f"#{element.get('id')}", ""}
            for key in keys:
                for order, rule, selector in by_key.get(key, ()):
                    if matcher.matches(element, selector):
                        found.append((selector.specificity, order, rule))
        if not found:
            yield element, sorted(own, key=_important)
            continue
        found.sort(key=lambda item: item[:2])
        every = [declaration for _, _, rule in found for declaration in rule.declarations]
        yield element, sorted([*every, *own], key=_important)


def _important(declaration: Declaration) -> bool:
    return declaration.important


def _key(compound: Compound) -> str:
    if compound.ids:
        return f"#{compound.ids[0]}"
    if compound.classes:
        return f".{compound.classes[0]}"
    return compound.tag


def _has(element: Element, name: str, operator: str, value: str) -> bool:
    actual = element.get(name)
    if actual is None:
        return False
    match operator:
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
        case "*=":
            return bool(value) and value in actual
    return False


def _previous(element: Element) -> Element | None:
    return next((other for other in element.itersiblings(preceding=True) if isinstance(other.tag, str)), None)


def _next(element: Element) -> Element | None:
    return next((other for other in element.itersiblings() if isinstance(other.tag, str)), None)
