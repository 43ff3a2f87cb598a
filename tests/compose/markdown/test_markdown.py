"""Markdown as kramdown, GFM and CommonMark have it, fit for mail."""

# ruff: noqa: E501 (a case a line)

import re
from dataclasses import replace
from typing import Any

import lxml.html
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.compose.body import render_body
from newsletter.compose.excerpt import excerpt
from newsletter.compose.html.sanitize import sanitize, video_link
from newsletter.compose.markdown.convert import render_markdown
from newsletter.compose.markdown.highlight import code_language
from newsletter.errors import NewsletterError
from tests.compose.sites import HUGO, JEKYLL, PLAIN, make, page_of


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return make(tmp_path_factory.mktemp("plain"), PLAIN)


@pytest.fixture(scope="module")
def page(site):
    return page_of(site, "posts/2026-05-04-hello.md")


@pytest.fixture
def html(page):
    """Renders and leaves out line ends between tags, so that tests say what matters."""

    def render(source: str) -> str:
        return re.sub(r">\s*\n\s*<", "><", render_markdown(source, page)).strip()

    return render


@pytest.mark.parametrize(
    ("source", "output"),
    [
        # lists as people write them
        ("Text:\n- a\n- b\n", "<p>Text:</p><ul><li>a</li><li>b</li></ul>"),
        ("Text:\n1. a\n2. b\n", "<p>Text:</p><ol><li>a</li><li>b</li></ol>"),
        ("- a\n  - b\n    - c\n- d\n", "<ul><li>a<ul><li>b<ul><li>c</li></ul></li></ul></li><li>d</li></ul>"),
        ("- a\n   - b\n", "<ul><li>a<ul><li>b</li></ul></li></ul>"),
        ("1. a\n   - b\n2. c\n", "<ol><li>a<ul><li>b</li></ul></li><li>c</li></ol>"),
        ("* a\n    * b\n", "<ul><li>a<ul><li>b</li></ul></li></ul>"),
        ("1) a\n2) b\n", "<ol><li>a</li><li>b</li></ol>"),
        ("3. a\n4. b\n", '<ol start="3"><li>a</li><li>b</li></ol>'),
        ("- a\n\n1. b\n", "<ul><li>a</li></ul><ol><li>b</li></ol>"),
        ("- a\nlazy\n", "<ul><li>a\nlazy</li></ul>"),
        ("- a\n\n  b\n- c\n", "<ul><li><p>a</p><p>b</p></li><li><p>c</p></li></ul>"),
        ("* a\n\n  * b\n\n  * c\n* d\n\n  * e\n", "<ul><li><p>a</p><ul><li><p>b</p></li><li><p>c</p></li></ul></li><li><p>d</p><ul><li>e</li></ul></li></ul>"),
        # quotes and tables as kramdown has them
        ("> a\n\n> b\n", "<blockquote><p>a</p></blockquote><blockquote><p>b</p></blockquote>"),
        ("Home | About\n", "<p>Home | About</p>"),
        ("It was in\n1986. What a year.\n", "<p>It was in\n1986. What a year.</p>"),
        # fences
        ("Text:\n```\na -- b\n```\nmore\n", "<p>Text:</p><pre><code>a -- b</code></pre><p>more</p>"),
        ("- a\n\n  ```\n  x\n    y\n  ```\n\n- b\n", "<ul><li><p>a</p><pre><code>x\n  y</code></pre></li><li><p>b</p></li></ul>"),
        ("- ```\n  x\n  ```\n", "<ul><li><pre><code>x</code></pre></li></ul>"),
        ("~~~~\n```\n<b>&\n```\n~~~~\n", "<pre><code>```\n&lt;b&gt;&amp;\n```</code></pre>"),
        ("> ```\n> x\n> ```\n", "<blockquote><pre><code>x</code></pre></blockquote>"),
        ("```\nnever closed {{ x }}\n", "<pre><code>never closed {{ x }}</code></pre>"),
        ("    indented\n", "<pre><code>indented</code></pre>"),
        # quotes, alerts, admonitions
        ("> a\nb\n> - c\n\nd\n", "<blockquote><p>a\nb</p><ul><li>c</li></ul></blockquote><p>d</p>"),
        ("> [!WARNING]\n> Hot.\n", '<div class="admonition warning"><p class="admonition-title">Warning</p><p>Hot.</p></div>'),
        ('!!! note "So"\n    Text.\n', '<div class="admonition note"><p class="admonition-title">So</p><p>Text.</p></div>'),
        # tables, definitions, tasks
        ("Text\na | b\n--|--\n1 | 2\n", "<p>Text</p><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>"),
        ("| a | b |\n| c | d |\n", "<table><tbody><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></tbody></table>"),
        ("T\n: D\n: E\n", "<dl><dt>T</dt><dd>D</dd><dd>E</dd></dl>"),
        ("- [ ] a\n- [x] b\n", '<ul><li class="task" style="list-style-type: none">☐ a</li><li class="task" style="list-style-type: none">☑ b</li></ul>'),
        # headings and rules
        ("Text\n# H\nmore\n", "<p>Text</p><h1>H</h1><p>more</p>"),
        ("#hashtag\n", "<p>#hashtag</p>"),
        ("H\n===\nText\n", "<h1>H</h1><p>Text</p>"),
        ("a\n\n* * *\n- - -\n___\n", "<p>a</p><hr><hr><hr>"),
        ("## The set {a, b}\n", "<h2>The set {a, b}</h2>"),
        ("## H {#x}\n[l](#x)\n", '<h2 id="x">H</h2><p><a href="#x">l</a></p>'),
        ("[l](#a-title)\n\n## A title\n\n## A title\n", '<p><a href="#a-title">l</a></p><h2 id="a-title">A title</h2><h2 id="a-title-1">A title</h2>'),
        # kramdown
        ("Text\n{: .lead}\n", '<p class="lead">Text</p>'),
        ("## H\n{: #i .c}\n", '<h2 class="c" id="i">H</h2>'),
        ("*a*{: .x} and {: .gone}`{: .kept}`\n", '<p><em class="x">a</em> and<code>{: .kept}</code></p>'),
        ("* TOC\n{:toc}\n\nText\n", "<p>Text</p>"),
        ("{:r: .x}\n{::options x='1' /}\n{::comment}\nno\n{:/comment}\nText\n", "<p>Text</p>"),
        ("Let $$a_1 * b_1 * c$$ be\n", '<p>Let <span class="math">$$a_1 * b_1 * c$$</span> be</p>'),
        # inline
        ("~~gone~~ a~b~c\n", "<p><del>gone</del> a~b~c</p>"),
        ("See https://example.org/a_b_(c). (https://example.org)\n", '<p>See <a href="https://example.org/a_b_(c)">https://example.org/a_b_(c)</a>. (<a href="https://example.org">https://example.org</a>)</p>'),
        ("[https://example.org](https://example.net) <https://example.org/x--y>\n", '<p><a href="https://example.net">https://example.org</a> <a href="https://example.org/x--y">https://example.org/x--y</a></p>'),
        ("`https://example.org` <ada@example.org>\n", '<p><code>https://example.org</code> <a href="mailto:ada@example.org">ada@example.org</a></p>'),
        ("snake_case_word and 2*3*4\n", "<p>snake_case_word and 2<em>3</em>4</p>"),
        ("\\*no\\* \\\"no\\\" \\-- \\<b>\n", '<p>*no* "no" -- &lt;b&gt;</p>'),
        ("[a][r] ![i][r]\n\n[r]: /x.png 'T'\n", '<p><a href="https://example.org/x/x.png" title="T">a</a> <img alt="i" src="https://example.org/x/x.png" title="T"></p>'),
        ("HTML\n\n*[HTML]: Hyper\n", '<p><abbr title="Hyper">HTML</abbr></p>'),
        # raw HTML
        ('<div class="a" markdown="1">\n*md*\n\n- x\n</div>\n', '<div class="a"><p><em>md</em></p><ul><li>x</li></ul></div>'),
        ("a <b>b</b> *c*<br/>\n", "<p>a <b>b</b> <em>c</em><br></p>"),
        ("<!-- no\n\nno -->\nText <!-- no -->.\n", "<p>Text .</p>"),
        ("<hr>\n\nText\n", "<hr><p>Text</p>"),
        ("<p>open\n\nText\n", "<p>open\n</p><p>Text</p>"),
        ("", ""),
    ],
)  # fmt: skip
def test_markdown_comes_out_as_the_blog_shows_it(html, source, output):
    assert html(source) == output


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ('1. a\n  - b\n', '<ol><li>a<ul><li>b</li></ul></li></ol>'),
        ('> a\n- b\n>\n> c\n', '<blockquote><p>a</p><ul><li>b</li></ul><p>c</p></blockquote>'),
        ('`a` | b\n`c` | d\n', '<table><tbody><tr><td><code>a</code></td><td>b</td></tr><tr><td><code>c</code></td><td>d</td></tr></tbody></table>'),
        ('| a | b |\n| === | === |\n| c | d |\n', '<table><tbody><tr><td>a</td><td>b</td></tr></tbody><tfoot><tr><td>c</td><td>d</td></tr></tfoot></table>'),
        ('####\n\nText.\n', '<p>####</p><p>Text.</p>'),
        ('two\nlines\n---\nb\n', '<p>two\nlines\n—\nb</p>'),
        ('- a\n\n      code\n', '<ul><li><p>a</p><pre><code>code</code></pre></li></ul>'),
        ('a\\\\\nb  \nc\\\nd\n', '<p>a<br>\nb<br>\nc<br>\nd</p>'),
        ('<div>\n*raw*\n\nstill\n</div>\n\n*not*\n', '<div>\n*raw*\n\nstill\n</div><p><em>not</em></p>'),
        ('{::nomarkdown}<b>*x*</b>{:/}\n', '<p><b>*x*</b></p>'),
        ('- a\n{: .x}\n\n| a |\n|---|\n| b |\n{: .y}\n\n> q\n{: .z}\n', '<ul class="x"><li>a</li></ul><table class="y"><thead><tr><th>a</th></tr></thead><tbody><tr><td>b</td></tr></tbody></table><blockquote class="z"><p>q</p></blockquote>'),
        ('3. a\n4. b\n', '<ol><li>a</li><li>b</li></ol>'),
        ('Run:\n\n    make all\n    make test\n\nEnd.\n', '<p>Run:</p><pre><code>make all\nmake test</code></pre><p>End.</p>'),
        ('See [`foo`] and [the `bar` trait] and [that][`foo`].\n\n[`foo`]: https://e.org/foo\n[the `bar` trait]: https://e.org/bar\n', '<p>See <a href="https://e.org/foo"><code>foo</code></a> and <a href="https://e.org/bar">the <code>bar</code> trait</a> and <a href="https://e.org/foo">that</a>.</p>'),
        ('Use <code>gem --file x</code> and <kbd>ls --all</kbd>.\n', '<p>Use <code>gem --file x</code> and <kbd>ls --all</kbd>.</p>'),
        ('The \'.gemspec\' file and ".." and "./x" and a ".proto" file.\n', '<p>The ‘.gemspec’ file and “..” and “./x” and a “.proto” file.</p>'),
        ('> one  \n> two\n', '<blockquote><p>one<br>\ntwo</p></blockquote>'),
    ],
)  # fmt: skip
def test_a_jekyll_post_reads_as_kramdown_reads_it(tmp_path, source, output):
    jekyll = make(tmp_path, JEKYLL)
    page = page_of(jekyll, "_posts/2018-07-03-first.md")
    assert re.sub(r">\s*\n\s*<", "><", render_markdown(source, page)).strip() == output


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("\"a\" 'b' it's\n", "“a” ‘b’ it’s"),
        ('"*em* in" and **"bold"** ("x")\n', "“<em>em</em> in” and <strong>“bold”</strong> (“x”)"),
        ('"[l](http://example.org)" he said, "yes."\n', '“<a href="http://example.org">l</a>” he said, “yes.”'),
        ("the '90s rock 'n' roll, 'tis\n", "the ’90s rock ‘n’ roll, ‘tis"),
        ("a -- b --- c... d---e ---- x\n", "a – b — c… d—e —- x"),
        ("\"'a' b\"\n", "“‘a’ b”"),
        ("6'2\" tall\n", "6’2” tall"),
        ('`"x" -- ...`\n', '<code>"x" -- ...</code>'),
        ("*“set” – already*\n", "<em>“set” – already</em>"),
        ('one\n"two"\n', "one\n“two”"),
        ('slot0123456789abn0z\'s "slot0123456789abn1z"\n', "slot0123456789abn0z’s “slot0123456789abn1z”"),
    ],
)
def test_typography_minds_what_stands_around(html, source, output):
    assert html(source) == f"<p>{output}</p>"


