"""What a site does not publish: drafts as the generator knows them, and dates."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from newsletter.site.publication import Withheld, why_withheld
from tests.compose.sites import make, page_of

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
POST = "content/posts/a.md"
UNPUBLISHED = "defaults:\n- scope: {path: ''}\n  values: {published: false}\n"


def hugo(root: Path, front: str, config: str = "", more: dict[str, str] | None = None) -> Withheld | None:
    files = {"newsletter.toml": "", "hugo.toml": f'baseURL = "https://example.org/"\n{config}', **(more or {})}
    site = make(root, files)
    return why_withheld(page_of(site, POST, f"---\n{front}\n---\nText.\n"), NOW)


def jekyll(root: Path, front: str, config: str = "", name: str = "_posts/2026-01-02-a.md") -> Withheld | None:
    site = make(root, {"newsletter.toml": "", "_config.yml": f"url: https://example.org\n{config}"})
    return why_withheld(page_of(site, name, f"---\n{front}\n---\nText.\n"), NOW)


def plain(root: Path, front: str, name: str = "posts/a.md") -> Withheld | None:
    site = make(root, {"newsletter.toml": ""})
    return why_withheld(page_of(site, name, f"---\n{front}\n---\nText.\n"), NOW)


@pytest.mark.parametrize(
    ("front", "reason"),
    [
        ("title: A\nDraft: true", "`Draft: true` keeps it off the site"),
        ("title: A\ndraft: yes", "`draft: true` keeps it off the site"),
        ("title: A\nDATE: 2099-01-01", "`DATE: 2099-01-01` is yet to come"),
        ("date: 2020-01-01\npublishDate: 2099-01-01", "`publishDate: 2099-01-01` is yet to come"),
        ("pubdate: 2099-01-01", "`pubdate: 2099-01-01` is yet to come"),
        ("published: 2099-01-01", "`published: 2099-01-01` is yet to come"),
        ("ExpiryDate: 2020-01-01", "`ExpiryDate: 2020-01-01` has passed"),
        ("unpublishdate: 2020-01-01", "`unpublishdate: 2020-01-01` has passed"),
        ("build: {list: never}", "`build.list: never` keeps it out of every list of the site"),
        ("_build:\n  render: false", "`_build.render: false` leaves it without a page"),
        ("headless: true", "`headless: true` leaves it without a page"),
    ],
)
def test_hugo_keeps_a_post_back(tmp_path: Path, front: str, reason: str) -> None:
    found = hugo(tmp_path, front)
    assert found is not None
    assert found.reason.startswith(reason)
    assert (found.path.name, found.line) == ("a.md", front.count("\n") + 2)


@pytest.mark.parametrize(
    ("front", "config"),
    [
        ("title: A\ndraft: false\ndate: 2020-01-01", ""),
        ("date: 2099-01-01\npublishDate: 2020-01-01", ""),
        ("date: 2099-01-01", "buildFuture = true"),
        ("expiryDate: 2020-01-01", "buildExpired = true"),
        ("expiryDate: 2099-01-01", ""),
        ("build: {list: local, render: link}", ""),
        ("date: 2026-11-26T12:30:00+01:00", ""),
    ],
)
def test_hugo_publishes_the_rest(tmp_path: Path, front: str, config: str) -> None:
    assert hugo(tmp_path, front, config) is None


@pytest.mark.parametrize(
    ("config", "more", "source", "line"),
    [
        ("[cascade]\ndraft = true\n", {}, "hugo.toml", 3),
        ('[[cascade]]\nDraft = true\n[cascade.target]\npath = "/posts/**"\n', {}, "hugo.toml", 3),
        ("", {"content/posts/_index.md": "---\ntitle: P\ncascade:\n  draft: true\n---\n"}, "_index.md", 4),
        ("", {"content/_index.md": "---\ncascade:\n- _target: {path: '{/x,/posts}/*'}\n  draft: true\n---\n"},
            "_index.md", 4),
    ],
)  # fmt: skip
def test_hugos_cascade_keeps_a_post_back(
    tmp_path: Path, config: str, more: dict[str, str], source: str, line: int
) -> None:
    found = hugo(tmp_path, "title: A", config, more)
    assert found is not None
    assert "keeps content/posts/a.md off the site" in found.reason
    assert (found.path.name, found.line) == (source, line)
    assert hugo(tmp_path, "title: A\ndraft: false", config, more) is None


def test_a_cascade_for_others_and_a_nearer_section_leave_a_post(tmp_path: Path) -> None:
    assert hugo(tmp_path, "title: A", '[[cascade]]\ndraft = true\n[cascade.target]\npath = "/notes/**"\n') is None
    near = {"content/posts/_index.md": "---\ncascade: {draft: false}\n---\n"}
    assert hugo(tmp_path, "title: A", "[cascade]\ndraft = true\n", near) is None


@pytest.mark.parametrize(
    ("front", "config", "reason"),
    [
        ("published: false", "", "`published: false` keeps it off"),
        ("date: 2099-01-01", "", "`date: 2099-01-01` is yet to come"),
        ("draft: true", "", "`draft: true` keeps it off"),
        ("title: A", UNPUBLISHED, "`published: false` keeps _posts/2026-01-02-a.md off"),
    ],
)  # fmt: skip
def test_jekyll_keeps_a_post_back(tmp_path: Path, front: str, config: str, reason: str) -> None:
    found = jekyll(tmp_path, front, config)
    assert found is not None
    assert found.reason.startswith(reason)


def test_jekyll_publishes_the_rest(tmp_path: Path) -> None:
    assert jekyll(tmp_path, "title: A") is None
    assert jekyll(tmp_path, "published: true", UNPUBLISHED) is None
    assert jekyll(tmp_path, "date: 2099-01-01", "future: true\n") is None
    assert jekyll(tmp_path, "Published: false") is None, "Jekyll's keys have a case"


def test_jekylls_drafts_folder_and_the_date_in_a_name_count(tmp_path: Path) -> None:
    drafted = jekyll(tmp_path, "title: A", name="_drafts/a.md")
    assert drafted is not None
    assert "stands in _drafts" in drafted.reason
    later = jekyll(tmp_path, "title: A", name="_posts/2099-01-02-a.md")
    assert later is not None
    assert later.until == datetime(2099, 1, 2, tzinfo=UTC)
    assert later.reason.startswith("the date in its file's name, 2099-01-02, is yet to come")


def test_a_plain_folder_goes_by_words_and_by_dates_of_publication(tmp_path: Path) -> None:
    assert plain(tmp_path, "date: 2099-01-01") is None
    for front in ("Draft: true", "published: no", "publishDate: 2099-01-01", "expiryDate: 2020-01-01"):
        assert plain(tmp_path, front) is not None, front


def test_hugos_keys_have_no_case(tmp_path: Path) -> None:
    site = make(tmp_path, {"newsletter.toml": "", "hugo.toml": 'baseURL = "https://example.org/"\n'})
    page = page_of(site, POST, "+++\nTitle = 'Not ready'\nDATE = 2026-05-04\nTags = ['a']\n+++\nText.\n")
    assert (page.post.title, page.post.tags) == ("Not ready", ("a",))
    assert page.post.date == datetime(2026, 5, 4, tzinfo=UTC)
    assert page.post.front_matter["Title"] == "Not ready"
