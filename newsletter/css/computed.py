"""How each element looks to the reader: colour, ground, size, and whether it shows at all.

A small part of what a browser computes, from the cascade and the attributes of HTML, in one walk from the root. What
can't be known from the message is None: the ground under a background image or a gradient. Defaults:
https://html.spec.whatwg.org/multipage/rendering.html
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from newsletter.css.cascade import cascade
from newsletter.css.colour import BLACK, WHITE, Colour, read_attribute_colour, read_colour
from newsletter.css.parse import Declaration, Element, Rule, functions, urls

NOT_SHOWN = {"head", "title", "script", "style", "template", "noscript", "meta", "link", "base", "xml"}
_SIZES = {
    "xx-small": 9, "x-small": 10, "small": 13, "medium": 16, "large": 18, "x-large": 24, "xx-large": 32,
    "xxx-large": 48,
}  # fmt: skip
_FONT_SIZES = {"1": 10, "2": 13, "3": 16, "4": 18, "5": 24, "6": 32, "7": 48}
_UNITS = {
    "px": 1.0,
    "pt": 4 / 3,
    "pc": 16.0,
    "in": 96.0,
    "cm": 96 / 2.54,
    "mm": 96 / 25.4,
    "q": 96 / 101.6,
    "rem": 16.0,
}
_SCALE = {
    "h1": 2.0,
    "h2": 1.5,
    "h3": 1.17,
    "h5": 0.83,
    "h6": 0.67,
    "small": 0.833,
    "sub": 0.833,
    "sup": 0.833,
    "big": 1.2,
}
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6", "th"}
_BOLD = {*_HEADINGS, "b", "strong"}
_LENGTH = re.compile(r"([-+]?(?:\d+(?:\.\d*)?|\.\d+))([a-z]+|%)?\Z", re.IGNORECASE)
_LINK = Colour(0, 0, 0xEE / 255)
_DARK_LINK = Colour(0x9E / 255, 0x9E / 255, 1)
_DARK_GROUND = Colour(0x1E / 255, 0x1E / 255, 0x1E / 255)  # Apple Mail's page in dark mode


@dataclass(frozen=True, slots=True)
class ComputedStyle:
    """What the reader sees of an element's own text."""

    colour: Colour | None  # None: unknown
    ground: Colour | None  # the opaque colour behind the text; None: unknown
    size: float  # of the font, in px
    weight: float  # of the font, 100 to 900
    hidden: bool
    gone: bool  # hidden with all that is inside it
    opacity: float
    display: str  # as declared, or empty

    @property
    def bold(self) -> bool:
        """Whether it counts as bold, so as large text from 18.66 px."""
        return self.weight >= 600


@dataclass(frozen=True, slots=True)
class Box:
    """What decides whether a box has any room: declared lengths in px, None where nothing is declared."""

    height: float | None = None
    max_height: float | None = None
    width: float | None = None
    max_width: float | None = None
    clips: bool = False
    away: bool = False  # moved out of the page


def computed_styles(
    elements: Sequence[Element], rules: Sequence[Rule], dark: bool = False
) -> dict[Element, ComputedStyle]:
    """The computed style of each element, given in document order.

    `dark` starts from a dark page, as a client does that believes a message's `color-scheme: dark`.
    """
    root = ComputedStyle(WHITE if dark else BLACK, _DARK_GROUND if dark else WHITE, 16.0, 400, False, False, 1.0, "")
    found: dict[Element, ComputedStyle] = {}
    for element, declared in cascade(elements, rules):
        parent = element.getparent()
        above = found.get(parent, root) if parent is not None else root
        found[element] = _computed_style(element, above, declared, dark)
    return found


def pixels(text: str, parent: float = 16.0) -> float | None:
    """A CSS length or percentage in px; `parent` is the font size that em and % refer to. None if it can't be known."""
    match = _LENGTH.match(text.strip())
    if not match:
        return None
    number, unit = float(match[1]), (match[2] or "").lower()
    if not unit:
        return 0.0 if number == 0 else None
    if unit in {"em", "%", "ex", "ch"}:
        return number * parent * {"em": 1.0, "%": 0.01, "ex": 0.5, "ch": 0.5}[unit]
    return number * _UNITS[unit] if unit in _UNITS else None


