"""A site's own Markdown settings are heard, and bounds hold whatever the post."""

import time
from dataclasses import replace

import pytest

from newsletter.compose.body import render_body
from newsletter.compose.markdown.convert import render_markdown
from newsletter.compose.markdown.grammar import grammar_of
from newsletter.errors import NewsletterError
from tests.compose.sites import HUGO, JEKYLL, PLAIN, make, page_of


def _page(tmp_path, kind, config=None):
    files, name = {
        "hugo": (HUGO, "content/posts/2024-05-06-hello.md"),
        "jekyll": (JEKYLL, "_posts/2018-07-03-first.md"),
        "plain": (PLAIN, "posts/2026-05-04-hello.md"),
    }[kind]
    page = page_of(make(tmp_path, files), name)
    return replace(page, site=replace(page.site, config={**page.site.config, **(config or {})}))


def _goldmark(**parts):
    return {"markup": {"goldmark": parts}}


@pytest.mark.parametrize(
    ("kind", "config", "source", "output"),
    [
        ("hugo", _goldmark(renderer={"hardWraps": True}), "a\nb", "<p>a<br>\nb</p>"),
        ("hugo", _goldmark(renderer={"unsafe": True}), "<b>a</b>", "<p><b>a</b></p>"),
        ("hugo", _goldmark(renderer={"unsafe": False}), "<b>a</b>", "<p>a</p>"),
        ("hugo", _goldmark(extensions={"typographer": False}), '"a" -- b', '<p>"a" -- b</p>'),
        ("hugo", _goldmark(extensions={"typographer": {"disable": True}}), "it's", "<p>it's</p>"),
        ("hugo", _goldmark(extensions={"linkify": False}), "https://a.example.org", "<p>https://a.example.org</p>"),
        ("hugo", _goldmark(extensions={"definitionList": False}), "a\n: b", "<p>a\n: b</p>"),
        ("hugo", _goldmark(parser={"attribute": {"block": True}}), "a\n{.x}\n\nb", "<p>a</p>\n<p>b</p>"),
        ("hugo", {}, "[a](#b-c)\n\n## B C {.x lang=en}", '<h2 class="x" id="b-c" lang="en">B C</h2>'),
        ("hugo", {}, "[a](#b-d)\n\n## B {d}{.x}", '<a href="#b-d">a</a></p>\n<h2 class="x" id="b-d">B {d}</h2>'),
        ("hugo", {}, "a\n{.x}", "<p>a\n{.x}</p>"),
        ("hugo", {"enableemoji": True}, "hi :wave: :nothing:", "<p>hi 👋 :nothing:</p>"),
        ("hugo", {"enableemoji": True}, ":warning: :smile:", "<p>⚠\ufe0f 😄</p>"),
        ("hugo", {}, "hi :wave:", "<p>hi :wave:</p>"),
        ("hugo", {}, "* a\n- b", "<ul>\n<li>a</li>\n</ul>\n<ul>\n<li>b</li>\n</ul>"),
        ("hugo", {}, "| a |\n|---|\n| `x\\|y` |", "<code>x|y</code>"),
        ("jekyll", {}, "(https://a.example/b”，好", '(<a href="https://a.example/b">https://a.example/b</a>”，好'),
        ("jekyll", {"kramdown": {"hard_wrap": True}}, "a\nb", "<p>a<br>\nb</p>"),
        ("jekyll", {"kramdown": {"smart_quotes": "apos,apos,quot,quot"}}, '"a" it\'s', '<p>"a" it\'s</p>'),
        ("jekyll", {"kramdown": {"smart_quotes": ["apos", "apos", "quot", "quot"]}}, '"a"', '<p>"a"</p>'),
        ("jekyll", {"kramdown": {"gfm_quirks": "no_auto_typographic"}}, '"a" -- b', "<p>“a” -- b</p>"),
        ("jekyll", {"kramdown": {"gfm_quirks": []}}, "a\n- b\n# c", "<p>a\n- b\n# c</p>"),
        ("jekyll", {"kramdown": {"gfm_quirks": ["paragraph_end"]}}, "a\n- b", "<p>a</p>\n<ul>"),
        ("jekyll", {"kramdown": {"input": "kramdown"}}, "a\n- b ~~c~~\n```\nd\n```", "<p>a\n- b ~~c~~\n<code>"),
        ("jekyll", {"kramdown": {"input": "kramdown"}}, "#a\n\n- [ ] b \\~", "<h1>a</h1>\n<ul>\n<li>[ ] b \\~</li>"),
        ("jekyll", {"kramdown": {"input": "kramdown"}}, "~~~ ruby\na\n~~~", "<pre><code>a</code></pre>"),
        ("jekyll", {"kramdown": {"input": "GFM"}}, "a ~~c~~", "<del>c</del>"),
        ("jekyll", {"kramdown": {"typographic_symbols": {"mdash": "--"}}}, "a --- b...", "<p>a -- b…</p>"),
        ("jekyll", {"kramdown": {"parse_block_html": True}}, "<div>\n*a*\n</div>", "<p><em>a</em></p>"),
        ("jekyll", {}, "<div>\n*a*\n</div>", "<div>\n*a*\n</div>"),
        ("jekyll", {"plugins": ["jemoji"]}, ":wave:", "<p>👋</p>"),
        ("jekyll", {"markdown": "CommonMarkGhPages"}, "1. a\n  - b", "<li>a</li>\n</ol>\n<ul>"),
        ("plain", {}, "Text[^1].\n\n[^1]: Two:\n    1. one\n    2. two", "<ol>\n<li>one</li>\n<li>two</li>\n</ol>"),
        ("plain", {}, "<table>\n<tr>\n<td>\n\n* a\n</td>\n</tr>\n</table>", "<td>\n<ul>\n<li>a</li>\n</ul>\n</td>"),
        ("plain", {}, "```html\n<p>Hello</p>\n```", "&lt;"),
        ("plain", {}, "```make\nall:\n\tcc -o x\n```", "\n\t"),
    ],
)  # fmt: skip
def test_a_sites_own_settings_change_what_its_posts_say(tmp_path, kind, config, source, output):
    assert output in render_markdown(source, _page(tmp_path, kind, config))


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("    x = 1\n{: .language-python}", '<span style="color: #1C01CE">1</span>'),
        ("{: .language-python}\n```\nx = 1\n```", '<span style="color: #1C01CE">1</span>'),
        ('Text\n{: #here .a style="color: red"}', '<p class="a" id="here" style="color: red">Text</p>'),
        ("{: #here}\n\nText", '<p id="here">Text</p>'),
        ("{: r}\nText\n\n{:r: .a #b}", '<p class="a" id="b">Text</p>'),
        ("Text\n{: .a}\n{: .b}", '<p class="a b">Text</p>'),
        ("*a*{: .b} {: nothing}", '<p><em class="b">a</em></p>'),
        ("- {: .x} a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
    ],
)
def test_kramdowns_attributes_belong_to_the_block_they_stand_at(tmp_path, source, output):
    assert output in render_markdown(source, _page(tmp_path, "jekyll"))


