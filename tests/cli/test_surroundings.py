"""Where and how the command runs: pipes, terminals, folders, alphabets, disks."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import POST, Call
from tests.smtp.listening import free_port

NEWSLETTER = str(Path(sys.executable).parent / "newsletter")
LONG = POST + "\n".join(f"Paragraph {number} of a post that fills more than a pipe holds.\n" for number in range(3000))


def shell(command: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command.replace("newsletter ", f"{NEWSLETTER} ", 1)],
        cwd=folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=200,
    )  # fmt: skip


@pytest.mark.parametrize("command", ["newsletter --help", "newsletter send --help", "newsletter render hello"])
def test_a_closed_pipe_ends_in_silence(folder: Path, command: str) -> None:
    (folder / "posts" / "2026-05-04-hello.md").write_text(LONG)
    done = shell(f"{command} | true", folder)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["newsletter --help", "newsletter render hello", "newsletter subscribers check"])
def test_output_that_cannot_be_written_is_one_line(folder: Path, command: str) -> None:
    done = shell(f"{command} > /dev/full", folder)
    assert done.returncode == 2
    assert done.stderr == "newsletter: no space left on device; make room, then run the command again\n"


def test_a_closed_output_is_no_fault(folder: Path) -> None:
    for command in ("newsletter --help >&-", "newsletter subscribers check >&- 2>&-"):
        done = shell(command, folder)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_without_the_letters_shows_what_it_can(folder: Path) -> None:
    (folder / "posts" / "2026-05-04-hello.md").write_text(POST.replace("title: Hello", "title: Łódź ☃"))
    (folder / "subscribers.csv").write_text("email,name\nada.example.org,Łucja\ngrace@example.org,Grace\n")
    done = shell("newsletter send hello --dry-run", folder, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "Subject      ?" in done.stdout
    (folder / "posts" / "2026-05-04-hello.md").rename(folder / "posts" / "łódź.md")
    done = shell("newsletter send łódź --dry-run --json", folder, PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)["post"] == "posts/łódź.md"


def test_a_subfolder_and_another_folder_are_as_good(folder: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(folder / "a" / "b")
    for typed in ("hello", "posts/2026-05-04-hello.md", "../../posts/2026-05-04-hello.md"):
        assert call("render", typed, "--format", "text")[0] == 0
    assert call("render", "hello", "-o", "out.html")[0] == 0
    assert (folder / "a" / "b" / "out.html").exists()
    assert call("render", "helo") == (2, "", "newsletter: no post 'helo'; did you mean 'hello'?\n")
    (folder / "newsletter.toml").write_text("[newsletter]\ntitel = 'x'\n")
    assert call("status")[2].startswith("newsletter: ../../newsletter.toml:2: unknown key")
    (folder / "newsletter.toml").rename(folder / "a" / "other.toml")
    assert call("--config", "../other.toml", "status")[2].startswith("newsletter: ../other.toml:2: unknown key")


def test_a_server_ends_well_at_ctrl_c_from_any_shell_and_names_the_port_that_was_taken(folder: Path) -> None:
    port, smtp_port = free_port(), free_port()

    def started() -> "tuple[subprocess.Popen[str], list[str]]":
        server = subprocess.Popen(
            ["sh", "-c", 'trap "" INT; exec "$@"', "sh", NEWSLETTER, "inbox", "--no-open", "--port", str(port),
             "--smtp-port", str(smtp_port)],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert server.stdout is not None
        return server, [server.stdout.readline() for _ in range(3)]

    first, _ = started()
    second, said = started()
    assert said[0].endswith(f"  (port {smtp_port} is taken)\n")
    assert said[1].endswith(f"  (port {port} is taken)\n")
    for server in (first, second):
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=200)
        assert (server.returncode, errors) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_preview_ends_well_when_it_is_stopped(folder: Path, number: signal.Signals) -> None:
    server = subprocess.Popen(
        [NEWSLETTER, "preview", "--no-open", "--port", "0"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    assert server.stdout.readline().startswith("preview  http://localhost:")
    server.send_signal(number)
    _, errors = server.communicate(timeout=200)
    assert (server.returncode, errors) == (0, "")
