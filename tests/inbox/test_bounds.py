"""What the test inbox takes of the disk and of memory, however much comes."""

import asyncio
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import aiosmtplib
import pytest

from newsletter.inbox.server import InboxServer
from newsletter.inbox.store import Store


def a_message(chance: random.Random, lines: int) -> bytes:
    words = (" ".join(f"word{chance.randrange(20_000)}" for _ in range(8)) for _ in range(lines))
    return b"From: ada@example.org\r\nSubject: Oaks\r\n\r\n" + "\r\n".join(words).encode()


def test_what_goes_makes_room_for_what_comes(tmp_path: Path) -> None:
    chance = random.Random(1)
    came = [a_message(chance, 100) for _ in range(20)]
    with Store(tmp_path, limit=20) as store:
        for _ in range(15):
            for message in came:
                store.add("ada@example.org", ["ben@example.net"], message)
            store.flush()
    kept = sum(path.stat().st_size for path in (tmp_path / "new").iterdir())
    assert kept == sum(map(len, came))
    words = (tmp_path / "index.sqlite").stat().st_size
    assert words < 5 * kept, f"{words} bytes for {kept}"


async def test_in_a_quiet_moment_lists_of_words_become_one_and_the_file_shrinks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("newsletter.inbox.server.QUIET", 0.0)
    monkeypatch.setattr("newsletter.inbox.words._FREE_PAGES", 20)
    chance, path = random.Random(1), tmp_path / "index.sqlite"
    with Store(tmp_path, limit=20) as store:
        for _ in range(10):
            for _ in range(6):
                store.add("ada@example.org", ["ben@example.net"], a_message(chance, 100))
            store.flush()
        with sqlite3.connect(path) as index:  # most is in the journal yet
            before = index.execute("PRAGMA page_count").fetchone()[0] * 4096
        found = store.search("word1").rows
        compact, over = store.compact, asyncio.Event()
        loop = asyncio.get_running_loop()

        def told() -> bool:
            more = compact()
            if not more:
                loop.call_soon_threadsafe(over.set)
            return more

        monkeypatch.setattr(store, "compact", told)
        async with InboxServer(store) as server:
            async with aiosmtplib.SMTP(hostname="127.0.0.1", port=server.port) as client:
                await client.sendmail("ada@example.org", "ben@example.net", b"Subject: Oaks\r\n\r\nacorns\r\n")
            await asyncio.wait_for(over.wait(), 60)
        assert store.search("word1").rows[-len(found) + 1 :] == found[: len(found) - 1]
        assert path.stat().st_size < before * 0.8
    with sqlite3.connect(path) as index:
        assert index.execute("SELECT count(DISTINCT segid) FROM words_idx").fetchone()[0] < 8


def test_more_lists_than_a_search_should_look_through_become_fewer_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("newsletter.inbox.words.MOST_LISTS", 10)
    with Store(tmp_path) as store:
        for number in range(40):
            store.add("ada@example.org", ["ben@example.net"], b"Subject: Oak %d\r\n\r\nacorns\r\n" % number)
            store.flush()
        assert store.search("acorns").total == 40
    with sqlite3.connect(tmp_path / "index.sqlite") as index:
        assert index.execute("SELECT count(DISTINCT segid) FROM words_idx").fetchone()[0] <= 12


@pytest.mark.soak
@pytest.mark.skipif(not shutil.which("smtp-source"), reason="Postfix's smtp-source is not there")
def test_six_thousand_messages_take_no_more_than_the_docs_say(tmp_path: Path) -> None:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        smtp, web = one.getsockname()[1], other.getsockname()[1]
    message = tmp_path / "message"
    message.write_bytes(a_message(random.Random(1), 400).replace(b"\r\n", b"\n"))
    command = [sys.executable, "-m", "newsletter", "inbox", "--no-open", "--keep", "1000", "--smtp-port", str(smtp)]
    inbox = subprocess.Popen([*command, "--port", str(web)], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert inbox.stdout is not None
        assert inbox.stdout.readline().startswith("SMTP")
        sending = ["smtp-source", "-d", "-s", "10", "-m", "6000", "-f", "ada@example.org", "-t", "ben@example.net"]
        subprocess.run([*sending, "-F", str(message), f"127.0.0.1:{smtp}"], check=True, timeout=200)
        pids = [
            str(inbox.pid),
            *subprocess.run(["pgrep", "-P", str(inbox.pid)], capture_output=True, text=True).stdout.split(),
        ]
        assert len(pids) == 3
        status = "".join(Path(f"/proc/{pid}/status").read_text() for pid in pids)
        peak = sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        assert peak < 250_000, f"{peak} KB"
    finally:
        inbox.send_signal(signal.SIGINT)
        inbox.wait(60)
        if inbox.stdout is not None:
            inbox.stdout.close()
    folder = tmp_path / ".newsletter" / "inbox"
    assert len(list((folder / "new").iterdir())) == 1000
