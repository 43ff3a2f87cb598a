"""Which of caniemail's features a message uses, found by a real parse of its HTML and CSS.

The data says which clients support a feature, not how to find it in a message; the slugs do: `css-<property>`,
`css-unit-<unit>`, `html-<tag or attribute>`, `image-<type>`. Left out: what stands in conditional comments, and rules
that mean no element of the message.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from newsletter.checks.sample import Sample
from newsletter.css.matching import Matcher
from newsletter.css.parse import Declaration, Element, Rule, declarations
from newsletter.css.selectors import Selector, keys_of

_MOST_RULES = 1_000  # of a style element; Gmail reads a tenth of that
_MOST_TRIES = 100  # elements of one class or name
_UNITS = {"ch", "cm", "em", "ex", "in", "mm", "pc", "pt", "px", "rem", "vh", "vmax", "vmin", "vw"}
_FUNCTIONS = {
    "calc": "css-unit-calc", "clamp": "css-function-clamp", "max": "css-function-max", "min": "css-function-min",
    "light-dark": "css-function-light-dark", "var": "css-variables", "rgb": "css-rgb", "rgba": "css-rgba",
    "linear-gradient": "css-linear-gradient", "repeating-linear-gradient": "css-linear-gradient",
    "radial-gradient": "css-radial-gradient", "repeating-radial-gradient": "css-radial-gradient",
    "conic-gradient": "css-conic-gradient", "lab": "css-modern-color", "lch": "css-modern-color",
    "oklab": "css-modern-color", "oklch": "css-modern-color",
}  # fmt: skip
_WORDS = {"initial": "css-unit-initial", "system-ui": "css-sytem-ui", "fit-content": "css-intrinsic-size",
          "min-content": "css-intrinsic-size", "max-content": "css-intrinsic-size"}  # fmt: skip
_PREFIXES = (
    (r"(margin|padding)-(inline|block)-(start|end)", r"css-\1-\2-start-end"),
    (r"(margin|padding)-(inline|block)", r"css-\1-inline-block"),
    (r"border-(start|end)-(start|end)-radius", "css-border-radius-logical"),
    (r"border-.*radius", "css-border-radius"),
    (r"border-(inline|block)-(start|end)-\w+", "css-border-inline-block-longhand"),
    (r"border-(inline|block)-\w+", "css-border-inline-block-individual"),
    (r"border-(inline|block)", "css-border-inline-block"),
    (r"border-image.*", "css-border-image"),
    (r"border-(top|right|bottom|left|color|width|style).*", "css-border"),
    (r"(block|inline)-size", "css-block-inline-size"),
    (r"column-(?!count).*", "css-column-layout-properties"),
    (r"(left|right|top|bottom)", "css-left-right-top-bottom"),
    (r"row-gap", "css-gap"),
    (r"(margin|padding|overflow|grid-template|animation|transition|inset|scroll-snap|outline|mask)-.*", r"css-\1"),
    (r"grid", "css-grid-template"),
    (r"mask", "css-mask-image"),
    (r"columns?", "css-column-count"),
)  # fmt: skip
_MEDIA = ("prefers-color-scheme", "prefers-reduced-motion", "hover", "orientation", "device-pixel-ratio")
_TAGS = {
    **{f"h{level}": "html-h1-h6" for level in range(1, 7)},
    **dict.fromkeys(("ul", "ol", "dl"), "html-lists"),
    **dict.fromkeys(
        ("article", "aside", "details", "figcaption", "figure", "footer", "header", "main", "mark", "nav", "section",
         "summary", "time"), "html-semantics"),
    "map": "html-image-maps", "s": "html-strike", "embed": "html-object",
}  # fmt: skip
_ATTRIBUTES = (
    "align", "valign", "background", "cellpadding", "cellspacing", "width", "height", "dir", "lang", "role", "hidden",
    "srcset", "target", "required", "popover", "aria-describedby", "aria-hidden", "aria-label", "aria-labelledby",
    "aria-live",
)  # fmt: skip
_COMBINATORS = {" ": "descendant", ">": "child", "+": "adjacent-sibling", "~": "general-sibling"}
_TYPES = {"jpeg": "jpg", "svg+xml": "svg", "tif": "tiff", "heic": "heif", "x-icon": "ico", "vnd.microsoft.icon": "ico"}


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a feature: the element that has it, or the style rule that says it."""

    slug: str
    element: Element | None
    line: int | None  # of the HTML part
    declaration: Declaration | None = None  # CSS only
    beside: tuple[Declaration, ...] = ()  # the declarations before it in the same block
    conditional: bool = False  # stands under @media, @supports or a pseudo-class: a client without it loses nothing


