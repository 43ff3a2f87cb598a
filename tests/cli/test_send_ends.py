"""How a send ends, as a user and a script learn of it: words, exit codes, JSON."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Call, Run
from tests.delivery.relay_server import SWALLOW, RelayServer, Talk, serving

NEWSLETTER = Path(sys.executable).parent / "newsletter"


@pytest.fixture
def many(folder: Path) -> Path:
    """The newsletter with twelve people at three domains."""
    people = [f"reader{n}@example.{('org', 'net', 'com')[n % 3]},Reader {n}" for n in range(12)]
    (folder / "subscribers.csv").write_text("\n".join(["email,name", *people, ""]))
    return folder


async def send(run: Run, server: RelayServer, *options: str) -> "subprocess.CompletedProcess[str]":
    return await asyncio.to_thread(run, "send", "hello", "--yes", "--smtp", server.url, *options)


def refusing(reply: str, *, after: int = 0) -> RelayServer:
    server = RelayServer()

    def script(_talk: Talk, command: str, _argument: str) -> str | None:
        return reply if command == "." and len(server.accepted) >= after else None

    server.script = script
    return server


@pytest.mark.parametrize(
    ("reply", "after", "code"),
    [
        ("554 Message rejected: Email address is not verified", 0, 3),
        ("554 Message rejected: Email address is not verified", 4, 3),
        ("550 5.4.5 Daily user sending limit exceeded", 0, 75),
        ("550 5.4.5 Daily user sending limit exceeded", 4, 75),
        ("550 5.1.1 no such user", 4, 1),
    ],
)
async def test_the_exit_code_says_whether_to_mend_to_wait_or_to_look(
    many: Path, run: Run, reply: str, after: int, code: int
) -> None:
    async with serving(refusing(reply, after=after)) as server:
        done = await send(run, server, "--json")
    assert done.returncode == code, done.stderr
    said = json.loads(done.stdout)
    if code == 1:
        assert said["error"] is None
        assert said["failed"] == 12 - said["sent"]
    else:
        assert reply[4:] in said["error"]
        assert said["error"] in done.stderr
        assert (said["failed"], said["pending"]) == (0, 12 - said["sent"])


async def test_a_limit_that_leaves_somebody_out_is_not_the_end(many: Path, run: Run) -> None:
    async with serving(RelayServer()) as server:
        assert (await send(run, server, "--limit", "5")).returncode == 3
        assert (await send(run, server, "--limit", "7")).returncode == 0


async def test_a_relay_that_is_away_is_asked_again_later(many: Path, run: Run) -> None:
    done = await asyncio.to_thread(run, "send", "hello", "--yes", "--smtp", "smtp://127.0.0.1:9")
    assert done.returncode == 75
    assert "127.0.0.1:9" in done.stderr


async def test_rows_that_can_t_be_mailed_are_named_in_json_too(many: Path, run: Run) -> None:
    with (many / "subscribers.csv").open("a") as file:
        file.write("nobody.example.org,X\n")
    async with serving(RelayServer()) as server:
        said = json.loads((await send(run, server, "--json")).stdout)
    [row] = said["rejected"]
    assert (row["line"], row["email"]) == (14, "nobody.example.org")
    assert "no '@'" in row["reason"]


async def started(folder: Path, server: RelayServer, *options: str) -> asyncio.subprocess.Process:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NEWSLETTER_")}
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        NEWSLETTER, "send", "hello", "--yes", "--smtp", server.url, "--connections", "1", *options,
        cwd=folder, env=clean, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe,
    )  # fmt: skip


def silent_after(accepted: int, told: Callable[[], None]) -> RelayServer:
    """A server that has taken so many messages, and says nothing to the next."""
    server = RelayServer()

    def script(_talk: Talk, command: str, _argument: str) -> str | None:
        if command != "." or len(server.accepted) < accepted:
            return None
        told()
        return SWALLOW

    server.script = script
    return server


async def test_after_a_kill_the_run_that_finishes_names_who_stays_unknown_and_the_command(many: Path, run: Run) -> None:
    waiting = asyncio.Event()
    async with serving(silent_after(3, waiting.set)) as server:
        sender = await started(many, server)
        await waiting.wait()
        sender.kill()
        await sender.wait()
        server.script = None
        done = await send(run, server)
        assert done.returncode == 1, done.stderr
        assert set(server.counts.values()) == {1}
        [named] = [line for line in done.stdout.splitlines() if " unknown, who may have it: " in line]
        assert "reader3@example.org" in named
        assert "`newsletter send hello --resend-unknown` mails them again" in done.stdout
        again = await send(run, server)
        assert "nothing to send" in again.stdout
        assert "reader3@example.org" in again.stdout
        resent = await send(run, server, "--resend-unknown")
    assert resent.returncode == 0, resent.stdout
    assert len(server.counts) == 12


async def test_ctrl_c_twice_puts_no_blame_on_the_relay(many: Path) -> None:
    waiting = asyncio.Event()
    async with serving(silent_after(3, waiting.set)) as server:
        sender = await started(many, server)
        await waiting.wait()
        sender.send_signal(signal.SIGINT)
        assert sender.stderr is not None
        assert b"Ctrl-C again stops at once" in await sender.stderr.readline()
        sender.send_signal(signal.SIGINT)
        out, err = (text.decode() for text in await sender.communicate())
    assert sender.returncode == 130, err
    assert "closes without an answer" not in out + err
    assert "closed by the relay" not in out + err
    assert "stopped; run the same command again to go on" in err


async def test_a_live_send_into_the_test_inbox_is_refused(many: Path, run: Run) -> None:
    from newsletter.inbox.server import InboxServer
    from newsletter.inbox.store import Store

    with Store(many / "inbox") as store:
        async with InboxServer(store) as server:
            done = await asyncio.to_thread(run, "send", "hello", "--yes", "--smtp", server.url)
            rehearsed = await asyncio.to_thread(run, "send", "hello", "--dry-run", NEWSLETTER_INBOX__URL=server.url)
    assert done.returncode == 2
    assert "is the test inbox, where nobody reads" in done.stderr
    assert rehearsed.returncode == 0, rehearsed.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk of its own takes root")
@pytest.mark.parametrize("kilobytes", [800, 1100])
async def test_json_after_a_full_disk_says_what_the_ledger_says(folder: Path, kilobytes: int) -> None:
    """The disk fills up in the middle of the run, by the rows or by the log."""
    (folder / "subscribers.csv").write_text("email\n" + "".join(f"u{n}@example.org\n" for n in range(2000)))
    (folder / "full").mkdir()
    with (folder / "newsletter.toml").open("a") as config:
        config.write('\n[state]\nurl = "sqlite:///full/newsletter.db"\n')
    script = (
        f"mount -t tmpfs -o size={kilobytes}k none full\n"
        '"$0" send hello --yes --json --smtp "$1" >sent.json 2>said; echo $? >code\n'
        '"$0" status hello --json >status.json\n'
    )
    async with serving(RelayServer()) as server:
        process = await asyncio.create_subprocess_exec(
            "unshare", "-m", "sh", "-c", script, str(NEWSLETTER), server.url, cwd=folder
        )
        assert await process.wait() == 0
        taken = server.counts
    report = json.loads((folder / "sent.json").read_text())
    status = json.loads((folder / "status.json").read_text())
    assert (folder / "code").read_text() == "3\n"
    assert "the disk is full; make room, then run the same command again to go on" in report["error"]
    assert report["error"] in (folder / "said").read_text()
    assert (report["sent"], report["pending"]) == (status["sent"], status["pending"])
    assert report["unknown"] == status["sending"] + status["unknown"]
    assert report["sent"] <= len(taken) <= report["sent"] + report["unknown"]
    assert set(taken.values()) == {1}
    assert report["pending"] > 0


async def test_a_send_is_paused_resumed_and_cancelled_from_another_terminal(many: Path, run: Run) -> None:
    async with serving(RelayServer()) as server:
        sender = await started(many, server, "--rate", "1/s", "--json")
        while not server.accepted:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        said = (await asyncio.to_thread(run, "pause", "posts/2026-05-04-hello.md")).stdout
        assert said.startswith("paused 'hello': ")
        assert said.endswith(" of 12 sent; its sender waits; `newsletter resume hello` goes on\n")
        assert (await asyncio.to_thread(run, "resume", "hello")).stdout.startswith("'hello' goes on: ")
        cancelled = await asyncio.to_thread(run, "cancel", "hello", "--yes")
        out = json.loads((await sender.communicate())[0])
        accepted = len(server.accepted)
    assert cancelled.stdout == f"cancelled 'hello': {accepted} of 12 sent, {12 - accepted} skipped\n"
    assert (sender.returncode, out["state"], out["pending"]) == (3, "cancelled", 0)
    assert out["error"] == "the issue was cancelled; who was not mailed yet is skipped"


async def test_ctrl_c_at_a_paused_send_says_how_to_go_on_and_without_a_sender_resume_does(
    many: Path, run: Run, call_here: Call
) -> None:
    async with serving(RelayServer()) as server:
        assert (await send(run, server, "--limit", "2")).returncode == 3
        assert call_here("pause", "nobody")[2] == "newsletter: no issue 'nobody'; known: hello\n"
        said = call_here("pause", "hello")[1]
        assert said == ("paused 'hello': 2 of 12 sent; nobody sends it now; `newsletter resume hello` goes on\n")
        sender = await started(many, server)
        assert sender.stderr is not None
        assert b"10 left: paused; `newsletter resume hello` goes on" in await sender.stderr.readline()
        sender.send_signal(signal.SIGINT)
        out, err = (text.decode() for text in await sender.communicate())
        assert len(server.accepted) == 2
    assert sender.returncode == 130
    assert "Paused       it waits for `newsletter resume hello`" in out
    assert "stopped; run the same command again to go on\nit is paused; `newsletter resume hello` first\n" in err
    assert call_here("resume", "hello")[1] == (
        "'hello' goes on: 2 of 12 sent; nobody sends it now: run `newsletter send hello` to go on\n"
    )
    assert call_here("status")[1].splitlines()[1].split()[2] == "stopped"
    refused = "newsletter: there is nobody to ask; give --yes to cancel without asking\n"
    assert call_here("cancel", "hello")[::2] == (2, refused)
    assert call_here("cancel", "hello", "--yes")[1] == "cancelled 'hello': 2 of 12 sent, 10 skipped\n"
    code, _, err = call_here("send", "hello", "--yes")
    assert (code, err.split(";")[0]) == (2, "newsletter: issue 'hello' was cancelled")


async def test_a_scheduled_send_reads_the_list_again_when_its_hour_comes_and_goes_on_after_it(
    many: Path, run: Run
) -> None:
    assert run("status").returncode == 0  # what runs commands is ready by then
    at = f"{datetime.now(UTC) + timedelta(seconds=15):%Y-%m-%dT%H:%M:%S+00:00}"
    async with serving(RelayServer()) as server:
        sender = await started(many, server, "--at", at, "--limit", "5")
        assert sender.stdout is not None
        async for line in sender.stdout:
            if b"waiting until " in line:
                break
        else:
            pytest.fail("the send never waited")
        people = (many / "subscribers.csv").read_text().replace("reader0@", "late@")
        (many / "subscribers.csv").write_text(people)
        status = await asyncio.to_thread(run, "status")
        assert status.stdout.splitlines()[1].split()[2] == "scheduled"
        assert status.stdout.splitlines()[2].startswith("hello begins ")
        assert server.connections == 0
        _, err = await sender.communicate()
        assert "the list has changed meanwhile: 1 joined, 1 left" in err.decode()
        assert (sender.returncode, len(server.accepted)) == (3, 5)
        rest = await send(run, server, "--at", at)
    assert rest.returncode == 0, rest.stderr
    assert "late@example.org" in server.counts
    assert "reader0@example.org" not in server.counts


async def test_a_log_in_json_has_progress_and_report_and_no_address_unless_that_is_asked_for(
    many: Path, run: Run
) -> None:
    with (many / "subscribers.csv").open("a") as file:
        file.write("nobody.example.org,X\n")
    async with serving(refusing("554 5.6.0 <reader11@example.com> is odd", after=9)) as server:
        done = await send(run, server, "--log-format", "json")
        failed = await send(run, server, "--log-format", "json", "--log-addresses", "--retry-failed")
    assert (done.stdout, done.returncode) == ("", 1)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines if line["event"] != "progress"] == ["rejected", "note", "note", "report"]
    assert lines[0].items() >= {"path": "subscribers.csv", "line": 14, "reason": "no '@'", "level": "info"}.items()
    assert (lines[-1]["sent"], lines[-1]["failed"], lines[-1]["rejected"]) == (9, 3, 1)
    assert lines[-1]["replies"] == [{"reply": "554 5.6.0 <***@example.com> is odd", "count": 3}]
    assert "reader11@" not in done.stderr
    assert "nobody" not in done.stderr
    assert "<reader11@example.com> is odd" in failed.stderr
    wrong = await asyncio.to_thread(run, "send", "hello", "--log-format", "json", "--yes", "--smtp", "x")
    assert json.loads(wrong.stderr).items() >= {"event": "error", "level": "error", "code": 2}.items()
