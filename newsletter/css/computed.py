"""How each element looks to the reader: colour, ground, size, and whether it shows at all.

A small part of what a browser computes, from the cascade and the attributes of HTML, in one walk from the root. What
can't be known from the message is None: the ground under a background image or a gradient. Defaults:
https://html.spec.whatwg.org/multipage/rendering.html
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

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
_COLOUR_ATTRIBUTES = {"font": "color", "body": "text"}
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


@dataclass(slots=True)
class _Draft:
    """An element's style while its declarations are gone through, the strongest last."""

    above: ComputedStyle
    colour: Colour | None
    ground: Colour | None
    size: float
    weight: float
    opacity: float
    image: bool = False  # something that hides the ground's colour: a picture, a gradient
    display: str = ""
    visible: bool = True
    clips: bool = False
    away: bool = False  # moved out of the page
    lengths: dict[str, float | None] = field(default_factory=dict)  # declared, in px


def _computed_style(
    element: Element, above: ComputedStyle, declared: Sequence[Declaration], dark: bool
) -> ComputedStyle:
    draft = _Draft(above, above.colour, above.ground, above.size, above.weight, above.opacity)
    _from_html(draft, element, dark)
    for item in declared:
        if item.name in _PROPERTIES:
            _PROPERTIES[item.name](draft, item, item.value.strip().lower())
    tag = str(element.tag)
    gone = (
        above.gone
        or (tag in NOT_SHOWN and tag != "head")  # where there is no body, libxml2 leaves strange tags in the head
        or draft.display == "none"
        or (element.get("hidden") is not None and not draft.display)
        or not draft.visible
        or _no_room(draft)
        or draft.opacity == 0
    )
    hidden = gone or draft.size <= 2 or (draft.colour is not None and draft.colour.alpha == 0)
    return ComputedStyle(
        draft.colour, draft.ground, draft.size, draft.weight, hidden, gone, draft.opacity, draft.display
    )  # fmt: skip


def _from_html(draft: _Draft, element: Element, dark: bool) -> None:
    """What the element and its attributes say, before any CSS."""
    tag = str(element.tag)
    draft.size *= _SCALE.get(tag, 1.0)
    if tag in _BOLD:
        draft.weight = 700 if tag in _HEADINGS else _bolder(draft.above.weight)
    if tag == "a" and element.get("href") is not None:
        draft.colour = _DARK_LINK if dark else _LINK
    if tag in _COLOUR_ATTRIBUTES and (shade := element.get(_COLOUR_ATTRIBUTES[tag])):
        draft.colour = read_attribute_colour(shade) or draft.colour
    if tag == "font":
        draft.size = _FONT_SIZES.get((element.get("size") or "").strip(), draft.size)
    if element.get("background"):
        draft.ground, draft.image = None, True
    elif shade := element.get("bgcolor") or "":
        draft.ground = read_attribute_colour(shade) or draft.ground


def _color(draft: _Draft, item: Declaration, value: str) -> None:
    draft.colour = _text_colour(value, draft.colour, draft.above.colour)


def _background(draft: _Draft, item: Declaration, value: str) -> None:
    if value in {"inherit", "initial", "unset", "none", "transparent"}:
        if item.name != "background-image":
            draft.ground = draft.above.ground if not draft.image or item.name == "background" else None
        return
    if urls(item.tokens) or any("gradient" in name for name in functions(item.tokens)):
        draft.ground, draft.image = None, True
        return
    found, below = plain_colour(item), draft.above.ground
    if item.name == "background":
        draft.image = False
    if found is not None and not draft.image:
        draft.ground = found.over(below) if below else found if found.alpha == 1 else None
    elif found is None and item.name != "background-image":
        draft.ground = None  # var(), a newer colour


def _font_size(draft: _Draft, item: Declaration, value: str) -> None:
    inherited = draft.above.size
    if value in _SIZES:
        draft.size = _SIZES[value]
    elif value in {"smaller", "larger"}:
        draft.size = inherited * (0.833 if value == "smaller" else 1.2)
    elif value in {"inherit", "unset"}:
        draft.size = inherited
    elif (found := pixels(value, inherited)) is not None:
        draft.size = found


def _font(draft: _Draft, item: Declaration, value: str) -> None:
    """The size and weight of the shorthand: `bold 17px/1.5 Georgia, serif`."""
    words = value.split("/")[0].split(",")[0].split()
    found = next((number for word in words if (number := pixels(word, draft.above.size)) is not None), None)
    named = next((_SIZES[word] for word in words if word in _SIZES), None)
    weights = (_weight(word, draft.above.weight, 0) for word in words)
    draft.weight = next((number for number in weights if number), 400.0)
    draft.size = found if found is not None else named if named is not None else draft.size


def _font_weight(draft: _Draft, item: Declaration, value: str) -> None:
    draft.weight = _weight(value, draft.above.weight, draft.weight)


def _opacity(draft: _Draft, item: Declaration, value: str) -> None:
    number = re.match(r"([\d.]+)(%?)\Z", value)
    if number and number[1].count(".") < 2 and number[1] != ".":
        draft.opacity = draft.above.opacity * min(1.0, float(number[1]) / (100 if number[2] else 1))


def _display(draft: _Draft, item: Declaration, value: str) -> None:
    draft.display = value


def _visibility(draft: _Draft, item: Declaration, value: str) -> None:
    draft.visible = value not in {"hidden", "collapse"}


def _overflow(draft: _Draft, item: Declaration, value: str) -> None:
    draft.clips = value in {"hidden", "clip"}


def _length(draft: _Draft, item: Declaration, value: str) -> None:
    draft.lengths[item.name] = None if value.endswith("%") and value != "0%" else pixels(value, draft.size)


def _offset(draft: _Draft, item: Declaration, value: str) -> None:
    length = pixels(value, draft.size)
    draft.away = draft.away or (length is not None and length <= -900)


_PROPERTIES: dict[str, Callable[[_Draft, Declaration, str], None]] = {
    "color": _color,
    **dict.fromkeys(("background", "background-color", "background-image"), _background),
    "font-size": _font_size, "font": _font, "font-weight": _font_weight,
    "opacity": _opacity, "display": _display, "visibility": _visibility,
    **dict.fromkeys(("overflow", "overflow-x", "overflow-y"), _overflow),
    **dict.fromkeys(("height", "max-height", "width", "max-width"), _length),
    **dict.fromkeys(("left", "top", "text-indent", "margin-left"), _offset),
}  # fmt: skip
"""What each property does to the style; others don't matter here."""


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


def _bolder(weight: float) -> float:
    """https://www.w3.org/TR/css-fonts-4/#relative-weights"""
    return 400 if weight < 350 else 700 if weight < 550 else max(900, weight)


def _weight(value: str, inherited: float, own: float) -> float:
    if value.isdecimal():
        return float(value)
    lighter = 100 if inherited < 550 else 400 if inherited < 750 else 700
    known = {"bold": 700, "normal": 400, "bolder": _bolder(inherited), "lighter": min(lighter, inherited)}
    return known.get(value, inherited if value in {"inherit", "unset"} else own)


def _no_room(draft: _Draft) -> bool:
    lengths = draft.lengths
    tight = any(length is not None and length <= 1 for length in lengths.values())
    return draft.away or (draft.clips and tight) or lengths.get("max-height") == 0 or lengths.get("max-width") == 0
