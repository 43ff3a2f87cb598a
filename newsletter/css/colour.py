"""Colours: read from CSS and HTML, laid over each other, and compared as WCAG 2.2 does.

https://www.w3.org/TR/WCAG22/#dfn-relative-luminance, #dfn-contrast-ratio
"""

import re
from functools import lru_cache
from typing import NamedTuple

import tinycss2
from tinycss2.color4 import parse_color

_BARE_HEX = re.compile(r"[0-9A-Fa-f]{3}(?:[0-9A-Fa-f]{3})?\Z")


class Colour(NamedTuple):
    """Red, green, blue and alpha, each 0 to 1."""

    red: float
    green: float
    blue: float
    alpha: float = 1.0

    def over(self, below: "Colour") -> "Colour":
        """This colour as it looks on an opaque one."""
        mixed = (top * self.alpha + bottom * (1 - self.alpha) for top, bottom in zip(self[:3], below[:3], strict=True))
        return Colour(*mixed)

    def faded(self, opacity: float) -> "Colour":
        """This colour at an opacity of 0 to 1."""
        return self._replace(alpha=self.alpha * opacity)

    def __str__(self) -> str:
        return "#" + "".join(f"{round(part * 255):02x}" for part in self[:3])


BLACK = Colour(0, 0, 0)
WHITE = Colour(1, 1, 1)


@lru_cache(maxsize=1024)
def read_colour(text: str) -> Colour | str | None:
    """A colour, the word "currentcolor", or None for what is no colour, or one that is not in sRGB (`oklch`)."""
    if len(text) > 200:
        return None
    parsed = parse_color(tinycss2.parse_one_component_value(text, skip_comments=True))
    if parsed is None or isinstance(parsed, str):
        return parsed.lower() if isinstance(parsed, str) else None
    try:
        red, green, blue, alpha = (part or 0.0 for part in parsed.to("srgb"))
    except NotImplementedError:
        return None
    return Colour(_unit(red), _unit(green), _unit(blue), _unit(alpha))


def read_attribute_colour(text: str) -> Colour | None:
    """The colour of `bgcolor`, `color` or `text`, where the `#` may be missing."""
    text = text.strip()
    found = read_colour("#" + text if _BARE_HEX.match(text) else text)
    return found if isinstance(found, Colour) else None


def contrast_ratio(one: Colour, other: Colour) -> float:
    """1 (the same) to 21 (black on white); both opaque."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Colour) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (colour[0], colour[1], colour[2])
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _unit(number: float) -> float:
    return min(1.0, max(0.0, float(number)))
