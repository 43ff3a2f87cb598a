"""The shipped templates, with every sample post, as a reader gets them."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import html as lxml_html

from newsletter.audience.subscriber import Subscriber
from newsletter.compose.composer import Composer
from newsletter.compose.message.writer import DecodedMessage, MessageWriter
from newsletter.compose.pipeline import compose
from newsletter.config.settings import Config, load_config
from newsletter.site.load import load_site
from newsletter.site.page import resolve
from newsletter.site.post import read_post

ROOT = Path(__file__).parents[2]
POSTS = sorted((ROOT / "posts").glob("*.md"))
LAYOUTS = ("post", "letter")
READER = Subscriber("zoe@example.net", "Zoë <Brontë> & Co", {"city": "Salamanca"})
CLIP = 102 * 1024

_made: dict[tuple[str, str, str], DecodedMessage] = {}


def config_with(**newsletter: object) -> Config:
    """This checkout's newsletter.toml with some keys of [newsletter] changed."""
    config = load_config(ROOT / "newsletter.toml")
    return config.model_copy(update={"newsletter": config.newsletter.model_copy(update=newsletter)})


def parts_of(post: Path, layout: str, **newsletter: object) -> DecodedMessage:
    """What READER gets of `post` through `layout`; made once for each combination."""
    key = (post.name, layout, repr(newsletter))
    if key not in _made:
        config = config_with(**newsletter)
        issue = compose(resolve(replace(read_post(post), layout=layout), load_site(config)), config)
        _made[key] = MessageWriter(issue, b"a secret of thirty-two bytes....").decoded(READER)
    return _made[key]


def tree_of(parts: DecodedMessage) -> lxml_html.HtmlElement:
    return lxml_html.document_fromstring(parts.html)


def missing_links(parts: DecodedMessage) -> list[str]:
    """The links of the HTML part, but for those within it, that the text part lacks."""
    links = {link.get("href") for link in tree_of(parts).iter("a") if link.get("href", "#")[0] != "#"}
    assert len(links) > 1
    return sorted(link for link in links if not stands_in(parts.text, link))


def stands_in(text: str, link: str) -> bool:
    """Whether the text has this address, and not only a longer one that begins with it."""
    return re.search(rf"(?<!\S)<?(?:mailto:)?{re.escape(link.removeprefix('mailto:'))}>?(?!\S)", text) is not None


def luminance(color: str) -> float:
    """WCAG 2 relative luminance of #rrggbb."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    high, low = sorted((luminance(one), luminance(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def styles(element: lxml_html.HtmlElement) -> dict[str, str]:
    """An element's own style attribute, by property."""
    pairs = (rule.split(":", 1) for rule in element.get("style", "").split(";") if ":" in rule)
    return {name.strip(): value.strip() for name, value in pairs}


every = pytest.mark.parametrize(
    ("post", "layout"),
    [(post, layout) for post in POSTS for layout in LAYOUTS],
    ids=lambda value: value.stem[11:] if isinstance(value, Path) else value,
)


def test_there_are_sample_posts_for_both_templates() -> None:
    assert {read_post(post).layout for post in POSTS} == set(LAYOUTS)


@every
def test_nothing_is_left_over_of_template_or_markdown(post: Path, layout: str) -> None:
    parts = parts_of(post, layout)
    seen = re.sub(r"<(pre|code|style)\b.*?</\1>", "", parts.html, flags=re.S)
    for text in (seen, parts.text):
        assert not re.search(r"\{\{|\{%|\{#|\{:|\[\^|\[[ x]\] |!!! |\\\n", text)
    assert "~~" not in seen
    assert not re.search(r">\s*None\b", seen)
    assert "Undefined" not in parts.html


@every
def test_language_and_direction_stand_on_html_and_on_a_wrapper(post: Path, layout: str) -> None:
    tree = tree_of(parts_of(post, layout))
    wrapper = tree.find("body").find("div")
    for element in (tree, wrapper):
        assert (element.get("lang"), element.get("dir")) == ("en", "ltr")


