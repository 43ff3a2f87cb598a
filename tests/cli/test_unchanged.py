"""Whether all that an issue is made of is as it was."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.cli import unchanged
from newsletter.cli.unchanged import fingerprint, is_known, remember
from newsletter.config.settings import load_config
from tests.cli.conftest import POST, Call
from tests.cli.test_send import Relay, relay

__all__ = ["relay"]

HELLO = "posts/2026-05-04-hello.md"


def touched(folder: Path) -> None:
    """The same size and the same moment: other words."""
    before = (folder / HELLO).stat()
    (folder / HELLO).write_text(POST.replace("first", "third"))
    os.utime(folder / HELLO, ns=(before.st_atime_ns, before.st_mtime_ns))


def append(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text((folder / name).read_text() + text)


def own_template(folder: Path) -> None:
    (folder / "email_templates").mkdir()
    (folder / "email_templates" / "post.html").write_text("<p>{{ post.content }}</p>")


CHANGES: list[Callable[[Path], object]] = [
    touched,
    own_template,
    append("newsletter.toml", '[checks]\nignore = ["x"]\n'),
    lambda folder: (folder / "_config.yml").write_text("title: A site\n"),
    append("subscribers.csv", "joan@example.org,Joan,Cork\n"),
    lambda folder: (folder / "posts" / "new.md").symlink_to(folder / HELLO),
    lambda folder: os.environ.update(NEWSLETTER_NEWSLETTER__TITLE="Another"),
    lambda folder: (folder / HELLO).replace(folder / "posts" / "2026-05-05-hello.md"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_in_the_folder_or_the_settings_is_seen(
    folder: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    before = fingerprint(load_config(folder / "newsletter.toml"), "hello")
    change(folder)
    assert fingerprint(load_config(folder / "newsletter.toml"), "hello") != before


def test_the_state_and_what_is_beside_it_count_for_nothing_and_what_is_asked_does(folder: Path) -> None:
    config = load_config(folder / "newsletter.toml")
    before = fingerprint(config, "hello")
    remember(config, "hello", before, "hash")
    for name in ("newsletter.db", "newsletter.db-wal", ".git/HEAD", ".newsletter/inbox/new/1"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert fingerprint(config, "hello") == before
    assert fingerprint(config, "other") != before


def test_a_folder_of_too_much_is_not_looked_through(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unchanged, "_MOST", 3)
    config = load_config(folder / "newsletter.toml")
    assert fingerprint(config) == ""
    assert not is_known(config, "hello", "")


def test_whoever_has_nothing_to_send_composes_nothing_until_something_changes(
    folder: Path, call: Call, relay: Relay
) -> None:
    live = ("send", "hello", "--yes", "--smtp", relay.url)
    assert call(*live)[0] == 0
    asked = [sys.executable, "-X", "importtime", "-m", "newsletter", *live]
    done = subprocess.run(asked, cwd=folder, capture_output=True, text=True, env={**os.environ, "CI": ""})
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "nothing to send: everybody has it"), done.stderr
    assert not re.search(r"\| +(asyncio|jinja2|lxml|markdown|sqlalchemy)$", done.stderr, re.MULTILINE)
    (folder / ".newsletter" / "composed.json").write_text("[1")  # whatever becomes of it
    assert call(*live)[0] == 0
    touched(folder)
    code, _, said = call(*live)
    assert code == 2
    assert "has changed since issue 'hello' was begun" in said
    (folder / HELLO).write_text(POST)
    append("subscribers.csv", "joan@example.org,Joan,Cork\n")(folder)
    assert call(*live)[0] == 0
    assert "joan@example.org" in relay.recipients
