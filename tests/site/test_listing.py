"""Posts at a glance, and people."""

from datetime import UTC
from pathlib import Path

import pytest

from newsletter.audience.csv.reader import read_csv
from newsletter.audience.subscriber import Subscriber
from newsletter.site.listing import PostList, glance
from newsletter.web.studio.personas import PERSONAS, find_person, search


@pytest.mark.parametrize(
    ("name", "text", "title", "key", "draft"),
    [
        ("2026-05-04-hello.md", "---\ntitle: Hello # not a title\n---\n", "Hello", "hello", False),
        ("2026-05-04-hello.md", '---\ntitle: "It\\"s: me"\ndraft: true\n---\n', 'It"s: me', "hello", True),
        ("x.md", "---\ntitle: 'It''s'\npublished: false\nslug: other\n---\n", "It's", "other", True),
        ("x.md", '+++\ntitle = "Hugo"\ndate = 2026-01-02T03:04:05Z\n+++\n', "Hugo", "x", False),
        ("x.md", '{\n "title": "Json",\n "draft": true\n}\n', "Json", "x", True),
        ("plain-words.md", "# A heading\n\ntitle: no\n", "A heading", "plain-words", False),
        ("plain-words.md", "Just text", "Plain Words", "plain-words", False),
        ("_drafts/idea.md", "---\ntitle: Idea\n---", "Idea", "idea", True),
        ("hello/index.md", "---\n---\n", "Hello", "hello", False),
        ("empty.md", "", "Empty", "empty", False),
        ("x.md", "---\ntitle: Out\nslug: ../../tmp/what else?\n---\n", "Out", "tmp-what-else", False),
        ("x.md", "---\ntitle: Out\nslug: ../..\n---\n", "Out", "x", False),
    ],
)  # fmt: skip
def test_a_glance_reads_title_slug_and_draft(name: str, text: str, title: str, key: str, draft: bool) -> None:
    post = glance(Path("/site") / name, text, UTC)
    assert (post.title, post.key, post.draft) == (title, key, draft)


def test_two_posts_of_one_name_have_keys_of_their_own_and_a_vanished_one_is_left_out(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.md").write_text("---\ntitle: Same\n---\n")
    paths = [tmp_path / "a/same.md", tmp_path / "gone.md", tmp_path / "b/same.md"]
    assert [post.key for post in PostList().arrange(paths, UTC)] == ["same", "same~2"]


def test_a_glance_is_remembered_until_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "x.md"
    path.write_text("---\ntitle: One\n---\n")
    shelf = PostList()
    first = shelf.arrange([path], UTC)[0]
    assert shelf.arrange([path], UTC)[0] is first
    path.write_text("---\ntitle: Another\n---\n")
    assert shelf.arrange([path], UTC)[0].title == "Another"


def test_a_search_stops_at_the_first_matches() -> None:
    def endless() -> object:
        number = 0
        while True:
            number += 1
            yield Subscriber(f"r{number}@example.org", "Ada" if number % 2 else "Li", {"city": "Lyon"})

    found = search(endless(), "LYON ada", 3)  # type: ignore[arg-type]
    assert [one.email for one in found] == ["r1@example.org", "r3@example.org", "r5@example.org"]


def test_personas_have_the_lists_columns(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("email,name,city\nada@example.org,Ada,Lyon\n")
    people = read_csv(tmp_path / "list.csv")
    assert {one.key for one in PERSONAS} >= {"~no-name", "~long-name", "~right-to-left", "~emoji"}
    for one in PERSONAS:
        found = find_person(people, one.key)
        assert found is not None
        assert found.columns == {"city": "Lyon"}
    assert find_person(people, "ADA@example.org") == Subscriber("ada@example.org", "Ada", {"city": "Lyon"})
    assert find_person(people, "nobody@example.org") is None
