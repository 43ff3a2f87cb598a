"""The long run: many kills and faults over a large list, ledger against the server's log. `make soak` runs it."""

import asyncio
import random
import signal
from pathlib import Path

import pytest

from .relay_server import ABORT, CLOSE, RelayServer, Talk, serving
from .sending import by_state, people, send
from .test_crash import start_sender

FAULTS = ("450 4.2.0 come back", "451 4.3.0 not now", "421 4.3.2 closing", "550 5.1.1 no such user", CLOSE, ABORT)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(5))
async def test_kills_and_faults_for_a_long_time_nobody_twice_and_nobody_lost(tmp_path: Path, seed: int) -> None:
    path, count, connections, kills = tmp_path / "newsletter.db", 30_000, 16, 40
    chance = random.Random(seed)

    def faulty(_talk: Talk, command: str, _argument: str) -> str | None:
        return chance.choice(FAULTS) if command in ("RCPT", "DATA", ".") and chance.random() < 0.01 else None

    async with serving(RelayServer(script=faulty)) as server:
        for number in range(kills):
            goal, reached = (number + 1) * count // (kills + 10), asyncio.Event()
            server.on_message = lambda got, goal=goal, reached=reached: reached.set() if got >= goal else None
            sender = await start_sender(path, server.url, count, connections)
            ended = asyncio.create_task(sender.wait())
            waiting = asyncio.create_task(reached.wait())
            await asyncio.wait({ended, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if sender.returncode is None:
                sender.send_signal(signal.SIGKILL)
            await ended
            await server.quiet()
        server.on_message = None
        await send(path, server.url, people(count), connections=connections)
    states = by_state(path)
    sent, unknown, failed = (states.get(state, set()) for state in ("sent", "unknown", "failed"))
    assert set(server.counts.values()) == {1}
    assert server.addresses <= sent | unknown
    assert sent <= server.addresses
    assert len(sent) + len(unknown) + len(failed) == count
