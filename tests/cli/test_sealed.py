"""The state and the list sealed with age, and a job that keeps its state on a branch: tried as shell."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from newsletter.state.sealed import new_key
from tests.cli.conftest import Call
from tests.cli.test_send import EVERYBODY, Relay, relay

__all__ = ["relay"]

SCRIPT = Path(__file__).parents[2] / "docs/examples/ci/send-from-branch.sh"
KEY, _ = new_key()


def test_a_sealed_list_is_read_as_it_is_and_edited_only_when_opened(
    folder: Path, call: Call, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWSLETTER_AGE_KEY", KEY)
    assert call("state", "seal", "subscribers.csv")[0] == 0
    assert b"ada@example.org" not in (folder / "subscribers.csv.age").read_bytes()
    (folder / "subscribers.csv").unlink()
    with (folder / "newsletter.toml").open("a") as config:
        config.write('[subscribers]\nsource = "subscribers.csv.age"\n')
    code, out, err = call(
        "send", "hello", "--where", "subscriber.city == 'Oslo'", "--yes", "--json", "--smtp", relay.url
    )
    assert (code, json.loads(out)["sent"]) == (0, 1), err
    assert call("send", "hello", "--yes", "--smtp", relay.url)[0] == 0
    assert relay.recipients == EVERYBODY
    code, _, err = call("subscribers", "add", "new@example.org")
    assert code == 2
    assert "subscribers.csv.age: is sealed: open it" in err
    assert json.loads(call("subscribers", "check", "--json")[1])["subscribers"] == 3
    monkeypatch.setenv("NEWSLETTER_AGE_KEY", new_key()[0])
    code, _, err = call("send", "hello", "--dry-run")
    assert (code, err.count("was sealed with another key; set NEWSLETTER_AGE_KEY to that one")) == (2, 1)
    monkeypatch.setenv("NEWSLETTER_AGE_KEY", KEY)
    assert call("state", "open", "subscribers.csv.age")[0] == 0
    assert (folder / "subscribers.csv").stat().st_mode & 0o777 == 0o600


def test_what_was_sealed_of_the_state_knows_who_was_mailed(
    folder: Path, call: Call, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("state", "seal")[0] == 2
    monkeypatch.setenv("NEWSLETTER_AGE_KEY", KEY)
    code, _, err = call("state", "seal")
    assert (code, "there is no ledger to seal" in err) == (2, True)
    assert call("send", "hello", "--yes", "--smtp", relay.url)[0] == 0
    secret = (folder / ".newsletter/secret").read_text()
    assert call("state", "seal")[0] == 0
    code, _, err = call("state", "open")
    assert (code, err) == (2, "newsletter: newsletter.db: is there already; --replace takes what is sealed instead\n")
    for name in ("newsletter.db", "newsletter.db-wal", "newsletter.db-shm", ".newsletter/secret"):
        (folder / name).unlink(missing_ok=True)
    assert call("state", "open")[0] == 0
    assert (folder / ".newsletter/secret").read_text() == secret
    assert call("send", "hello", "--yes", "--smtp", relay.url)[0] == 0
    assert relay.recipients == EVERYBODY
    (folder / "newsletter-state.age").write_bytes(b"nothing of the kind")
    code, _, err = call("state", "open", "--replace")
    assert code == 2
    assert "newsletter-state.age: is no file of age, or is damaged" in err


class Jobs:
    """Jobs that each begin with a fresh clone of one repository."""

    def __init__(self, folder: Path, relay: Relay) -> None:
        self.folder, self.relay, self.count = folder, relay, 0
        self.origin = folder.parent / "origin.git"
        (folder / ".gitignore").write_text("newsletter.db*\n.newsletter/\n")
        config = folder / "newsletter.toml"
        config.write_text(config.read_text().replace("smtp://localhost:1025", relay.url))
        subprocess.run(["git", "init", "--quiet", "--bare", self.origin], check=True)
        for words in (
            ["init", "--quiet"],
            ["add", "."],
            ["commit", "--quiet", "-m", "x"],
            ["push", "-q", self.origin, "HEAD:main"],
        ):
            subprocess.run(
                ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", *words], cwd=folder, check=True
            )

    def clone(self) -> Path:
        self.count += 1
        clone = self.folder.parent / f"clone{self.count}"
        subprocess.run(["git", "clone", "--quiet", "--branch", "main", self.origin, clone], check=True)
        return clone

    def start(self, *words: str, cwd: Path | None = None) -> "subprocess.Popen[str]":
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "CI": "true", "NEWSLETTER_AGE_KEY": KEY}
        return subprocess.Popen(
            ["sh", SCRIPT, *words], cwd=cwd or self.clone(), env=environment, stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *words: str) -> tuple[int, str]:
        job = self.start(*words)
        err = job.communicate(timeout=200)[1]
        return job.returncode, err


@pytest.fixture
def jobs(tmp_path: Path, folder: Path, relay: Relay) -> Jobs:
    repository = tmp_path / "repository"
    repository.mkdir()
    for name in ("newsletter.toml", "posts", "subscribers.csv"):
        (folder / name).rename(repository / name)
    return Jobs(repository, relay)


def test_jobs_that_share_a_place_of_their_own_mail_everybody_once(jobs: Jobs, relay: Relay, tmp_path: Path) -> None:
    place = tmp_path / "srv"
    place.mkdir()
    (jobs.folder / "subscribers.csv").rename(place / "subscribers.csv")
    environment = {
        **os.environ,
        "CI": "true",
        "NEWSLETTER_STATE__URL": f"sqlite:///{place}/newsletter.db",
        "NEWSLETTER_STATE__DIR": f"{place}/state",
        "NEWSLETTER_SUBSCRIBERS__SOURCE": f"{place}/subscribers.csv",
    }

    def start(*words: str) -> "subprocess.Popen[str]":
        command = [
            str(Path(sys.executable).parent / "newsletter"),
            "send",
            "--new",
            "--yes",
            "--since",
            "2026-05-01",
            *words,
        ]
        return subprocess.Popen(command, cwd=jobs.clone(), env=environment, stdin=subprocess.DEVNULL, text=True)

    assert start().wait(200) == 2  # nothing was ever sent, and nobody said that this is right
    two = [start("--first"), start("--first")]
    codes = sorted(job.wait(200) for job in two)
    assert codes in ([0, 0], [0, 75])
    assert start().wait(200) == 0
    assert relay.recipients == EVERYBODY
    for file in place.glob("newsletter.db*"):
        file.unlink()
    assert start().wait(200) == 2  # the state was lost
    assert relay.recipients == EVERYBODY


def test_jobs_in_fresh_clones_mail_everybody_once_and_a_lost_state_is_noticed(
    jobs: Jobs, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, err = jobs.run("--since", "2026-05-01")
    assert (code, "there is no branch newsletter-state: if nothing was ever sent, give --first" in err) == (2, True)
    assert relay.messages == []
    monkeypatch.setenv("NEWSLETTER_SMTP__CONNECTIONS", "1")
    arrived, answer, take = threading.Event(), threading.Event(), relay.handle_DATA

    async def slowly(server: Any, session: Any, envelope: Any) -> str:
        arrived.set()
        await asyncio.to_thread(answer.wait, 100)
        return await take(server, session, envelope)

    monkeypatch.setattr(relay, "handle_DATA", slowly)
    job = jobs.start("--first", "--since", "2026-05-01")
    assert arrived.wait(100)
    job.terminate()  # cancelled in the middle: it stops, and its state is kept
    assert job.stderr is not None
    assert any("stopping" in line for line in job.stderr)
    answer.set()
    assert (job.communicate(timeout=200), job.returncode)[1] == 130
    assert 0 < len(relay.recipients) < len(EVERYBODY)
    two = [jobs.start("--since", "2026-05-01") for _ in range(2)]  # at once
    codes = sorted((job.communicate(timeout=200), job.returncode)[1] for job in two)
    assert codes in ([0, 0], [0, 75])
    assert relay.recipients == EVERYBODY
    clone = jobs.clone()  # a job that dies after it claimed the state
    for words in (["fetch", "-q", "origin", "newsletter-state"], ["checkout", "-q", "--detach", "FETCH_HEAD"]):
        subprocess.run(["git", *words], cwd=clone, check=True)
    (clone / "claimed").write_text("1000 job 7\n")
    own = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    for words in (["add", "claimed"], ["commit", "-qm", "claimed"], ["push", "-q", "origin", "HEAD:newsletter-state"]):
        subprocess.run(["git", *own, *words], cwd=clone, check=True)
    code, err = jobs.run()
    assert (code, "job 7 claimed the state" in err) == (2, True)
    assert relay.recipients == EVERYBODY