@every
def test_head_has_title_viewport_and_color_scheme(post: Path, layout: str) -> None:
    tree = tree_of(parts_of(post, layout))
    assert tree.findtext("head/title") == read_post(post).title.replace("'", "’")
    meta = {item.get("name"): item.get("content") for item in tree.iterfind("head/meta")}
    assert meta["viewport"].startswith("width=device-width")
    assert meta["color-scheme"] == "light dark"
    assert parts_of(post, layout).html.startswith("<!DOCTYPE html>")


@every
def test_the_preheader_comes_first_is_hidden_and_padded(post: Path, layout: str) -> None:
    tree = tree_of(parts_of(post, layout))
    (preheader,) = tree.find_class("preheader")
    assert styles(preheader)["display"] == "none"
    text = preheader.text_content()
    assert text.split("\u034f")[0].strip().replace("’", "'") == read_post(post).subtitle.replace("’", "'")
    assert text.count("\u034f") >= 50
    assert tree.find("body").text_content().strip().startswith(text.strip()[:30])


@every
def test_layout_tables_are_presentation_and_data_tables_have_headers(post: Path, layout: str) -> None:
    for table in tree_of(parts_of(post, layout)).iter("table"):
        if table.get("role") != "presentation":
            assert table.findall(".//th"), lxml_html.tostring(table)[:200]


@every
def test_every_image_has_words_and_a_whole_width_and_an_absolute_source(post: Path, layout: str) -> None:
    for image in tree_of(parts_of(post, layout)).iter("img"):
        assert image.get("alt") is not None
        assert re.fullmatch(r"[1-9]\d*", image.get("width", "")), image.get("src")
        assert int(image.get("width")) <= 600
        assert image.get("src").startswith("https://example.org/")


@every
def test_every_link_is_absolute(post: Path, layout: str) -> None:
    for link in tree_of(parts_of(post, layout)).iter("a"):
        if link.get("href") is not None:
            assert re.match(r"https://|mailto:|#[\w:.-]+", link.get("href")), link.get("href")


@every
def test_every_link_of_the_html_part_is_in_the_text_part_too(post: Path, layout: str) -> None:
    parts = parts_of(post, layout)
    assert missing_links(parts) == []


def test_every_link_of_a_digest_is_in_its_text_part_too() -> None:
    composer = Composer(load_config(ROOT / "newsletter.toml"))
    pages = [page for path in POSTS if not (page := composer.read(path)).post.personalize]
    composed = composer.compose_digest(pages, "digest-2026-05-04", datetime(2026, 5, 4, tzinfo=UTC))
    assert missing_links(MessageWriter(composed.issue, b"a secret of thirty-two bytes....").decoded(READER)) == []


@every
def test_the_footer_says_why_how_to_leave_and_where_we_are(post: Path, layout: str) -> None:
    parts = parts_of(post, layout)
    tree = tree_of(parts)
    (foot,) = tree.find_class("foot")
    assert "because you subscribed" in foot.text_content()
    assert "1 Main Street" in foot.text_content()
    (unsubscribe,) = [link for link in foot.iter("a") if link.text_content() == "Unsubscribe"]
    assert unsubscribe.get("href").startswith("mailto:unsubscribe@example.org")
    assert "Unsubscribe: " in parts.text
    assert "1 Main Street" in parts.text


@every
def test_it_is_small_enough_not_to_be_clipped(post: Path, layout: str) -> None:
    size = len(parts_of(post, layout).html.encode())
    assert size < 40 * 1024 < CLIP


@every
def test_the_key_styles_stand_in_the_elements_themselves(post: Path, layout: str) -> None:
    tree = tree_of(parts_of(post, layout))
    (content,) = tree.find_class("content")
    assert float(styles(content)["font-size"].removesuffix("px")) >= 16
    assert styles(content)["color"] == "#24231f"
    for paragraph in content.iter("p"):
        assert "margin" in styles(paragraph)
    for link in content.iter("a"):
        assert "color" in styles(link)
    (frame,) = tree.find_class("frame")
    assert styles(frame)["max-width"] == "600px"
    if layout == "post":
        (title,) = tree.iter("h1")
        assert styles(title)["font-size"] == "36px"


