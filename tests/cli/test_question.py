"""The question before a live send, asked in a real terminal."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from newsletter.delivery.ledger.sqlite import SqliteLedger
from tests.cli.conftest import Run
from tests.cli.terminals import NEWSLETTER, terminal
from tests.delivery.sending import people, plan

ASKING = Path(__file__).parent / "asking.py"
SEND = [NEWSLETTER, "send", "hello", "--smtp", "smtp://127.0.0.1:1"]


def answered(folder: Path, keys: str) -> str:
    """What the question makes of `keys`."""
    ask = "from newsletter.cli.console import confirm; answer = confirm('Send?'); print('it was', answer)"
    with terminal(folder, sys.executable, "-c", ask) as (process, keyboard, until):
        until("[y/N]")
        os.write(keyboard, keys.encode())
        assert process.wait(200) == 0
        return until("it was ").split("it was ")[1].strip()


def test_ctrl_c_at_any_moment_of_the_question_is_heard() -> None:
    done = subprocess.run([sys.executable, ASKING, "60"], capture_output=True, text=True, timeout=200)
    assert (done.stdout, done.stderr) == ('{"130": 60}\n', "")


def test_ctrl_c_at_the_question_stops_at_once_and_sends_nothing(folder: Path, run: Run) -> None:
    with terminal(folder, *SEND) as (process, keyboard, until):
        until("[y/N]")
        os.write(keyboard, b"\x03")
        assert process.wait(200) == 130
        assert until("stopped").endswith(" stopped\r\n")
    assert run("status", "--json").stdout == "[]\n"


def test_one_subscriber_is_asked_about_as_one(folder: Path) -> None:
    (folder / "subscribers.csv").write_text("email\nada@example.org\n")
    with terminal(folder, *SEND) as (_, _, until):
        assert "Send to 1 subscriber? [y/N]" in until("[y/N]")


def test_sigterm_at_the_question_is_as_good(folder: Path, run: Run) -> None:
    with terminal(folder, *SEND) as (process, _, until):
        until("[y/N]")
        process.send_signal(signal.SIGTERM)
        assert process.wait(200) == 130
    assert run("status", "--json").stdout == "[]\n"


@pytest.mark.parametrize("keys", ["y\n", " Yes \n", "yep\x7f\x7f\n"])
def test_yes_is_yes(folder: Path, keys: str) -> None:
    assert answered(folder, keys) == "True"


@pytest.mark.parametrize("keys", ["\n", "n\n", "yep\n", "\x04", "y\x04\x04"])
def test_anything_else_is_no(folder: Path, keys: str) -> None:
    assert answered(folder, keys) == "False"


def test_an_issue_is_cancelled_when_that_is_answered_with_yes(folder: Path, run: Run) -> None:
    with SqliteLedger(folder / "newsletter.db") as ledger:
        plan(ledger, people(2))
    for key, words, code in (("n", "nothing was cancelled; the same command asks again", 2), ("y", "2 skipped", 0)):
        with terminal(folder, NEWSLETTER, "cancel", "hello") as (process, keyboard, until):
            assert "'hello' (running): 0 of 2 sent\r\nCancel it for 2 subscribers? " in until("[y/N]")
            os.write(keyboard, f"{key}\n".encode())
            assert process.wait(200) == code
            until(words)


def test_what_was_typed_before_the_question_is_no_answer(folder: Path) -> None:
    with terminal(folder, *SEND) as (process, keyboard, until):
        os.write(keyboard, b"y\n")
        until("[y/N]")
        os.write(keyboard, b"\n")
        assert process.wait(200) == 2
        assert "nothing was sent; the same command asks again" in until("again")


def test_without_a_person_or_a_stdin_there_is_nobody_to_ask(folder: Path, run: Run) -> None:
    nobody = "newsletter: there is nobody to ask; give --yes to send without asking\n"
    done = run(*SEND[1:])
    assert (done.returncode, done.stderr) == (2, nobody)
    done = subprocess.run(
        ["sh", "-c", f"{' '.join(SEND)} <&-"], cwd=folder, capture_output=True, text=True, timeout=200
    )
    assert (done.returncode, done.stderr) == (2, nobody)
    assert json.loads(run("status", "--json").stdout) == []
