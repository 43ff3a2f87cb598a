"""Findings name the line of the post or the template; rules are silenced by name."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from newsletter.audience.subscriber import Subscriber
from newsletter.checks.finding import Finding
from newsletter.checks.run import check_message
from newsletter.checks.sample import sample_of
from newsletter.checks.sources import Source
from newsletter.compose.composer import Composer, issue_writer
from newsletter.config.settings import Config, load_config
from newsletter.errors import NewsletterError
from newsletter.site.load import load_site
from newsletter.site.page import Page, resolve
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


def page_of(root: Path, **fields: object) -> Page:
    path = root / "posts" / "oaks.md"
    head = POST.split("---\n")[1]
    values: dict[str, object] = {
        "path": path, "slug": "oaks", "title": "Who planted the oaks", "subtitle": "", "author": "", "image": "",
        "date": datetime(2026, 5, 4, tzinfo=UTC), "layout": "", "categories": (), "tags": (), "draft": False,
        "personalize": False, "excerpt": False, "front_matter": {}, "body": POST.split("---\n", 2)[2],
        "body_line": head.count("\n") + 3,
    }  # fmt: skip
    return resolve(Post(**{**values, **fields}), load_site(config_of(root)))  # type: ignore[arg-type]


def config_of(root: Path, **tables: object) -> Config:
    newsletter = {"url": "https://example.org", "postal_address": "1 Main Street"}
    return Config.model_validate({"newsletter": newsletter, **tables}).at(root / "newsletter.toml")


def found(root: Path, piece: str, rule: str, **fields: object) -> list[tuple[str, int | None, str]]:
    raw = message(here(piece + "<p>1 Main Street</p>"))
    sample = sample_of(raw, page_of(root, **fields), config_of(root), root / "email_templates" / "post.html")
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
    sample = sample_of(message(html, subject="x" * 61), page_of(newsletter), config_of(newsletter))
    lines = {f.rule: (f.source, f.line) for f in check_message(sample) if f.rule in {"subject", "preheader"}}
    assert lines == {"subject": ("posts/oaks.md", 2), "preheader": ("posts/oaks.md", 3)}


def test_a_post_about_templates_shows_their_tags_as_code(newsletter):
    piece = "<p>Write {{ name }} there</p>"
    assert found(newsletter, piece, "leftover", body="Write {{ name }} there") != []
    assert found(newsletter, piece, "leftover", body="Write {{ name }} there", personalize=True) != []
    assert found(newsletter, "<p>Write <code>{{ name }}</code> there</p>", "leftover", body="Write `{{ name }}`") == []
    assert found(newsletter, piece, "leftover", body="Write something") != []
    assert found(newsletter, "<p>x {: .lead}</p>", "leftover", body="x {: .lead}") != []


def test_the_postal_address_must_be_in_the_message(newsletter):
    def rule(piece: str, address: str) -> list[Finding]:
        config = config_of(newsletter).model_copy(
            update={"newsletter": config_of(newsletter).newsletter.model_copy(update={"postal_address": address})}
        )
        found = check_message(sample_of(message(here(piece)), page_of(newsletter), config))
        return [finding for finding in found if finding.rule == "postal-address"]

    assert rule("<p>1 Main Street,<br>Springfield</p>", "1 Main Street, Springfield") == []
    assert [finding.severity for finding in rule("<p>Elsewhere</p>", "1 Main Street, Springfield")] == ["error"]
    assert [finding.severity for finding in rule("<p>Elsewhere</p>", "")] == ["error"]


def test_a_rule_is_silenced_by_argument_config_and_front_matter(newsletter):
    raw = message(here("<h3>Too deep</h3><p style='font-size: 9px'>Small</p><h1>Again</h1>"))
    page = page_of(newsletter, front_matter={"checks": {"ignore": ["heading-order"]}})
    config = config_of(newsletter, checks={"ignore": ["small-text"]})
    assert {"heading-order", "small-text"} <= {f.rule for f in check_message(sample_of(raw))}
    assert "small-text" not in {f.rule for f in check_message(sample_of(raw), ignore=["small-text"])}
    assert not {"heading-order", "small-text"} & {f.rule for f in check_message(sample_of(raw, page, config))}


def test_an_unknown_rule_to_silence_is_an_error_that_suggests_the_nearest(newsletter):
    with pytest.raises(NewsletterError, match="did you mean 'image-alt'"):
        check_message(sample_of(message()), ignore=["image-alts"])
    page = page_of(newsletter, front_matter={"checks": {"ignore": "contrats"}})
    with pytest.raises(NewsletterError, match=r"oaks\.md:4: .*did you mean 'contrast'"):
        check_message(sample_of(message(), page, config_of(newsletter)))
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
    found = check_message(sample_of(message, composed.page, composed.config, composed.template))
    return [(one.line, one.severity) for one in found if one.rule == "active-content"]


@pytest.mark.parametrize(
    ("piece", "rest"),
    [
        ("Dear %%first_name%%,", "%%first_name%%"),
        ("Dear %FIRSTNAME%,", "%FIRSTNAME%"),
        ("Dear {first_name, &quot;there&quot;},", "{first_name"),
        ("Dear {$name},", "{$name}"),
        ("Dear [[FIRSTNAME]],", "[[FIRSTNAME]]"),
        ("Dear [firstname,fallback=friend],", "[firstname"),
        ("Dear <em>|FNAME|</em>,", "*|FNAME|*"),
        ("{% if subscriber.city %}Hello{% endif %}", "{% if"),
        ("Dear [First Name],", "[First Name]"),
        ("Dear [NAME],", "[NAME]"),
        ("Hallo {Vorname}!", "{Vorname}"),
        ("Dear ${first_name},", "${first_name}"),
        ("Dear &lt;%= name %&gt;,", "<%= name %>"),
        ("Dear ##FNAME##, hello", "##FNAME##"),
        ("Dear {!Contact.FirstName},", "{!Contact.FirstName}"),
        ("Read [subscriber:firstname | default:reader]", "[subscriber:firstname"),
        ("Read %recipient.city% and all", "%recipient.city%"),
        ("Leave by %unsubscribe_url%", "%unsubscribe_url%"),
    ],
)
def test_the_tags_of_other_houses_are_left_over(newsletter, piece, rest):
    raw = message(here(f"<p>{piece}</p><p>1 Main Street</p>"))
    told = [f for f in check_message(sample_of(raw)) if f.rule == "leftover"]
    assert told
    assert rest in told[0].message


@pytest.mark.parametrize(
    "piece",
    [
        "Sales rose by 5%, then 10%.",
        "Write [[wiki links]] and {braces}.",
        "A | B | C",
        "<code>%%name%%</code>",
        "{name}",
        "Hello (old) friend, hi @ada@social.example, dear #books and others",
        "The [name] of it, <name>, a #first #name, 5 % of names and 3 %, ~name~ [first] {last} :: data :: x",
    ],
)
def test_ordinary_signs_are_no_left_over_tags(newsletter, piece):
    raw = message(here(f"<p>{piece}</p><p>1 Main Street</p>"))
    assert [f for f in check_message(sample_of(raw)) if f.rule == "leftover"] == []


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("Dear {{ subscriber.name }},\n", [4]),
        ("One.\n\n{% if subscriber.city == 'Lyon' %}Two{% endif %}\n", [6]),
        ("{{ first_name | default: 'you' }} {{ unsubscribe_url }}\n", [4, 4]),
        ("`{% raw %}{{ subscriber.name }}{% endraw %}`\n", []),
        ("{{ site.email }} {{ page.author.email }} {% if site.user.name %}x{% endif %}\n", []),
        ("{% assign user = site.data.people.ada %}{{ user.name }}\n", []),
        ("{% for member in site.data.team %}{{ member.name }}{% endfor %}\n", []),
        ("Dear {{ FNAME }},\n\n{{ params.name | default: 'you' }}\n", [4, 6]),
        ("{% if subscriber %}x{% endif %} *|FNAME|* or *|UNSUB|*\n", [4, 4, 4]),
        ("{% capture who %}Ada{% endcapture %}{{ who }} {{ 'now' | date: '%Y' }} {{ 3 | plus: 4 }}\n", []),
        ("`{% raw %}*|FNAME|*{% endraw %}`\n", []),
    ],
)
def test_a_jekyll_post_that_asks_for_the_reader_is_told_though_liquid_swallows_it(tmp_path, body, lines):
    (tmp_path / "_posts").mkdir()
    (tmp_path / "_config.yml").write_text("url: https://example.org\n")
    (tmp_path / "newsletter.toml").write_text('[newsletter]\nauthor = "Ada Moreau <ada@example.org>"\n')
    path = tmp_path / "_posts/2026-01-02-a.md"
    path.write_text(f"---\ntitle: A\n---\n{body}")
    composer = Composer(load_config(tmp_path / "newsletter.toml"))
    composed = composer.compose(composer.read(path))
    raw = issue_writer(composer.config, composed.issue).envelope(Subscriber("ada@example.org")).message
    told = [f for f in check_message(sample_of(raw, composed.page, composer.config)) if f.rule == "leftover"]
    assert [(f.source, f.line, f.severity) for f in told] == [("_posts/2026-01-02-a.md", n, "error") for n in lines]


def test_a_slip_in_a_key_is_told_with_the_nearest_key(newsletter):
    def told(**front_matter: object) -> list[str]:
        page = page_of(newsletter, front_matter=front_matter)
        found = check_message(sample_of(message(), page, config_of(newsletter)))
        return [f.message.split("did you mean ")[1] for f in found if f.rule == "front-matter"]

    for slip, meant in (
        ("personalise", "personalize"), ("tilte", "title"), ("subtitel", "subtitle"), ("colour", "color"),
        ("publishedDate", "publishDate"), ("autor", "author"), ("catgories", "categories"),
        ("descripton", "description"),
    ):  # fmt: skip
        assert told(**{slip: "x"}) == [f"{meant!r}?"], slip
    usual = "lastmod weight series type toc menu aliases keywords comments linkTitle params videos mood data link id"
    assert told(**dict.fromkeys(usual.split(), "x")) == []
    assert told(title="A", Title="B", tilte="C") == []


def test_what_keeps_a_post_off_its_site_is_told_for_the_moment_it_goes_out(newsletter):
    page = page_of(newsletter, front_matter={"publishDate": "2026-05-04"})

    def told(now: datetime | None) -> list[str]:
        found = check_message(sample_of(message(), page, config_of(newsletter), now=now))
        return [f"{f.severity} {f.source}" for f in found if f.rule == "unpublished"]

    assert told(datetime(2026, 5, 3, 23, tzinfo=UTC)) == ["warning posts/oaks.md"]
    assert told(datetime(2026, 5, 4, 1, tzinfo=UTC)) == []
    assert told(None) == []


def test_another_providers_unsubscribe_link_does_not_leave_this_newsletter(newsletter):
    raw = message(here("<p>1 Main Street</p>"))
    sample = sample_of(raw, page_of(newsletter), config_of(newsletter))
    assert "unsubscribe" not in {f.rule for f in check_message(sample)}
    foreign = message(
        here("<p>1 Main Street</p>").replace("https://example.org/u/token", "https://example.net/unsubscribe")
    )
    sample = sample_of(foreign, page_of(newsletter), config_of(newsletter))
    assert "unsubscribe" in {f.rule for f in check_message(sample)}


def test_a_message_without_the_post_in_it_is_an_error(newsletter):
    assert (
        found(newsletter, "<p>Nothing of it</p>", "post-content", body="Nobody ever saw these words in an oak.") != []
    )
    piece = "<p>Nobody ever saw <b>these</b> words, says the excerpt.</p>"
    assert found(newsletter, piece, "post-content", body="Nobody ever saw these words in an oak.") == []
    assert found(newsletter, "<p>Short</p>", "post-content", body="![](oak.png)") == []
    body = "Body text:\n\n```html\n<![CDATA[ x ]]>\n```"
    shown = "<p>Body text:</p><pre>&lt;![CDATA[ x ]]&gt;</pre>"
    assert found(newsletter, shown, "post-content", body=body) == []
    assert (
        found(newsletter, "<p>Dear Ada, hello oak.</p>", "post-content", body="Dear {{ subscriber.name }}, hello oak.")
        == []
    )