def test_code_is_coloured_inline_and_has_no_classes(html, page):
    def render(source):
        return render_markdown(source, page)

    code = render('```ruby\ndef x\n  "a -- b"\nend\n```\n')
    assert 'style="color:' in code
    assert "class=" not in code
    assert lxml.html.fromstring(code).xpath("string()") == 'def x\n  "a -- b"\nend'
    assert html("```nonsense\nx\n```") == "<pre><code>x</code></pre>"


@pytest.mark.parametrize(
    ("info", "language"),
    [
        ("ruby", "ruby"),
        ("ruby{1,3}", "ruby"),
        ("{.ruby .x}", "ruby"),
        ("go {linenos=true}", "go"),
        ("c++", "c++"),
        ("", ""),
    ],
)
def test_the_language_of_a_fence(info, language):
    assert code_language(info) == language


def test_footnotes_link_there_and_back(html):
    out = html("Text[^a].\n\n[^a]: Note.\n\n    More.\n")
    assert 'href="#fn-a"' in out
    assert 'id="fn-a"' in out
    assert 'href="#fnref-a"' in out
    assert "<p>Note.</p><p>More." in out


def test_hugo_ends_raw_html_at_a_blank_line(tmp_path):
    hugo = make(tmp_path, HUGO)
    page = page_of(hugo, "content/posts/trip/index.md")
    assert render_body(page) == '<p><img alt="x" src="https://example.org/h/posts/trip/x.png"></p>'
    assert render_markdown("<div>\n\n*md*\n\n</div>", page) == "<p><em>md</em></p>"  # as Hugo is set up
    config = {**hugo.config, "markup": {"goldmark": {"renderer": {"unsafe": True}}}}
    unsafe = replace(page, site=replace(hugo, config=config))
    assert render_markdown("<div>\n\n*md*\n\n</div>", unsafe).split() == ["<div>", "<p><em>md</em></p>", "</div>"]


