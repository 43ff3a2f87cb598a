"""Two stages come to the same as one: whatever a template does with names known later."""

import html as html_text
import os
from pathlib import Path
from typing import Any

import jinja2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markupsafe import escape

from newsletter.compose.html.inline_css import inline_css
from newsletter.compose.issue import Slot
from newsletter.compose.templating.fill import for_readers
from newsletter.compose.templating.slots import Slots, Tag
from newsletter.compose.templating.tokens import TOKEN
from newsletter.errors import NewsletterError
from tests.compose.writing import ADDRESSES, CONTEXT, cut_template, fill, reader

READERS = (
    {"name": "Ada", "city": "Lyon", "tags": "a,b", "n": "3"},
    {"name": "", "city": "", "tags": "", "n": "0"},
    {"name": "<img src=x onerror=alert(1)>", "city": "{{ 7 * 7 }}{% raw %}", "tags": "{#", "n": "-1"},
)


def at_once(source: str, columns: dict[str, str], **others: str) -> str:
    """`source` rendered in one stage, by plain Jinja2."""
    loader = jinja2.DictLoader({"t.html": source} | {f"{name}.html": text for name, text in others.items()})
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    environment.globals.update(CONTEXT | ADDRESSES | {"subscriber": {"email": "ada@example.org", **columns}})
    return environment.get_template("t.html").render()


def assert_same_in_two_stages(root: Path, source: str, **others: str) -> None:
    parts = cut_template(root, source, **others)
    for columns in READERS:
        expected = at_once(source, columns, **others)
        assert fill(parts, reader(**columns)) == fill(for_readers(parts), reader(**columns)) == expected