def _computed_style(
    element: Element, above: ComputedStyle, declared: Sequence[Declaration], dark: bool
) -> ComputedStyle:
    tag = str(element.tag)
    colour, ground, size, weight = above.colour, above.ground, above.size, above.weight
    opacity, display, visible, box = above.opacity, "", True, Box()
    if tag in _SCALE:
        size *= _SCALE[tag]
    if tag in _BOLD:
        weight = 700 if tag in _HEADINGS else _bolder(above.weight)
    if tag == "a" and element.get("href") is not None:
        colour = _DARK_LINK if dark else _LINK
    if shade := element.get({"font": "color", "body": "text"}.get(tag, "")) if tag in {"font", "body"} else None:
        colour = read_attribute_colour(shade) or colour
    if tag == "font":
        size = _FONT_SIZES.get((element.get("size") or "").strip(), size)
    if element.get("background"):
        ground = None
    elif element.get("bgcolor"):
        ground = read_attribute_colour(element.get("bgcolor") or "") or ground
    image = bool(element.get("background"))
    for item in declared:
        value = item.value.strip().lower()
        match item.name:
            case "color":
                colour = _text_colour(value, colour, above.colour)
            case "background" | "background-color" | "background-image":
                if value in {"inherit", "initial", "unset", "none", "transparent"}:
                    if item.name != "background-image":
                        ground = above.ground if not image or item.name == "background" else None
                    continue
                if urls(item.tokens) or any("gradient" in name for name in functions(item.tokens)):
                    ground, image = None, True
                    continue
                found = plain_colour(item)
                if item.name == "background":
                    image = False
                if found is not None and not image:
                    ground = found.over(above.ground) if above.ground else found if found.alpha == 1 else None
                elif found is None and item.name != "background-image":
                    ground = None  # var(), a newer colour
            case "font-size":
                size = _font_size(value, above.size, size)
            case "font":
                size, weight = _font(item, above, size)
            case "font-weight":
                weight = _weight(value, above.weight, weight)
            case "opacity":
                number = re.match(r"([\d.]+)(%?)\Z", value)
                if number and number[1].count(".") < 2 and number[1] != ".":
                    opacity = above.opacity * min(1.0, float(number[1]) / (100 if number[2] else 1))
            case "display":
                display = value
            case "visibility":
                visible = value not in {"hidden", "collapse"}
            case _:
                box = _boxed(box, item.name, value, size)
    gone = (
        above.gone
        or (tag in NOT_SHOWN and tag != "head")  # where there is no body, libxml2 leaves strange tags in the head
        or display == "none"
        or (element.get("hidden") is not None and not display)
        or not visible
        or _no_room(box)
        or opacity == 0
    )
    hidden = gone or size <= 2 or (colour is not None and colour.alpha == 0)
    return ComputedStyle(colour, ground, size, weight, hidden, gone, opacity, display)


def _text_colour(value: str, own: Colour | None, inherited: Colour | None) -> Colour | None:
    if value in {"inherit", "unset", "currentcolor"}:
        return inherited
    if value == "initial":
        return BLACK
    found = read_colour(value)
    return found if isinstance(found, Colour) else None if "(" in value else own


def plain_colour(item: Declaration) -> Colour | None:
    """The colour that a `background` or `background-color` names, if any."""
    for token in item.tokens:
        if token.type in {"ident", "hash", "function"}:
            found = read_colour(token.serialize())
            if isinstance(found, Colour):
                return found
    return None


def _font_size(value: str, inherited: float, own: float) -> float:
    if value in _SIZES:
        return _SIZES[value]
    if value in {"smaller", "larger"}:
        return inherited * (0.833 if value == "smaller" else 1.2)
    if value in {"inherit", "unset"}:
        return inherited
    found = pixels(value, inherited)
    return own if found is None else found


def _bolder(weight: float) -> float:
    """https://www.w3.org/TR/css-fonts-4/#relative-weights"""
    return 400 if weight < 350 else 700 if weight < 550 else max(900, weight)


def _weight(value: str, inherited: float, own: float) -> float:
    if value.isdecimal():
        return float(value)
    lighter = 100 if inherited < 550 else 400 if inherited < 750 else 700
    known = {"bold": 700, "normal": 400, "bolder": _bolder(inherited), "lighter": min(lighter, inherited)}
    return known.get(value, inherited if value in {"inherit", "unset"} else own)


def _font(item: Declaration, above: ComputedStyle, size: float) -> tuple[float, float]:
    """The size and weight of the `font` shorthand: `bold 17px/1.5 Georgia, serif`."""
    inherited = above.size
    words = item.value.lower().split("/")[0].split(",")[0].split()
    found = next((number for word in words if (number := pixels(word, inherited)) is not None), None)
    named = next((_SIZES[word] for word in words if word in _SIZES), None)
    weights = (_weight(word, above.weight, 0) for word in words)
    weight = next((number for number in weights if number), 400.0)
    return (found if found is not None else named if named is not None else size), weight


def _boxed(box: Box, name: str, value: str, size: float) -> Box:
    match name:
        case "height" | "max-height" | "width" | "max-width":
            length = None if value.endswith("%") and value != "0%" else pixels(value, size)
            return _sized(box, name, length)
        case "overflow" | "overflow-y" | "overflow-x":
            return replace(box, clips=value in {"hidden", "clip"})
        case "left" | "top" | "text-indent" | "margin-left":
            length = pixels(value, size)
            return replace(box, away=box.away or (length is not None and length <= -900))
    return box


def _sized(box: Box, name: str, length: float | None) -> Box:
    match name:
        case "height":
            return replace(box, height=length)
        case "max-height":
            return replace(box, max_height=length)
        case "width":
            return replace(box, width=length)
    return replace(box, max_width=length)


def _no_room(box: Box) -> bool:
    tight = any(length is not None and length <= 1 for length in (box.height, box.max_height, box.width, box.max_width))
    return box.away or (box.clips and tight) or box.max_height == 0 or box.max_width == 0
