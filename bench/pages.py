"""The public pages under load: unsubscribe, view and one-click, at a rate, from another process; p50 and p99 in ms.

Once by themselves, and once while an issue goes out to a sink at full speed. What the server takes of a processor is
said besides, because a machine that others use says little of milliseconds.

PYTHONPATH=. python bench/pages.py [RATE] [SECONDS]
"""

import asyncio
import contextlib
import os
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from bench.sinks import sink
from newsletter.audience.token import load_secret, make_token
from newsletter.compose.composer import Composer
from newsletter.config.settings import load_config
from newsletter.state import open_state

CONFIG = """\
[newsletter]
title = "The Long View"
author = "Ada Moreau <ada@example.org>"
url = "https://example.org"
postal_address = "1 Main Street, Springfield"
[unsubscribe]
url = "https://news.example.org"
[subscribers]
source = "database"
"""
READERS = 20_000
CONNECTIONS = 64
"""More than answers are under way at once, so that hardly a request waits for one; where it does, that counts."""
LIST = 200_000
"""Who the issue that goes out meanwhile goes to."""


def prepare(folder: Path) -> list[tuple[str, bytes]]:
    """A newsletter whose issue everybody got; requests of each kind, by name."""
    (folder / "newsletter.toml").write_text(CONFIG)
    (folder / "posts").mkdir()
    (folder / "posts" / "hello.md").write_text(
        "---\ntitle: Hello\npersonalize: true\n---\n" + "Dear {{ subscriber.name }}.\n\n" * 40
    )
    config = load_config(folder / "newsletter.toml")
    composer = Composer(config)
    issue = composer.compose(composer.read(folder / "posts" / "hello.md")).issue
    engine = open_state(config)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO issues (number, id, post, subject, created, frozen, hash, list_hash) "
            "VALUES (1, ?, ?, 's', 1, ?, 'h', 'l')",
            (issue.id, issue.post, issue.dumps()),
        )
        rows = [(f"r{n}@example.org", f"r{n}@example.org", f"Reader {n}") for n in range(READERS)]
        connection.exec_driver_sql(
            "INSERT INTO deliveries (issue, key, email, name, columns, state) VALUES (1, ?, ?, ?, '{}', 'sent')", rows
        )
        connection.exec_driver_sql(
            "INSERT INTO subscribers (key, email, name, columns) VALUES (?, ?, '', '{}')",
            [(f"s{number}@example.org",) * 2 for number in range(LIST)],
        )
    (folder / "posts" / "other.md").write_text("---\ntitle: Other\n---\n" + "Some words for all.\n\n" * 40)
    engine.dispose()
    secret = load_secret(config)
    found = []
    for number in range(READERS):
        email = f"r{number}@example.org"
        for kind, path, method in (("unsubscribe", "u", "GET"), ("view", "v", "GET"), ("unsubscribe", "u", "POST")):
            body = b"List-Unsubscribe=One-Click" if method == "POST" else b""
            head = (
                f"{method} /{path}/{make_token(secret, kind, email, issue.id)} HTTP/1.1\r\nHost: localhost\r\n"
                f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            found.append((f"{method} /{path}", head.encode() + body))
    return found


async def load(port: int, requests: list[tuple[str, bytes]], rate: float, seconds: float) -> dict[str, list[float]]:
    """Send the requests at `rate` a second over a few connections; how long each took, from when it was due."""
    times: dict[str, list[float]] = {}
    began, count, wrong = time.perf_counter(), int(rate * seconds), 0
    numbers = iter(range(count))

    async def connection() -> None:
        nonlocal wrong
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            due = began + number / rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            name, data = requests[number % len(requests)]
            writer.write(data)
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(size)
            wrong += not head.startswith(b"HTTP/1.1 200")
            times.setdefault(name, []).append((time.perf_counter() - due) * 1000)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    assert not wrong, f"{wrong} answers were not 200"
    times["took"] = [time.perf_counter() - began]
    return times


async def main(rate: float, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        requests = prepare(Path(name))
        program = Path(sys.executable).parent / "newsletter"
        server = await asyncio.create_subprocess_exec(
            program, "serve", "--port", "8123", cwd=name,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert server.stdout is not None
        await server.stdout.readline()
        try:
            await load(8123, requests[-600:], 100, 3)  # warm
            await rounds(server.pid, requests[: len(requests) // 2], rate, seconds)
            with sink("fastsink") as where:
                print("while an issue goes out", flush=True)
                sending = await asyncio.create_subprocess_exec(
                    program, "send", "other", "--yes", "--smtp", f"smtp://127.0.0.1:{where.port}", cwd=name,
                    stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
                )  # fmt: skip
                await asyncio.to_thread(wait_begun, Path(name))
                await rounds(server.pid, requests[len(requests) // 2 :], rate, seconds)
                print("still going out" if sending.returncode is None else "it was out before")
                with contextlib.suppress(ProcessLookupError):
                    sending.kill()
                await sending.wait()
        finally:
            server.terminate()
            await server.wait()


def wait_begun(folder: Path) -> None:
    """Wait until the first recipients are claimed: the list is read and the plan is made."""
    with contextlib.closing(sqlite3.connect(folder / "newsletter.db")) as database:
        while not database.execute("SELECT 1 FROM claims LIMIT 1").fetchone():
            time.sleep(0.05)


async def rounds(server: int, requests: list[tuple[str, bytes]], rate: float, seconds: float) -> None:
    """Each kind of request in turn, and what came of it."""
    for kind in ("GET /u", "GET /v", "POST /u"):
        chosen = [request for request in requests if request[0] == kind]
        before, own = processor_time(server), time.process_time()
        times = await load(8123, chosen, rate, seconds)
        used, own = processor_time(server) - before, time.process_time() - own
        sorted_ = sorted(times[kind])
        done = len(sorted_) / times["took"][0]
        p50, p99 = sorted_[len(sorted_) // 2], sorted_[int(len(sorted_) * 0.99)]
        print(
            f"{kind:<8} asked {rate:,.0f}/s, done {done:,.0f}/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms, "
            f"{used / len(sorted_) * 1000:.2f} ms of a processor each, the load itself {own / len(sorted_) * 1000:.2f}",
            flush=True,
        )


def processor_time(process: int) -> float:
    """Seconds that a process has taken of the processors, in user and kernel mode."""
    user, system = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    asyncio.run(main(float((sys.argv[1:] or ["500"])[0]), float((sys.argv[2:] or ["10"])[0])))
