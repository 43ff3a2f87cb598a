"""Templates: found, bounded, and their faults told with file and line."""

from pathlib import Path
from typing import Any

import pytest

from newsletter.compose.templating.environment import Templates, shipped_templates
from newsletter.errors import NewsletterError
from tests.compose.writing import CONTEXT, cut_template

FAULTS = [
    ("{{ nothing }}", "'nothing' is undefined"),
    ("{{ subscribr.name }}", "did you mean 'subscriber'"),
    ("{{ post.nothing }}", "'nothing' is not defined there; correct the name"),
    ("{{ post.titel }}", r"'titel' is not defined there; did you mean 'title'\?\Z"),
    ("{% if subscriber.x == nothing %}{% endif %}", "'nothing' is undefined"),
    ("{{ subscriber.name ~ post.nothing.more }}", "'nothing' is not defined there"),
    ("{% if %}", "Expected an expression"),
    ("{{ 'open }}", "unexpected char"),
    ("{% for %}", "Expected an expression"),
    ("{{ post.title|nothing }}", "No filter named 'nothing'"),
    ("{{ post.title|uper }}", "did you mean 'upper'"),
    ("<style>@media print{#a{color:red}}</style>", "`{#` begins a comment"),
    ("{{#each items}}x{{/each}}", "{% for item in items %}"),
    ("{{#if subscriber.city}}x{{/if}}", "{% if subscriber.city %}"),
    ("{{/if}}", "Handlebars or Mustache"),
    ("{{> footer}}", 'include "partials/footer.html"'),
    ("{{{ body }}}", "body | safe"),
    ("{{ .Title }}", "Go template"),
    ("{% assign x = 1 %}", "{% set name = value %}"),
    ("{{ none.strftime('%Y') }}", "is empty, so it has no 'strftime'"),
    ("{{ 1 / 0 }}", "ZeroDivisionError"),
    ("{{ 'a' + 1 }}", "TypeError"),
    ("{{ post.title() }}", "not callable"),
    ("{% include 'nothing.html' %}", "no template 'nothing.html'"),
    ("{% include '../../newsletter.toml' %}", "no template"),
    ("{% include '/etc/passwd' %}", "no template"),
    ("{{ cycler.__init__.__globals__ }}", "unsafe"),
    ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "unsafe"),
    ("{{ post.title.__class__ }}", "unsafe"),
    ("{{ post.tags.append('x') }}", "unsafe|not safely callable"),
    ("{{ 'x'.format_map }}{{ '{0.__class__}'.format(post) }}", "unsafe"),
    ("{% for i in range(10**9) %}x{% endfor %}", "Range too big"),
    ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "loops more than"),
    ("{{ 'x' * 10**9 }}", "repeats"),
    ("{{ [0] * 10**9 }}", "repeats"),
    ("{{ 10 ** (10 ** 9) }}", "digits"),
    ("{{ 'x'.ljust(10**9) }}", "pads"),
    ("{{ 'x'|center(10**9) }}", "pads"),
    ("{{ '%1000000000d' % 1 }}", "width"),
    ("{{ '%*d'|format(10**9, 1) }}", "width"),
    ("{{ '{:1000000000}'.format(1) }}", "width"),
    ("{{ 'x'|indent(10**9) }}", "pads"),
    ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "without end"),
    ("{% include 't.html' %}", "without end"),
]


@pytest.mark.parametrize(("source", "what"), FAULTS)
def test_a_fault_is_told_with_file_and_line(tmp_path: Path, source: str, what: str) -> None:
    with pytest.raises(NewsletterError, match=what) as caught:
        cut_template(tmp_path, "\n\n" + source)
    assert (caught.value.path, caught.value.line) == ("email_templates/t.html", 3)
    assert "; " in caught.value.what


def test_a_fault_in_an_included_template_names_that_one(tmp_path: Path) -> None:
    with pytest.raises(NewsletterError, match=r"\Aemail_templates/inc\.html:2: 'nothing' is undefined"):
        cut_template(tmp_path, "\n\n\n{% include 'inc.html' %}", inc="\n{{ nothing }}")


def test_output_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(NewsletterError, match="writes more than"):
        cut_template(tmp_path, "{% for i in range(90000) %}" + "x" * 100 + "{% endfor %}")


def test_the_newsletters_own_templates_come_before_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "email_templates").mkdir()
    (tmp_path / "email_templates" / "letter.html").write_text("mine")
    templates = Templates(tmp_path)
    assert templates.start("x", {}).template("letter.html") == "mine"
    assert {"letter", "post"} <= set(templates.layouts())
    assert templates.has("post.html")
    assert templates.has("post.txt")
    assert not templates.has("nothing.html")
    assert not templates.has("../newsletter.toml")


def test_a_link_out_of_the_folder_is_no_template(tmp_path: Path) -> None:
    (tmp_path / "email_templates").mkdir()
    (tmp_path / "secret.html").write_text("secret")
    (tmp_path / "email_templates" / "link.html").symlink_to(tmp_path / "secret.html")
    assert not Templates(tmp_path).has("link.html")


def test_a_template_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "email_templates").mkdir()
    (tmp_path / "email_templates" / "t.html").write_bytes("é".encode("latin-1"))
    with pytest.raises(NewsletterError, match="not UTF-8"):
        Templates(tmp_path).start("x", {}).template("t.html")


def test_a_bom_and_crlf_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "email_templates").mkdir()
    (tmp_path / "email_templates" / "t.html").write_bytes(b"\xef\xbb\xbfa\r\nb")
    assert Templates(tmp_path).start("x", {}).template("t.html") == "a\nb"


def test_html_is_escaped_and_text_is_not(tmp_path: Path) -> None:
    assert cut_template(tmp_path, "{{ post.title }}") == ("Oaks &amp; &lt;Elms&gt;",)
    assert cut_template(tmp_path, "{{ post.title }}", name="t.txt") == ("Oaks & <Elms>",)


def test_an_edited_template_is_read_again(tmp_path: Path) -> None:
    assert cut_template(tmp_path, "one") == ("one",)
    assert cut_template(tmp_path, "two") == ("two",)


def test_a_source_that_is_no_file_has_lines_of_its_own(tmp_path: Path) -> None:
    rendering: Any = Templates(tmp_path).start("x", CONTEXT)
    assert rendering.source("a {{ post.title }}\nb", "posts/x.md", 9) == "a Oaks & <Elms>\nb"
    with pytest.raises(NewsletterError, match=r"posts/x\.md:10: 'nothing' is undefined"):
        rendering.source("a\n{{ nothing }}", "posts/x.md", 9)


def test_the_shipped_templates_are_there() -> None:
    assert (shipped_templates() / "post.html").is_file()
