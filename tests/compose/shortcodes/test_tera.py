"""Zola's shortcodes come out as Zola has them, or say with their line why not; none is mailed as text."""

import re

import pytest

from newsletter.compose.body import render_body
from newsletter.errors import NewsletterError
from newsletter.site.page import Page
from tests.compose.sites import make, page_of


def page_with(tmp_path, template: str, body: str, name: str = "own.html") -> Page:
    """A post of a Zola site that has a shortcode."""
    post = f'+++\ntitle = "A"\ndate = 2024-01-02\n+++\n{body}\n'
    config = 'base_url = "https://example.org"\n'
    files = {"config.toml": config, "content/blog/a.md": post, f"templates/shortcodes/{name}": template}
    return page_of(make(tmp_path, {"newsletter.toml": "", **files}), "content/blog/a.md")


@pytest.mark.parametrize(
    ("template", "use", "html"),
    [
        ("<b>{{ x }}</b>", '{{ own(x="a & b") }}', "<b>a &amp; b</b>"),
        ("<b>{{ x | upper }}</b>", "{{own(x='loud')}}", "<b>LOUD</b>"),
        ("<b>{% if x %}{{ x }}{% elif y %}y{% else %}none{% endif %}</b>", "{{ own(y=true) }}", "<b>y</b>"),
        ('<b>{{ x | default(value="d") }}</b>', "{{ own() }}", "<b>d</b>"),
        ("<b>{{ body | markdown }}</b>", "{% own() %}*a* {{ own(body='b') }}{% end %}", "<em>a</em> <b>"),
        ("<b>{{ x | markdown(inline=true) | safe }}</b>", '{{ own(x="*a*") }}', "<b><em>a</em></b>"),
        ("<b>{{ body }}</b>", "{% own() %}*a*<{% end %}", "<b>*a*&lt;</b>"),
        ("<i>{{ page.title }} {{ nth }}</i>", "{{ own() }} {{ own() }}", "<i>A 1</i> <i>A 2</i>"),
        ("<p>{% for x in l %}{{ loop.index }}{{ x }}{% endfor %}</p>", '{{ own(l=["a", "b"]) }}', "<p>1a2b</p>"),
        (
            '{% set p = page.path ~ src %}<a href="{{ get_url(path=p) }}">{% if p is matching("f$") %}x{% endif %}</a>',
            '{{ own(src="a.gif") }}',
            '<a href="https://example.org/blog/a/a.gif">x</a>',
        ),
        ('<b>{{ x | replace(from="a", to="b") }}</b>', '{{ own(x="aa") }}', "<b>bb</b>"),
        ("x", 'Shown {{/* own(x="1") */}} {%/* own() */%} {{ a }}', 'Shown {{ own(x="1") }} {% own() %} {{ a }}'),
        ("x", '{{ url_for("x") }} {% f(x) %}', '{{ url_for("x") }} {% f(x) %}'),
        ("x", '{{ youtube(id="dQw4w9WgXcQ") }}', '<a href="https://www.youtube.com/watch?v=dQw4w9WgXcQ">'),
    ],
)  # fmt: skip
def test_html_with_arguments_is_evaluated(tmp_path, template, use, html):
    assert html in render_body(page_with(tmp_path, template, use))


def test_a_shortcode_in_markdown_is_markdown_of_the_post(tmp_path):
    page = page_with(tmp_path, "*{{ text }}*", '- {{ own(text="a") }}', "own.md")
    assert "<li><em>a</em></li>" in render_body(page)


@pytest.mark.parametrize(
    ("template", "use", "construct"),
    [
        ('{{ load_data(path="x.json") }}', "{{ own() }}", "own.html uses `load_data()`, which mail can't evaluate"),
        ('{% include "x.html" %}', "{{ own() }}", "`include`"),
        ('{{ x | date(format="%Y") }}', "{{ own(x=1) }}", "the filter `date`"),
        ("{{ x }}", "{{ own() }}", "`x` without a value"),
        ("{{ page.title.format }}", "{{ own() }}", "`format` without a value"),
        ("{% set s = 'aaaa' %}" + "{% set s = s ~ s %}" * 40, "{{ own() }}", "more than 1,000,000 characters"),
        ("{% for a in x %}{% for b in x %}{% endfor %}{% endfor %}", "{{ own(x=[1]) }}", "`for` in another"),
        ('{% if x is matching("(a+)+$") %}{% endif %}', '{{ own(x="a") }}', "the pattern '(a+)+$'"),
        ("{% set_global a = 1 %}", "{{ own() }}", "what isn't plain Tera on line 1"),
        ("x", '{{ nope(id="1") }}', "unknown shortcode 'nope'; take it out"),
        ("x", "{% own() %} a", "{% own() %} isn't closed"),
        ("x", "{% end %} a", "{% end %} closes nothing"),
        ("x", "{{ own(id) }}", "'id' is no argument"),
    ],
)
def test_what_mail_cannot_evaluate_is_named_with_its_line(tmp_path, template, use, construct):
    with pytest.raises(NewsletterError, match=re.escape(construct)) as told:
        render_body(page_with(tmp_path, template, f"One.\n\n{use}"))
    assert told.value.line == 7
