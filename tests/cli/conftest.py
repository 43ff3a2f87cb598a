"""The command as a user runs it: in a folder of its own, as a process."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import run_command

Run = Callable[..., "subprocess.CompletedProcess[str]"]

CONFIG = """\
[newsletter]
title = "The Long View"
author = "Ada Moreau <ada@example.org>"
url = "https://example.org"
postal_address = "1 Main Street, Springfield"

[smtp]
url = "smtp://localhost:1025"

[unsubscribe]
mailto = "unsubscribe@example.org"
"""
POST = """\
---
title: Hello
subtitle: A slow letter about things that take longer than a career
date: 2026-05-04 09:00:00 +0100
author: Ada Moreau
---
The first line of a letter, with a [link](/about/).

## A heading

And a second paragraph, so that there is something to read.
"""
LIST = """\
email,name,city
ada@example.org,Ada Moreau,Lyon
grace@example.net,Grace Okafor,Leeds
linus@example.com,,Oslo
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A newsletter with a post and three subscribers."""
    (tmp_path / "posts").mkdir()
    (tmp_path / "newsletter.toml").write_text(CONFIG)
    (tmp_path / "posts" / "2026-05-04-hello.md").write_text(POST)
    (tmp_path / "subscribers.csv").write_text(LIST)
    return tmp_path


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `newsletter` with the arguments in the test's folder; keyword arguments are environment variables."""

    def run(*arguments: str, cwd: Path = tmp_path, **environment: str) -> "subprocess.CompletedProcess[str]":
        clean = {name: value for name, value in os.environ.items() if not name.startswith("NEWSLETTER_")}
        return run_command(arguments, cwd, {**clean, **environment})

    return run


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run `newsletter` in the newsletter `folder`, or where the test has gone: the exit code, stdout, stderr."""
    for name in os.environ:
        if name.startswith("NEWSLETTER_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(folder)

    def call(*arguments: str) -> tuple[int, str, str]:
        done = run_command(arguments, Path.cwd(), os.environ)
        return done.returncode, done.stdout, done.stderr

    return call


@pytest.fixture
def call_here(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """As `call`, in the test's own process: for a test that changes something inside of the program."""
    for name in os.environ:
        if name.startswith("NEWSLETTER_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    def call(*arguments: str) -> tuple[int, str, str]:
        from newsletter.cli.app import run

        capfd.readouterr()
        code = run([*arguments])
        said = capfd.readouterr()
        return code, said.out, said.err

    return call


DATABASE = CONFIG + '\n[subscribers]\nsource = "database"\n'


@pytest.fixture(params=["csv", "database"])
def listed(request: pytest.FixtureRequest, folder: Path, call: Call) -> Path:
    """The newsletter with its three subscribers, in the file or in the database."""
    if request.param == "database":
        (folder / "newsletter.toml").write_text(DATABASE)
        code, _, err = call("subscribers", "import", "subscribers.csv", "--yes")
        assert code == 0, err
        (folder / "subscribers.csv").unlink()
    return folder


def people(call: Call, *arguments: str) -> dict[str, dict[str, Any]]:
    code, out, err = call("subscribers", "list", "--json", *arguments)
    assert code == 0, err
    return {row["email"]: row for row in json.loads(out)}
