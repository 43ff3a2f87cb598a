"""Reading a post: formats, bounds, types and the lines of errors."""

# ruff: noqa: E501 (a case a line)

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.errors import NewsletterError
from newsletter.site.front_matter import split_front_matter
from newsletter.site.post import Post, read_post


@pytest.fixture
def post(tmp_path):
    def write(text: str | bytes, name: str = "2026-05-04-hello.md") -> Post:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_post(path)

    return write


def yaml(*lines: str, body: str = "Text.\n") -> str:
    return "\n".join(["---", *lines, "---", body])


def test_a_jekyll_post_in_the_usual_form(post):
    read = post(
        yaml(
            "layout: post",
            "title: How to Bounce Back When You’re Dynamic",
            "subtitle: It is Never Fun -- Here’s How.",
            "categories: advice",
            "date: 2018-07-01 09:00:00 -0800",
            "author: tj",
            "image:",
            body="\nMy friend.\n",
        ),
        "2018-07-03-how-to-bounce-back.md",
    )
    assert read.slug == "how-to-bounce-back"
    assert read.title == "How to Bounce Back When You’re Dynamic"
    assert read.subtitle == "It is Never Fun -- Here’s How."
    assert read.date == datetime(2018, 7, 1, 9, tzinfo=timezone(timedelta(hours=-8)))
    assert (read.author, read.image, read.layout, read.categories, read.tags) == ("tj", "", "post", ("advice",), ())
    assert (read.draft, read.personalize, read.excerpt) == (False, False, False)
    assert read.body == "\nMy friend.\n"
    assert read.body_line == 10


TOML = """+++
title = "Hello"
date = 2026-05-04T08:00:00+02:00
tags = ["a", "b"]
draft = true
[params]
x = 1
+++
Text.
"""
JSON = '{\n  "title": "Hello",\n  "date": "2026-05-04T08:00:00+02:00",\n  "tags": ["a", "b"], "draft": true\n}\nText.\n'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (yaml('title: "Hello"', "date: 2026-05-04T08:00:00+02:00", "tags: [a, b]", "draft: true"), 7),
        (TOML, 9),
        (JSON, 6),
    ],
    ids=["yaml", "toml", "json"],
)
def test_the_three_formats_say_the_same(post, text, line):
    read = post(text)
    assert (read.title, read.tags, read.draft) == ("Hello", ("a", "b"), True)
    assert read.date == datetime(2026, 5, 4, 6, tzinfo=UTC)
    assert read.body.strip() == "Text."
    assert read.body_line == line


def test_dots_end_yaml_front_matter(post):
    assert post("---\ntitle: A\n...\nText.\n").body == "Text.\n"


def test_crlf_and_a_bom_are_no_matter(post):
    read = post(b"\xef\xbb\xbf---\r\ntitle: A\r\n---\r\nOne.\r\nTwo.\r\n")
    assert (read.title, read.body, read.body_line) == ("A", "One.\nTwo.\n", 4)


@pytest.mark.parametrize(
    "start", ["{{ greeting }}\n", "{% include a.html %}\n", "{: .x}\nText\n", "{a}\n", "----\nx\n"]
)
def test_what_only_looks_like_front_matter_is_text(post, start):
    assert post(start).body == start


def test_an_empty_front_matter_is_one(post):
    read = post("---\n---\nText.\n")
    assert (dict(read.front_matter), read.body, read.title) == ({}, "Text.\n", "Hello")


@pytest.mark.parametrize(
    ("body", "title", "rest"),
    [
        ("# Hello *big* `world`\n\nText.\n", "Hello big world", "\n\nText.\n"),
        ("Hello\n=====\n\nText.\n", "Hello", "\n\n\nText.\n"),
        ("## A [link](http://example.org) {#x}\nText.\n", "A link", "\nText.\n"),
        ("Before.\n\n# Title #\n\nText.\n", "Title", "Before.\n\n\n\nText.\n"),
        ("Before.\n\n## Section\n\nText.\n", "Section", "Before.\n\n## Section\n\nText.\n"),
        ("```\n# no heading\n```\n", "Hello", "```\n# no heading\n```\n"),
        ("- item\n---\nText.\n", "Hello", "- item\n---\nText.\n"),
        ("", "Hello", ""),
    ],
)
def test_without_a_title_the_first_heading_is_it_and_is_not_said_twice(post, body, title, rest):
    read = post(body)
    assert (read.title, read.body) == (title, rest)
    assert read.slug == "hello"
    assert read.date == datetime(2026, 5, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("2026-05-04-hello.md", "hello"),
        ("hello.md", "hello"),
        ("2018-07-03-Hello_World.markdown", "Hello_World"),
        ("my-trip/index.md", "my-trip"),
        ("2018-07-03-trip/index.md", "trip"),
        ("a b & c.md", "a-b-c"),
        ("été.md", "été"),
        ("....md", "post"),
    ],
)
def test_the_slug_is_the_files_name_without_date(post, name, slug):
    assert post("Text.", name).slug == slug


