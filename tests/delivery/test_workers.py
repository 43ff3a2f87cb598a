"""Many workers: shards are taken, given back, taken over; nobody twice, nobody lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from newsletter.config.settings import Config, load_config
from newsletter.delivery.ledger.plan import Queueing, make_plan
from newsletter.delivery.workers.secret import secret_digest
from newsletter.delivery.workers.worker import Worker
from newsletter.errors import NewsletterError
from newsletter.smtp.relay import parse_relay
from newsletter.state.postgres import PostgresDatabase
from tests.cli.conftest import CONFIG
from tests.postgres import PostgresServer

from .relay_server import RelayServer, serving
from .sending import QUICK, an_issue, by_state, execute, ledger_at, people


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A worker's: no list, no posts."""
    (tmp_path / "newsletter.toml").write_text(CONFIG)
    monkeypatch.setenv("NEWSLETTER_SECRET", "a secret that all hosts share")
    return load_config(tmp_path / "newsletter.toml")


def queue(config: Config, place: str, count: int, send_before: float | None = None) -> None:
    """What `send --detach` does."""
    with ledger_at(place) as ledger:
        ledger.hold("hello")
        made = make_plan(ledger, an_issue(), ledger.read_audience(enumerate(people(count), 2)))
        ledger.queueing = Queueing(rate=1.0, secret=secret_digest(config, "hello"))
        ledger.freeze(replace(made, asked=replace(made.asked, send_before=send_before)))


@contextlib.asynccontextmanager
async def working(config: Config, place: str, url: str, connections: int = 3) -> AsyncIterator[Worker]:
    """A worker, stopped in good order at the end."""
    stop, said = asyncio.Event(), list[str]()
    relays = [parse_relay(url, connections=connections)]
    worker = await asyncio.to_thread(Worker, config, PostgresDatabase(place), relays, QUICK, said.append)
    running = asyncio.create_task(worker.run(stop, asyncio.Event()))
    try:
        yield worker
    finally:
        stop.set()
        await running


def reaching(relay: RelayServer, goal: int) -> asyncio.Event:
    """Set when the relay has taken so many."""
    reached = asyncio.Event()
    relay.on_message = lambda got: reached.set() if got >= goal else None
    return reached


async def test_two_workers_share_an_issue_and_leave_nothing_behind(postgres: PostgresServer, config: Config) -> None:
    place = postgres.ready()
    queue(config, place, 600)
    assert execute(place, "SELECT count(*) FROM newsletter_queue.procrastinate_jobs WHERE status = 'todo'") == [(6,)]
    async with serving(RelayServer()) as relay:
        reached = reaching(relay, 600)
        async with working(config, place, relay.url) as one, working(config, place, relay.url) as two:
            await reached.wait()
    assert one.totals["sent"] + two.totals["sent"] == 600
    assert set(relay.counts.values()) == {1}
    assert by_state(place).keys() == {"sent"}
    assert execute(place, "SELECT queued FROM issues") == [(None,)]
    assert execute(place, "SELECT number FROM workers") == []
    assert execute(place, "SELECT status FROM newsletter_queue.procrastinate_jobs") == []


async def test_a_worker_with_another_secret_sends_nothing(
    postgres: PostgresServer, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = postgres.ready()
    queue(config, place, 1)
    monkeypatch.setenv("NEWSLETTER_SECRET", "a secret of this host's own")
    other = load_config(config.root / "newsletter.toml")
    relays = [parse_relay("smtp://127.0.0.1:9")]
    worker = await asyncio.to_thread(Worker, other, PostgresDatabase(place), relays, QUICK, print)
    with pytest.raises(NewsletterError, match="'hello' was planned with; set NEWSLETTER_SECRET"):
        await worker.run(asyncio.Event(), asyncio.Event())
