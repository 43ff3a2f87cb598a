"""Findings name the line of the post or the template; rules are silenced by name."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from newsletter.audience.subscriber import Subscriber
from newsletter.checks import Finding, check_message, sample_of
from newsletter.checks.sources import Source
from newsletter.compose.composer import Composer
from newsletter.config.settings import Config, load_config
from newsletter.errors import NewsletterError
from newsletter.site.post import Post
from tests.checks.mail import HTML, here, message

POST = """\
---
title: Who planted the oaks
subtitle: Short
checks: {ignore: [heading-order]}
---
It’s the parish book -- on page *nine* -- that says so.

![An oak](images/oak.png)
![The frost](images/frost.png){: width="200"}

Read [click here](https://example.net/one), then [click here][two].

[two]: /two
"""
TEMPLATE = """\
<html>
<body>
<img src="{{ newsletter.logo }}">
<p style="color: #aaaaaa">Printed on paper</p>
</body>
"""


@pytest.fixture
def newsletter(tmp_path: Path) -> Path:
    (tmp_path / "posts" / "images").mkdir(parents=True)
    (tmp_path / "email_templates").mkdir()
    (tmp_path / "posts" / "oaks.md").write_text(POST, encoding="utf-8")
    (tmp_path / "posts" / "images" / "oak.png").write_bytes(b"png")
    (tmp_path / "posts" / "images" / "frost.png").write_bytes(b"x" * (1024 * 1024 + 1))
    (tmp_path / "email_templates" / "post.html").write_text(TEMPLATE, encoding="utf-8")
    return tmp_path


def post_of(root: Path, **fields: object) -> Post:
    path = root / "posts" / "oaks.md"
    head = POST.split("---\n")[1]
    values: dict[str, object] = {
        "path": path, "slug": "oaks", "title": "Who planted the oaks", "subtitle": "", "author": "", "image": "",
        "date": datetime(2026, 5, 4, tzinfo=UTC), "layout": "", "categories": (), "tags": (), "draft": False,
        "personalize": False, "excerpt": False, "front_matter": {}, "body": POST.split("---\n", 2)[2],
        "body_line": head.count("\n") + 3,
    }  # fmt: skip
    return Post(**{**values, **fields})  # type: ignore[arg-type]


def config_of(root: Path, **tables: object) -> Config:
    newsletter = {"url": "https://example.org", "postal_address": "1 Main Street"}
    return Config.model_validate({"newsletter": newsletter, **tables}).at(root / "newsletter.toml")


def found(root: Path, piece: str, rule: str, **fields: object) -> list[tuple[str, int | None, str]]:
    raw = message(here(piece + "<p>1 Main Street</p>"))
    sample = sample_of(raw, post_of(root, **fields), config_of(root), root / "email_templates" / "post.html")
    return [(f.source, f.line, f.severity) for f in check_message(sample) if f.rule == rule]


def test_an_address_is_found_in_the_post(newsletter):
    piece = "<a class='link' href='https://example.net/one'>click here</a>"
    assert found(newsletter, piece, "link-text") == [("posts/oaks.md", 11, "warning")]


def test_a_reference_is_found_where_it_is_defined(newsletter):
    piece = "<a class='link' href='https://example.org/two'>click here</a>"
    assert found(newsletter, piece, "link-text") == [("posts/oaks.md", 13, "warning")]


def test_the_same_words_are_counted_off(newsletter):
    piece = "<p style='color:#999'>click here</p><p style='color:#998'>click here</p>"
    lines = [line for _, line, severity in found(newsletter, piece, "contrast") if severity == "error"]
    assert lines == [11, 11]


def test_a_picture_is_found_by_its_path(newsletter):
    piece = "<img src='https://example.org/posts/images/oak.png' alt='An oak'>"
    assert found(newsletter, piece, "image-size") == [("posts/oaks.md", 8, "warning")]


def test_a_missing_and_a_heavy_picture_are_told(newsletter):
    piece = "".join(f"<img src='https://example.org/posts/images/{n}.png' alt='x' width='9'>" for n in ("oak", "frost"))
    assert found(newsletter, piece, "image-source") == [("posts/oaks.md", 9, "warning")]
    (newsletter / "posts" / "images" / "oak.png").unlink()
    assert found(newsletter, piece, "image-source") == [
        ("posts/oaks.md", 8, "error"),
        ("posts/oaks.md", 9, "warning"),
    ]


def test_a_picture_elsewhere_is_not_looked_for(newsletter):
    piece = "<img src='https://example.org/cdn/other.png' alt='x' width='9'>"
    assert found(newsletter, piece, "image-source") == []


def test_words_are_found_through_typography_and_emphasis(newsletter):
    piece = "<p style='color:#999'>It\u2019s the parish book \u2014 on page <em>nine</em></p>"
    assert found(newsletter, piece, "contrast")[0] == ("posts/oaks.md", 6, "error")


def test_what_the_template_says_is_found_there(newsletter):
    piece = "<p style='color:#aaaaaa'>Printed on paper</p>"
    assert found(newsletter, piece, "contrast")[0] == ("email_templates/post.html", 4, "error")


def test_what_neither_says_has_the_line_of_the_html(newsletter):
    piece = "<p style='color:#aaaaaa'>Nobody wrote that</p>"
    line = here(piece).split(piece)[0].count("\n") + 1
    assert found(newsletter, piece, "contrast")[0] == ("", line, "error")


def test_subject_and_preheader_are_found_in_the_front_matter(newsletter):
    html = HTML.replace("A name, a year, and the price of an acorn.", "Short")
    sample = sample_of(message(html, subject="x" * 61), post_of(newsletter), config_of(newsletter))
    lines = {f.rule: (f.source, f.line) for f in check_message(sample) if f.rule in {"subject", "preheader"}}
    assert lines == {"subject": ("posts/oaks.md", 2), "preheader": ("posts/oaks.md", 3)}


def test_a_post_about_templates_may_show_their_tags(newsletter):
    piece = "<p>Write {{ name }} there</p>"
    assert found(newsletter, piece, "leftover", body="Write {{ name }} there") == []
    assert found(newsletter, piece, "leftover", body="Write {{ name }} there", personalize=True) != []
    assert found(newsletter, piece, "leftover", body="Write something") != []
    assert found(newsletter, "<p>x {: .lead}</p>", "leftover", body="x {: .lead}") != []


def test_the_postal_address_must_be_in_the_message(newsletter):
    def rule(piece: str, address: str) -> list[Finding]:
        config = config_of(newsletter).model_copy(
            update={"newsletter": config_of(newsletter).newsletter.model_copy(update={"postal_address": address})}
        )
        found = check_message(sample_of(message(here(piece)), post_of(newsletter), config))
        return [finding for finding in found if finding.rule == "postal-address"]

    assert rule("<p>1 Main Street,<br>Springfield</p>", "1 Main Street, Springfield") == []
    assert [finding.severity for finding in rule("<p>Elsewhere</p>", "1 Main Street, Springfield")] == ["error"]
    assert [finding.severity for finding in rule("<p>Elsewhere</p>", "")] == ["error"]


def test_a_rule_is_silenced_by_argument_config_and_front_matter(newsletter):
    raw = message(here("<h3>Too deep</h3><p style='font-size: 9px'>Small</p><h1>Again</h1>"))
    post = post_of(newsletter, front_matter={"checks": {"ignore": ["heading-order"]}})
    config = config_of(newsletter, checks={"ignore": ["small-text"]})
    assert {"heading-order", "small-text"} <= {f.rule for f in check_message(sample_of(raw))}
    assert "small-text" not in {f.rule for f in check_message(sample_of(raw), ignore=["small-text"])}
    assert not {"heading-order", "small-text"} & {f.rule for f in check_message(sample_of(raw, post, config))}


def test_an_unknown_rule_to_silence_is_an_error_that_suggests_the_nearest(newsletter):
    with pytest.raises(NewsletterError, match="did you mean 'image-alt'"):
        check_message(sample_of(message()), ignore=["image-alts"])
    post = post_of(newsletter, front_matter={"checks": {"ignore": "contrats"}})
    with pytest.raises(NewsletterError, match=r"oaks\.md:4: .*did you mean 'contrast'"):
        check_message(sample_of(message(), post, config_of(newsletter)))
    config = config_of(newsletter, checks={"ignore": ["links"]})
    with pytest.raises(NewsletterError, match=r"newsletter\.toml: "):
        check_message(sample_of(message(), None, config))


def test_a_part_of_a_longer_address_or_word_is_not_found():
    source = Source("x.md", "see https://example.org/oaks/more and othere\nhere https://example.org/oaks")
    assert source.literal("https://example.org/oaks") == [2]
    assert source.words("here") == [2]
    assert source.words("!!") == []


def test_a_source_that_is_gone_costs_only_the_line(newsletter):
    (newsletter / "posts" / "oaks.md").unlink()
    piece = "<a class='link' href='https://example.net/one'>click here</a>"
    assert found(newsletter, piece, "link-text")[0][0] == ""


@pytest.mark.parametrize(
    ("written", "line", "severity"),
    [
        ("<script>alert(1)</script>", 6, "warning"),
        ("<form action='/x'><input name='a'></form>", 6, "warning"),
        ("<svg><circle r='9'/></svg>", 6, "warning"),
        ("<iframe src='https://example.org/a'></iframe>", 6, "info"),
        ("```html\n<form>\n```\n\n<FORM>x</FORM>", 10, "warning"),
    ],
)
def test_what_composing_took_out_of_the_post_is_said_with_its_line(
    tmp_path: Path, written: str, line: int, severity: str
) -> None:
    assert taken_out(tmp_path, written) == [(line, severity)]


@pytest.mark.parametrize(
    "written",
    [
        "```html\n<script>\n```", "In code: `<form>`.", "    <script>indented()</script>", "<!-- <script> -->",
        "<!--\n<form>\n-->", "<script type='application/ld+json'>{}</script>", "A form, a script.",
    ],
)  # fmt: skip
def test_code_and_comments_are_not_taken_for_what_was_taken_out(tmp_path: Path, written: str) -> None:
    assert taken_out(tmp_path, written) == []


def taken_out(folder: Path, written: str) -> list[tuple[int | None, str]]:
    """Line and severity of what the rule says of a post with these words, composed."""
    (folder / "newsletter.toml").write_text('[newsletter]\ntitle = "x"\nauthor = "Ada <ada@example.org>"\n')
    (folder / "posts").mkdir()
    post = folder / "posts" / "hello.md"
    post.write_text(f"---\ntitle: Hello\n---\nFirst words.\n\n{written}\n")
    composer = Composer(load_config(folder / "newsletter.toml"))
    composed = composer.compose(composer.read(post))
    message = composed.writer().envelope(Subscriber("ada@example.org", "Ada")).message
    found = check_message(sample_of(message, composed.page.post, composed.config, composed.template))
    return [(one.line, one.severity) for one in found if one.rule == "active-content"]
