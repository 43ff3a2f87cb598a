"""The plain-text part reads like something a person wrote for people who read plain text."""

import re
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.compose.templating.slots import Slots, Tag
from newsletter.compose.templating.tokens import TOKEN
from newsletter.compose.text.render import html_to_text
from newsletter.compose.text.wrap import display_width, wrap


def token(number: int) -> str:
    return f"slot0123456789abn{number}z"


def shown(text: str) -> str:
    """An expected text, as it stands in this file."""
    return dedent(text).strip("\n")


CASES = {
    "paragraphs are wrapped and white space is one space": (
        "<p>A  paragraph\n of <span>words</span>&nbsp;that goes on until it has to be broken, somewhere here.<p>Next",
        """
        A paragraph of words that goes on until it has to be broken, somewhere
        here.

        Next
        """,
    ),
    "headings are underlined": (
        "<h1>A <em>title</em></h1><p>x</p><h2>Part 日本</h2><h3>Less</h3><h4>Least</h4><p>y</p>",
        """
        A title
        =======

        x


        Part 日本
        ---------

        Less
        ~~~~

        *Least*

        y
        """,
    ),
    "emphasis, code and what was struck out keep their marks": (
        "<p>It <em>is</em>, <strong> really </strong>so: <code>x = 1</code>, <del>no</del> <i></i><b>y</b>es</p>",
        "It _is_, *really* so: `x = 1`, ~~no~~ *y*es",
    ),
    "links are numbered once and gathered at the end": (
        '<p><a href="https://example.org/a">One</a>, <a href="https://example.org/b">two </a>and '
        '<a href="https://example.org/a">one again</a>.</p>',
        """
        One [1], two [2] and one again [1].

        [1] https://example.org/a
        [2] https://example.org/b
        """,
    ),
    "a link that shows its address needs no number": (
        '<p><a href="https://example.org/">https://example.org</a>, '
        '<a href="mailto:ada@example.org">Ada@example.org</a>, '
        '<a href="mailto:ada@example.org">write</a>, <a href="#part">below</a>, <a href="javascript:x()">run</a></p>',
        """
        https://example.org, Ada@example.org, write [1], below, run

        [1] ada@example.org
        """,
    ),
    "an address is never broken, and its spaces are written out": (
        f"<p>See https://example.org/{'long/' * 16} now, <a href=' https://example.org/a b\n'>there</a></p>",
        f"""
        See
        https://example.org/{"long/" * 16}
        now, there [1]

        [1] https://example.org/a%20b
        """,
    ),
    "pictures say what they show": (
        '<p><img src="a.png" alt="A view"> <img src="b.png" alt=""> <img src="c.png" alt="🎉"></p>'
        '<p><a href="https://example.org/x"><img src="d.png"></a></p>',
        """
        [A view] 🎉

        [image] [1]

        [1] https://example.org/x
        """,
    ),
    "lists are set in, tight or loose as written": (
        "<ul><li>one<ul><li>deep</li></ul></li><li>two</li></ul>"
        "<ol start=9><li><p>nine</p><p>more</p></li><li><p>ten</p></ol>",
        """
        - one
          - deep
        - two

         9. nine

            more

        10. ten
        """,
    ),
    "lists count as HTML does": (
        "<ol type=A start=26><li>z<li>aa</ol><ol type=i><li>i<li value=9>ix</ol><ol reversed><li>2<li>1</ol>",
        """
         Z. z
        AA. aa

         i. i
        ix. ix

        2. 2
        1. 1
        """,
    ),
    "tasks have boxes": (
        "<ul><li><input type=checkbox checked disabled> done</li><li><input type=checkbox>open</li></ul>",
        "- [x] done\n- [ ] open",
    ),
    "quotes nest": (
        "<blockquote><p>Said</p><blockquote><p>before</p></blockquote><ul><li>x</ul></blockquote>",
        "> Said\n>\n> > before\n>\n> - x",
    ),
    "code is kept as it is": (
        "<p>So:</p><pre><code><span>def</span> f():\n    return  1  # "
        + "long " * 20 + "\n\n\tx\n</code></pre><p>y</p>",
        "So:\n\n    def f():\n        return  1  # " + "long " * 19 + "long\n\n    \tx\n\ny",
    ),
    "line numbers beside code are left out": (
        '<p>So:</p><table class="highlighttable">'
        '<tr><td class="linenos"><div class="linenodiv"><pre>1\n2</pre></div></td>'
        '<td class="code"><div><pre>a\nb</pre></div></td></tr></table>',
        "So:\n\n    a\n    b",
    ),
    "tables keep their columns": (
        "<table><thead><tr><th>Name</th><th align=right>Qty</th></tr></thead>"
        "<tr><td>日本</td><td align=right>5</td></tr>"
        "<tr><td>Oak <b>x</b></td><td style='text-align: right'>12</td></tr></table>",
        """
        Name     Qty
        -------  ---
        日本       5
        Oak *x*   12
        """,
    ),
    "wide tables wrap their cells": (
        f"<table><tr><th>A<th>B</tr><tr><td>one<td>{'word ' * 16}</tr><tr><td>two<td>x</tr></table>",
        f"""
        A    B
        ---  {"-" * 67}
        one  {"word " * 12}word
             word word word

        two  x
        """,
    ),
    "tables too wide for columns become records": (
        "<table><tr>" + "".join(f"<th>Column {n}" for n in range(7)) + "</tr>"
        + ("<tr>" + "".join(f"<td>A rather long value {n}" for n in range(7)) + "</tr>") * 2 + "</table>",
        "\n\n".join(["\n".join("  " * (n > 0) + f"Column {n}: A rather long value {n}" for n in range(7))] * 2),
    ),
    "spans leave room": (
        "<table><tr><td colspan=2>a<td>b</tr><tr><td rowspan=2>c<td>d<td>e</tr><tr><td>f<td>g</tr></table>",
        "a     b\nc  d  e\n   f  g",
    ),
    "tables that only place things are read one cell after another": (
        '<table role="presentation"><tr><td><img alt="Logo" src="x"></td><td>Ada<br>4 May</td></tr>'
        "<tr><td><h1>T</h1><p>p</p></td></tr></table>",
        """
        [Logo]

        Ada
        4 May


        T
        =

        p
        """,
    ),
    "terms stand above their definitions": (
        "<dl><dt>Oak</dt><dd>A tree.</dd><dt>Ash</dt><dt>Elm</dt><dd><p>Two</p><p>trees.</p></dd></dl>",
        "Oak\n    A tree.\n\nAsh\nElm\n    Two\n\n    trees.",
    ),
    "footnotes have raised numbers": (
        '<p>Built.<sup id="fnref:1"><a class="footnote-ref" href="#fn:1">1</a></sup></p>'
        '<div class="footnote"><hr><ol>'
        '<li id="fn:1"><p>In 1379.'
        '&#160;<a class="footnote-backref" href="#fnref:1">&#8617;&#65038;</a></p></li></ol></div>',
        "Built.¹\n\n____________\n\n¹ In 1379.",
    ),
    "what is raised or lowered stays readable": (
        "<p>x<sup>2</sup>, 10<sup>-3</sup>, H<sub>2</sub>O, 1<sup>st</sup>, x<sup>ab</sup>, x<sub>i</sub></p>",
        "x², 10⁻³, H₂O, 1st, x^(ab), x_i",
    ),
    "abbreviations are explained once": (
        "<p><abbr title='Mail Transfer Agent'>MTA</abbr> to <abbr title='Mail Transfer Agent'>MTA</abbr></p>",
        "MTA (Mail Transfer Agent) to MTA",
    ),
    "admonitions are set off": (
        '<p>x</p><div class="admonition note"><p class="admonition-title">Note</p><p>Mind the gap.</p></div>',
        "x\n\n| Note\n|\n| Mind the gap.",
    ),
    "a rule is three stars": ("<p>a</p><hr><p>b</p>", "a\n\n" + "* * *".center(72).rstrip() + "\n\nb"),
    "pictures with a caption, quotations, summaries": (
        "<figure><img alt=F src=x><figcaption>Cap</figcaption></figure>"
        "<details><summary>More</summary><p>t</p></details><q>x</q>",
        "[F]\nCap\n\nMore\n\nt\n\n“x”",
    ),
    "what nobody sees is left out": (
        "<html><head><title>T</title><style>p{}</style></head><body><div style='DISPLAY : none'>pre</div>"
        "<div class=preheader>y</div><p style='mso-hide:all'>z</p><!-- note --><!--[if mso]><p>mso</p><![endif]-->"
        "<p hidden>h</p><p aria-hidden=true>a</p><script>s</script>"
        "<p>seen<!-- c -->co&shy;op\u200b \u034f\u200c\u00a0</p></body>",
        "seencoop",
    ),
    "joiners that shape letters and emoji stay": ("<p>می‌خواهم 👩‍💻 a‌b</p>", "می‌خواهم 👩‍💻 ab"),
    "lines are measured as they are shown": (
        "<p>" + "日本語の文章は、" * 6 + "</p>",
        "日本語の文章は、日本語の文章は、日本語の文章は、日本語の文章は、日本語の\n文章は、日本語の文章は、",
    ),
    "text outside paragraphs is a paragraph": ("a<p>b</p>c <b>d</b><div>e</div><div>f</div>", "a\n\nb\n\nc *d*\ne\nf"),
    "nothing is nothing": ("  <!-- x --> <p> </p>\n", ""),
    "an encoding that is named wrongly does no harm": (
        "<?xml version='1.0' encoding='latin-1'?><meta charset=latin-1><p>é “x”</p>",
        "é “x”",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("html", "text"), CASES.values(), ids=CASES.keys())
def test_html_becomes_text(html: str, text: str) -> None:
    assert html_to_text(html) == shown(text)


def test_the_width_is_the_readers() -> None:
    assert html_to_text("<p>one two three</p><ul><li>four five six</ul>", 20) == "one two three\n\n- four five six"
    assert html_to_text("<blockquote><p>one two three four five</p></blockquote>", 24) == "> one two three four\n> five"


SLOTS = {
    "a value is a word": (f"<p>Dear {token(0)}, hello</p>", f"Dear {token(0)}, hello"),
    "comments hold tokens too": (f"<p>Dear <!--{token(0)}-->, hello</p>", f"Dear {token(0)}, hello"),
    "a block around paragraphs leaves no gap when it is left out": (
        f"<p>A</p>\n{token(0)}\n<p>B</p>\n{token(1)}\n<p>C</p>",
        f"A\n\n{token(0)}B\n\n{token(1)}C",
    ),
    "a loop over items is a line each": (
        f"<p>A</p><ul><!--{token(0)}--><li><!--{token(1)}--></li><!--{token(2)}--></ul><p>C</p>",
        f"A\n\n{token(0)}- {token(1)}\n{token(2)}\nC",
    ),
    "a loop over rows is a line each": (
        f"<table><tr><th>a<th>b</tr><!--{token(0)}--><tr><td>1<td>2</tr><!--{token(1)}--></table><p>C</p>",
        f"a  b\n-  -\n{token(0)}1  2\n{token(1)}\nC",
    ),
    "a block within a quote stays in it": (
        f"<blockquote><p>a</p><!--{token(0)}--><p>b</p><!--{token(1)}--></blockquote><p>C</p>",
        f"> a\n>\n> {token(0)}b\n>\n> {token(1)}\n\nC",
    ),
    "a block around a heading keeps its room": (
        f"<p>A</p><!--{token(0)}--><h2>H</h2><!--{token(1)}--><p>C</p>",
        f"A\n\n{token(0)}\nH\n-\n\n{token(1)}C",
    ),
    "the address of a link that depends on the reader stands in place": (
        f'<p><a href="{token(0)}">Unsubscribe</a> or <a href="mailto:a@example.org?subject={token(1)}">write</a></p>',
        f"Unsubscribe <{token(0)}> or write <mailto:a@example.org?subject={token(1)}>",
    ),
    "a paragraph of nothing but a value is one": (f"<div>{token(0)}</div><p>x</p>", f"{token(0)}\n\nx"),
    "tokens in code stay": (f"<pre>a\n<!--{token(0)}-->{token(1)}</pre>", f"    a\n    {token(0)}{token(1)}"),
}


@pytest.mark.parametrize(("html", "text"), SLOTS.values(), ids=SLOTS.keys())
def test_slots_stay_in_place(html: str, text: str) -> None:
    assert html_to_text(html) == text


def test_a_value_between_blocks_is_a_line_of_its_own_where_it_is_known_to_be_one() -> None:
    html = f"<div>{token(0)}<p>x</p></div>"
    assert html_to_text(html, is_value=lambda _: True) == f"{token(0)}\n\nx"


def test_tokens_are_what_slots_makes() -> None:
    made = Slots("seed").add(Tag("value", "subscriber.name", "post.html", 1))
    assert TOKEN.fullmatch(made)


PIECES = st.sampled_from(
    ["<p>", "</p>", "<ul><li>", "</ul>", "<li>", "<table>", "<tr>", "<td>", "</table>", "<b>", "</b>", "<h2>", "</h2>",
     "<blockquote>", "</blockquote>", "<pre>", "</pre>", "<dl><dt>", "<dd>", "</dl>", "<br>", "word ", "TOKEN", "TOKEN",
     "<!--TOKEN-->", "<!--TOKEN-->", "<a href='https://example.org/'>", "</a>", "<div>", "</div>"]
)  # fmt: skip


@pytest.mark.parametrize(
    "html",
    [
        "<table><p>Stray words<tr><td>one<td>two</table>",
        "<table><tr>Stray words<td>one<td>two</table>",
        "<table><tr><td>one<td>two</td><p>Stray words</table>",
    ],
)
def test_words_that_stray_into_a_table_are_not_lost(html: str) -> None:
    assert {"Stray", "words", "one", "two"} <= set(html_to_text(html).split())


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=25))
def test_every_token_survives_once_and_in_order_wherever_it_stands(pieces: list[str]) -> None:
    numbers = iter(range(len(pieces)))
    html = re.sub("TOKEN", lambda _: token(next(numbers)), "".join(pieces))
    assert TOKEN.findall(html_to_text(html)) == TOKEN.findall(html)


