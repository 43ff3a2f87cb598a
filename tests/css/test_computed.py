"""The cascade, the colours, and how elements look."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as lxml_html

from newsletter.checks.sample import sample_of
from newsletter.css.colour import BLACK, WHITE, Colour, contrast_ratio, read_attribute_colour, read_colour
from newsletter.css.computed import computed_styles, pixels
from newsletter.css.matching import Match, Matcher
from newsletter.css.parse import declarations, parse_sheet
from tests.checks.mail import here, message

TREE = lxml_html.fromstring(
    "<html><body id=top class='a b'><div class=card><p>1</p><p class=x data-k='v-1'>2</p><p>3</p></div></body></html>"
)


@pytest.mark.parametrize(
    ("selector", "number"),
    [
        ("p", 3), ("*", 7), (".card p", 3), (".card > p", 3), ("body > p", 0), ("p + p", 2), ("p ~ .x", 1),
        ("#top.a.b p", 3),
        ("p:first-child", 1), ("p:last-child", 1), ("p:not(.x)", 2), ("[data-k]", 1), ("[data-k=v-1]", 1),
        ("[data-k|=v]", 1), ("[data-k^='v']", 1), ("[data-k$='1']", 1), ("[data-k*='-']", 1), ("[data-k~=v]", 0),
        ("p:hover", 0), ("p::before", 0), ("div p:only-child", 0), ("html", 1), (":root", 1), ("b", 0),
    ],
)  # fmt: skip
def test_a_selector_means_these_elements(selector, number):
    [rule] = parse_sheet(selector + " { color: red }").rules
    found = [node for node in TREE.iter() if any(_means(one, node) for one in rule.selectors)]
    expected = number if selector != "*" else len(list(TREE.iter()))
    assert len(found) == expected


def _means(selector, node):
    return Matcher().match(node, selector) is Match.YES and not selector.pseudo_element


@pytest.mark.parametrize(
    ("css", "colour"),
    [
        ("p { color: #111 } p { color: #222 }", "#222222"),
        ("p.x { color: #111 } p { color: #222 }", "#111111"),
        ("#i { color: #111 } .x.y { color: #222 }", "#111111"),
        ("p { color: #111 !important } #i { color: #222 }", "#111111"),
        ("@media print { p { color: #111 } } p { color: #222 }", "#222222"),
        ("@media screen { p { color: #111 } }", "#111111"),
        ("div { color: #333 }", "#333333"),
        ("p { color: nonsense }", "#000000"),
        ("p { color: rgb(17, 17, 17) }", "#111111"),
        ("p { color: hsl(0, 0%, 100%) }", "#ffffff"),
        ("p { color: rgb(16 185 129) }", "#10b981"),
        ("p { color: hsl(120deg 50% 50%) }", "#40bf40"),
        ("p { color: rgb(300 -5 0) }", "#ff0000"),
        ("p { color: RebeccaPurple }", "#663399"),
        ("p { color: #36c }", "#3366cc"),
        ("p { color: oklch(0.7 0.1 200) }", "None"),
        ("div { color: #444 } p { color: inherit }", "#444444"),
    ],
)
def test_the_cascade_decides_the_colour(css, colour):
    tree = lxml_html.fromstring("<div><p class='x y' id=i>Words</p></div>")
    found = computed_styles(list(tree.iter()), _screen_rules(css))
    assert str(found[next(tree.iter("p"))].colour) == colour


def _screen_rules(css):
    return sample_of(message(here("").replace("</head>", f"<style>{css}</style></head>"))).rules


def test_an_inline_style_wins_but_for_important():
    tree = lxml_html.fromstring("<div><p style='color: #123456'>Words</p></div>")
    assert (
        str(computed_styles(list(tree.iter()), _screen_rules("p { color: #111 }"))[next(tree.iter("p"))].colour)
        == "#123456"
    )
    found = computed_styles(list(tree.iter()), _screen_rules("p { color: #111 !important }"))
    assert str(found[next(tree.iter("p"))].colour) == "#111111"


@pytest.mark.parametrize(
    ("style", "hidden"),
    [
        ("display: none", True), ("display: none; display: block", False), ("visibility: hidden", True),
        ("max-height: 0; overflow: hidden", True), ("height: 0; overflow: hidden", True), ("height: 0", False),
        ("opacity: 0", True), ("font-size: 1px", True), ("font-size: 0", True), ("color: transparent", True),
        ("text-indent: -9999px", True), ("position: absolute; left: -9999px", True), ("margin: 0", False),
        ("width: 0; overflow: hidden", True), ("max-height: none; overflow: hidden", False),
    ],
)  # fmt: skip
def test_what_the_reader_does_not_see(style, hidden):
    tree = lxml_html.fromstring(f"<div style='{style}'>Words</div>")
    assert computed_styles([tree], ())[tree].hidden is hidden


@pytest.mark.parametrize(
    ("markup", "ground"),
    [
        ("<div background=n.png><p style='background-color: #123456'>x</p></div>", "#123456"),
        ("<div style='background: url(n.png)'><p bgcolor='#123456'>x</p></div>", "#123456"),
        ("<div background=n.png><p style='background-color: rgba(0, 0, 0, .5)'>x</p></div>", None),
        ("<div><p background=n.png style='background-color: #123456'>x</p></div>", None),
        ("<div><p style='background-color: #123456; background-image: url(n.png)'>x</p></div>", None),
        ("<div style='background: linear-gradient(#000, #fff)'><p>x</p></div>", None),
        ("<div style='background: #fff'><p style='background: rgb(0 0 0 / 50%)'>x</p></div>", "#808080"),
        ("<div style='background: navy'><p style='background: transparent'>x</p></div>", "#000080"),
    ],
)
def test_the_ground_is_the_nearest_plain_one(markup, ground):
    tree = lxml_html.fromstring(markup)
    found = computed_styles(list(tree.iter()), ())[next(tree.iter("p"))].ground
    assert (str(found) if found else None) == ground


@pytest.mark.parametrize(
    ("markup", "bold"),
    [
        ("<p><b>x</b></p>", True), ("<p style='font-weight: 100'><b>x</b></p>", False),
        ("<p style='font-weight: bold'><b style='font-weight: lighter'>x</b></p>", False),
        ("<p style='font: bold 17px Arial'><b style='font-weight: inherit'>x</b></p>", True),
        ("<p><b style='font: 17px Arial'>x</b></p>", False), ("<p><b style='font-weight: 500'>x</b></p>", False),
    ],
)  # fmt: skip
def test_bold_is_relative(markup, bold):
    tree = lxml_html.fromstring(markup)
    assert computed_styles(list(tree.iter()), ())[next(tree.iter("b"))].bold is bold


def test_a_fragment_without_a_body_is_seen():
    sample = sample_of(message("<style>p { color: red }</style><wrapper><p>Words</p></wrapper>"))
    assert [words.text for words in sample.shown] == ["Words"]


@pytest.mark.parametrize(
    ("text", "px"),
    [("16px", 16), ("12pt", 16), ("1em", 20), ("50%", 10), ("1.5rem", 24), ("0", 0), ("7", None), ("2vw", None),
     ("auto", None), ("calc(1px)", None), (".5in", 48)],
)  # fmt: skip
def test_lengths_in_pixels(text, px):
    assert pixels(text, 20) == (pytest.approx(px) if px is not None else None)


def test_the_contrast_of_known_pairs():
    assert contrast_ratio(BLACK, WHITE) == pytest.approx(21)
    assert contrast_ratio(WHITE, WHITE) == 1
    grey = read_colour("#767676")
    assert isinstance(grey, Colour)
    assert contrast_ratio(grey, WHITE) == pytest.approx(4.54, abs=0.005)


def test_colours_of_attributes_may_lack_their_hash():
    assert str(read_attribute_colour("336699")) == "#336699"
    assert str(read_attribute_colour(" navy ")) == "#000080"
    assert read_attribute_colour("no colour") is None


def test_a_veil_lies_over_what_is_below():
    assert str(Colour(0, 0, 0, 0.5).over(WHITE)) == "#808080"


@given(st.text(max_size=80))
def test_any_text_is_read_as_css_without_failing(text):
    declarations(text)
    parse_sheet(text)


@given(st.text(alphabet="<>/abp='\" ;:stylecor#fgrin{}@media()!-\n", max_size=120))
def test_any_html_has_looks(text):
    assert sample_of(message(text)).shown is not None
