"""Postfix's smtp-sink, where it is installed: a server that somebody else wrote, and its faults."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from .sending import by_state, people, send

SINK = shutil.which("smtp-sink", path="/usr/sbin:/usr/local/sbin:/usr/bin")
pytestmark = pytest.mark.skipif(SINK is None, reason="smtp-sink is not installed (Debian: postfix)")


@asynccontextmanager
async def sink(*options: str) -> AsyncIterator[str]:
    """smtp-sink on a free port; it does not say when it listens."""
    assert SINK is not None
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    process = await asyncio.create_subprocess_exec(SINK, "-u", "nobody", *options, f"127.0.0.1:{port}", "100")
    try:
        while True:
            assert process.returncode is None, "it ended; is the port taken?"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                break
            except OSError:
                await asyncio.sleep(0.01)
        writer.close()
        yield f"smtp://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize(
    "options", [(), ("-p",), ("-e",), ("-8",)], ids=["usual", "no PIPELINING", "no EHLO", "no 8BITMIME"]
)
async def test_everybody_is_served(tmp_path: Path, options: tuple[str, ...]) -> None:
    async with sink(*options) as url:
        report = await send(tmp_path / "newsletter.db", url, people(300))
    assert (report.sent, report.pending) == (300, 0)


@pytest.mark.parametrize(
    ("options", "states"),
    [
        (("-f", "RCPT"), {"failed"}),
        (("-r", "RCPT"), {"deferred"}),
        (("-r", "DATA"), {"deferred"}),
        (("-r", "."), {"deferred"}),
        (("-f", "MAIL"), {"pending"}),
        (("-q", "DATA"), {"pending", "deferred"}),
        (("-q", "."), {"unknown"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
async def test_a_fault_of_the_server_has_one_outcome(
    tmp_path: Path, options: tuple[str, ...], states: set[str]
) -> None:
    path = tmp_path / "newsletter.db"
    async with sink(*options) as url:
        await send(path, url, people(3), no_wait=True, connections=1)
    assert set(by_state(path)) <= states
