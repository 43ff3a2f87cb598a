"""Every code block of README, tutorial and how-tos runs, in a fresh folder, and prints what the page says.

What belongs to other programs (a proxy's configuration, an installer) is not run here, and named in OTHERS; installing
is tests/test_wheel.py's. Servers are started no further than their options.
"""

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
import typer
import yaml

import newsletter.checks
import newsletter.compose.pipeline  # noqa: F401 (else each composing process loads them anew)
from newsletter.cli.app import build_app, run
from newsletter.config.settings import PLACEHOLDER, load_config
from newsletter.state.sealed import new_key
from tests.cli.test_send import Relay, relay
from tests.docs.blocks import Block, blocks

__all__ = ["relay"]

ROOT = Path(__file__).parents[2]
PLACE = Path(__file__).parent / "place"
PAGES = [ROOT / "README.md", ROOT / "docs/tutorial.md", *sorted((ROOT / "docs/how-to").glob("*.md"))]

SERVERS = {"preview", "inbox", "serve"}
INSTALLERS = {
    "uv",
    "pipx",
    "pip",
    "python3",
    "curl",
    "jq",
    "pytest",
    "sh",
    "some-filter",
    "oauth2-token",
    "git",
    "docker",
    "systemd-run",
}
"""Programs of others, and what tests/test_wheel.py and tests/cli/test_sealed.py run."""
ASKS = "there is nobody to ask"
ABSENT = ("there is no mailbox to read", "/var/mail/bounces: is no mbox file")
"""What is said of a mailbox that is not on this machine."""
LANGUAGES = {"css", "js", "caddy", "nginx", "ini", "html", "text", "none"}
"""Shown, and read by other programs. What is a template or a post is composed."""
PIECE = """\
<!DOCTYPE html><html lang="en" dir="ltr"><head><title>{{ issue.subject }}</title></head>
<body><div lang="en" dir="ltr">%s</div></body></html>
"""

CONFIG = """\
[newsletter]
title = "The Long View"
author = "Ada Moreau <ada@example.org>"
url = "https://example.org"
postal_address = "1 Main Street, Springfield"
[smtp]
url = "{relay}"
[unsubscribe]
mailto = "unsubscribe@example.org"
"""


