"""An issue that an earlier release froze is finished by this one.

`released/` is a newsletter whose issue the first release (git e3a928d) sent to two of five, and stopped at its --limit:
its state file as SQL, and the first message as it went out. NEWSLETTER_SECRET was SECRET.
"""

import json
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field, fields, replace
from email.message import EmailMessage
from pathlib import Path

import pytest

from newsletter.compose.composer import Composer
from newsletter.compose.issue import FORMAT, Issue, Piece
from newsletter.config.settings import load_config
from newsletter.errors import NewsletterError
from tests.cli.conftest import Run
from tests.cli.test_send import Relay, parse, relay  # noqa: F401 (a fixture)

RELEASED = Path(__file__).parent / "released"
SECRET = "a secret of thirty-two bytes, ok"
POST = "posts/2026-05-04-hello.md"


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """The newsletter as the first release left it."""
    shutil.copytree(RELEASED, tmp_path, dirs_exist_ok=True)
    with closing(sqlite3.connect(tmp_path / "newsletter.db")) as db:
        db.executescript((RELEASED / "state.sql").read_text(encoding="utf-8"))
        db.execute("PRAGMA journal_mode = WAL")
    return tmp_path


def stored(folder: Path) -> tuple[str, str]:
    with closing(sqlite3.connect(folder / "newsletter.db")) as db:
        frozen, hash_ = db.execute("SELECT frozen, hash FROM issues").fetchone()
    return frozen, hash_


def change(folder: Path, **fields: object) -> None:
    """Set fields of the frozen issue."""
    with closing(sqlite3.connect(folder / "newsletter.db")) as db, db:
        frozen = json.loads(db.execute("SELECT frozen FROM issues").fetchone()[0])
        db.execute("UPDATE issues SET frozen = ?", (json.dumps({**frozen, **fields}),))


def test_an_issue_begun_by_the_first_release_is_finished(begun: Path, run: Run, relay: Relay) -> None:  # noqa: F811
    done = run("send", "hello", "--yes", "--json", "--smtp", relay.url, NEWSLETTER_SECRET=SECRET)
    assert done.returncode == 0, done.stderr
    assert relay.recipients == ["cem@example.net", "dora@example.net", "eve@example.net"]
    assert json.loads(done.stdout)["already_sent"] == 2
    first, later = parse((RELEASED / "first.eml").read_bytes()), parse(relay.messages[0][1])
    assert set(first) <= set(later)
    assert later["Content-Type"] == first["Content-Type"]
    assert "See you in Oslo." in text_of(later)
    assert without_token(text_of(later)) == without_token(text_of(first).replace("Ada", "Cem").replace("Lyon", "Oslo"))


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def without_token(text: str) -> str:
    return re.sub(r"unsubscribe%20\S+", "", text)


def test_its_stored_hash_tells_whether_the_post_changed(begun: Path, run: Run, relay: Relay) -> None:  # noqa: F811
    frozen, hash_ = stored(begun)
    issue = Issue.loads(frozen)
    composer = Composer(load_config(begun / "newsletter.toml"))
    fresh = composer.compose(composer.read(begun / POST)).issue
    assert (issue.format, issue.hash, issue.dumps()) == (1, hash_, frozen)
    assert (fresh.format, fresh.hash_as(1)) == (FORMAT, hash_)

    post = begun / POST
    post.write_text(post.read_text(encoding="utf-8").replace("Two & three", "Two & four"), encoding="utf-8")
    refused = run("send", "hello", "--yes", "--smtp", relay.url, NEWSLETTER_SECRET=SECRET)
    assert refused.returncode == 2
    assert "- Two & three" in refused.stderr
    assert relay.recipients == []
    done = run("send", "hello", "--as-begun", "--yes", "--smtp", relay.url, NEWSLETTER_SECRET=SECRET)
    assert done.returncode == 0, done.stderr
    assert all(b"Two & three" in message for _, message in relay.messages)
    assert len(relay.messages) == 3


def changed(issue: Issue, old: str, new: str) -> tuple[Piece, ...]:
    return tuple(piece.replace(old, new) if isinstance(piece, str) else piece for piece in issue.html)


def test_how_an_earlier_release_styled_the_html_is_no_change_of_the_post(begun: Path) -> None:
    composer = Composer(load_config(begun / "newsletter.toml"))
    fresh = composer.compose(composer.read(begun / POST)).issue
    frozen = Issue.loads(stored(begun)[0])
    html = changed(frozen, 'style="', 'class="x" style="zoom: 1; ')
    assert html != frozen.html
    styled = replace(frozen, html=html)
    assert fresh.is_still(styled, styled.hash)
    assert not fresh.is_still(styled, "0" * 64)
    told = replace(styled, html=changed(styled, "Two", "2"))
    assert not fresh.is_still(told, told.hash)
    today = replace(styled, format=FORMAT)
    assert not fresh.is_still(today, today.hash)


@pytest.mark.parametrize("options", [(), ("--as-begun",)])
def test_an_issue_that_a_newer_release_froze_is_refused_in_one_line(
    begun: Path, run: Run, options: tuple[str, ...]
) -> None:
    change(begun, format=FORMAT + 1)
    refused = run("send", "hello", "--yes", "--smtp", "smtp://127.0.0.1:9", *options, NEWSLETTER_SECRET=SECRET)
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert f"newsletter.db: the issue 'hello' was frozen by a newer newsletter (format {FORMAT + 1}" in refused.stderr


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "x"}', '{"id": "hello", "html": 3}', "null"])
def test_what_is_no_issue_is_told_not_traced_back(text: str) -> None:
    with pytest.raises(NewsletterError, match="holds an issue that can't be read"):
        Issue.loads(text)


def test_a_field_that_joins_later_leaves_the_hash_of_what_was_frozen_before(begun: Path) -> None:
    """A field of format 3 is no part of what format 2 says, whatever its value is."""

    @dataclass(frozen=True, slots=True)
    class Later(Issue):
        tracking: str = field(default="", metadata={"since": 3})

    frozen, hash_ = stored(begun)
    issue = Issue.loads(frozen)
    later = Later(**{one.name: getattr(issue, one.name) for one in fields(issue)}, tracking="on")
    assert later.hash_as(1) == hash_
    assert later.hash_as(2) == issue.hash_as(2)
    assert later.hash_as(3) != issue.hash_as(3)