def test_a_slug_in_the_front_matter_wins_and_can_stand_in_a_path(post):
    assert post(yaml("slug: my-trip")).slug == "my-trip"
    assert post(yaml("slug: ../../etc/passwd")).slug == "etc-passwd"


@pytest.mark.parametrize(
    ("written", "title"),
    [("2018-07-01", "2018-07-01"), ("1.10", "1.10"), ("007", "007"), ("yes", "yes"), ("12:30", "12:30"),
     ("! 'ANN: Rails'", "ANN: Rails"), ("|\n  two\n  lines", "two lines"), ('"a\\tb\\0c"', "a b c"),
     ("'1.7 &#8212; Tea &amp; Cake &c.'", "1.7 — Tea & Cake &c."), ("'a &#10; b &#0; c &lt;b&gt;'", "a b \ufffd c <b>")],
)  # fmt: skip
def test_a_title_is_text_as_it_was_written(post, written, title):
    assert post(yaml(f"title: {written}")).title == title


@pytest.mark.parametrize(
    ("lines", "categories", "tags"),
    [
        (["categories: advice"], ("advice",), ()),
        (["categories: advice work", "tags: a, b c"], ("advice", "work"), ("a", "b c")),
        (["categories:", "  - one two", "  - 2018"], ("one two", "2018"), ()),
        (["category: x", "tag: y"], ("x",), ("y",)),
        (["categories:", "tags: []"], (), ()),
        (["tags: [a, a, '', null]"], (), ("a",)),
    ],
)
def test_categories_and_tags_are_a_word_words_or_a_list(post, lines, categories, tags):
    read = post(yaml(*lines))
    assert (read.categories, read.tags) == (categories, tags)


@pytest.mark.parametrize(
    ("lines", "author", "image"),
    [
        (["author: tj", "image: /a.png"], "tj", "/a.png"),
        (["author:", "  name: Ada", "image:", "  path: /a.png"], "Ada", "/a.png"),
        (["authors: [ada, ben]", "images: [a.png, b.png]"], "ada, ben", "a.png"),
        (["cover:", "  image: c.png", "  alt: x"], "", "c.png"),
        (["image: ''", "author: "], "", ""),
    ],
)
def test_authors_and_images_come_in_many_forms(post, lines, author, image):
    read = post(yaml(*lines))
    assert (read.author, read.image) == (author, image)


@pytest.mark.parametrize(("line", "draft"), [
    ("draft: true", True), ("draft: false", False), ("published: false", True), ("published: true", False), ("draft:", False),
])  # fmt: skip
def test_drafts(post, line, draft):
    assert post(yaml(line)).draft is draft


def test_a_file_in_drafts_is_a_draft(post):
    assert post("Text.", "_drafts/hello.md").draft


def test_an_excerpt_that_is_text_is_no_switch(post):
    assert post(yaml("excerpt: true")).excerpt
    assert not post(yaml("excerpt: In short.")).excerpt


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2018-07-01 09:00:00 -0800", datetime(2018, 7, 1, 17, tzinfo=UTC)),
        ("2018-07-01 09:00:00 -08:00", datetime(2018, 7, 1, 17, tzinfo=UTC)),
        ("2018-07-01T09:00:00Z", datetime(2018, 7, 1, 9, tzinfo=UTC)),
        ("2018-07-01 09:00 +02:00", datetime(2018, 7, 1, 7, tzinfo=UTC)),
        ("2018-07-01 9:05:00.25 UTC", datetime(2018, 7, 1, 9, 5, 0, 250000, tzinfo=UTC)),
        ("2018-07-01", datetime(2018, 7, 1, tzinfo=UTC)),
        ("2018-7-1", datetime(2018, 7, 1, tzinfo=UTC)),
        ("2018/07/01 2:30 PM PST", datetime(2018, 7, 1, 22, 30, tzinfo=UTC)),
        ("2018-07-01 09:00:00 Europe/Paris", datetime(2018, 7, 1, 7, tzinfo=UTC)),
        ("July 1, 2018", datetime(2018, 7, 1, tzinfo=UTC)),
        ("1st July 2018", datetime(2018, 7, 1, tzinfo=UTC)),
        ("Sun, 01 Jul 2018 09:00:00 -0800", datetime(2018, 7, 1, 17, tzinfo=UTC)),
        ("20180701", datetime(2018, 7, 1, tzinfo=UTC)),
        ("1-7-2018", datetime(2018, 7, 1, tzinfo=UTC)),
        ("01/07/2018 09:00 +0200", datetime(2018, 7, 1, 7, tzinfo=UTC)),
        ("2018-07-01 09:00::00 -08:00", datetime(2018, 7, 1, 9, tzinfo=UTC)),
        ("2018-07-01 09:00:00 2018 -0800", datetime(2018, 7, 1, 9, tzinfo=UTC)),
        ("2018-07-01T09:00:00.123456789+00:00", datetime(2018, 7, 1, 9, 0, 0, 123456, tzinfo=UTC)),
    ],
)
def test_dates_that_people_write(post, written, moment):
    read = post(yaml("title: A", f"date: {written}"))
    assert read.date == moment
    assert read.date.tzinfo is not None