def uses(sample: Sample) -> Iterator[Use]:
    """Every use of every feature, in no particular order."""
    if sample.tree is None:
        return
    if sample.html is not None and sample.html.text.lstrip("\ufeff \n\r\t")[:9].lower() == "<!doctype":
        yield Use("html-doctype", None, 1)
    index: dict[str, list[Element]] = {}
    matcher = Matcher()
    for element in sample.elements:
        yield from _html(element)
        yield from _css(declarations(element.get("style") or ""), element, None, False)
        for key in keys_of(element):
            index.setdefault(key, []).append(element)
    for style in sample.styles:
        for at_rule in style.sheet.at_rules:
            yield from _at_rule(at_rule.name, at_rule.prelude.lower(), style.before + at_rule.line)
        for line in style.sheet.nested:
            yield Use("css-nesting", None, style.before + line)
        for rule in style.sheet.rules[:_MOST_RULES]:
            yield from _rule(rule, style.before, index, matcher)


def image_type(source: str) -> str:
    """The type of a picture by its address: `png`, `svg`, … or empty."""
    if source.startswith("data:"):
        match = re.match(r"data:image/([\w.+-]+)", source, re.IGNORECASE)
        kind = match[1].lower() if match else ""
    else:
        try:
            kind = urlsplit(source).path.rpartition("/")[2].rpartition(".")[2].lower()
        except ValueError:
            kind = ""
    return _TYPES.get(kind, kind)


@lru_cache(maxsize=512)
def property_slug(name: str) -> str:
    """The feature that a CSS property belongs to, whether the data has it or not."""
    for pattern, slug in _PREFIXES:
        if match := re.fullmatch(pattern, name):
            return match.expand(slug)
    return f"css-{name}"


def _html(element: Element) -> Iterator[Use]:
    tag, line = str(element.tag), _line(element)
    slug = _TAGS.get(tag, f"html-{tag}")
    if tag == "input":
        slug = f"html-input-{(element.get('type') or 'text').lower()}"
    elif tag == "button":
        slug = f"html-button-{(element.get('type') or 'submit').lower()}"
    elif tag == "meta" and (element.get("name") or "").lower() == "color-scheme":
        slug = "html-meta-color-scheme"
    yield Use(slug, element, line)
    for name in _ATTRIBUTES:
        if element.get(name) is not None:
            yield Use(f"html-{name}", element, line)
    if element.get("loading") is not None:
        yield Use("html-loading-attribute", element, line)
    href = (element.get("href") or "").strip().lower()
    if tag == "a" and href.startswith("#") and href != "#":
        yield Use("html-anchor-links", element, line)
    if tag == "a" and href.startswith("mailto:"):
        yield Use("html-mailto-links", element, line)
    if tag == "img":
        if element.get("usemap") is not None:
            yield Use("html-image-maps", element, line)
        source = (element.get("src") or "").strip()
        if kind := image_type(source):
            yield Use(f"image-{kind}", element, line)
        if source.lower().startswith("data:"):
            yield Use("image-base64", element, line)


def _css(found: Sequence[Declaration], element: Element | None, line: int | None, conditional: bool) -> Iterator[Use]:
    at = _line(element) if element is not None else line
    for index, item in enumerate(found):
        for slug in _slugs(item):
            yield Use(slug, element, at, item, tuple(found[:index]), conditional)


