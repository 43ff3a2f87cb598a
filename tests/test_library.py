"""`import newsletter`: the library as a program uses it, with a real relay; and the example of the docs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import newsletter
from tests.cli.conftest import CONFIG, LIST, POST
from tests.cli.test_send import EVERYBODY, Relay, relay

__all__ = ["relay"]

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "posts").mkdir()
    (tmp_path / "newsletter.toml").write_text(CONFIG)
    (tmp_path / "posts" / "2026-05-04-hello.md").write_text(POST)
    (tmp_path / "subscribers.csv").write_text(LIST)
    return tmp_path


async def test_a_program_composes_checks_sends_and_follows(folder: Path, relay: Relay) -> None:
    letter = newsletter.load(folder / "newsletter.toml")
    assert [path.name for path in letter.posts()] == ["2026-05-04-hello.md"]
    composed = newsletter.compose(letter, "posts/2026-05-04-hello.md")
    assert composed.issue.id == "hello"
    assert b"To: Grace Okafor <grace@example.net>" in composed.message("grace@example.net")
    assert [one for one in await newsletter.check(composed) if one.severity == "error"] == []
    report = await newsletter.send(composed, relays=[relay.url])
    assert (report.sent, relay.recipients) == (3, EVERYBODY)
    assert (await newsletter.send(composed, relays=[relay.url])).sent == 0
    assert [now["sent"] async for now in newsletter.follow(letter, "hello")] == [3]


async def test_what_must_not_be_sent_is_refused_as_on_the_command_line(folder: Path, relay: Relay) -> None:
    post = folder / "posts" / "2026-05-04-hello.md"
    post.write_text(POST.replace("title: Hello", "title: Hello\ndraft: true"))
    letter = newsletter.load(folder / "newsletter.toml")
    with pytest.raises(newsletter.NewsletterError, match="keeps it off the site"):
        await newsletter.send(newsletter.compose(letter, post), relays=[relay.url])
    (folder / "newsletter.toml").write_text(CONFIG.replace("postal_address", "# postal_address"))
    letter = newsletter.load(folder / "newsletter.toml")
    with pytest.raises(newsletter.NewsletterError, match="there is no postal address"):
        await newsletter.send(newsletter.compose(letter, post), relays=[relay.url], force=True)
    with pytest.raises(newsletter.NewsletterError, match="none has been sent yet"):
        async for _ in newsletter.follow(letter, "hello"):
            pass
    assert relay.messages == []


def test_the_names_are_documented_and_importing_costs_nothing() -> None:
    page = (ROOT / "docs/reference/library.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(?:await |async for now in )?(\w+)", page, re.MULTILINE))
    assert named == set(newsletter.__all__)
    code = "import sys, newsletter; sys.exit(len({'pydantic', 'lxml', 'asyncio'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with pytest.raises(AttributeError):
        _ = newsletter.nothing


def test_the_example_of_a_build_script_runs(tmp_path: Path) -> None:
    (tmp_path / "hugo.toml").write_text('baseURL = "https://example.org/"\ntitle = "The Long View"\n')
    (tmp_path / "content" / "posts").mkdir(parents=True)
    (tmp_path / "content" / "posts" / "oaks.md").write_text(POST)
    (tmp_path / "newsletter.toml").write_text(CONFIG)
    (tmp_path / "subscribers.csv").write_text(LIST)
    asked = [sys.executable, str(ROOT / "docs/examples/library/hugo_mail.py")]
    done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "mail/oaks.html\n"), done.stderr
    assert "The first line of a letter" in (tmp_path / "public/mail/oaks.html").read_text()