@pytest.mark.parametrize("kind", ["hugo", "plain"])
def test_emphasis_that_is_too_deep_is_told_with_its_line(tmp_path, kind):
    page = _page(tmp_path, kind)
    with pytest.raises(NewsletterError, match="more than 100 deep") as raised:
        render_markdown("a\n\n" + "*" * 20_000 + "a" + "*" * 20_000, page)
    assert raised.value.line == page.post.body_line + 2


def test_a_bare_address_in_jekyll_has_its_backslashes_undone(tmp_path):
    html = render_markdown(r"See http://example.org/a\_b\_c?x=1.", _page(tmp_path, "jekyll"))
    assert '<a href="http://example.org/a_b_c?x=1">http://example.org/a_b_c?x=1</a>.' in html


def test_backticks_that_are_never_closed_hide_no_link(tmp_path):
    html = render_markdown("``Most see [here](/a) and the `pie` [there](/b)", _page(tmp_path, "jekyll"))
    assert html.count("<a ") == 2


@pytest.mark.parametrize("kind", ["jekyll", "hugo", "plain"])
@pytest.mark.parametrize(
    "source", ["[^1]:", "a[^2] b[^1]\n\n[^1]:\n\n[^2]: Two.", "a[^1]\n\n[^1]: {: .x}\n", "a[^1]\n\n[^1]: <!-- c -->\n"]
)
def test_an_empty_footnote_is_a_footnote(tmp_path, kind, source):
    assert render_markdown(source, _page(tmp_path, kind)).count("<li") == source.count("[^") // 2


