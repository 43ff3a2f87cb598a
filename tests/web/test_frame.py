"""The document of the frame: what a view changes, and that it changes nothing else."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.web.frame import GMAIL_CLIP, Appearance, clip, frame_document, is_clipped, theme_named

BASE = '<base target="_blank">'
MAIL = (
    '<!DOCTYPE html><html><head><meta name="color-scheme" content="light dark">'
    "<style>:root { color-scheme: light dark; }"
    "@media (prefers-color-scheme: dark) { .a { color: #fff } }</style></head>"
    '<body bgcolor="#ffffff" style="color:#000000"><img src="https://example.org/a.png" alt="">'
    '<!-- <b style="color:#000"> -->'
    "<p style='color: #000; font-family: \"A\"'>1 < 2</p></body></html>"
)


def test_a_light_view_changes_only_what_asks_for_the_colour_scheme() -> None:
    shown = frame_document(MAIL, Appearance())
    expected = (
        MAIL.replace("<head>", "<head>" + BASE)
        .replace('content="light dark"', 'content="light"')
        .replace("color-scheme: light dark;", "color-scheme: light;")
        .replace("(prefers-color-scheme: dark)", "(max-width:0)")
    )
    assert shown == expected


def test_a_dark_view_does_not_depend_on_the_browsers_own_setting() -> None:
    shown = frame_document(MAIL, Appearance("dark"))
    assert 'content="dark"' in shown
    assert "color-scheme: dark;" in shown
    assert "@media (min-width:0)" in shown
    assert "color:#000000" in shown  # inline colours are the message's own


def test_a_mail_that_knows_no_dark_mode_stays_light_in_it() -> None:
    mail = "<html><head><style>:root{color-scheme: light}</style></head><p>Hello</p></html>"
    assert frame_document(mail, Appearance("dark")) == mail.replace("<head>", "<head>" + BASE)


def test_pictures_for_dark_mode_are_chosen_by_the_view() -> None:
    mail = '<picture><source media="(prefers-color-scheme: dark)" srcset="d.png"><img src="l.png"></picture>'
    assert 'media="(min-width:0)"' in frame_document(mail, Appearance("dark"))
    assert 'media="(max-width:0)"' in frame_document(mail, Appearance("light"))


def test_inversion_reaches_styles_sheets_and_attributes_but_no_comment() -> None:
    shown = frame_document(MAIL.replace(".a {", "p { color: #000 } .a {"), Appearance("inverted"))
    assert 'bgcolor="#1e1e1e"' in shown
    assert '<body bgcolor="#1e1e1e" style="color:#ffffff;"' in shown
    assert '<!-- <b style="color:#000"> -->' in shown
    assert "(max-width:0)" in shown  # a client that turns colours over does not ask for the mail's own dark styles
    assert "html{background:#1e1e1e" in shown


def test_without_styles_the_rest_stands_as_it_was() -> None:
    shown = frame_document(MAIL, Appearance(styles=False))
    assert "<style" not in shown
    assert shown.endswith(MAIL[MAIL.index("</head>") :])


def test_pictures_are_sent_elsewhere_in_every_place_that_names_one() -> None:
    mail = (
        '<body background="x:a"><img src="x:a" srcset="x:a 1x, x:b 2x"><p style="background:url(\'x:a\')">'
        "<style>.a{background-image:url( x:a )}</style><img src='x:c&amp;d'><a href=\"x:a\">stays</a>"
    )
    shown = frame_document(mail, Appearance(), lambda url: url.replace("x:", "/site/"))
    assert shown == BASE + (
        '<body background="/site/a"><img src="/site/a" srcset="/site/a 1x, /site/b 2x">'
        '<p style="background:url(/site/a)">'
        '<style>.a{background-image:url(/site/a)}</style><img src="/site/c&amp;d"><a href="x:a">stays</a>'
    )


def test_a_footnotes_link_stays_in_the_frame() -> None:
    mail = '<a class="x" href="#fn:1">1</a><a href="https://example.org/#top">2</a>'
    shown = '<a target="_self" class="x" href="#fn:1">1</a><a href="https://example.org/#top">2</a>'
    assert frame_document(mail, Appearance()) == BASE + shown


def test_gmail_cuts_by_bytes_and_never_inside_a_tag_or_a_character() -> None:
    whole = "<p>" + "é" * (GMAIL_CLIP // 2 - 4) + '</p><p class="after">end</p>'
    assert is_clipped(whole)
    assert not is_clipped("é" * (GMAIL_CLIP // 2))
    kept = clip(whole)
    assert len(kept.encode()) <= GMAIL_CLIP
    assert kept.endswith(("é</p>", "é"))
    shown = frame_document(whole, Appearance(clip=True))
    assert "[Message clipped]" in shown
    assert "View entire message" in shown
    assert "end</p>" not in shown
    assert "[Message clipped]" not in frame_document("<p>short</p>", Appearance(clip=True))
    assert "[Message clipped]" not in frame_document(whole, Appearance())


@given(st.text(alphabet=st.sampled_from("<>a=\"' !-/style{}:#0é"), max_size=300))
def test_without_what_a_view_changes_every_byte_is_passed_on(text: str) -> None:
    if not any(word in text for word in ("style", "base")):
        assert frame_document(text, Appearance()).replace(BASE, "", 1) == text


@pytest.mark.parametrize(
    "piece",
    [
        '<a "',
        "<a '",
        "<!--",
        "<style>",
        "<style",
        "<title>",
        "<a b='\">",
        "url(",
        '<img src="',
        "</title",
        "a=",
        "<style></style",
        "<style>url(",
        "<style>url('",
        '<b x="',
        "<style>color-scheme:",
        "<title></title",
    ],
)
def test_hostile_markup_costs_no_more_than_its_length(piece: str) -> None:
    mail = piece * (300_000 // len(piece))
    began = time.process_time()
    frame_document(mail, Appearance("inverted", clip=False), lambda url: url)
    assert time.process_time() - began < 5


def test_an_unknown_theme_is_light() -> None:
    assert theme_named("dark") == "dark"
    assert theme_named("sepia") == theme_named(None) == "light"


def test_with_images_off_each_picture_leaves_its_place_and_its_words() -> None:
    hero = '<img class="hero" src="a.png" alt=\'"Jays" &amp; oaks\' width="600" height="40%" style="color:#111">'
    mail = f"<p>{hero}</p><img>"
    shown = frame_document(mail, Appearance(images=False))
    assert "<img" not in shown
    assert (
        '<x-img class="hero" style="width:600px;height:40%;color:#111">&quot;Jays&quot; &amp; oaks</x-img></p>' in shown
    )
    assert '<x-img style=""></x-img>' in shown
    assert "a.png" not in shown