@lru_cache(maxsize=4096)
def _slugs(item: Declaration) -> frozenset[str]:
    """The features that one declaration uses."""
    if item.name.startswith("--"):
        return frozenset({"css-variables"})
    if item.name.startswith(("-", "mso-")):
        return frozenset()
    slugs = {property_slug(item.name)}
    value = item.value.strip().lower()
    if item.name == "display":
        for word in ("flex", "grid", "none"):
            if value in {word, f"inline-{word}"}:
                slugs.add(f"css-display-{word}")
    if item.important:
        slugs.add("css-important")
    _tokens(item.tokens, slugs)
    if item.name == "background" and "url(" in value:
        slugs.add("css-background-image")
    return frozenset(slugs)


def _tokens(tokens: Iterable[Any], slugs: set[str]) -> None:
    for token in tokens:
        if token.type == "dimension" and token.lower_unit in _UNITS:
            slugs.add(f"css-unit-{token.lower_unit}")
        elif token.type == "percentage":
            slugs.add("css-unit-percent")
        elif token.type == "ident" and token.lower_value in _WORDS:
            slugs.add(_WORDS[token.lower_value])
        elif token.type == "function":
            if token.lower_name in _FUNCTIONS:
                slugs.add(_FUNCTIONS[token.lower_name])
            _tokens(token.arguments, slugs)


def _at_rule(name: str, prelude: str, line: int) -> Iterator[Use]:
    yield Use(f"css-at-{name.removeprefix('-webkit-').removeprefix('-moz-')}", None, line, None, (), name != "import")
    if name == "media":
        for word in _MEDIA:
            if re.search(rf"[(-]{word}|\({word}", prelude):
                yield Use(f"css-at-media-{word}", None, line, None, (), True)


def _rule(rule: Rule, before: int, index: dict[str, list[Element]], matcher: Matcher) -> Iterator[Use]:
    line = before + rule.line
    meant = [
        (selector, element) for selector in rule.selectors if (element := _first(selector, index, matcher)) is not None
    ]
    conditional = bool(rule.around)
    if len(rule.selectors) > 1 and meant:
        yield Use("css-selector-grouping", None, line, None, (), True)
    for selector, element in meant:
        for slug in _selector_slugs(selector):
            structural = slug.startswith("css-pseudo-class-") and not selector.dynamic
            text = slug.startswith("css-pseudo-element-") and any(_says(item) for item in rule.declarations)
            yield Use(slug, element, line, None, (), conditional or not (structural or text))
    if meant:
        only_dynamic = all(selector.dynamic for selector, _ in meant)
        yield from _css(rule.declarations, meant[0][1], line, conditional or only_dynamic)


def _selector_slugs(selector: Selector) -> Iterator[str]:
    for name in re.findall(r"::?([a-z-]+)", selector.text.lower()):
        element = name in {"before", "after", "first-letter", "first-line", "marker", "placeholder"}
        yield f"css-pseudo-{'element' if element else 'class'}-{name}"
    for compound in selector.compounds:
        kinds = [("class", compound.classes), ("id", compound.ids), ("type", (compound.tag,) if compound.tag else ())]
        for kind, names in kinds:
            if names:
                yield f"css-selector-{kind}"
        if compound.attributes:
            yield "css-selector-attribute"
        if compound.universal:
            yield "css-selector-universal"
        if len(compound.classes) + len(compound.ids) > 1:
            yield "css-selector-chaining"
        if compound.combinator in _COMBINATORS:
            yield f"css-selector-{_COMBINATORS[compound.combinator]}"


def _first(selector: Selector, index: dict[str, list[Element]], matcher: Matcher) -> Element | None:
    """An element that the selector means, its `:hover` and `::before` taken as given."""
    tries = index.get(selector.subject.key, [])[:_MOST_TRIES]
    return next((element for element in tries if matcher.match(element, selector)), None)


def _says(item: Declaration) -> bool:
    return item.name == "content" and any(token.type == "string" and token.value.strip() for token in item.tokens)


def _line(element: Element) -> int | None:
    line: object = element.sourceline
    return line if isinstance(line, int) else None
