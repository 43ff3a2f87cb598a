"""Hostile messages: any bytes are checked without failing, and none takes longer than a large honest one by much."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.checks.rules.client_support import client_support
from newsletter.checks.run import check_message
from newsletter.checks.sample import bounded, sample_of
from tests.checks.mail import here, message, rules

SECONDS = 20.0
"""Of the processor. Each takes under two on a small machine; what is bounded here took up to three minutes before."""


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"\x00\xff\xfe", b"Content-Type: text/html\r\n\r\n", b"Content-Type: multipart/mixed\r\n\r\n",
            b"Content-Type: text/html; charset=nonsense\r\n\r\n\xff<p", b"Subject: =?utf-8?b?!!!?=\r\n\r\nx",
            b"Content-Type: text/html; charset=undefined\r\n\r\n<p>x",
            b"Content-Type: text/html; charset=punycode\r\n\r\nab-zzzz" * 9,
            b"Content-Type: text/html; charset=utf-16\r\n\r\n\xff\xfe<\x00p\x00>\x00x\x00",
            b"Content-Type: text/html\r\n\r\n" + b"<div>" * 20_000,
            b"Content-Type: text/html\r\n\r\n<style>@media{@media{{{</style><p style='color:rgb(;;'>x",
            b"Content-Type: text/html\r\n\r\n<p style='font-weight:" + b"9" * 5_000 + b"'>x<img width='\xc2\xb2'>",
            b"Content-Type: text/html\r\n\r\n<p style='color:\\'>x<p style='font:/;opacity:.;width:" + b"9" * 400,
            b"Content-Type: text/html\r\n\r\n<p bgcolor='" + b"9" * 5_000 + b"'>x<style>p{x:" + b"9" * 5_000 + b"}"],
)  # fmt: skip
def test_any_bytes_are_checked_without_failing(raw):
    assert isinstance(check_message(sample_of(raw)), list)


HOSTILE = {
    "a deep tree and long selectors": "<style>" + "div div div div div div div div p { color: red }" * 50 + "</style>"
    + "<div>" * 250 + "<p>x",
    "many rules and paragraphs": "<style>" + "p p, p { color: red }" * 1_500 + "</style>" + "<p>x" * 2_000,
    "siblings": "<style>" + "b ~ i ~ u ~ p { color: red }" * 300 + "</style>" + "<p>x</p>" * 8_000,
    "not not not": "<style>" + "p:not(:not(:not(p))) { color: red }" * 5_000 + "</style>" + "<p>x</p>" * 2_000,
    "attribute selectors": "<style>" + "[style*=x] p, div > p { color: red }" * 9_000 + "</style>"
    + "<p style='x:y'>x" * 3_000,
    "five megabytes of CSS": "<style>" + ".a { color: red; margin: 1px }" * 170_000 + "</style><p class=a>x",
    "open brackets": "<style>" + "(" * 50_000 + "</style><p style='" + "[" * 9_000 + "'>x",
    "broken CSS": "<style>" + "{}}{;:@media((([[[" * 60_000 + "</style><p style='color:;;:{'>x",
    "at-rules in at-rules": "<style>" + "@media x {" * 2_000 + "</style>",
    "pictures": "<img>" * 20_000,
    "backgrounds": "<td style=\"background: url('https://example.org/x.png')\">x" * 30_000,
    "a hundred thousand divs": "<div>" * 100_000 + "x" + "</div>" * 100_000,
    "a hundred thousand links": "<a href='https://example.org/'>click here</a>" * 100_000,
    "links to nowhere": "<a href='#'>x</a>" * 20_000,
    "languages": "<p lang=en>" * 20_000,
    "tables": "<table><tr><td>" * 5_000,
    "each its style": "".join(f"<p style='color: #{n % 4096:03x}; padding: {n}px'>x</p>" for n in range(40_000)),
    "one long style": "<p style='" + "color:red;" * 300_000 + "'>x</p>",
    "attributes": "<p " + " ".join(f"data-a{n}=x" for n in range(50_000)) + ">x</p>",
    "white space": ("<meta http-equiv=content-type content='charset=" + " " * 9_000 + "'>") * 60,
    "open braces": "{{" * 100_000,
    "left over": "<p style='color:#999'>{{ x }}</p>" * 5_000,
    "text": "<p>" + "x" * 3_000_000,
    "zeros": "\0<p>\0x\0</p>" * 50_000,
}  # fmt: skip


_LONG = ("many rules and paragraphs", "attribute selectors", "each its style")  # of a kind that others are of too


@pytest.mark.parametrize(
    "html",
    [pytest.param(html, id=name, marks=[pytest.mark.soak] * (name in _LONG)) for name, html in HOSTILE.items()],
)
def test_a_hostile_page_is_checked_within_bounds(html):
    before = time.process_time()
    sample = sample_of(message(html))
    found = check_message(sample)
    client_support(sample)
    assert 0 < len(found) < 26 * 100
    assert time.process_time() - before < SECONDS


PARTS = {
    "multiparts in multiparts": "".join(
        f"Content-Type: multipart/mixed; boundary={n}\r\n\r\n--{n}\r\n" for n in range(2_000)
    ).encode(),
    "parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 400_000,
    "braces in the text": b"Subject: x\r\n\r\n" + b"{{ " * 6_000_000,
    "encoded words": b"Subject: " + b"=?utf-8?q?=41?= " * 100_000 + b"\r\n\r\nx",
    "targets": b"List-Unsubscribe: " + b"<https://x>," * 200_000 + b"\r\nContent-Type: text/html\r\n\r\n"
    + b"<p><a href='https://y'>z</a></p>" * 5_000,
    "blanks in a header": b"List-Unsubscribe: <" + b" " * 300_000 + b"\r\n\r\nx",
}  # fmt: skip


@pytest.mark.parametrize("raw", PARTS.values(), ids=PARTS)
def test_a_hostile_message_is_checked_within_bounds(raw):
    before = time.process_time()
    assert check_message(sample_of(raw)) != []
    assert time.process_time() - before < SECONDS


def test_a_picture_in_the_page_does_not_hide_what_follows():
    picture = "<img width='9' alt='An acorn' src='data:image/png;base64," + "A" * 3_000_000 + "'>"
    assert rules(here(picture)) == {"client-support:error", "gmail-clip:error"}
    part = sample_of(message(here(picture))).html
    assert part is not None
    assert part.size > 3_000_000


def test_an_honest_page_is_looked_at_whole():
    page = here("<p>Words &lt; <a href='https://example.org/?a=1&amp;b=2'>more</a></p>" * 900)
    assert bounded(page) == page


MARKUP = [
    "<p>", "</p>", "<td>", "<th>", "<table role=none>", "<style>", "</style>", "<body>", "<html ", "<svg>",
    "<![CDATA[", "<!--[if mso]>", "<![endif]-->", "<a href=", "<img src=", "<meta name=color-scheme content=",
    " alt=", " width=", " style=", "'", "\"", ">", "<",
]  # fmt: skip
STYLING = [
    "@media (prefers-color-scheme: dark) {", "@import url(", "p:not(", "a:hover > b + c ~ *", "{", "}", "(", ")",
    ";", ":", "color", "font", "font-size", "opacity", "background", "width", "position", "rgba(", "calc(",
    "var(--x)", "url(", "hsl(1e9, ", "#fff", "1px", "50%", "-.5em",
]  # fmt: skip
WRITING = [
    "²", "\0", "9" * 400, "\ud800", "\u202e", "\u0093", "{{", "}}", "*|X|*", "data:", "https://[", "//", "cid:",
    "mailto:", "#", "&#x0;", "&#xd800;", "\\", "\n", " ",
]  # fmt: skip


@given(st.lists(st.sampled_from(MARKUP + STYLING + WRITING), max_size=60))
def test_any_pieces_are_checked_without_failing(pieces):
    html = "".join(pieces).encode("utf-8", "surrogatepass")
    raw = b"Subject: x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + html
    sample = sample_of(raw)
    assert isinstance(check_message(sample), list)
    assert isinstance(client_support(sample), list)


@given(st.binary(max_size=200), st.sampled_from(["utf-8", "utf-16", "latin-1", "idna", "utf-7", "x-unknown", "hz"]))
def test_any_bytes_of_any_charset_are_checked_without_failing(body, charset):
    raw = f"Subject: x\r\nContent-Type: text/html; charset={charset}\r\n\r\n".encode() + body
    assert isinstance(check_message(sample_of(raw)), list)
