"""Colours as clients darken them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tinycss2.color3 import parse_color

from newsletter.web.dark_mode import Inversion, invert_attribute, invert_sheet, invert_style, turn

CHANNEL = st.integers(0, 255)


def _luma(css: str) -> float:
    colour = parse_color(css)
    assert colour is not None
    assert not isinstance(colour, str)
    return float(0.2126 * colour.red + 0.7152 * colour.green + 0.0722 * colour.blue)


@pytest.mark.parametrize(
    ("style", "inversion", "expected"),
    [
        ("background-color:#ffffff", "full", "background-color:#1e1e1e;"),
        ("color: #000000", "full", "color: #ffffff;"),
        ("color:#000 !important", "full", "color:#ffffff !important;"),
        ("background:#fff url(x.png) no-repeat", "partial", "background:#1e1e1e url(x.png) no-repeat;"),
        ("background-color:#111111", "partial", "background-color:#111111;"),
        ("color:#ffffff", "partial", "color:#ffffff;"),
        ("color:inherit;margin:0", "full", "color:inherit;margin:0;"),
        ("padding:8px", "full", "padding:8px"),
        ("border:1px solid white", "full", "border:1px solid #1e1e1e;"),
        ("color:rgba(0,0,0,.5)", "full", "color:rgba(255, 255, 255, 0.5)"),
    ],
)
def test_a_style_is_turned_over_as_far_as_the_client_goes(style: str, inversion: Inversion, expected: str) -> None:
    assert invert_style(style, inversion).replace(": ", ":").rstrip(";") == expected.replace(": ", ":").rstrip(";")


def test_gradients_and_media_rules_are_turned_over_inside() -> None:
    sheet = "a{color:#000}@media (max-width:600px){.x{background:linear-gradient(#fff,#fff)}}@font-face{src:url(f)}"
    turned = invert_sheet(sheet, "full")
    assert "color:#ffffff" in turned
    assert "@media (max-width:600px){.x{background:linear-gradient(#1e1e1e,#1e1e1e);}}" in turned
    assert "@font-face" in turned


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("bgcolor", "#ffffff", "#1e1e1e"), ("bgcolor", "ffffff", "#1e1e1e"), ("color", "black", "#ffffff"),
        ("width", "600", "600"), ("bgcolor", "", ""),
    ],
)  # fmt: skip
def test_html_attributes_of_colour_are_turned_over(name: str, value: str, expected: str) -> None:
    assert invert_attribute(name, value, "full") == expected


@given(CHANNEL, CHANNEL, CHANNEL)
def test_full_inversion_makes_light_dark_and_dark_light(red: int, green: int, blue: int) -> None:
    colour = parse_color(f"rgb({red},{green},{blue})")
    assert colour is not None
    assert not isinstance(colour, str)
    before, after = _luma(f"rgb({red},{green},{blue})"), _luma(turn(colour, "ground", "full"))
    if before > 0.75:
        assert after < 0.35
    if before < 0.05:
        assert after > 0.55


@given(CHANNEL, CHANNEL, CHANNEL)
@example(240, 0, 0)  # lightness 50.5: turned over, it would be 55
def test_partial_inversion_never_lightens_a_ground_nor_darkens_text(red: int, green: int, blue: int) -> None:
    text = f"rgb({red},{green},{blue})"
    colour = parse_color(text)
    assert colour is not None
    assert not isinstance(colour, str)
    assert _luma(turn(colour, "ground", "partial")) <= _luma(text) + 0.01
    assert _luma(turn(colour, "text", "partial")) >= _luma(text) - 0.01


@given(st.text(max_size=200))
def test_any_text_as_style_or_sheet_is_survived(text: str) -> None:
    invert_style(text + ";color:#000", "full")
    invert_sheet(text + "a{color:#000}", "partial")