@pytest.mark.parametrize("kind", ["jekyll", "hugo", "plain"])
def test_an_ampersand_in_html_stays_what_it_is(tmp_path, kind):
    source = '<p>AT&T R&D; &amp; &copy; <a href="https://example.org/?a=1&copy=2">x</a></p>'
    html = render_markdown(source, _page(tmp_path, kind, _goldmark(renderer={"unsafe": True})))
    assert "AT&amp;T R&amp;D; &amp; &copy; " in html
    assert 'href="https://example.org/?a=1&amp;copy=2"' in html


def test_a_shortcodes_html_is_kept_where_raw_html_is_not(tmp_path):
    page = _page(tmp_path, "hugo", _goldmark(renderer={"unsafe": False}))
    body = 'A {{< loud "x" >}} b.\n\n{{< loud "y" >}}\n\n<b>raw</b>\n\n'
    body += '- {{< figure src="/a.png" caption="*A* [b](/c) & d" >}}\n- z\n'
    assert grammar_of(page.site).unsafe is False
    html = render_body(replace(page, post=replace(page.post, body=body)))
    before, tight, after = html.partition("\n<ul>\n<li><figure>")
    assert before == "<p>A <b>x</b> b.</p>\n<b>y</b>\n<p>raw</p>"
    assert tight
    assert 'alt="A b &amp; d"' in after
    assert '<figcaption><em>A</em> <a href="https://example.org/h/c">b</a> &amp; d</figcaption>' in after
    assert after.endswith("<li>z</li>\n</ul>")


def test_a_link_to_what_only_the_page_has_leads_to_the_page(tmp_path):
    page = _page(tmp_path, "plain")
    html = render_markdown("[c](#comments) and [n](#notes)\n\n## Notes\n", page)
    assert f'href="{page.url}#comments"' in html
    assert 'href="#notes"' in html


@pytest.mark.parametrize("kind", ["jekyll", "hugo", "plain"])
@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("Text.\n\n" + "- " * 600 + "x", 3),
        ("> " * 300 + "x", 1),
        ("".join("    " * depth + "!!! note\n\n" for depth in range(100)), 83),
    ],
)
def test_what_is_nested_too_deep_is_told_with_its_line(tmp_path, kind, source, line):
    page = _page(tmp_path, kind)
    with pytest.raises(NewsletterError, match="more than 40 deep") as raised:
        render_markdown(source, page)
    if "!!!" not in source:
        assert raised.value.line == page.post.body_line + line - 1


def test_html_that_is_nested_too_deep_is_told_of_the_post(tmp_path):
    page = _page(tmp_path, "plain")
    with pytest.raises(NewsletterError, match="more than 2,000 deep") as raised:
        render_markdown("<div>" * 2001, page)
    assert (raised.value.path, raised.value.line) == (str(page.post.path), page.post.body_line)


@pytest.mark.parametrize("kind", ["jekyll", "hugo", "plain"])
@pytest.mark.parametrize(
    "source",
    ["[" * 20_000, "![" * 10_000, "[a](" * 5_000, "*a _b " * 5_000, "`" * 3_000 + "a", "<!--" * 30_000, "\"'" * 10_000,
     "[a] " * 10_000, "<div>\n" * 2_000, "".join("`" * n + " a " for n in range(1, 300)), "http://" * 5_000],
)  # fmt: skip
def test_contrived_markdown_ends(tmp_path, kind, source):
    begun = time.thread_time()
    raised = None
    try:
        render_markdown(source, _page(tmp_path, kind))
    except NewsletterError as error:
        raised = error
    assert time.thread_time() - begun < 8
    assert raised is None or (raised.line is not None and "takes too long" in raised.what)


def test_an_honest_glossary_is_not_too_much(tmp_path):
    source = "".join(f"Term {number}\n: What term {number} means, at *some* length.\n\n" for number in range(500))
    for kind in ("jekyll", "hugo", "plain"):
        assert render_markdown(source, _page(tmp_path / kind, kind)).count("<dd>") == 500
