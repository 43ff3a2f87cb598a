"""Several connections and several relays share the work, as fast as each is asked to go."""

import asyncio
from pathlib import Path

from newsletter.delivery.pace import IN_A_ROW
from tests.delivery.relay_server import RelayServer, Talk, serving
from tests.delivery.sending import people, rows, send


async def test_a_rate_is_shared_by_all_connections(tmp_path: Path) -> None:
    async with serving(RelayServer()) as server:
        report = await send(tmp_path / "newsletter.db", f"{server.url}?rate=200/s", people(400), connections=8)
    assert report.sent == 400
    assert 1.8 <= report.seconds < 6  # exactness is held with a clock of its own in test_pace


async def test_several_relays_share_the_work(tmp_path: Path) -> None:
    async with serving(RelayServer()) as one, serving(RelayServer()) as two:
        report = await send(tmp_path / "newsletter.db", [one.url, two.url], people(300))
    assert report.sent == 300
    assert min(len(one.accepted), len(two.accepted)) > 50
    assert {row["relay"] for row in rows(tmp_path / "newsletter.db")} == {
        f"127.0.0.1:{server.port}" for server in (one, two)
    }


async def test_replies_that_ask_for_patience_slow_the_relay_down_and_lose_nobody(tmp_path: Path) -> None:
    seen: set[str] = set()
    connections = IN_A_ROW + 3
    stop = asyncio.Event()  # before what is slowed has to be waited for

    def script(_talk: Talk, command: str, argument: str) -> str | None:
        if command != "RCPT" or argument in seen or stop.is_set():
            return None
        seen.add(argument)
        if len(seen) == connections:
            stop.set()
        return "451 4.7.1 slow down"

    async with serving(RelayServer(script=script)) as server:
        report = await send(tmp_path / "newsletter.db", server.url, people(60), stop=stop, connections=connections)
        assert any(f"127.0.0.1:{server.port} slowed to" in note for note in report.notes)
        report = await send(tmp_path / "newsletter.db", server.url, people(60))
    assert report.pending == report.deferred == 0
    assert len(server.counts) == 60
    assert set(server.counts.values()) == {1}


async def test_now_and_then_a_greylisted_recipient_slows_nothing(tmp_path: Path) -> None:
    seen: set[str] = set()

    def script(_talk: Talk, command: str, argument: str) -> str | None:
        if command != "RCPT" or argument in seen or not argument.partition("@")[0].endswith(("3", "7")):
            return None
        seen.add(argument)
        return "451 4.7.1 greylisted"

    async with serving(RelayServer(script=script)) as server:
        report = await send(tmp_path / "newsletter.db", server.url, people(100), connections=1)
    assert report.sent == 100
    assert not any("slowed" in note for note in report.notes)
