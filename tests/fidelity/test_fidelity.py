"""Our own inputs read as the real generators read them: their answers are kept, `make fidelity` writes them anew."""

import json
from pathlib import Path

import pytest

import fidelity
from fidelity import inputs
from fidelity.compare import GRAMMARS, REASONS, Dialect, Judge, unclosed
from fidelity.structure import structure

HERE = Path(fidelity.__file__).parent
OWN = inputs.own()


def answers(dialect: str) -> dict[str, list[str]]:
    """What the dialect's generator made of our own inputs."""
    kept: dict[str, list[str]] = json.loads((HERE / f"answers/{dialect}.json").read_text(encoding="utf-8"))
    return kept


@pytest.mark.parametrize("dialect", sorted(GRAMMARS))
@pytest.mark.parametrize("name", sorted(OWN))
def test_a_post_says_what_its_generator_says(dialect: Dialect, name: str) -> None:
    verdict = Judge(dialect).verdict(OWN[name], answers(dialect)[name])
    assert verdict.kind != "different", f"ours {verdict.ours}\nreal {verdict.real}"


@pytest.mark.parametrize("dialect", sorted(GRAMMARS))
def test_the_answers_are_of_the_inputs_that_there_are(dialect: str) -> None:
    assert sorted(answers(dialect)) == sorted(OWN)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<p>a b</p>", "<p>b a</p>"),
        ("<ul><li>a</li></ul>", "<ol><li>a</li></ol>"),
        ("<ol><li>a</li></ol>", '<ol start="2"><li>a</li></ol>'),
        ("<ul><li>a<ul><li>b</li></ul></li></ul>", "<ul><li>a</li><li>b</li></ul>"),
        ("<pre>a  b</pre>", "<pre>a b</pre>"),
        ("<p><em>a</em></p>", "<p><strong>a</strong></p>"),
        ('<a href="/x">a</a>', '<a href="/y">a</a>'),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "<table><tr><td>a b</td></tr></table>"),
        ('<img src="a.png" alt="a">', '<img src="a.png" alt="b">'),
        ("<p>a<br>b</p>", "<p>a b</p>"),
        ('<a href="#b">x</a><h2 id="b">B</h2>', '<a href="#b">x</a><h2 id="c">B</h2>'),
    ],
)
def test_the_judge_tells_apart_what_reads_otherwise(one: str, other: str) -> None:
    assert structure(one) != structure(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<p>a\nb</p>", "<p>a b</p>"),
        ('<div class="highlight"><pre><code><span>x</span> = 1\n</code></pre></div>', "<pre><code>x = 1</code></pre>"),
        ('<p>a<sup id="fnref:1"><a href="#fn:1">1</a></sup></p>', '<p>a<sup><a href="#fn-x">1</a></sup></p>'),
        ('<li><input type="checkbox" checked disabled> a</li>', "<li>☑ a</li>"),
        ('<h2 id="a">a</h2>', "<h2>a</h2>"),
        ('<a href="/a%20b">a</a>', '<a href="/a b">a</a>'),
    ],
)
def test_the_judge_minds_no_way_of_writing(one: str, other: str) -> None:
    assert structure(one) == structure(other)


def test_every_reason_is_in_the_documentation() -> None:
    page = (HERE.parent / "docs/reference/markdown.md").read_text(encoding="utf-8").replace("`", "")
    words = " ".join(page.split())
    assert [reason.name for reason in REASONS if reason.name not in words] == []


def test_a_difference_without_a_reason_is_a_difference() -> None:
    verdict = Judge("plain").verdict("*a*", ["p(", "a", ")"])
    assert verdict.kind == "different"


@pytest.mark.parametrize(
    ("source", "start"),
    [
        ("<b>a</b> <br> <i />", None),
        ("a `<b>` </p>", None),
        ("a\n\n<p>b</p>\n\nc <b>d", 12),
        ("a\n\n<table><tr><td></tr></td></table>", 2),
    ],
)
def test_where_an_element_is_not_closed(source: str, start: int | None) -> None:
    assert unclosed(source) == start
