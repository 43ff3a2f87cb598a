"""What a newsletter keeps is its owner's, whichever command makes it first and whatever the umask."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from newsletter.inbox.store import Store
from newsletter.state import open_sqlite
from newsletter.state.private import private_folder
from tests.cli.command import run_command

CONFIG = """\
[newsletter]
title = "The Long View"
author = "Ada Moreau <ada@example.org>"
postal_address = "1 Main Street, Springfield"
[smtp]
url = "smtp://localhost:1"
[unsubscribe]
mailto = "unsubscribe@example.org"
"""
FIRST = (
    "render hello", "send hello --dry-run --yes", "send hello --to a@example.org", "send hello --yes", "status",
    "deliveries hello", "subscribers check", "check hello",
)  # fmt: skip
SERVERS = ("preview --no-open --port 0", "inbox --no-open --port 0 --smtp-port 0")


def modes(root: Path) -> dict[str, int]:
    kept = [root / ".newsletter", *(root / ".newsletter").rglob("*"), *root.glob("newsletter.db*")]
    return {str(path.relative_to(root)): stat.S_IMODE(path.stat().st_mode) for path in kept if path.exists()}


def wrong(root: Path) -> dict[str, str]:
    return {
        name: oct(mode) for name, mode in modes(root).items() if mode != (0o700 if (root / name).is_dir() else 0o600)
    }


def make(root: Path) -> Path:
    (root / "posts").mkdir()
    (root / "newsletter.toml").write_text(CONFIG, encoding="utf-8")
    (root / "subscribers.csv").write_text("email,name\nada@example.org,Ada\n", encoding="utf-8")
    (root / "posts/hello.md").write_text("---\ntitle: Hello\ndate: 2026-05-04\n---\n\nHello.\n", encoding="utf-8")
    return root


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "CI" and "NEWSLETTER" not in name}


@pytest.mark.parametrize("umask", [0o000, 0o077], ids=["umask 000", "umask 077"])
@pytest.mark.parametrize("command", FIRST)
def test_what_a_command_makes_first_is_closed_to_others(tmp_path: Path, command: str, umask: int) -> None:
    done = run_command(command.split(), make(tmp_path), environment(), umask)
    assert "Traceback" not in done.stderr
    assert wrong(tmp_path) == {}, done.stdout + done.stderr
    if command.startswith(("send hello --dry", "render")):
        assert ".newsletter/secret" in modes(tmp_path)


@pytest.mark.parametrize("command", SERVERS)
def test_what_a_server_makes_first_is_closed_to_others_while_it_runs(tmp_path: Path, command: str) -> None:
    run = subprocess.Popen(
        [sys.executable, "-m", "newsletter", *command.split()], cwd=make(tmp_path), umask=0, env=environment(),
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert run.stdout is not None
    lines = []
    for line in run.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    found, made = wrong(tmp_path), modes(tmp_path)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=100)
    assert found == {}, lines
    assert ".newsletter/page-token" in made
    assert command.startswith("preview") or ".newsletter/inbox/index.sqlite-wal" in made


def test_a_state_file_and_its_journals_are_closed_to_others(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with open_sqlite(tmp_path / "newsletter.db").connect():
            assert wrong(tmp_path) == {}
            assert "newsletter.db" in modes(tmp_path)
    finally:
        os.umask(before)


def test_a_folder_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    (tmp_path / ".newsletter").mkdir(mode=0o755)
    (tmp_path / ".newsletter/inbox").mkdir(mode=0o755)
    private_folder(tmp_path / ".newsletter")
    with Store(tmp_path / ".newsletter/inbox"):
        assert wrong(tmp_path) == {}
