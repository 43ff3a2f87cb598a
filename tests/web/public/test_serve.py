"""`serve` as a process: it starts without a relay and says so, answers, and ends in good order."""

import asyncio
import http.client
import re
import signal
import sys
from pathlib import Path

from tests.web.public.site import CONFIG, LIST


async def test_it_starts_without_a_relay_answers_and_ends_with_0(tmp_path: Path) -> None:
    (tmp_path / "newsletter.toml").write_text(
        CONFIG.format(path="", source="subscribers.csv", newsletter="", subscribers="")
    )
    (tmp_path / "subscribers.csv").write_text(LIST)
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "newsletter", "serve", "--port", "0", cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    ready = (await process.stdout.readline()).decode()
    found = re.search(r"localhost:(\d+)/", ready)
    assert found is not None, ready

    def ask() -> tuple[int, int]:
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=30)
        connection.request("GET", "/health", headers={"Host": "anything.example"})
        health = connection.getresponse()
        health.read()
        connection.request(
            "POST", "/subscribe", b"email=zoe%40example.org", {"Content-Type": "application/x-www-form-urlencoded"}
        )
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return health.status, answer.status

    assert await asyncio.to_thread(ask) == (200, 200)
    process.send_signal(signal.SIGTERM)
    _, err = await process.communicate()
    assert process.returncode == 0
    assert "no mail can be sent" in err.decode()
    assert "Traceback" not in err.decode()
    assert "zoe" not in err.decode()