@pytest.mark.parametrize(
    ("kind", "title"), [("pelican", "Hello"), ("plain", "Hello"), ("jekyll", "A"), ("hugo", "A"), ("zola", "A")]
)
def test_lines_with_colons_are_front_matter_in_pelican_and_plain_folders_alone(tmp_path, kind, title):
    path = tmp_path / "a.md"
    path.write_text("Title: Hello\n\nText.\n")
    assert read_post(path, UTC, kind).title == title


def test_toml_dates_of_every_kind(post):
    assert post("+++\ndate = 2018-07-01\n+++\n").date == datetime(2018, 7, 1, tzinfo=UTC)
    assert post("+++\ndate = 2018-07-01T09:00:00\n+++\n").date == datetime(2018, 7, 1, 9, tzinfo=UTC)


BOMB = "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"] + [
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)
])  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("---\ntitle: A\n", 1, "close it with a line ---"),
        ("---\n", 1, "never ends"),
        ("+++\ntitle = 'A'\n", 1, "close it with a line +++"),
        ('{\n"title": "A",\n', 1, "close it with a line }"),
        ('{\n"title": "A",\n"title": "B"\n}\n', 3, "second time"),
        ("+++\ntitle = 'A'\ntitle = 'B'\n+++\n", 3, "fix the TOML"),
        (yaml("title: A", "subtitle: b: c"), 3, "quotes around the value"),
        (yaml("title: A", "\tx: 1"), 3, "spaces"),
        (yaml("title: [a"), 2, "fix the YAML"),
        (yaml('title: "a'), 2, "fix the YAML"),
        ("+++\ntitle = A\n+++\n", 2, "fix the TOML"),
        ("+++\nx = 1\ntitle = 'A\n+++\n", 3, "fix the TOML"),
        ('{\n"title": "A"\n"x": 1}\n', 3, "fix the JSON"),
        (yaml("- a", "- b"), 2, "key: value"),
        (yaml("just words"), 2, "key: value"),
        (yaml("layout: post", "title: [a, b]"), 3, "title: a list is not one line of text"),
        (yaml("title:", "  x: 1"), 2, "title: a mapping"),
        (yaml("tags:", "  a: 1"), 2, "tags: a mapping"),
        (yaml("title: A", "draft: maybe"), 3, "draft: 'maybe' is not true or false"),
        (yaml("title: A", "date: 2018-13-45"), 3, "date: '2018-13-45' is not a date"),
        (yaml("title: A", "date: yesterday"), 3, "is not a date"),
        (yaml("date: [2018]"), 2, "date: 'list' is not a date"),
        (yaml("date: 2018-07-01 09:00:00 +99:00"), 2, "is not a date"),
        ("+++\ntitle = 'A'\ndate = 09:00:00\n+++\n", 3, "is not a date"),
        (yaml("image: 3"), 2, "image: 3 is not a path"),
        (yaml("title: " + "x" * 3000), 2, "2,000 at most"),
        (yaml("title: A", "x: !!python/object/apply:os.system [ls]"), 3, "YAML tag !!python/object/apply:os.system"),
        (yaml("x: !ruby/object:Gem {}"), 2, "YAML tag !ruby/object:Gem"),
        (yaml("x: !!binary aGk="), 2, "YAML tag !!binary"),
        (yaml("x: " + "[" * 3000), 2, "nested more than 32 deep"),
        ("+++\nx = " + "[" * 3000 + "\n+++\n", 2, "deep"),
        ('{\n"x": ' + "[" * 3000 + "]" * 3000 + "}\n", 1, "deep"),
        ('{"x": ' + '{"x": ' * 50 + "1" + "}" * 51 + "\n", 1, "deep"),
        (yaml("title: A", "n: " + "9" * 5000), 3, "a number of more than 4,300 digits"),
        ("+++\ntitle = 'A'\nn = " + "9" * 5000 + "\n+++\n", 3, "a number of more than 4,300 digits"),
        ('{"title": "A",\n"n": ' + "9" * 5000 + "}\n", 2, "a number of more than 4,300 digits"),
        ("+++\ntitle = 'A'\n" + "a." * 20_000 + "b = 1\n+++\n", 3, "a key of more than 32 parts"),
        ("+++\ntitle = 'A'\nx = {a = 1, " + "'a' . " * 20_000 + "b = 1}\n+++\n", 3, "a key of more than 32 parts"),
        ("+++\n[[" + "a." * 20_000 + "b]]\n+++\n", 2, "a key of more than 32 parts"),
        (yaml(BOMB), 5, "more than 20,000 values"),
        (yaml("a: &a [*a]"), 2, "holds itself"),
        (yaml("x: &a {<<: *a}"), 2, "holds itself"),
        (yaml("title: A", "x: " + "y" * 1_000_000), 1, "262,144 at most"),
        ('{"title": "\\ud800"}\n', 1, "lone surrogate"),
        (yaml("title: A", "x: a\x07b"), 3, "control character"),
        ("---\ntitle: A\n---\n\x00", 4, "not a text file"),
        (b"---\ntitle: A\xff\n---\n", 2, "not UTF-8"),
        ("---\ntitle: A\n---\n".encode("utf-16"), 1, "UTF-16"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_line(post, text, line, said):
    with pytest.raises(NewsletterError) as caught:
        post(text)
    assert said in str(caught.value)
    assert caught.value.line == line
    assert str(caught.value.path).endswith("hello.md")
    assert "\n" not in str(caught.value)


def test_of_a_key_that_stands_twice_the_last_counts_in_yaml_as_in_jekyll(post):
    read = post(yaml("title: A", "tags: x", "title: B"))
    assert read.title == "B"


def test_blank_lines_before_the_front_matter_count(post):
    with pytest.raises(NewsletterError) as caught:
        post("\n\n---\ntitle: [a]\n---\n")
    assert caught.value.line == 4
    assert post("\n\n---\ntitle: A\n---\nText.\n").body_line == 6


def test_aliases_that_repeat_a_little_are_fine(post):
    read = post(yaml("a: &a {x: 1}", "b: *a", "c:", "  <<: *a", "  y: 2"))
    assert read.front_matter["c"] == {"x": 1, "y": 2}


def test_keys_are_text_whatever_they_were(post):
    assert post(yaml("2018: a", "yes: b", "x: {1: 2}")).front_matter == {"2018": "a", "True": "b", "x": {"1": 2}}


def test_files_that_are_no_posts(tmp_path):
    for path, said in [
        (tmp_path / "missing.md", "no such file"),
        (tmp_path, "is a folder"),
        (Path("/dev/zero"), "no regular file"),
        (tmp_path / "nul\0.md", "no such file"),
    ]:
        with pytest.raises(NewsletterError, match=said):
            read_post(path)


def test_a_post_of_many_megabytes_is_refused(tmp_path):
    path = tmp_path / "big.md"
    path.write_bytes(b"x" * 5_000_000)
    with pytest.raises(NewsletterError, match="larger than 4,096 KB"):
        read_post(path)


@given(st.text(alphabet="-+{}[]:=\"'#&*!|>~,. \n\tab0\\", max_size=200))
def test_any_front_matter_is_read_or_refused(text):
    for start, end in (("---\n", "\n---\n"), ("+++\n", "\n+++\n"), ('{"', "}\n")):
        try:
            matter = split_front_matter(start + text + end + "Body.", Path("x.md"))
        except NewsletterError as caught:
            error = caught
        else:
            assert all(isinstance(key, str) for key in matter.data)
            continue
        assert error.line is not None


def test_a_longer_line_of_dashes_ends_front_matter_too(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("---\ntitle: Long\n------\nBody.\n")
    post = read_post(path)
    assert (post.title, post.body, post.body_line) == ("Long", "---\nBody.\n", 3)
