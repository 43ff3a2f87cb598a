"""Properties: which longhands a shorthand sets, and whether a value is one that every client takes.

Only so far as inlining needs it: what overlaps what, and which earlier declaration can be left out because a later one
holds everywhere. Where the table is silent, both stay. https://www.w3.org/TR/CSS/#properties
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from newsletter.css.colour import Colour, read_colour
from newsletter.css.parse import Declaration
from newsletter.css.selectors import CssNode

ALL = "all"
"""The shorthand of every property but custom ones, `direction` and `unicode-bidi`."""
_SIDES = ("top", "right", "bottom", "left")
_CORNERS = ("top-left", "top-right", "bottom-right", "bottom-left")
_LOGICAL = {
    "-block-start": ("top",), "-block-end": ("bottom",), "-block": ("top", "bottom"),
    "-inline-start": ("left", "right"), "-inline-end": ("left", "right"), "-inline": ("left", "right"),
}  # fmt: skip
_LONGHANDS: dict[str, tuple[str, ...]] = {
    "border-radius": tuple(f"border-{corner}-radius" for corner in _CORNERS),
    "background": (
        "background-color", "background-image", "background-position-x", "background-position-y", "background-size",
        "background-repeat", "background-origin", "background-clip", "background-attachment",
    ),
    "background-position": ("background-position-x", "background-position-y"),
    "font": (
        "font-style", "font-variant", "font-variant-caps", "font-variant-ligatures", "font-variant-numeric",
        "font-weight", "font-stretch", "font-size", "line-height", "font-family", "font-size-adjust", "font-kerning",
        "font-feature-settings", "font-optical-sizing", "font-variation-settings",
    ),
    "font-variant": ("font-variant", "font-variant-caps", "font-variant-ligatures", "font-variant-numeric"),
    "list-style": ("list-style-type", "list-style-position", "list-style-image"),
    "text-decoration": (
        "text-decoration-line", "text-decoration-style", "text-decoration-color", "text-decoration-thickness",
    ),
    "outline": ("outline-width", "outline-style", "outline-color"),
    "flex": ("flex-grow", "flex-shrink", "flex-basis"),
    "flex-flow": ("flex-direction", "flex-wrap"),
    "gap": ("row-gap", "column-gap"), "grid-gap": ("row-gap", "column-gap"),
    "grid-row-gap": ("row-gap",), "grid-column-gap": ("column-gap",),
    "overflow": ("overflow-x", "overflow-y"),
    "columns": ("column-width", "column-count"),
    "column-rule": ("column-rule-width", "column-rule-style", "column-rule-color"),
    "place-content": ("align-content", "justify-content"), "place-items": ("align-items", "justify-items"),
    "place-self": ("align-self", "justify-self"),
    "grid-row": ("grid-row-start", "grid-row-end"), "grid-column": ("grid-column-start", "grid-column-end"),
    "grid-area": ("grid-row-start", "grid-row-end", "grid-column-start", "grid-column-end"),
    "grid-template": ("grid-template-rows", "grid-template-columns", "grid-template-areas"),
    "grid": (
        "grid-template-rows", "grid-template-columns", "grid-template-areas", "grid-auto-rows", "grid-auto-columns",
        "grid-auto-flow",
    ),
    "transition": (
        "transition-property", "transition-duration", "transition-timing-function", "transition-delay",
        "transition-behavior",
    ),
    "animation": tuple(
        f"animation-{part}" for part in ("name", "duration", "timing-function", "delay", "iteration-count", "direction",
                                         "fill-mode", "play-state", "timeline", "composition")
    ),
    "white-space": ("white-space-collapse", "text-wrap-mode"),
    "text-wrap": ("text-wrap-mode", "text-wrap-style"),
    "text-emphasis": ("text-emphasis-style", "text-emphasis-color"),
    "inset": _SIDES,
    "word-wrap": ("overflow-wrap",),
    "block-size": ("height", "width"), "inline-size": ("height", "width"),
    "min-block-size": ("min-height", "min-width"), "min-inline-size": ("min-height", "min-width"),
    "max-block-size": ("max-height", "max-width"), "max-inline-size": ("max-height", "max-width"),
}  # fmt: skip
_PREFIX = re.compile(r"-(?:webkit|moz|ms|o)-")
_WIDE = {"inherit", "initial"}
_UNITS = {"px", "em", "pt", "in", "cm", "mm", "pc", "ex"}
_SYSTEM = re.compile(r".*(?:text|canvas|face|mark|field|light|shadow|border|window|scrollbar|caption)\Z")
_STYLES = {"none", "hidden", "dotted", "dashed", "solid", "double", "groove", "ridge", "inset", "outset"}
_WIDTHS = {"thin", "medium", "thick"}
_AUTO = {"auto"}
_SIGNED = {"margin", "text-indent", "letter-spacing", "word-spacing", "top", "right", "bottom", "left"}
_LENGTHS: dict[str, set[str]] = {
    "margin": _AUTO, "padding": set(), "width": _AUTO, "height": _AUTO, "min-width": set(), "min-height": set(),
    "max-width": {"none"}, "max-height": {"none"}, "text-indent": set(), "letter-spacing": {"normal"},
    "border-width": _WIDTHS, "border-radius": set(), "border-spacing": set(), "line-height": {"normal"},
    "font-size": {"xx-small", "x-small", "small", "medium", "large", "x-large", "xx-large", "smaller", "larger"},
    "top": _AUTO, "right": _AUTO, "bottom": _AUTO, "left": _AUTO,
}  # fmt: skip
_MOST_VALUES = {"margin": 4, "padding": 4, "border-width": 4, "border-style": 4, "border-color": 4, "border-radius": 4,
                "border-spacing": 2}  # fmt: skip
_KEYWORDS: dict[str, set[str]] = {
    "font-style": {"normal", "italic", "oblique"},
    "font-weight": {"normal", "bold", "bolder", "lighter"},
    "text-align": {"left", "right", "center", "justify"},
    "text-decoration": {"none", "underline", "overline", "line-through"},
    "text-transform": {"none", "uppercase", "lowercase", "capitalize"},
    "vertical-align": {"baseline", "top", "middle", "bottom", "text-top", "text-bottom", "sub", "super"},
    "display": {"none", "block", "inline", "inline-block", "table", "table-row", "table-cell", "list-item"},
    "white-space": {"normal", "nowrap", "pre", "pre-wrap", "pre-line"},
    "border-collapse": {"collapse", "separate"},
    "border-style": _STYLES,
    "list-style-type": {"none", "disc", "circle", "square", "decimal"},
    "float": {"none", "left", "right"},
    "clear": {"none", "left", "right", "both"},
    "overflow": {"visible", "hidden", "auto", "scroll"},
    "visibility": {"visible", "hidden", "collapse"},
    "position": {"static", "relative", "absolute"},
    "background-repeat": {"repeat", "no-repeat", "repeat-x", "repeat-y"},
    "word-break": {"normal", "break-all", "keep-all", "break-word"},
    "overflow-wrap": {"normal", "break-word"},
}


@lru_cache(maxsize=2048)
def longhands(name: str) -> frozenset[str]:
    """The properties that this one sets; logical ones as the sides that they may be."""
    plain = name if name.startswith("--") else _PREFIX.sub("", name, count=1)
    if plain in _LONGHANDS:
        return frozenset(_LONGHANDS[plain])
    if plain in {"margin", "padding"}:
        return frozenset(f"{plain}-{side}" for side in _SIDES)
    for box in ("scroll-margin", "scroll-padding", "margin", "padding", "inset"):
        if plain.startswith(box) and (sides := _LOGICAL.get(plain.removeprefix(box))):
            return frozenset(sides if box == "inset" else (f"{box}-{side}" for side in sides))
    if plain.startswith("border") and plain not in {"border-collapse", "border-spacing"} and "radius" not in plain:
        return _border(plain)
    return frozenset({plain})


def overlap(one: str, other: str) -> bool:
    """Whether two properties set something in common."""
    if ALL in {one, other}:
        return not {one, other} & {"direction", "unicode-bidi"} and one.startswith("--") == other.startswith("--")
    return one == other or not longhands(one).isdisjoint(longhands(other))


def _border(name: str) -> frozenset[str]:
    """`border`, `border-top`, `border-color`, `border-block-end-width`, …"""
    if name.startswith("border-image"):
        return frozenset({"border-image"})
    rest = name.removeprefix("border")
    sides: Sequence[str] = _SIDES
    for logical, meant in _LOGICAL.items():
        if rest == logical or rest.startswith(logical + "-"):
            sides, rest = meant, rest.removeprefix(logical)
            break
    for side in _SIDES:
        if rest == f"-{side}" or rest.startswith(f"-{side}-"):
            sides, rest = (side,), rest.removeprefix(f"-{side}")
            break
    parts = (rest[1:],) if rest[1:] in {"width", "style", "color"} else ("width", "style", "color")
    found = {f"border-{side}-{part}" for side in sides for part in parts}
    return (
        frozenset(found | ({"border-image"} if name == "border" else set()))
        if not rest[1:] or parts == (rest[1:],)
        else frozenset({name})
    )


@lru_cache(maxsize=8192)
def holds_everywhere(name: str, value: str, item: Declaration) -> bool | None:
    """Whether every client takes this value: True, False where no browser does, None where that is not known."""
    tokens = [token for token in item.tokens if token.type not in {"whitespace", "comment"}]
    if len(tokens) == 1 and tokens[0].type == "ident" and tokens[0].lower_value in _WIDE:
        return True
    if not tokens or "\\" in value:
        return None
    if name.endswith("color") or name == "background":
        most = _MOST_VALUES.get(name, 1)
        if name == "background" and len(tokens) > 1:
            return None
        return _every([_is_colour(token) for token in tokens], most, unknown=name == "background")
    if name == "font-family":
        return True if all(one.type in {"ident", "string"} or one == "," for one in tokens) else None
    if name == "font-weight" and len(tokens) == 1 and tokens[0].type == "number":
        return bool(1 <= tokens[0].value <= 1000)
    if name in {"border", "border-top", "border-right", "border-bottom", "border-left"}:
        return True if len(tokens) <= 3 and _is_border(tokens) else None
    family = _family(name)
    if family in _LENGTHS:
        return _every([_is_length(family, token) for token in tokens], _MOST_VALUES.get(name, 1))
    if name in _KEYWORDS and len(tokens) == 1 and tokens[0].type == "ident":
        return True if tokens[0].lower_value in _KEYWORDS[name] else None
    return None


def _family(name: str) -> str:
    for box in ("margin", "padding"):
        if name in {f"{box}-{side}" for side in _SIDES}:
            return box
    if re.fullmatch(r"border-(top|right|bottom|left)-width", name):
        return "border-width"
    return "border-radius" if name.startswith("border-") and name.endswith("-radius") else name


def _every(found: list[bool | None], most: int, unknown: bool = False) -> bool | None:
    if len(found) > most:
        return None
    if False in found:
        return None if unknown else False
    return None if None in found else True


def _is_colour(token: CssNode) -> bool | None:
    if token.type == "hash":
        return (len(token.value) in {3, 6} and isinstance(read_colour(f"#{token.value}"), Colour)) or (
            None if len(token.value) in {4, 8} else False
        )
    if token.type != "ident":
        return None if token.type == "function" else False
    word = token.lower_value
    if word in {"currentcolor", "transparent"} or isinstance(read_colour(word), Colour):
        return True if word != "currentcolor" else None
    return None if word in {"unset", "revert", "revert-layer"} or _SYSTEM.match(word) or "-" in word else False


def _is_length(family: str, token: CssNode) -> bool | None:
    if token.type == "ident":
        return True if token.lower_value in _LENGTHS[family] else None
    if token.type not in {"number", "dimension", "percentage"}:
        return None
    if token.value < 0 and family not in _SIGNED:
        return False
    if token.type == "number":
        return token.value == 0 or family == "line-height"
    if token.type == "percentage":
        return True if family not in {"border-width", "border-spacing", "letter-spacing"} else None
    return True if token.lower_unit in _UNITS else None


def _is_border(tokens: Sequence[CssNode]) -> bool:
    kinds = [
        "style" if token.type == "ident" and token.lower_value in _STYLES
        else "width" if _is_length("border-width", token) is True
        else "colour" if _is_colour(token) is True
        else ""
        for token in tokens
    ]  # fmt: skip
    return "" not in kinds and len(set(kinds)) == len(kinds)
