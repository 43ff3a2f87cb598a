"""Several connections and several relays share the work, as fast as each is asked to go."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from newsletter.delivery.pace import IN_A_ROW
from newsletter.delivery.progress import Progress
from tests.delivery.relay_server import RelayServer, Talk, serving
from tests.delivery.sending import SHORT, execute, people, rows, send


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "newsletter.db"


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


async def test_a_relay_bound_to_domains_takes_their_recipients_and_nobody_else_s(path: Path) -> None:
    readers = [reader for each in zip(people(300, "example.com"), people(300), strict=True) for reader in each]
    async with serving(RelayServer()) as bound, serving(RelayServer()) as free:
        report = await send(path, [f"{bound.url}?domains=Example.COM,b.example.org&rate=500/s", free.url], readers)
    assert report.sent == 600
    assert bound.addresses == {reader.email for reader in people(300, "example.com")}
    assert free.addresses == {reader.email for reader in people(300)}


@pytest.mark.parametrize("away", [False, True])
async def test_nobody_stands_in_for_a_bound_relay_that_refuses_us_or_is_away(path: Path, away: bool) -> None:
    def script(_talk: Talk, command: str, _argument: str) -> str | None:
        return "550 5.7.26 unauthenticated sender" if command == "MAIL" else None

    readers = [*people(5, "example.com"), *people(30)]
    async with serving(RelayServer(script=script)) as bound, serving(RelayServer()) as free:
        url = "smtp://127.0.0.1:9" if away else bound.url
        report = await send(path, [f"{url}?domains=example.com", free.url], readers, timeouts=SHORT)
        assert report.stopped is not None
        assert (report.stopped.exit_code, report.sent, report.pending) == (75 if away else 3, 30, 5)
        assert ("127.0.0.1:9" if away else "5.7.26") in str(report.stopped)
        bound.script = None
        assert (await send(path, [f"{bound.url}?domains=example.com", free.url], readers)).sent == 5
    assert bound.addresses == {reader.email for reader in people(5, "example.com")}


async def test_a_used_up_day_keeps_nobody_claimed_and_the_next_one_has_a_larger_share(path: Path) -> None:
    stop, noon = asyncio.Event(), 86_400.0 * 20_000 + 43_200

    def on_progress(now: Progress) -> None:
        is_used_up = any("has had its share, and goes on at " in note for note in now.notes)
        if is_used_up and not (server.open_now or execute(path, "SELECT * FROM claims")):
            stop.set()

    async with serving(RelayServer()) as server:
        url, reports = f"{server.url}?rate=ramp+10/d+x2", []
        for moment in (noon, noon + 86_400.0):
            stop.clear()
            clock = partial(float, moment)
            reports.append(await send(path, url, people(40), clock=clock, on_progress=on_progress, stop=stop))
    assert [(report.sent, report.interrupted, report.pending) for report in reports] == [(10, True, 30), (20, True, 10)]
    assert set(server.counts.values()) == {1}
