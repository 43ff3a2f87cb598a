"""Which element a selector means, and which declarations win.

The selectors that messages use: types, classes, ids, attributes, descendants, children, siblings, the structural
pseudo-classes and `:not()`. What depends on the reader (`:hover`) or stands outside the tree (`::before`) matches
nothing. Cascade: https://www.w3.org/TR/css-cascade-3/ section 6.
"""

from collections.abc import Iterator, Sequence

from newsletter.checks.css import Compound, Declaration, Element, Rule, Selector, declarations

_MOST_COMPARISONS = 300_000


def matches(element: Element, selector: Selector) -> bool:
    """Whether the selector means this element; never for a dynamic one."""
    return not selector.dynamic and _matches(element, selector.compounds, len(selector.compounds) - 1, {})


def cascade(elements: Sequence[Element], rules: Sequence[Rule]) -> Iterator[tuple[Element, list[Declaration]]]:
    """Each element with the declarations that apply to it, the strongest last: rules in order, then its own style.

    After 300,000 comparisons, which no message needs, the rules are left out.
    """
    left = _MOST_COMPARISONS
    by_key: dict[str, list[tuple[int, Rule, Selector]]] = {}
    for order, rule in enumerate(rules):
        for selector in rule.selectors:
            if not selector.dynamic:
                by_key.setdefault(_key(selector.compounds[-1]), []).append((order, rule, selector))
    for element in elements:
        own = declarations(element.get("style") or "")
        found: list[tuple[tuple[int, int, int], int, Rule]] = []
        if by_key and left > 0:
            keys = [f".{name}" for name in (element.get("class") or "").split()]
            keys += [str(element.tag), f"#{element.get('id')}", ""]
            for key in keys:
                candidates = by_key.get(key, ())
                left -= len(candidates)
                for order, rule, selector in candidates:
                    if matches(element, selector):
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


def _matches(
    element: Element, compounds: tuple[Compound, ...], index: int, known: dict[tuple[Element, int], bool]
) -> bool:
    """`known` keeps a hostile selector (`div div div …` in a deep tree) from being tried in every combination."""
    compound = compounds[index]
    if not _fits(element, compound):
        return False
    if index == 0:
        return True
    if (element, index) not in known:
        known[element, index] = _joined(element, compounds, index, known)
    return known[element, index]


def _joined(
    element: Element, compounds: tuple[Compound, ...], index: int, known: dict[tuple[Element, int], bool]
) -> bool:
    """Whether what stands left of the combinator matches too."""
    compound = compounds[index]
    step = compound.combinator
    if step == ">":
        parent = element.getparent()
        return parent is not None and _matches(parent, compounds, index - 1, known)
    if step == "+":
        before = _previous(element)
        return before is not None and _matches(before, compounds, index - 1, known)
    others = element.iterancestors() if step == " " else element.itersiblings(preceding=True)
    return any(_matches(other, compounds, index - 1, known) for other in others if isinstance(other.tag, str))


def _fits(element: Element, compound: Compound) -> bool:
    if compound.tag and compound.tag != element.tag:
        return False
    if compound.classes and not set(compound.classes) <= set((element.get("class") or "").split()):
        return False
    if compound.ids and any(name != element.get("id") for name in compound.ids):
        return False
    return all(_has(element, *attribute) for attribute in compound.attributes) and all(
        _is(element, name, inner) for name, inner in compound.pseudos
    )


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


def _is(element: Element, name: str, inner: tuple[Selector, ...]) -> bool:
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
            return not any(selector.dynamic or matches(element, selector) for selector in inner)
    return False


def _previous(element: Element) -> Element | None:
    return next((other for other in element.itersiblings(preceding=True) if isinstance(other.tag, str)), None)


def _next(element: Element) -> Element | None:
    return next((other for other in element.itersiblings() if isinstance(other.tag, str)), None)