def test_an_html_page_of_jekyll_is_not_markdown(tmp_path):
    jekyll = make(tmp_path, JEKYLL)
    page = page_of(jekyll, "_posts/2020-01-01-x.html", "---\ntitle: A\n---\n<p>*a* {{ page.title }}</p>")
    assert render_body(page) == "<p>*a* A</p>"


def test_other_markup_is_refused(site):
    with pytest.raises(NewsletterError, match="Textile"):
        render_body(page_of(site, "posts/a.textile", "h1. A"))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("<script>alert(1)</script>a", "a"),
        ("<style>p{}</style><svg><text>x</text></svg>a", "a"),
        ('<a href="javascript:alert(1)" onclick="x()">a</a>', "<a>a</a>"),
        ('<a href=" JaVa&#115;cript:x">a</a>', "<a>a</a>"),
        ('<a href="data:text/html,x">a</a>', "<a>a</a>"),
        ('<img src="data:image/png;base64,AA" onerror="x" srcset="b 2x" loading="lazy">', '<img src="data:image/png;base64,AA">'),
        ('<img data-src="/a.png">', '<img src="!/a.png">'),
        ('<iframe src="https://www.youtube.com/embed/abcdefgh?x"></iframe>', '<p class="video"><a href="https://www.youtube.com/watch?v=abcdefgh">Watch the video on YouTube</a></p>'),
        ('<video src="https://example.org/a.mp4">old</video>', '<p class="video"><a href="https://example.org/a.mp4">Open example.org</a></p>'),
        ('<form action="x"><input type="checkbox" checked> a <button>b</button></form>', "☑  a "),
        ("<b>open", "<b>open</b>"),
        ("<a:> <o:p>x</o:p>", "&lt;a:&gt; x"),
        ("</div></td>stray", "stray"),
        ("<b><i>x</b>y</i>", "<b><i>x</i></b>y"),
        ("<ul><li>a<li>b</ul>", "<ul><li>a</li><li>b</li></ul>"),
        ("<p>a<div>b</div>", "<p>a</p><div>b</div>"),
        ("a < b & c &amp; &lt;", "a &lt; b & c &amp; &lt;"),
        ("<!--[if mso]>x<![endif]-->a", "a"),
        ('<base href="https://evil.example"><meta http-equiv="refresh"><link rel="x">a', "a"),
        ('<p style="background:url(javascript:x)" x"y="1">a</p>', "<p>a</p>"),
        ("<a title='\"&lt;'>a</a>", '<a title="&quot;&lt;">a</a>'),
    ],
)  # fmt: skip
def test_nothing_runs_and_everything_closes(given, kept):
    def absolute(url):
        return url if ":" in url else f"!{url}"

    assert sanitize(given, absolute) == kept


