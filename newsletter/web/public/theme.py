"""How the public pages look: a style sheet in the newsletter's colour, ground and font, as its mails do.

Whatever the author chose, words keep 4.5:1 on what is under them, in light and in dark (WCAG 2.2).
"""

import re

from newsletter.config.settings import Newsletter
from newsletter.css.colour import BLACK, WHITE, Colour, contrast_ratio, read_colour

_DARK_PAGE, _DARK_CARD = "#131314", "#1d1d1f"


def stylesheet(newsletter: Newsletter, sheet: str) -> str:
    """The pages' style sheet with the newsletter's values before it."""
    page, color = _colour(newsletter.background), _colour(newsletter.color)
    dark_page, dark_card = _colour(_DARK_PAGE), _colour(_DARK_CARD)
    pale = contrast_ratio(color, BLACK) > contrast_ratio(color, WHITE) * 2
    button = color if pale else readable(color, WHITE)
    night_link = readable(color, dark_card, 5.5)
    light = {
        "page": page,
        "page-ink": readable(_colour("#605e57"), page),
        "page-strong": readable(_colour("#24231f"), page, 7),
        "link": readable(color, WHITE),
        "button": button,
        "button-ink": BLACK if pale else WHITE,
    }
    dark = {
        "page": dark_page,
        "page-ink": _colour("#aeaba3"),
        "page-strong": _colour("#e9e6df"),
        "link": night_link,
        "button": night_link,
        "button-ink": dark_page,
    }
    font = re.sub(r"[;{}<>\\]", "", newsletter.font).strip()
    fonts = f"--sans: {font}; --serif: {font};" if font else ""
    return (
        f":root {{ {_variables(light)} {fonts} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {_variables(dark)} }} }}\n{sheet}"
    )


def readable(colour: Colour, ground: Colour, ratio: float = 4.6) -> Colour:
    """`colour`, mixed with black or white until it has `ratio` on `ground`."""
    far = WHITE if contrast_ratio(ground, WHITE) > contrast_ratio(ground, BLACK) else BLACK
    for step in range(21):
        mixed = Colour(*(a + (b - a) * step / 20 for a, b in zip(colour[:3], far[:3], strict=True)))
        if contrast_ratio(_rounded(mixed), ground) >= ratio:
            return mixed
    return far


def _colour(text: str) -> Colour:
    found = read_colour(text)
    return found if isinstance(found, Colour) else BLACK


def _rounded(colour: Colour) -> Colour:
    return _colour(str(colour))


def _variables(values: dict[str, Colour]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in values.items())