TEMPLATES = [
    "{{ subscriber.name }}",
    "<p>Hi {{ subscriber.name or 'you' }}, {{ post.title }}</p>",
    "{{ subscriber['city'] }}{{ subscriber.name|upper|e }}{{ subscriber.name ~ post.title }}",
    "<a href=\"{{ view_url }}?a={{ subscriber.email|urlencode }}&amp;b=1\">{{ unsubscribe_url }}</a>",
    "<title>{{ subscriber.name }} and {{ post.title }}</title>",
    "<!--[if mso]>{{ subscriber.name }}<![endif]-->",
    "{% if subscriber.city == 'Lyon' %}<b>{{ post.title }}</b>{% elif subscriber.name %}n{% else %}{{ '{{' }}"
    " { {% endif %}",
    "{% if subscriber %}\n<p>{{ subscriber.name }} of { {{ view_url|upper }}</p>{% endif %}",
    "{% if subscriber %}{{ '{{' }}{{ subscriber.name }}{% endif %}{% if subscriber %}a{% else %}b{% endif %}",
    "{%- if subscriber.city -%}  a  {%- else -%}  b  {%- endif -%}  c",
    "{% for tag in post.tags %}{{ loop.index }}{{ subscriber.name ~ tag }}{% if subscriber.city == tag %}"
    "!{% endif %}{% endfor %}",
    "{% for t in subscriber.tags.split(',') %}"
    "{{ loop.index }}{{ t }}{{ ',' if not loop.last }}{{ post.title }}{% else %}none{% endfor %}",
    "{% for a, b in [('x', subscriber.name), ('y', view_url)] %}{{ a }}={{ b }};{% endfor %}",
    "{% for t in subscriber.tags.split(',') %}{% for u in post.tags %}{{ t ~ u ~ loop.index }}{% endfor %}"
    "{% endfor %}",
    "{% for t in subscriber.tags.split(',') %}{% set outer = loop %}{% for u in t %}{{ outer.index }}{{ u }}"
    "{% endfor %}{% endfor %}",
    "{% set x = 1 %}{% if subscriber.city %}{% set x = 2 %}{% elif subscriber.name %}"
    "{% set x = subscriber.name %}{% endif %}"
    "{{ x }}{{ x ~ '!' }}",
    "{% set x = 'a' %}{% if post.tags %}{% set x = subscriber.city %}{% endif %}{{ x|default('d') }}"
    "{{ x if x else 'e' }}",
    "{% if subscriber.city %}{% set y %}<i>{{ post.title }}</i>{% endset %}{{ y }}{% endif %}",
    "{% set x %}Hi {{ subscriber.name }}{% endset %}{{ x }} {{ x }}",
    "{% with a = subscriber.name, b = post.title %}{{ a }}{{ b }}{{ a ~ b }}{% endwith %}",
    "{% macro button(url, label='Go') %}<a href=\"{{ url }}\">{{ label|upper }}{% if url %}{{ url|length }}"
    "{% endif %}</a>"
    "{% endmacro %}{{ button(unsubscribe_url, 'x') }}{{ button('https://example.org') }}"
    "{{ button(url=view_url, label=subscriber.name) }}",
    "{% macro box(n) %}<b>{{ caller(n) }}</b>{% endmacro %}{% call(u) box(subscriber.name) %}in {{ u|upper }}"
    "{% endcall %}",
    "{% macro greet(who=subscriber.name) %}{{ who }}{% endmacro %}{{ greet() }}",
    "{{ subscriber[post.tags[0]]|default('none') }}{{ subscriber.nothing is defined }}"
    "{{ subscriber.nothing|default('d') }}",
    "{{ nothing|default(subscriber.name) }}{{ nothing is defined or subscriber.city }}",
    "{{ [subscriber.name, post.title]|join('-') }}{{ {'a': subscriber.name, 'b': 1}['a'] }}"
    "{{ (subscriber.name, 2)[1] }}",
    "{{ subscriber.n|int + 2 * post.tags|length - 1 }}{{ -(subscriber.n|int) }}"
    "{{ subscriber.n|int > 1 and not subscriber.city }}",
    "{{ 1 < subscriber.n|int <= 3 }}{{ 'a' in subscriber.tags }}{{ 'q' not in subscriber.tags }}"
    "{{ subscriber.n|int ** 2 // 2 % 3 / 1 }}",
    "{{ subscriber.tags[1:] }}{{ subscriber.tags[::-1] }}{{ subscriber.name.upper() }}"
    "{{ subscriber.tags.split(sep=',') }}",
    "{{ 'Oaks in ' + subscriber.city if subscriber.city else post.title|replace('Oaks', subscriber.name) }}",
    "{{ post.title if subscriber.city }}{{ '%s!'|format(subscriber.name) }}",
    "{% raw %}{{ subscriber.name }}{% endraw %}{# {{ subscriber.name }} #}{% if subscriber.name %}{% raw %}"
    "{% if %}{% endraw %}{% endif %}",
    "{% if subscriber.city %}{% if subscriber.name %}both{% else %}city{% endif %}{% else %}"
    "{% for t in post.tags %}{{ t }}{% endfor %}{% endif %}",
    "{% autoescape false %}{{ subscriber.name|e }}{% endautoescape %}",
    "{% set ns = namespace(n=0) %}{% for t in post.tags %}{% set ns.n = ns.n + loop.index %}{% endfor %}"
    "{{ ns.n }}{{ subscriber.name ~ ns.n }}",
    "{% if subscriber.city %}{% set ns = namespace(n=0) %}{% for t in post.tags %}{% set ns.n = ns.n + 1 %}"
    "{% endfor %}{{ ns.n }}{% endif %}",
    "<table>{% if subscriber.city %}<tr><td>{{ subscriber.city }}</td></tr>{% endif %}"
    "{% for t in post.tags %}<tr><td>{{ t }}</td></tr>{% endfor %}</table>",
    "<p class=\"a{% if subscriber.city %} b{% else %} c{% endif %}"
    " d\">{{ '\U0001f600 \"q\" \\\\ ' ~ subscriber.name }}</p>",
    "{{ post.content|safe }}{{ (post.content|safe) ~ subscriber.name }}",
    "{% for k in post.tags %}{% if k == 'wood' and subscriber.city %}{{ k }}{% endif %}{% else %}none{% endfor %}",
    "{{ subscriber.name }}{\n{{- subscriber.city }} {% if subscriber.city %}{{ '{' }}{% endif %}",
]  # fmt: skip


@pytest.mark.parametrize("source", TEMPLATES)
def test_a_template_says_the_same_in_two_stages_as_in_one(tmp_path: Path, source: str) -> None:
    assert_same_in_two_stages(tmp_path, source)


def test_late_names_pass_through_extends_include_and_import(tmp_path: Path) -> None:
    assert_same_in_two_stages(
        tmp_path,
        "{% extends 'frame.html' %}{% from 'ui.html' import button %}{% import 'ui.html' as ui %}"
        "{% set who = subscriber.name %}"
        "{% block body %}{{ super() }}{{ button(view_url) }}{{ ui.button(who) }}"
        "{% include 'part.html' %}{% endblock %}",
        frame="<div>{% block body %}{{ subscriber.city }}{% endblock %}</div>",
        ui='{% macro button(u) %}<a href="{{ u }}">{{ u|upper }}</a>{{ subscriber.name }}{% endmacro %}',
        part="{% if subscriber.city %}{{ post.title }}{% endif %}",
    )