@pytest.fixture
def place(tmp_path: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the pages speak of: a newsletter with the sample posts, a list, exports of other houses, a bounce."""
    for name in os.environ:
        if name.startswith("NEWSLETTER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO((PLACE / "bounce.eml").read_bytes())))
    shutil.copytree(PLACE, tmp_path, dirs_exist_ok=True)
    for name in ("new", "cur", "tmp", ".Bounces/new", ".Bounces/cur", ".Bounces/tmp"):
        (tmp_path / "home" / "Maildir" / name).mkdir(parents=True)
    (tmp_path / "newsletter.toml").write_text(CONFIG.format(relay=relay.url))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_of_the_page_runs(
    page: Path, place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if page.stem == "ci":
        seal(monkeypatch)
    reader = Reader(page, place, monkeypatch, capfd)
    for block in blocks(page):
        reader.take(block)
    reader.compose()


MAY_FIND = {"check", "doctor"}
"""Commands that end with 1 where they found something."""
OTHERS = (
    "Identity", "# _data/authors.yml", "<img src=*", "{% raw %}*", "<div class=*", "exclude: *", "15 *", "0 7 *",
    "newsletter._domainkey.example.org. IN TXT*", "Unsubscribe  https*", "NEWSLETTER_STATE__URL=*",
    "*New-ServicePrincipal *", "bounces: *",
)  # fmt: skip
"""What other programs read or print, by how it begins."""


def seal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that begins with the sealed state of an earlier one."""
    monkeypatch.setenv("NEWSLETTER_AGE_KEY", new_key()[0])
    assert run(["send", "oaks", "--yes", "--quiet"]) == run(["state", "seal"]) == 0
    for file in Path().glob("newsletter.db*"):
        file.unlink()


class Reader:
    """Somebody who types what the page says."""

    def __init__(self, page: Path, place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
        self.page, self.place, self.monkeypatch, self.capfd = page, place, monkeypatch, capfd
        self.printed = ""
        self.layouts: list[str] = []  # of the page's templates

    def take(self, block: Block) -> None:
        where = f"{self.page.name}:{block.line}"
        if block.commands:
            self.printed = "".join(self.type(line, where) for line in block.commands)
            for line in block.printed if block.language == "console" else ():
                assert said(line, self.printed), f"{where}: {line!r} is not in what is printed:\n{self.printed}"
        elif block.language == "toml":
            self.configure(block.text, where)
        elif block.language in {"yaml", "yml"}:
            yaml.safe_load(block.text)
        elif block.language == "python":
            compile(block.text, where, "exec")
        elif block.language == "markdown" and block.text.startswith("---"):
            (self.place / "posts/2026-05-25-shown.md").write_text(block.text, encoding="utf-8")
            self.run(["render", "shown"], where)
        elif block.language in {"html", "jinja", "text"} and re.search("{[{%#]", block.text):
            self.keep(block)
        elif not block.language:
            wanted = [one for one in block.text.splitlines() if one.strip()]
            missing = [one for one in wanted if not said(one, self.printed)]
            assert not missing or any(fnmatch.fnmatch(wanted[0], one) for one in OTHERS), f"{where}: {missing[:1]}"
        else:
            assert block.language in LANGUAGES, f"{where}: {block.language}"

    def keep(self, block: Block) -> None:
        """A template under the name that it, or the line above it, says; a piece of one in a page of its own."""
        above = self.page.read_text(encoding="utf-8").split("\n")[: block.line - 1]
        told = next(line for line in reversed(above) if line.strip())
        path = r"email_templates/([\w/.]+)"
        named = re.match(f"{{# {path}", block.text) or re.match(f"`{path}`", told)
        name = named[1] if named else f"piece{block.line}.html"
        file = self.place / "email_templates" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text if named else PIECE % block.text, encoding="utf-8")
        is_base = "{% block " in block.text and "{% extends " not in block.text
        if "/" not in name and name.endswith(".html") and not is_base:
            self.layouts.append(file.stem)

    def compose(self) -> None:
        """Make a mail with each template that the page has shown."""
        for layout in self.layouts:
            post = (self.place / "posts/2026-05-04-oaks.md").read_text(encoding="utf-8")
            post = post.replace("title: Oaks", f"title: Oaks\nlayout: {layout}")
            (self.place / f"posts/2026-05-26-{layout}.md").write_text(post, encoding="utf-8")
            printed = self.run(["render", layout], f"{self.page.name}: {layout}")
            assert layout.startswith("piece") or "Who planted the oaks" in printed, layout

    def type(self, line: str, where: str) -> str:
        """Run a line; what it prints."""
        printed = ""
        for part in re.split(r" && | \| (?=jq|newsletter)", line.rstrip("&").strip()):
            if part.split()[0] in INSTALLERS:
                continue
            words = shlex.split(part)
            while words and re.match(r"[A-Z][A-Z_]*=", words[0]):
                self.monkeypatch.setenv(*words.pop(0).split("=", 1))
            words = [os.path.expanduser(word) for word in words]
            if not words or words[0].rpartition("/")[2] in INSTALLERS:
                continue
            out = words[words.index(">") + 1] if ">" in words else None
            words = words[: words.index(">")] if out else words
            if words[0] == "python":
                printed += subprocess.run(
                    [sys.executable, *words[1:]], capture_output=True, text=True, check=True
                ).stdout
                continue
            if words[0] == "export":
                self.monkeypatch.setenv(*words[1].split("=", 1))
            elif words[0] == "cd":
                self.monkeypatch.chdir(self.place / words[1] if (self.place / words[1]).exists() else words[1])
            elif words[0] == "mkdir":
                Path(words[-1]).mkdir(parents=True)
            else:
                assert words[0] == "newsletter", f"{where}: {line}"
                printed += self.run(words[1:], where)
            if out is not None:
                Path(out).parent.mkdir(parents=True, exist_ok=True)
                Path(out).write_text(printed)
        return printed

    def run(self, words: list[str], where: str) -> str:
        command = next((word for word in words if not word.startswith("-")), "")
        if command in SERVERS and "--export" not in words:
            parsed = typer.main.get_command(build_app(command)).commands[command]  # type: ignore[attr-defined]
            parsed.make_context(command, words[words.index(command) + 1 :])
            return ""
        if command == "send" and "--dry-run" not in words and PLACEHOLDER in Path("newsletter.toml").read_text():
            shutil.copy(self.place / "newsletter.toml", "newsletter.toml")  # as the page has said in words
        if words[:2] == ["state", "open"]:  # a job begins with a fresh clone
            for file in Path().glob("newsletter.db*"):
                file.unlink()
        self.capfd.readouterr()
        code = run(words)
        out = self.capfd.readouterr()
        printed = out.out + out.err
        if code == 2 and ASKS in printed:
            return printed + self.run([*words, "--yes"], where)
        told = code == 2 and any(word in printed for word in ABSENT)
        assert code == 0 or told or (code == 1 and command in MAY_FIND), (
            f"{where}: {words} ended with {code}: {printed}"
        )
        return printed

    def configure(self, text: str, where: str) -> None:
        """The tables of a block, put over those of the newsletter; what they say must be read."""
        path = self.place / "newsletter.toml"
        known, new = tomllib.loads(path.read_text(encoding="utf-8")), tomllib.loads(text)
        trial = self.place / "trial.toml"
        merged = {name: {**known.get(name, {}), **new.get(name, {})} for name in {**known, **new}}
        trial.write_text("\n".join(table(name, keys) for name, keys in merged.items()), encoding="utf-8")
        load_config(trial)


def table(name: str, keys: dict[str, object]) -> str:
    lines = [f"[{name}]"]
    for key, value in keys.items():
        inner = (
            f"{{{', '.join(f'{one} = {toml(each)}' for one, each in value.items())}}}"
            if isinstance(value, dict)
            else toml(value)
        )
        lines.append(f"{key} = {inner}")
    return "\n".join(lines)


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + "}"
    return json.dumps(value)


def said(line: str, printed: str) -> bool:
    """Whether a line was printed; `…` stands for anything, and blanks are as many as one likes."""
    pattern = r"\s+".join(re.escape(word).replace("…", ".*?") for word in line.split())
    return re.search(pattern, printed) is not None
