"""The page as a whole: does it fit, does it know the dark?"""

from collections.abc import Iterator

from newsletter.checks.rule import Check, Place, Violation
from newsletter.checks.sample import Sample
from newsletter.css.computed import pixels
from newsletter.css.parse import Element, declarations

WIDEST = 640


def width(sample: Sample) -> Iterator[Violation]:
    if sample.tree is None:
        return
    metas = [meta for meta in sample.all("meta") if (meta.get("name") or "").strip().lower() == "viewport"]
    if not metas:
        what = "there is no viewport meta element: phones shrink the page until it can't be read"
        hint = 'Put <meta name="viewport" content="width=device-width, initial-scale=1"> into the head.'
        yield Violation("warning", what, _head(sample), None, hint)
    widest: tuple[float, Element] | None = None
    for element in sample.elements:
        found = _fixed_width(element)
        if found > WIDEST and not sample.hidden(element) and (widest is None or found > widest[0]):
            widest = (found, element)
    if widest:
        wide, element = widest
        article = "an" if element.tag == "img" else "a"
        what = f"{article} <{element.tag}> is {wide:g} px wide: beyond {WIDEST} px readers scroll sideways"
        place = sample.sources.address(element.get("src") or "") or sample.sources.literal(f'width="{wide:g}"')
        yield Violation("warning", what, place, element)


def dark_mode(sample: Sample) -> Iterator[Violation]:
    if sample.tree is None:
        return
    missing = []
    if not sample.knows_dark:
        missing.append("color-scheme meta element")
    if not sample.dark_rules:
        missing.append("dark styles")
    if missing:
        what = f"no {' and no '.join(missing)}: each client darkens the message in its own way"
        yield Violation("info", what, _head(sample))


def _fixed_width(element: Element) -> float:
    """The width in px that the element can't go below: 0 where it gives way."""
    if element.tag in {"html", "head", "meta", "link", "style", "script", "title"}:
        return 0
    said = (element.get("width") or "").strip().removesuffix("px")
    wide = float(said) if said.isdecimal() and element.tag in {"table", "td", "th", "img"} else 0.0
    limit = None
    for item in declarations(element.get("style") or ""):
        length = None if item.value.endswith("%") else pixels(item.value)
        if item.name in {"width", "min-width"} and length is not None:
            wide = max(wide, length)
        elif item.name == "width" and item.value.endswith("%") and element.tag != "img":
            wide = 0
        elif item.name == "max-width" and length is not None:
            limit = length
    return min(wide, limit) if limit is not None else wide


def _head(sample: Sample) -> Place:
    for source in sample.sources.templates[:1]:
        if "<head" in source.text:
            return source.name, source.line_at(source.text.index("<head"))
    return None


LAYOUT = (
    Check(
        "width", width,
        {"warning": "no viewport meta element; content wider than 640 px"},
        "The reader scrolls sideways, or reads very small print.",
        "Keep the page at 600 px: width=\"600\" with style=\"width: 100%; max-width: 600px\".",
        "https://www.caniemail.com/features/css-max-width/",
    ),
    Check(
        "dark-mode", dark_mode,
        {"info": "no color-scheme meta element, no dark styles"},
        "Clients turn colours over by themselves; logos on white boxes and grey on black come of it.",
        "Add <meta name=\"color-scheme\" content=\"light dark\"> and @media (prefers-color-scheme: dark) rules.",
        "https://www.caniemail.com/features/css-at-media-prefers-color-scheme/",
    ),
)  # fmt: skip