pieces: st.SearchStrategy[str] = st.deferred(lambda: st.lists(piece, max_size=4).map("".join))
late = st.sampled_from(["subscriber.name", "subscriber.city", "unsubscribe_url", "x"])
early = st.sampled_from(["post.title", "'lit'", "7", "y", "post.tags[0]"])
expression = st.recursive(
    late | early,
    lambda inner: st.one_of(
        st.builds("({} ~ {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("({}|string|upper)".format, inner),
        st.builds("({} == {})".format, inner, inner),
        st.builds("(not {})".format, inner),
        st.builds("({}|string|length + 1)".format, inner),
        st.builds("[{}, {}]|join('+')".format, inner, inner),
    ),
    max_leaves=5,
)
piece: st.SearchStrategy[str] = st.one_of(
    st.sampled_from(["text ", "<b>b</b>", "{ ", "& ", "{{ '{%' }}"]),
    st.builds("{{{{ {} }}}}".format, expression),
    st.builds("{{% if {} %}}{}{{% endif %}}".format, expression, pieces),
    st.builds("{{% if {} %}}{}{{% elif {} %}}b{{% else %}}{}{{% endif %}}".format, late, pieces, expression, pieces),
    st.builds("{{% set x = {} %}}".format, expression),
    st.builds("{{% set y = {} %}}".format, expression),
    st.builds("{{% for y in post.tags %}}{}{{{{ loop.index }}}}{{% endfor %}}".format, pieces),
    st.builds("{{% for x in subscriber.tags.split(',') %}}{}{{{{ loop.index ~ x }}}}{{% endfor %}}".format, pieces),
    st.builds("{{% with x = {} %}}{}{{% endwith %}}".format, expression, pieces),
    st.builds("{{{{ m({}) }}}}".format, expression),
)  # fmt: skip


@settings(
    max_examples=int(os.environ.get("TEMPLATES", "25")),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(body=pieces)
def test_any_template_says_the_same_in_two_stages_as_in_one(tmp_path: Path, body: str) -> None:
    assert_same_in_two_stages(
        tmp_path, "{% macro m(a) %}[{{ a }}{% if a %}!{% endif %}]{% endmacro %}{% set x, y = 'x', 'y' %}" + body
    )


def test_what_is_known_now_stands_in_a_slot_as_a_literal(tmp_path: Path) -> None:
    parts = cut_template(tmp_path, "\n{{ subscriber.name ~ post.title }}")
    assert parts[1] == Slot('{{ (subscriber.name ~ "Oaks & <Elms>") }}', "email_templates/t.html", 2)


def test_a_block_is_one_slot_from_its_first_tag_to_its_last(tmp_path: Path) -> None:
    parts = cut_template(tmp_path, "a{% if subscriber.x %}<b>{{ post.title }}</b>{% else %}c{% endif %}d")
    assert parts == (
        "a",
        Slot("{% if subscriber.x %}<b>Oaks &amp; &lt;Elms&gt;</b>{% else %}c{% endif %}", "email_templates/t.html", 1),
        "d",
    )


def test_the_inside_of_a_block_is_inlined_like_the_rest() -> None:
    slots = Slots("seed")
    opening, closing = (slots.add(Tag("open", "if subscriber.x", "t", 1)), slots.add(Tag("close", "endif", "t", 1)))
    value = slots.add(Tag("value", "subscriber.name", "t", 1))
    page = (
        "<html><head><style>td { color: red }</style></head><body>"
        f"<table>{opening}<tr><td>{value}</td></tr>{closing}<tr><td>b</td></tr></table></body></html>"
    )
    placed = slots.place(page)
    parts = slots.cut_html(placed, inline_css(placed))
    assert isinstance(parts[1], Slot)
    assert parts[1].source == (
        '{% if subscriber.x %}<tr><td style="color:red">{{ subscriber.name }}</td></tr>{% endif %}'
    )
    assert str(parts[0]).endswith("<table>")


def test_tokens_come_through_inlining_wherever_they_may_stand(tmp_path: Path) -> None:
    slots = Slots("seed")
    words = [slots.add(Tag("value", f"v{n}", "t", 1)) for n in range(9)]
    page = (
        "<!DOCTYPE html><html><head><title>@ é</title><style>p { color: red } a { color: blue }</style></head><body>@"
        '<!--[if mso]><p class="@">@</p><![endif]--><p>@<a href="https://example.org/@?a=@&amp;b=ü">x</a></p>'
        "<table>@<tr><td title='@'>x</td></tr></table></body></html>"
    )
    for word in words:
        page = page.replace("@", word, 1)
    placed = slots.place(page)
    parts = slots.cut_html(placed, inline_css(placed))
    assert [part.source for part in parts if isinstance(part, Slot)] == [f"{{{{ v{n} }}}}" for n in range(9)]


def test_tokens_have_the_form_that_others_look_for() -> None:
    assert TOKEN.fullmatch(Slots("any").add(Tag("value", "x", "t", 1)))


REFUSED = [
    ("<a {{ subscriber.name }}>", "can't stand in a tag beside its attributes"),
    ("<{{ subscriber.name }}>x", "can't stand in a tag|survive|beside"),
    ("<td {% if subscriber.a %}class=x{% endif %}>", "can't stand in a tag beside its attributes"),
    ('<a class="{% if subscriber.a %}x" id="{% endif %}">', "begins and ends in different attributes"),
    ("<style>p { color: {{ subscriber.color }} }</style>", "can't stand in <style>"),
    ("<script>{{ subscriber.name }}</script>", "can't stand in <script>"),
    ("<tr>{% if subscriber.x %}<td>{% endif %}</tr>", "opens <td> and leaves it open; open and close"),
    ("<div>{% if subscriber.x %}</div>{% endif %}", "closes </div>, which it has not opened"),
    (
        "{% if subscriber.x %}<td class=a>{% else %}<td class=b>{% endif %}x</td>",
        "opens <td> and leaves it open; open and close",
    ),
    ("{% filter upper %}{{ subscriber.name }}{% endfilter %}", "can't be worked on"),
    ("{% set x %}{{ subscriber.name }}{% endset %}{{ x|upper }}", "can't be worked on"),
    ("{% set x %}{{ subscriber.name }}{% endset %}{% if x %}a{% endif %}", "can't decide"),
    ("{% set ns = namespace(a=1) %}{% if subscriber.x %}{% set ns.a = 2 %}{% endif %}", "can't change with the reader"),
    ("{% set ns = namespace(a=1) %}{% set ns.a = subscriber.x %}", "can't change with the reader"),
    ("{% include subscriber.name %}", "depends on the reader"),
    ("{% for t in post.tags if t == subscriber.x %}{% endfor %}", "depends on the reader"),
    ("{% macro m() %}x{% endmacro %}{{ m() ~ subscriber.x }}{{ (m ~ subscriber.x)|upper }}", "can't be worked on"),
]


@pytest.mark.parametrize(("source", "what"), REFUSED)
def test_what_can_not_be_promised_is_refused_with_file_and_line(tmp_path: Path, source: str, what: str) -> None:
    with pytest.raises(NewsletterError, match=what) as caught:
        cut_template(tmp_path, "\n\n" + source)
    assert (caught.value.path, caught.value.line) == ("email_templates/t.html", 3)


def test_a_page_that_lost_a_token_is_refused() -> None:
    slots = Slots("seed")
    placed = slots.place(f"<p>{slots.add(Tag('value', 'subscriber.name', 't.html', 7))}</p>")
    with pytest.raises(NewsletterError, match=r"t\.html:7: .*did not survive"):
        slots.cut_html(placed, "<p></p>")


def test_a_broken_token_is_refused() -> None:
    slots = Slots("seed")
    word = slots.add(Tag("value", "subscriber.name", "t.html", 7))
    for broken in (word.upper(), word[:-1], word[:16] + "x"):
        with pytest.raises(NewsletterError, match="changed by a filter"):
            slots.cut(broken)


@settings(deadline=None)
@given(st.text(), st.text())
def test_subscriber_data_is_never_compiled(name: str, city: str) -> None:
    parts = (Slot("{{ subscriber.name }}", "t", 1), "|", Slot("{% if true %}{{ subscriber.city }}{% endif %}", "t", 1))
    who: Any = reader(name=name, city=city)
    assert html_text.unescape(fill(parts, who)) == html_text.unescape("|".join(str(escape(v)) for v in (name, city)))
    assert fill(parts, who, html=False) == f"{name}|{city}"