@every
def test_no_text_is_smaller_than_14_pixels(post: Path, layout: str) -> None:
    parts = parts_of(post, layout)
    for element in tree_of(parts).find("body").iter():
        if isinstance(element.tag, str) and element.get("class") != "preheader":
            size = styles(element).get("font-size", "16px")
            assert not size.endswith("px") or float(size[:-2]) >= 14


@every
def test_the_style_element_is_short_and_keeps_dark_mode(post: Path, layout: str) -> None:
    css = re.findall(r"<style[^>]*>(.*?)</style>", parts_of(post, layout).html, flags=re.S)
    assert sum(len(text.encode()) for text in css) < 8192
    assert any("prefers-color-scheme: dark" in text and "!important" in text for text in css)


@every
def test_the_text_part_says_title_body_and_how_to_leave(post: Path, layout: str) -> None:
    text = parts_of(post, layout).text
    if layout == "post":
        assert read_post(post).title in text.replace("’", "'").replace("\n", " ")
    words = re.findall(r"\w{6,}", read_post(post).body.partition("\n\n")[2])[:200]
    assert sum(word in text for word in words) >= 0.9 * len(words)
    assert "<" not in re.sub(r"<(https?|mailto):[^>]+>", "", text).replace("Zoë <Brontë>", "")
    assert "\n-- \n" in text


def test_a_name_with_markup_arrives_as_text() -> None:
    (letter,) = [post for post in POSTS if read_post(post).personalize]
    parts = parts_of(letter, "letter")
    assert "Zoë &lt;Brontë&gt; &amp; Co" in parts.html
    assert "Dear Zoë <Brontë> & Co," in parts.text


def test_a_right_to_left_newsletter_is_turned_around() -> None:
    parts = parts_of(POSTS[0], "post", language="ar")
    tree = tree_of(parts)
    assert (tree.get("lang"), tree.get("dir")) == ("ar", "rtl")
    (content,) = tree.find_class("content")
    assert styles(content)["text-align"] == "right"
    for quote in content.iter("blockquote"):
        assert "border-right" in styles(quote)
        assert "border-left" not in styles(quote)
    assert "إلغاء الاشتراك" in parts.text


@pytest.mark.parametrize("color", ["#ffee00", "#ffffff", "#000000", "#1f6659", "#f0f", "#0b5cad"])
def test_any_colour_gives_links_and_buttons_that_can_be_read(color: str) -> None:
    parts = parts_of(POSTS[0], "post", color=color)
    tree = tree_of(parts)
    link = next(tree.find_class("content")[0].iter("a"))
    assert contrast(styles(link)["color"], "#ffffff") >= 4.5
    (cell,) = tree.find_class("button-cell")
    (button,) = tree.find_class("button")
    ground = styles(cell)["background-color"]
    full = ground if len(ground) == 7 else "#" + "".join(c * 2 for c in ground[1:])
    assert contrast(styles(button)["color"], full) >= 4.5
    (night,) = re.findall(r"\.content a, \.link \{ color: (#\w{6}) !important", parts.html)[:1]
    assert contrast(night, "#1d1d1f") >= 4.5


@pytest.mark.parametrize("background", ["#ffffff", "#102030", "#777777", "#c0ffee"])
def test_masthead_and_footer_can_be_read_on_any_background(background: str) -> None:
    tree = tree_of(parts_of(POSTS[0], "post", background=background))
    for name in ("masthead", "foot"):
        (cell,) = tree.find_class(name)
        assert contrast(styles(cell)["color"], background) >= 4.5


def test_a_font_of_ones_own_is_used_and_cannot_end_the_style_sheet() -> None:
    parts = parts_of(POSTS[0], "post", font='"Book Antiqua", serif;}</style><b>')
    tree = tree_of(parts)
    (content,) = tree.find_class("content")
    assert "Book Antiqua" in styles(content)["font-family"]
    assert not tree.findall(".//b")
