"""Inlining: premailer's traps, each of them sprung."""

import contextlib
import re
import socket
import subprocess
import sys
import time
from typing import Any

import pytest

from newsletter.compose.html.inline_css import inline_css
from newsletter.errors import NewsletterError


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("composing never touches the network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def page(css: str = "", body: str = "<p>x</p>", head: str = "") -> str:
    return inline_css(f"<!DOCTYPE html><html><head>{head}<style>{css}</style></head><body>{body}</body></html>")


def styles(html: str) -> str:
    return "\n".join(re.findall(r"<style[^>]*>(.*?)</style>", html, re.DOTALL))


def test_plain_rules_become_attributes_and_leave_no_style() -> None:
    html = page(".a { color: red } p { margin: 0 }", "<p class=a>x</p>")
    assert '<p class="a" style="margin:0; color:red">x</p>' in html
    assert "<style" not in html


def test_imports_and_linked_sheets_stay_and_are_not_fetched() -> None:
    html = page(
        "@import url(http://127.0.0.1:1/a.css); @import 'http://127.0.0.1:1/b.css' screen; p { color: red }",
        head='<link rel="stylesheet" href="http://127.0.0.1:1/c.css"><style>@import url(//127.0.0.1:1/d.css);</style>',
    )
    assert 'style="color:red"' in html
    assert styles(html).startswith("@import url(//127.0.0.1:1/d.css);")
    assert '@import url(http://127.0.0.1:1/a.css);\n@import "http://127.0.0.1:1/b.css" screen;' in styles(html)


@pytest.mark.parametrize("before", ["p { color: red }", "p {}", "@media print {}", "@layer a {} @layer b;"])
def test_an_import_that_a_browser_ignores_does_not_come_to_count(before: str) -> None:
    html = page(f"{before} @import url(http://127.0.0.1:1/a.css); p {{ margin: 1px }} a:hover {{ color: blue }}")
    assert "@import" not in html
    assert "a:hover" in styles(html)


@pytest.mark.parametrize(
    "rule",
    [
        "@media (max-width: 600px) { .a { color: red } }",
        "@media (width <= 600px) { .a { color: red } }",
        "@media (prefers-color-scheme: dark) { @media (max-width: 1px) { .a { color: red } } }",
        "@supports (display: grid) { .a { color: red } }",
        "@layer x { .a { color: red } }",
        "@container (min-width: 1px) { .a { color: red } }",
        "a:hover, .a:is(p) { color: red }",
        "p::first-line { color: red }",
        "[data-ogsc] .a { color: red }",
        "u + .a { color: red }",
        ".a { color: blue; &:hover { color: red } }",
        ":not(.b) { color: red }",
    ],
)
def test_what_can_not_be_inlined_stays(rule: str) -> None:
    kept = styles(page(rule, "<a class=b href=x>x</a>"))
    assert "color: red" in kept
    assert "!important" not in kept


@pytest.mark.parametrize(
    "rule",
    [
        "@media (max-width: 600px) { .a { color: red } }",
        "@media (prefers-color-scheme: dark) { @media (max-width: 1px) { .a { color: red } } }",
        "@supports (display: grid) { .a { color: red } }",
        "@container (min-width: 1px) { .a { color: red } }",
        ".a:hover, .a:is(:focus) { color: red }",
        ".a { &:hover { color: red } }",
    ],
)
def test_what_stays_wins_over_what_is_inlined_where_it_won(rule: str) -> None:
    body = "<p class=a>x</p>"
    assert "color: red !important" in styles(page(".a { color: blue }" + rule, body))
    assert "color: red !important" not in styles(page("p.a.a { color: blue }" + rule, body.replace("x", "<i>x</i>")))
    assert "color: red !important" not in styles(page(rule, body.replace("p class", "p style='color: blue' class")))


@pytest.mark.parametrize(
    "rule", ["@font-face { font-family: x; src: url(x.woff) }", "@keyframes k { from { top: 0 } }", "* { margin: 0 }"]
)
def test_fonts_animations_and_the_universal_rule_stay_without_important(rule: str) -> None:
    kept = styles(page(rule))
    assert kept
    assert "!important" not in kept


def test_a_rule_of_both_sorts_goes_both_ways() -> None:
    html = page("a, a:hover { color: red }", "<a href=x>x</a>")
    assert 'style="color:red"' in html
    assert "a:hover {color: red !important}" in styles(html)


def test_important_survives() -> None:
    assert "color:red !important" in page("p { color: red !important }")
    assert styles(page("@media print { p { color: red !important } }")).count("!important") == 1


def test_an_ignored_style_stays_byte_for_byte() -> None:
    css = "@media  (width<=600px){.a{color:RED!important}}/* é */ @font-face{} .x{{}}"
    html = page(head=f'<style data-premailer="ignore">{css}</style>')
    assert f"<style>{css}</style>" in html


@pytest.mark.parametrize(
    "start",
    [
        "<!DOCTYPE html>",
        "<!doctype html>",
        "\ufeff<!DOCTYPE html>",
        "<!-- a --><!DOCTYPE html>",
        "",
        " \n<!doctype HTML>",
    ],
)
def test_the_doctype_comes_first(start: str) -> None:
    html = inline_css(start + "<html><body><p>x</p></body></html>")
    assert html.startswith("<!DOCTYPE html>")
    assert html.lower().count("<!doctype") == 1


def test_an_older_doctype_is_kept() -> None:
    doctype = '<!DOCTYPE html PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd">'
    assert inline_css(doctype + "<html><body></body></html>").startswith(doctype)


def test_sizes_are_not_copied_to_attributes_and_colours_are_as_written() -> None:
    css = "img { width: 100%; height: auto } td { background-color: #ffffff }"
    html = page(css, "<img src=x width=600><table><tr><td>x</td></tr></table>")
    assert 'width="600"' in html
    assert 'height="' not in html
    assert "#fff;" not in html
    assert 'bgcolor="#ffffff"' in html


def test_conditional_comments_survive() -> None:
    inside = '<!--[if mso]><table width="600"><tr><td><style>a{}</style><![endif]-->'
    assert inside in page(body=inside)


def test_svg_keeps_its_capitals() -> None:
    html = page(body='<svg viewBox="0 0 1 1"><linearGradient gradientUnits="x"></linearGradient></svg>')
    assert 'viewBox="0 0 1 1"' in html
    assert '<linearGradient gradientUnits="x">' in html


@pytest.mark.parametrize("nothing", ["", " \n", "\ufeff", "\0"])
def test_nothing_is_nothing(nothing: str) -> None:
    assert inline_css(nothing) == ""


def test_an_xml_declaration_is_dropped() -> None:
    assert "<?xml" not in inline_css('<?xml version="1.0" encoding="utf-8"?>\n<html><body><p>x</p></body></html>')


def test_it_is_not_pretty_printed_and_keeps_characters() -> None:
    assert "<p>a <b>b</b>\u00a0\u200cé😀 &lt;&amp;</p>" in page(body="<p>a <b>b</b>&nbsp;&zwnj;é😀 &lt;&amp;</p>")
    assert "<pre>a\n  b</pre>" in page(body="<pre>a\n  b</pre>")


def test_broken_css_and_deep_pages_do_no_harm(capfd: pytest.CaptureFixture[str]) -> None:
    html = page("p { color: red; ; colour blue } } .x { p", "<div>" * 600 + "<p>deep</p>" + "</div>" * 600)
    assert "deep" in html
    assert capfd.readouterr().err == ""


def test_a_style_for_print_is_left_alone() -> None:
    assert '<style media="print">p { color: red }</style>' in page(head='<style media="print">p { color: red }</style>')


def test_a_second_call_gives_the_same() -> None:
    one, two = (page("a:hover { color: red } p { color: blue }") for _ in range(2))
    assert one == two


def test_the_inliner_leaves_modules_and_environment_to_others() -> None:
    """premailer imports requests, which nobody needs here: it waits, the real one, until somebody does."""
    code = (
        "import os, sys; before = dict(os.environ)\n"
        "from newsletter.compose.html.inline_css import inline_css\n"
        "assert dict(os.environ) == before\n"
        "assert 'requests.sessions' not in sys.modules\n"
        "import requests\n"
        "assert requests.Session().headers['User-Agent'].startswith('python-requests/')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "css",
    [
        "b ~ i ~ u ~ p { color: red } " * 100,
        ":has(b ~ i ~ u) p { color: red } " * 100,
        "@media (max-width: 1px) { p { color: red; margin: 1px; padding: 1px } } " * 100,
        "div " * 60 + "p { color: red }",
        "p:nth-child(2n of b + i) { color: red } " * 100,
    ],
)
def test_a_hostile_sheet_is_refused_or_inlined_in_bounded_time(css: str) -> None:
    started = time.process_time()
    with contextlib.suppress(NewsletterError):
        page(css, "<div>" * 60 + "<b>x</b><i>x</i><u>x</u><p>x</p>" * 500)
    assert time.process_time() - started < 20


def test_addresses_of_the_site_in_a_template_become_absolute() -> None:
    body = (
        '<img src="/a.png"><a href="//example.net/x">x</a><td background="/b.png" style="background: url(/c.png)">'
        '<!--[if mso]><v:fill src="/d.png"/><![endif]--><!-- /e.png --><a href="/f">x</a><a href="https://example.org/">x</a>'
    )
    style = "<style>@media print { p { background: url('/g.png') } }</style>"
    source = f"<html><head>{style}</head><body>{body}</body></html>"
    html = inline_css(source, lambda url: f"https://example.com{url}")
    assert re.findall(r"example\.com(/\w\.?\w*)", html) == ["/g.png", "/a.png", "/b.png", "/c.png", "/d.png", "/f"]
    assert html.count("example.com") == 6


@pytest.mark.parametrize(
    ("around", "width"),
    [
        ('<div style="max-width: 480px">{}</div>', 480),
        ('<table width="500"><tr><td style="padding: 10px 20px">{}</td></tr></table>', 460),
        ('<div style="max-width:400px;padding:0 30px;box-sizing:border-box"><p style="padding:9px">{}</p></div>', 322),
        ('<div style="max-width: 400px; padding: 0 30px">{}</div>', 400),
        ('<div style="width: 90%; max-width: 700px">{}</div>', 536),
        ('<table><tr><td width="1" style="width: 1px">{}</td></tr></table>', 536),
        ("<div>{}</div>", 536),
    ],
)
def test_a_picture_is_no_wider_than_its_column(around: str, width: int) -> None:
    html = page("", around.format('<img src=x width="536" height="268">'))
    assert f'width="{width}" height="{round(width / 2)}"' in html


@pytest.mark.parametrize(
    ("around", "width"),
    [
        ('<div style="max-width: 700px">{}</div>', 700),
        ('<table width="640"><tr><td style="padding: 10px 20px">{}</td></tr></table>', 600),
        ('<div style="max-width: 1200px">{}</div>', 900),
        ('<div style="max-width: 480px">{}</div>', 480),
        ("<div>{}</div>", 536),
    ],
)
def test_a_wide_picture_fills_a_wide_column(around: str, width: int) -> None:
    html = page("", around.format('<img src=x width="536" height="268" data-wanted-width="900">'))
    assert f'width="{width}" height="{round(width / 2)}">' in html