@settings(max_examples=300, deadline=None)
@given(st.text() | st.lists(PIECES | st.text(max_size=5), max_size=25).map("".join))
def test_any_html_becomes_text_and_the_same_each_time(html: str) -> None:
    text = html_to_text(html)
    assert text == html_to_text(html)
    assert text == text.strip("\n")
    assert not re.search(r"[ \t]$|\r|\u00ad|\u200b", text, re.MULTILINE)
    assert "\n\n\n\n" not in text or "<pre>" in html


@pytest.mark.parametrize("html", ["<div>" * 500 + "deep", "<b>" * 5000 + "deep", "<ul><li>" * 300 + "deep"])
def test_what_is_nested_deeper_than_anybody_can_read_keeps_its_words(html: str) -> None:
    assert "deep" in html_to_text(html)


@settings(max_examples=200)
@given(st.text("ab 日本、。「」é \u0301", max_size=120), st.integers(8, 40))
def test_wrapped_lines_keep_to_the_width_and_lose_no_word(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    for line in lines:
        assert display_width(line) <= width or not re.search(r"[日本] ?[日本]| ", line.strip("、。「」"))


@pytest.mark.parametrize(
    ("text", "columns"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("👩\u200d💻", 2), ("ａ", 2), ("", 0)]
)
def test_width_is_what_a_terminal_shows(text: str, columns: int) -> None:
    assert display_width(text) == columns


@pytest.mark.timeout(10)
@pytest.mark.parametrize("html", ["<p>" + "\t" * 60_000 + "x</p>", "<?xml " * 40_000], ids=["blanks", "declarations"])
def test_runs_of_blanks_and_of_declarations_are_read_once(html: str) -> None:
    assert html_to_text(html) in ("x", "")
