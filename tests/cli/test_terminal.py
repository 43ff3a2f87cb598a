"""What a person sees: colour, eighty columns, a bar; and what a program reads in its place."""

import re
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import POST, Run
from tests.cli.terminals import NEWSLETTER, terminal

PAINT = re.compile(r"\x1b\[[\d;]*m")
WRONG = POST.replace("[link](/about/)", "[click here](/about/) ![](images/oak.png)")
LATE = "next try in 5 min; Ctrl-C is safe, the same command goes on"


def seen(folder: Path, *command: str, columns: int = 80, **environment: str) -> str:
    """What a command that asks nothing shows on a terminal."""
    with terminal(folder, *command, columns=columns, **environment) as (process, _, until):
        shown = until("\0")
        process.wait(200)
    return shown.replace("\r\n", "\n")


@pytest.fixture
def checked(folder: Path) -> Path:
    (folder / "posts" / "2026-05-04-hello.md").write_text(WRONG)
    return folder


def test_colour_is_for_a_person_alone(checked: Path, run: Run) -> None:
    assert "\x1b[31m✗ error\x1b[0m posts/" in seen(checked, NEWSLETTER, "check", "hello")
    assert "\x1b" not in seen(checked, NEWSLETTER, "check", "hello", NO_COLOR="1")
    assert "\x1b" not in seen(checked, NEWSLETTER, "check", "hello", TERM="dumb")
    piped = run("check", "hello")
    assert "\x1b" not in piped.stdout + piped.stderr
    assert "\x1b[31mnewsletter:\x1b[0m no post 'helo'" in seen(checked, NEWSLETTER, "render", "helo")


@pytest.mark.parametrize("columns", [80, 50])
def test_no_word_is_broken_at_the_terminals_edge(checked: Path, run: Run, columns: int) -> None:
    shown = PAINT.sub("", seen(checked, NEWSLETTER, "check", "hello", "--info", columns=columns))
    piped = run("check", "hello", "--info")
    assert sorted(shown.split()) == sorted((piped.stderr + piped.stdout).split())
    longest = max(len(word) for word in shown.split())
    assert [line for line in shown.splitlines() if len(line) > max(columns, longest + 4)] == []
    assert any(len(line) > columns for line in piped.stderr.splitlines())


def progress(folder: Path, words: str) -> str:
    """What `progress` shows of 40 in 100."""
    show = f"from newsletter.cli.progress import progress\nwith progress(100, False) as show: show(40, {words!r})"
    return PAINT.sub("", seen(folder, sys.executable, "-c", show))


def test_the_bar_says_what_is_left_and_words_stand_below_it_whole(tmp_path: Path) -> None:
    words = "127.0.0.1:1: can't connect (connection refused); is it running? check [smtp] url"
    shown = progress(tmp_path, words)
    assert "40 of 100" in shown
    assert "60 left" in shown
    assert words in " ".join(shown.split())
    assert "…" not in shown


def test_the_bar_of_a_large_list_stays_on_its_line(tmp_path: Path) -> None:
    show = (
        "from newsletter.cli.progress import progress\n"
        "with progress(20_000_000, False) as show: show(12_345_678, '12,345/s, 1,234 deferred')"
    )
    shown = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", seen(tmp_path, sys.executable, "-c", show))
    lines = [line.strip() for line in re.split(r"[\r\n]+", shown)]
    assert any(line.startswith("sending") and line.endswith("12,345,678 of 20,000,000") for line in lines)
    assert any("7,654,322 left" in line and line.endswith("12,345/s, 1,234 deferred") for line in lines)


def test_a_command_to_type_is_not_broken_at_the_edge(tmp_path: Path) -> None:
    show = (
        "from newsletter.cli.console import say; say('x' * 60 + ' then `newsletter send hello --dry-run` rehearses it')"
    )
    shown = seen(tmp_path, sys.executable, "-c", show)
    assert any(line.startswith("`newsletter send hello --dry-run`") for line in shown.splitlines())


def test_the_bar_is_no_alarm(tmp_path: Path) -> None:
    show = "from newsletter.cli.progress import progress\nwith progress(100, False) as show: show(40, '')"
    shown = seen(tmp_path, sys.executable, "-c", show)
    assert "\x1b[32m━" in shown
    assert "\x1b[31m" not in shown
