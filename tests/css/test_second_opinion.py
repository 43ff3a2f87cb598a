"""Inlining, judged again by css-inline, which shares no line with ours: each element declares the same winners.

Left out, because css-inline 0.24 differs from browsers there:

- a shorthand beside its longhand (`margin-left` by a class, then `margin` by a type): it keeps the first place of each
  property, so that one which lost may stand last, and a weak `margin: … !important` before the author's own longhand;
- a value that no browser takes (`color: nonsense`) wins, and of two in one block only the last is left, no fallback;
- `:is()` does not count the strongest of its list, a list with a selector that is none is not dropped whole, and
  `COLOR` is another property than `color`;
- `:hover`, `@media` and `@supports` are dropped, or stay where a style attribute beats them; a style attribute with
  a mistake in it is an error.

Left out, because we differ on purpose: `*` stays in the head. All of that is judged by Chromium in `test_inlining`.
"""

import css_inline
import pytest
import tinycss2
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from newsletter.compose.html.inline_css import inline_css
from tests.css.browser import whole

Winners = list[tuple[str, dict[str, tuple[str, bool]]]]

BODY = (
    '<div id="top" class="a"><p class="x">1 <b class="z">2</b></p><p id="h" class="x y">3 <b>4</b></p></div>'
    '<div class="a"><div class="a y"><p class="x" style="color: lime; margin-top: 3px">5</p></div>'
    '<p class="z" style="color: teal !important">6 <i><b>7</b></i></p></div>'
)
SHEETS = {
    "the later of equals": ".x { color: red } .y { color: blue } .x { margin-top: 1px }",
    "the later in one block": ".x { color: red; margin-top: 1px; color: blue }",
    "a class beats types": ".x { color: red } html body div p { color: blue }",
    "an id beats classes": "#h { color: red } .x.y { color: blue } .a .x.y { color: green }",
    "an id above beats a class": "#top p { color: red } .x { color: blue } div .x.y { margin-top: 1px }",
    "as many classes, and a type": "p.x { color: red } .x.y { color: blue } div .x { color: green }",
    "a child, not a grandchild": "div > b { color: red } p > b { color: blue } .a > .a > p { color: green }",
    "a descendant at any depth": "div b { color: red } .a .a .x { color: blue } body #top b { margin-top: 1px }",
    "child and descendant mixed": ".a > p b { color: red } #top > .x > b { color: blue } .a p > i b { color: green }",
    "important against an id": ".x { color: red !important } #h { color: blue }",
    "important against important": "#h { color: red !important } .x { color: blue !important } p { color: green }",
    "the later of equals, important": ".x { color: red !important } .y { color: blue !important }",
    "important in one block": ".x { color: red !important; color: blue }",
    "a style attribute beats an id": "#top p, .x { color: red } .a p { margin-top: 1px; padding-left: 2px }",
    "important beats a style attribute": "p { color: red !important } .x { margin-top: 1px !important }",
    "an important style attribute beats all": ".a .z { color: red !important } #top p { color: blue !important }",
    "a list counts each for itself": "#h, p { color: red } .x { color: blue }",
    "a rule for nothing": ".none { color: red } p .none > b { color: blue } p { color: green }",
}
TAGS, CLASSES, IDS = ("div", "section", "blockquote"), ("x", "y", "z"), ("one", "two")
VALUES = {
    "color": ("red", "lime", "#123456"),
    "margin-top": ("1px", "2em", "0"),
    "padding-left": ("3px", "4px", "5%"),
    "text-align": ("left", "center", "right"),
}  # longhands alone

some_classes = st.lists(st.sampled_from(CLASSES), max_size=2, unique=True)
seldom_an_id = st.sampled_from(("", "", *IDS))


@st.composite
def blocks(draw: st.DrawFn) -> str:
    """Declarations of some properties, each once."""
    names = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=3, unique=True))
    marks = st.sampled_from(("", "", "", " !important"))
    return "; ".join(f"{name}: {draw(st.sampled_from(VALUES[name]))}{draw(marks)}" for name in names)


@st.composite
def compounds(draw: st.DrawFn) -> str:
    id_, classes = draw(seldom_an_id), draw(some_classes)
    tag = draw(st.sampled_from(("", *TAGS) if id_ or classes else TAGS))
    return tag + (f"#{id_}" if id_ else "") + "".join(f".{name}" for name in classes)


@st.composite
def sheets(draw: st.DrawFn) -> str:
    """Rules that get in each other's way."""
    combinators = st.sampled_from((" ", " > "))
    rules = []
    for _ in range(draw(st.integers(1, 6))):
        selectors = []
        for _ in range(draw(st.integers(1, 2))):
            around = [draw(compounds()) + draw(combinators) for _ in range(draw(st.integers(0, 2)))]
            selectors.append("".join(around) + draw(compounds()))
        rules.append(f"{', '.join(selectors)} {{ {draw(blocks())} }}")
    return "\n".join(rules)


@st.composite
def bodies(draw: st.DrawFn, depth: int = 3) -> str:
    """Some elements in each other, some with a style of their own."""
    found = []
    for _ in range(draw(st.integers(1, 2))):
        tag, style = draw(st.sampled_from(TAGS)), draw(st.one_of(st.just(""), blocks()))
        attributes = {"id": draw(seldom_an_id), "class": " ".join(draw(some_classes)), "style": style}
        start = "".join(f' {name}="{value}"' for name, value in attributes.items() if value)
        found.append(f"<{tag}{start}>{draw(bodies(depth - 1)) if depth > 1 else 'text'}</{tag}>")
    return "".join(found)


def winners(html: str) -> Winners:
    """Each element of the body, and what its style attribute declares: the last of what is important, or the last."""
    found: Winners = []
    for element in etree.HTML(html).iterfind("body//*"):
        last: dict[str, tuple[str, bool]] = {}
        for item in tinycss2.parse_blocks_contents(element.get("style") or "", skip_whitespace=True):
            assert item.type == "declaration", item
            if item.important or not last.get(item.lower_name, ("", False))[1]:
                last[item.lower_name] = tinycss2.serialize(item.value).strip(), item.important
        found.append((element.tag, last))
    return found


@pytest.mark.parametrize("name", SHEETS)
def test_css_inline_gives_the_same_winners(name: str) -> None:
    page = whole(SHEETS[name], BODY)
    assert winners(inline_css(page)) == winners(css_inline.inline(page))


@settings(max_examples=60, deadline=None)
@given(sheets(), bodies())
def test_css_inline_gives_the_same_winners_for_sheets_and_pages_made_at_random(css: str, body: str) -> None:
    page = whole(css, body)
    assert winners(inline_css(page)) == winners(css_inline.inline(page))
