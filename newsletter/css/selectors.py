"""Selectors: what they ask of an element, and how specific they are.

cssselect2 reads them; what it can't read no browser takes, or only some do. Which element is meant: `matching`.
Selectors: https://www.w3.org/TR/selectors-4/
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import tinycss2
from cssselect2 import parser
from lxml import etree
from tinycss2.nth import parse_nth

Element = etree._Element
CssNode = Any  # tinycss2 and cssselect2 are untyped
Specificity = tuple[int, int, int]

STRUCTURAL = {
    "first-child", "last-child", "only-child", "first-of-type", "last-of-type", "only-of-type", "root", "scope",
    "empty", "link", "any-link", "defined",
}  # fmt: skip
"""Pseudo-classes that the tree alone decides; `:link` counts among them, for every link was unvisited once."""
COUNTING = {"nth-child", "nth-last-child", "nth-of-type", "nth-last-of-type"}
DYNAMIC = {
    "hover", "active", "focus", "focus-within", "focus-visible", "visited", "target", "checked", "enabled", "disabled",
    "indeterminate", "default", "valid", "invalid", "required", "optional", "read-only", "read-write", "in-range",
    "out-of-range", "placeholder-shown", "autofill", "fullscreen", "modal", "open", "popover-open", "user-valid",
    "user-invalid", "playing", "paused", "picture-in-picture",
}  # fmt: skip
"""Pseudo-classes that browsers know and that the reader, or a form, decides."""
_CASELESS = {
    "accept", "accept-charset", "align", "alink", "axis", "bgcolor", "charset", "checked", "clear", "codetype",
    "color", "compact", "declare", "defer", "dir", "direction", "disabled", "enctype", "face", "frame", "hreflang",
    "http-equiv", "lang", "language", "link", "media", "method", "multiple", "nohref", "noresize", "noshade",
    "nowrap", "readonly", "rel", "rev", "rules", "scope", "scrolling", "selected", "shape", "target", "text",
    "type", "valign", "valuetype", "vlink",
}  # fmt: skip
"""Attributes whose values HTML compares without regard to case:
https://html.spec.whatwg.org/multipage/semantics-other.html#case-sensitivity-of-selectors"""


@dataclass(frozen=True, slots=True)
class Attribute:
    """`[name operator value]`; the operator is empty where presence is all that is asked."""

    name: str
    operator: str
    value: str
    caseless: bool


@dataclass(frozen=True, slots=True)
class Pseudo:
    """A pseudo-class; `inner` is what stands in its brackets, `step` the (a, b) of `an+b`."""

    name: str
    inner: tuple["Selector", ...] = ()
    step: tuple[int, int] = (0, 0)
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compound:
    """A selector without combinators: `td.card[align=left]:first-child`."""

    combinator: str  # what joins it to the compound on its left: "", " ", ">", "+", "~"
    tag: str
    ids: tuple[str, ...]
    classes: frozenset[str]
    attributes: tuple[Attribute, ...]
    pseudos: tuple[Pseudo, ...]

    @property
    def universal(self) -> bool:
        """Whether it is `*` alone."""
        return not (self.tag or self.ids or self.classes or self.attributes or self.pseudos)

    @property
    def key(self) -> str:
        """An id, a class or a type that an element must have; empty where any may be meant."""
        if self.ids:
            return f"#{self.ids[0]}"
        return f".{min(self.classes)}" if self.classes else self.tag


@dataclass(frozen=True, slots=True)
class Selector:
    """One selector of a list."""

    text: str
    compounds: tuple[Compound, ...]
    specificity: Specificity
    pseudo_element: str = ""

    @property
    def subject(self) -> Compound:
        """The last compound, which says what element is meant."""
        return self.compounds[-1]

    @property
    def dynamic(self) -> bool:
        """Whether the tree alone does not decide, or no element is meant but a part of one."""
        return bool(self.pseudo_element) or any(map(_is_dynamic, self.compounds))


def keys_of(element: Element) -> list[str]:
    """The keys of compounds that can mean this element."""
    keys = [f".{name}" for name in (element.get("class") or "").split()]
    if identity := element.get("id"):
        keys.append(f"#{identity}")
    return [*keys, str(element.tag).lower(), ""]


def read_selectors(prelude: Sequence[CssNode]) -> tuple[Selector, ...] | None:
    """The selectors of a rule; None for a list that browsers drop whole, or that only some of them know."""
    try:
        return tuple(_selector(*pair) for pair in zip(parser.parse(prelude), _split(prelude), strict=True))
    except (parser.SelectorError, _UnknownSelectorError, ValueError, AttributeError, TypeError, RecursionError):
        return None


def _is_dynamic(compound: Compound) -> bool:
    return any(
        pseudo.name in DYNAMIC or any(inner.dynamic for inner in pseudo.inner) for pseudo in compound.pseudos
    )  # fmt: skip


