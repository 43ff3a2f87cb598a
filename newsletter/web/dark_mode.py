"""Repaint a message's colours as clients do that darken mail by themselves.

Two ways are known. *Full* inversion (Gmail on iOS, Outlook on Windows) turns every colour over, those of dark designs
too. *Partial* inversion (Outlook on the web and phones, Gmail on Android) darkens light backgrounds and lightens dark
text, and leaves the rest. Both turn lightness over in CIELAB and keep the hue; white becomes the client's dark grey.
Clients don't publish their formulas: this is the one of Outlook on the web (open source in Microsoft's roosterjs).
Pure; colours of level 3 (CSS Color) in declarations and HTML attributes. Pictures are left as they are.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Literal

import tinycss2
from tinycss2.color3 import RGBA, parse_color

Inversion = Literal["full", "partial"]
Role = Literal["text", "ground"]

DARKEST = 11.3
"""CIELAB lightness of the darkest ground, #1e1e1e: what white becomes."""

_GROUND_PROPERTIES = ("background", "border", "outline", "box-shadow", "column-rule")
_TEXT_PROPERTIES = (
    "color",
    "text-decoration",
    "text-decoration-color",
    "-webkit-text-fill-color",
    "caret-color",
    "fill",
)
_GROUND_ATTRIBUTES = frozenset({"bgcolor", "bordercolor"})
_TEXT_ATTRIBUTES = frozenset({"color", "text", "link", "vlink", "alink"})
_WHITE = (0.95047, 1.0, 1.08883)  # D65


@lru_cache(maxsize=4096)
def invert_style(style: str, inversion: Inversion) -> str:
    """The declarations of a style attribute with their colours turned over; the rest as written."""
    if not _may_hold_colour(style):
        return style
    try:
        return _serialize(tinycss2.parse_blocks_contents(style, skip_comments=True), inversion)
    except RecursionError:  # brackets a thousand deep: hostile, and no colour of anything
        return style


@lru_cache(maxsize=64)
def invert_sheet(sheet: str, inversion: Inversion) -> str:
    """A style sheet with its colours turned over, inside media rules too."""
    try:
        return _sheet(tinycss2.parse_stylesheet(sheet, skip_comments=True), inversion)
    except RecursionError:
        return sheet


def invert_attribute(name: str, value: str, inversion: Inversion) -> str:
    """The value of an attribute such as `bgcolor`; others, and what is no colour, are returned as they are."""
    role: Role
    if name in _GROUND_ATTRIBUTES:
        role = "ground"
    elif name in _TEXT_ATTRIBUTES:
        role = "text"
    else:
        return value
    text = value.strip()
    colour = parse_color(text) or parse_color("#" + text)
    return turn(colour, role, inversion) if isinstance(colour, RGBA) else value


def turn(colour: RGBA, role: Role, inversion: Inversion) -> str:
    """The colour as a client shows it in its dark mode, as CSS; alpha stays."""
    lightness, a, b = _to_lab(*(min(1.0, max(0.0, part)) for part in colour[:3]))
    turned = DARKEST + (100 - lightness) * (100 - DARKEST) / 100
    if inversion == "partial" and (turned > lightness) == (role == "ground"):
        return _css(*colour)  # a ground only gets darker, and text lighter
    return _css(*_to_rgb(turned, a, b), colour.alpha)


def _may_hold_colour(style: str) -> bool:
    lower = style.lower()
    return "color" in lower or any(name in lower for name in ("background", "border", "outline", "shadow", "fill"))


def _role(name: str) -> Role | None:
    if name in _TEXT_PROPERTIES:
        return "text"
    return "ground" if name.startswith(_GROUND_PROPERTIES) else None


def _sheet(nodes: Iterable[Any], inversion: Inversion) -> str:
    written = []
    for node in nodes:
        if node.type == "qualified-rule":
            content = tinycss2.parse_blocks_contents(node.content, skip_comments=True)
            written.append(f"{tinycss2.serialize(node.prelude)}{{{_serialize(content, inversion)}}}")
        elif node.type == "at-rule" and node.content is not None and node.lower_at_keyword in {"media", "supports"}:
            inner = _sheet(tinycss2.parse_rule_list(node.content, skip_comments=True), inversion)
            written.append(f"@{node.at_keyword}{tinycss2.serialize(node.prelude)}{{{inner}}}")
        elif node.type != "error":
            written.append(node.serialize())
    return "".join(written)


def _serialize(nodes: Iterable[Any], inversion: Inversion) -> str:
    written = []
    for node in nodes:
        if node.type == "declaration":
            role = _role(node.lower_name)
            value = _values(node.value, role, inversion) if role else tinycss2.serialize(node.value)
            written.append(f"{node.name}:{value.rstrip()}{' !important' if node.important else ''};")
        elif node.type not in {"error", "whitespace"}:
            written.append(node.serialize())
    return "".join(written)


def _values(tokens: Iterable[Any], role: Role, inversion: Inversion) -> str:
    written = []
    for token in tokens:
        colour = parse_color(token) if token.type in {"hash", "ident", "function"} else None
        if isinstance(colour, RGBA):
            # Comments keep the pieces apart where they stood apart; a colour needs none.
            written.append(turn(colour, role, inversion))
        elif token.type == "function":
            written.append(f"{token.name}({_values(token.arguments, role, inversion)})")
        else:
            written.append(token.serialize())
    return "".join(written)


def _css(red: float, green: float, blue: float, alpha: float) -> str:
    parts = [round(255 * min(1.0, max(0.0, part))) for part in (red, green, blue)]
    if alpha >= 1:
        return "#{:02x}{:02x}{:02x}".format(*parts)
    return "rgba({}, {}, {}, {:.3g})".format(*parts, alpha)


def _to_lab(red: float, green: float, blue: float) -> tuple[float, float, float]:
    """sRGB (0 to 1) as CIELAB (lightness 0 to 100), white point D65."""
    r, g, b = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue))
    x = 0.4124564 * r + 0.3575761 * g + 0.1804375 * b
    y = 0.2126729 * r + 0.7151522 * g + 0.0721750 * b
    z = 0.0193339 * r + 0.1191920 * g + 0.9503041 * b
    fx, fy, fz = (
        part ** (1 / 3) if part > 216 / 24389 else (24389 / 27 * part + 16) / 116
        for part in (x / _WHITE[0], y / _WHITE[1], z / _WHITE[2])
    )
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def _to_rgb(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    fy = (lightness + 16) / 116
    x, y, z = (
        white * (f**3 if f**3 > 216 / 24389 else (116 * f - 16) * 27 / 24389)
        for f, white in zip((fy + a / 500, fy, fy - b / 200), _WHITE, strict=True)
    )
    red, green, blue = (
        12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055
        for part in (
            3.2404542 * x - 1.5371385 * y - 0.4985314 * z,
            -0.9692660 * x + 1.8760108 * y + 0.0415560 * z,
            0.0556434 * x - 0.2040259 * y + 1.0572252 * z,
        )
    )
    return red, green, blue
