"""`send --at-commit` and `--require-clean`, in a real repository."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Call
from tests.cli.test_send import EVERYBODY, Relay, parse, relay

__all__ = ["relay"]


@pytest.fixture
def git(folder: Path):
    def git(*words: str) -> str:
        own = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        done = subprocess.run(["git", *own, *words], cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    (folder / ".gitignore").write_text("subscribers.csv\nnewsletter.db*\n.newsletter/\n")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    return git


def test_a_post_goes_out_as_a_commit_has_it_and_the_commit_is_known(
    folder: Path, call: Call, relay: Relay, git
) -> None:
    first = git("rev-parse", "HEAD")
    post = folder / "posts" / "2026-05-04-hello.md"
    post.write_text(post.read_text().replace("title: Hello", "title: Mended"))
    git("commit", "--quiet", "-am", "second")
    mended = post.read_text()
    code, _, err = call("send", "posts/2026-05-04-hello.md", "--at-commit", "HEAD~1", "--yes", "--smtp", relay.url)
    assert code == 0, err
    assert relay.recipients == EVERYBODY
    assert {parse(data)["Subject"] for _, data in relay.messages} == {"Hello"}
    assert json.loads(call("status", "hello", "--json")[1])["commit"] == first
    assert post.read_text() == mended
    assert git("worktree", "list").count("\n") == 0
    assert git("status", "--porcelain") == ""


def test_what_is_not_committed_is_refused_where_that_is_asked(folder: Path, call: Call, relay: Relay, git) -> None:
    post = folder / "posts" / "2026-05-04-hello.md"
    committed = post.read_text()
    post.write_text(committed.replace("first line", "mended line"))
    code, _, err = call("send", "hello", "--require-clean", "--yes", "--smtp", relay.url)
    assert code == 2
    assert "not as it was committed: posts/2026-05-04-hello.md; commit it, or leave --require-clean out" in err
    post.write_text(committed)
    new = folder / "posts" / "new.md"
    new.write_text(committed)
    assert call("send", "new", "--require-clean", "--yes", "--smtp", relay.url)[0] == 2
    assert relay.messages == []
    assert call("send", "hello", "--require-clean", "--yes", "--smtp", relay.url)[0] == 0


def test_a_commit_that_is_none_is_refused_and_so_is_a_folder_without_git(folder: Path, call: Call, git) -> None:
    code, _, err = call("send", "hello", "--at-commit", "nowhere", "--dry-run")
    assert (code, err) == (
        2, "newsletter: --at-commit 'nowhere': there is no such commit here; `git log --oneline` names them\n",
    )  # fmt: skip
    (folder / ".git").rename(folder / "git-no-more")
    code, _, err = call("send", "hello", "--at-commit", "HEAD", "--dry-run")
    assert code == 2
    assert "--at-commit needs a git repository" in err
