"""`completion`: the scripts, asked in the shells themselves."""

import shutil
import subprocess
from pathlib import Path

import pytest

from newsletter.cli.app import COMMANDS
from tests.cli.conftest import Call

ASK = """\
source completion.bash
ask() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _newsletter; echo "${{COMPREPLY[*]}}"; }}
ask {words}
"""


@pytest.fixture
def script(folder: Path, call: Call) -> Path:
    path = folder / "completion.bash"
    path.write_text(call("completion", "bash")[1])
    return path


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("newsletter del", "deliveries"),
        ("newsletter send --dry", "--dry-run"),
        ("newsletter --config x.toml send hello --as-b", "--as-begun"),
        ("newsletter subscribers im", "import"),
        ("newsletter subscribers import --part", "--partial"),
        ("newsletter deliveries hello --state d", "deferred"),
        ("newsletter check --format ''", "text json github sarif junit"),
        ("newsletter send posts/he", ""),
    ],
)
def test_bash_offers_what_may_follow(script: Path, words: str, offered: str) -> None:
    done = subprocess.run(
        ["bash", "-c", ASK.format(words=words)], cwd=script.parent, capture_output=True, text=True, check=True
    )
    assert (done.stdout.strip(), done.stderr) == (offered, "")


ASK_ZSH = """\
compadd() {{ [[ $1 == -a ]] && print -r -- ${{(MP)2:#$PREFIX*}}; }}
_describe() {{ print -r -- ${{(M)${{(P)@[-1]}}:#$PREFIX*}} }}
_files() {{ print files }}
ask() {{ local words=("$@") CURRENT=$# PREFIX=$@[-1]; source ./completion.zsh; }}
ask {words}
"""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh here")
def test_zsh_offers_what_may_follow(folder: Path, call: Call) -> None:
    (folder / "completion.zsh").write_text(call("completion", "zsh")[1])
    expected = {
        "newsletter del": "deliveries:Show who got an issue, who did not, and what the relay said",
        "newsletter send --dry": "--dry-run:Into the test inbox; nothing is recorded",
        "newsletter --config x.toml send hello --as-b": "--as-begun:Finish the issue as it was begun, though the "
        "post has changed",
        "newsletter subscribers im": "import:Take people over from a CSV file or another house's export: shows what "
        "it would do, and asks",
        "newsletter deliveries hello --state d": "deferred",
        "newsletter check --format ''": "text json github sarif junit",
        "newsletter send posts/he": "files",
    }
    script = "\n".join(ASK_ZSH.format(words=words) for words in expected)
    done = subprocess.run(["zsh", "-f", "-c", script], cwd=folder, capture_output=True, text=True)
    assert (done.stdout.splitlines(), done.stderr) == (list(expected.values()), "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
def test_fish_offers_what_may_follow(folder: Path, call: Call) -> None:
    (folder / "completion.fish").write_text(call("completion", "fish")[1])
    expected = {
        "newsletter del": ["deliveries"],
        "newsletter send --dry": ["--dry-run"],
        "newsletter --config x.toml send hello --as-b": ["--as-begun"],
        "newsletter subscribers im": ["import"],
        "newsletter deliveries hello --state d": ["deferred"],
        "newsletter check --format ": ["github", "json", "junit", "sarif", "text"],
        "newsletter send posts/": ["posts/2026-05-04-hello.md"],
    }
    script = "source completion.fish\n" + "\n".join(f"complete -C '{words}'; echo" for words in expected)
    done = subprocess.run(["fish", "--no-config", "-c", script], cwd=folder, capture_output=True, text=True)
    told = [[line.split("\t")[0] for line in part.splitlines()] for part in done.stdout.split("\n\n")]
    assert (told[: len(expected)], done.stderr) == (list(expected.values()), "")


def test_every_command_is_in_every_script_and_shells_can_read_it(folder: Path, call: Call) -> None:
    for shell in ("bash", "zsh", "fish"):
        code, out, err = call("completion", shell)
        assert (code, err) == (0, "")
        assert all(f" {name}" in out or f'"{name}"' in out or f"{name}:" in out for name in COMMANDS)
        if program := shutil.which(shell):
            subprocess.run([program, "-n"], input=out, text=True, check=True)
    code, _, err = call("completion", "tcsh")
    assert (code, "'tcsh' is not one of 'bash', 'zsh', 'fish'" in err) == (2, True)


def test_a_variable_with_one_underscore_too_few_is_told(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSLETTER_SMTP_PASSWORD", "secret")
    code, _, err = call("status")
    assert code == 2
    assert err == (
        "newsletter: environment NEWSLETTER_SMTP_PASSWORD: sets no key of newsletter.toml; "
        "did you mean NEWSLETTER_SMTP__PASSWORD, with two underscores?\n"
    )