def test_video_links():
    assert "vimeo.com/12" in video_link("https://player.vimeo.com/video/12")
    assert "youtu" in video_link("https://www.youtube-nocookie.com/embed/abcdefgh", "My <b>")
    assert video_link("javascript:x") == ""


def test_tokens_survive_wherever_they_stand(html):
    token = "slot0123456789abn7z"
    out = html(
        f"# Hi {token}\n\n**{token}** `{token}` [x]({token}) [y](/u/{token}?a={token})\n\n- {token}\n\n[z](#a)\n"
    )
    assert out.count(token) == 7
    assert f'href="{token}"' in out
    assert f'href="https://example.org/x/u/{token}?a={token}"' in out


def test_an_excerpt_ends_at_more_and_keeps_its_links(page):
    body = "One [a][r], two[^n].\n\n<!--more-->\n\nThree.\n\n[r]: https://example.org/r\n[^n]: Note.\n"
    whole = replace(page, post=replace(page.post, body=body))
    short = replace(whole, post=replace(whole.post, excerpt=True))
    assert "Three" in render_body(whole)
    assert "more" not in render_body(whole)
    out = render_body(short)
    assert "Three" not in out
    assert 'href="https://example.org/r"' in out
    assert "Note." in out
    assert excerpt(replace(short.post, body="No mark.\n")) == "No mark.\n"


def test_converters_do_not_remember(html):
    assert "footnote" in html("a[^1]\n\n[^1]: b\n")
    assert html("[a][r]\n\n[r]: /x\n") != html("[a][r]\n")
    assert html("a[^1]\n") == "<p>a[^1]</p>"


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="-*_`~>#|:!.[](){}<>/ab1 \n\"'\\=$", max_size=120))
def test_any_text_becomes_html_that_is_whole(text):
    html = render_markdown(text, *_SCENE)
    assert "wzxhzdk" not in html
    assert "\x02" not in html
    opened = re.findall(r"<([a-z][a-z0-9-]*)(?=[ >])[^>]*>", html)
    closed = re.findall(r"</([a-z][a-z0-9-]*)>", html)
    assert "<" not in re.sub(r"</?[a-z][a-z0-9-]*(?: [^>]*)?>", "", html)
    void = {"br", "hr", "img"}
    assert sorted(tag for tag in opened if tag not in void) == sorted(closed)


_SCENE: list[Any] = []


@pytest.fixture(autouse=True, scope="module")
def _scene(page):
    _SCENE[:] = [page]