class _UnknownSelectorError(Exception):
    """A pseudo-class that not every browser knows, or a namespace."""


def _selector(parsed: CssNode, text: str) -> Selector:
    compounds, specificity = _compounds(parsed.parsed_tree)
    a, b, c = specificity
    element = parsed.pseudo_element or ""
    return Selector(text, tuple(compounds), (a, b, c + 1) if element else specificity, element)


def _compounds(tree: CssNode, combinator: str = "") -> tuple[list[Compound], Specificity]:
    """From the left; `combinator` joins the first one to what is asked of the scope."""
    if isinstance(tree, parser.CombinedSelector):
        left, before = _compounds(tree.left, combinator)
        right, own = _compound(tree.right, tree.combinator)
        return [*left, right], _sum(before, own)
    only, own = _compound(tree, combinator)
    return [only], own


def _compound(tree: CssNode, combinator: str) -> tuple[Compound, Specificity]:
    tag, ids, classes, attributes, pseudos = "", [], [], [], []
    specificity = (0, 0, 0)
    for simple in tree.simple_selectors:
        weight = simple.specificity
        if isinstance(simple, parser.LocalNameSelector):
            tag = simple.lower_local_name
        elif isinstance(simple, parser.IDSelector):
            ids.append(simple.ident)
        elif isinstance(simple, parser.ClassSelector):
            classes.append(simple.class_name)
        elif isinstance(simple, parser.AttributeSelector):
            attributes.append(_attribute(simple))
        else:
            pseudo, weight = _pseudo(simple)
            pseudos.append(pseudo)
        specificity = _sum(specificity, weight)
    found = Compound(combinator, tag, tuple(ids), frozenset(classes), tuple(attributes), tuple(pseudos))
    return found, specificity


def _attribute(simple: CssNode) -> Attribute:
    caseless = simple.case_sensitive is False or (simple.case_sensitive is None and simple.lower_name in _CASELESS)
    value = simple.value or ""
    return Attribute(simple.lower_name, simple.operator or "", value.lower() if caseless else value, caseless)


def _pseudo(simple: CssNode) -> tuple[Pseudo, Specificity]:
    if isinstance(simple, parser.PseudoClassSelector):
        if simple.name not in STRUCTURAL | DYNAMIC:
            raise _UnknownSelectorError(simple.name)
        return Pseudo(simple.name), (0, 1, 0)
    if isinstance(simple, parser.FunctionalPseudoClassSelector):
        return _function(simple)
    for kind, name in _LOGICAL.items():
        if isinstance(simple, kind):
            inner = tuple(_relative(one) if name == "has" else _selector(one, "") for one in simple.selector_list)
            heaviest = max((one.specificity for one in inner), default=(0, 0, 0))
            return Pseudo(name, inner), (0, 0, 0) if name == "where" else heaviest
    raise _UnknownSelectorError(type(simple).__name__)


_LOGICAL = {
    parser.MatchesAnySelector: "is",
    parser.SpecificityAdjustmentSelector: "where",
    parser.NegationSelector: "not",
    parser.RelationalSelector: "has",
}


def _relative(parsed: CssNode) -> Selector:
    """What `:has()` asks, as a selector that begins at the element itself."""
    compounds, specificity = _compounds(parsed.selector.parsed_tree, parsed.combinator)
    scope = Compound("", "", (), frozenset(), (), (Pseudo("scope"),))
    return Selector("", (scope, *compounds), specificity)


def _function(simple: CssNode) -> tuple[Pseudo, Specificity]:
    arguments = [token for token in simple.arguments if token.type != "comment"]
    if simple.name == "lang":
        languages = tuple(token.value for token in arguments if token.type in {"ident", "string"})
        return Pseudo("lang", languages=languages), (0, 1, 0)
    if simple.name not in COUNTING:
        raise _UnknownSelectorError(simple.name)
    at = next((n for n, token in enumerate(arguments) if token.type == "ident" and token.lower_value == "of"), None)
    step = parse_nth(arguments if at is None else arguments[:at])
    inner = () if at is None else read_selectors(arguments[at + 1 :])
    if step is None or inner is None or (at is not None and simple.name.endswith("of-type")):
        raise _UnknownSelectorError(simple.name)
    return Pseudo(simple.name, inner, step), _sum((0, 1, 0), max((one.specificity for one in inner), default=(0, 0, 0)))


def _sum(one: Specificity, other: Specificity) -> Specificity:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _split(prelude: Sequence[CssNode]) -> Iterator[str]:
    """The text of each selector of a list."""
    group: list[CssNode] = []
    for token in [*prelude, None]:
        if token is None or (token.type == "literal" and token.value == ","):
            yield str(tinycss2.serialize(group)).strip()
            group = []
        else:
            group.append(token)
