"""Many workers: shards are taken, given back, taken over; nobody twice, nobody lost."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from newsletter.cli.worker import once_there
from newsletter.config.settings import Config, load_config
from newsletter.delivery import control
from newsletter.delivery.backlog import Backlog
from newsletter.delivery.engine import deliver, ending_with
from newsletter.delivery.ledger.plan import Queueing, make_plan
from newsletter.delivery.ledger.postgres import shards
from newsletter.delivery.ledger.postgres.worker import Keeper
from newsletter.delivery.workers.secret import secret_digest
from newsletter.delivery.workers.worker import Worker
from newsletter.errors import NewsletterError, TryAgainLater
from newsletter.smtp.relay import parse_relay
from newsletter.smtp.transaction import Transaction
from newsletter.state.postgres import PostgresDatabase
from tests.cli.conftest import CONFIG
from tests.postgres import PostgresServer

from .relay_server import SWALLOW, RelayServer, Talk, once, serving
from .sending import QUICK, PlainWriter, an_issue, by_state, execute, ledger_at, listing, people


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
        made = make_plan(ledger, an_issue(), ledger.read_audience(listing(people(count))))
        ledger.queueing = Queueing(rate=1.0, secret=secret_digest(config, "hello"))
        ledger.freeze(replace(made, asked=replace(made.asked, send_before=send_before)))


@contextlib.asynccontextmanager
async def working(
    config: Config, place: str, url: str, connections: int = 3, said: Callable[[str], None] = lambda _: None
) -> AsyncIterator[Worker]:
    """A worker, stopped in good order at the end."""
    stop = asyncio.Event()
    relays = [parse_relay(url, connections=connections)]
    worker = await asyncio.to_thread(Worker, config, PostgresDatabase(place), relays, QUICK, said)
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
    assert one.counts()["sent"] + two.counts()["sent"] == 600
    assert set(relay.counts.values()) == {1}
    assert by_state(place).keys() == {"sent"}
    assert execute(place, "SELECT queued FROM issues") == [(None,)]
    assert execute(place, "SELECT number FROM workers") == []
    assert execute(place, "SELECT status FROM newsletter_queue.procrastinate_jobs") == []


async def test_a_worker_that_starts_while_the_database_is_away_waits_and_one_of_a_wrong_address_ends_at_once(
    postgres: PostgresServer, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("newsletter.cli.worker.FIRST_PAUSE", 0.0)
    relays, stop = [parse_relay("smtp://127.0.0.1:9")], asyncio.Event()
    places = ["postgresql://reader@127.0.0.1:9/newsletter"] * 2 + [postgres.ready()]

    def make() -> Worker:
        return Worker(config, PostgresDatabase(places.pop(0)), relays, QUICK, print)

    worker = await once_there(make, stop)
    assert worker is not None
    stop.set()
    assert await once_there(make, stop) is None
    await worker.run(stop, asyncio.Event())
    places.append(postgres.url("nowhere"))
    with pytest.raises(NewsletterError, match=r'database "nowhere" does not exist.*see \[state\] url'):
        await once_there(make, asyncio.Event())


async def test_a_stop_leaves_a_relay_that_answers_no_more_in_time_and_one_message_of_a_connection_in_doubt(
    postgres: PostgresServer, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("newsletter.delivery.engine.DRAIN", 0.6)
    monkeypatch.setattr("newsletter.delivery.engine.LAST_BODY", 0.0)
    place, connections, hung = postgres.ready(), 2, asyncio.Event()
    queue(config, place, 50)

    def hangs(talk: Talk, command: str, argument: str) -> str | None:
        if command != "." or talk.messages < 3:
            return None
        hung.set()
        return SWALLOW

    slow = RelayServer(script=hangs)
    async with serving(slow) as relay, asyncio.timeout(15), working(config, place, relay.url, connections):
        await hung.wait()
    states = by_state(place)
    assert states["sent"] == relay.addresses
    assert states.keys() == {"sent", "unknown", "pending"}
    assert len(states["unknown"]) <= connections
    assert execute(place, "SELECT count(worker) FROM shards") == [(0,)]


async def test_nobody_is_mailed_while_the_server_s_disk_would_take_no_reply(
    postgres: PostgresServer, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("newsletter.delivery.workers.worker.LOOK", 0.1)
    monkeypatch.setattr("newsletter.delivery.workers.worker.FIRST_REST", 0.1)
    place, said = postgres.ready(), asyncio.Event()
    queue(config, place, 20)
    fails = "RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'"
    execute(place, f"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {fails}; END $$")
    execute(place, "CREATE TRIGGER full_disk BEFORE INSERT ON deliveries EXECUTE FUNCTION full_disk()")
    with ledger_at(place) as ledger:
        ledger.hold("hello")
        with pytest.raises(NewsletterError, match="disk is full; make room"):
            ledger.begin(3600.0)  # as `send` does

    def hear(what: str) -> None:
        if "disk is full; make room" in what:
            said.set()

    async with serving(RelayServer()) as relay, asyncio.timeout(20):
        reached = reaching(relay, 20)
        async with working(config, place, relay.url, said=hear):
            await said.wait()
            assert relay.bodies == 0
            execute(place, "DROP TRIGGER full_disk ON deliveries")
            await reached.wait()
    assert by_state(place).keys() == {"sent"}


@pytest.mark.parametrize("is_worker", [True, False], ids=["worker", "send"])
async def test_a_server_that_stands_still_keeps_nobody_who_is_to_stop(
    postgres: PostgresServer, config: Config, monkeypatch: pytest.MonkeyPatch, is_worker: bool
) -> None:
    monkeypatch.setattr("newsletter.delivery.engine.LAST_WORD", 0.5)
    place, loop, stop = postgres.ready(), asyncio.get_running_loop(), asyncio.Event()
    queue(config, place, 300)

    def freeze(got: int) -> None:
        if got == 30:
            frozen.enter_context(postgres.frozen())
            loop.call_soon(stop.set)

    async with serving(RelayServer(on_message=freeze)) as relay, asyncio.timeout(15):
        with contextlib.ExitStack() as frozen:
            if is_worker:
                async with working(config, place, relay.url):
                    await stop.wait()
            else:
                with ledger_at(place) as ledger:
                    ledger.hold("hello")
                    async with ending_with(stop, asyncio.Event(), ledger.end_within):
                        report = await deliver(
                            ledger, PlainWriter(), [parse_relay(relay.url, connections=3)], stop=stop
                        )
                assert report.unknown <= 2 * 3
                assert isinstance(report.stopped, TryAgainLater)
    states = by_state(place)
    assert relay.addresses <= states["sent"] | states["sending"]
    assert len(states["sending"]) <= 2 * 3


def test_whoever_is_put_back_waits_behind_those_whose_intents_are_written_already() -> None:
    waiting = Backlog()
    waiting.extend(Transaction(number, f"{number}@example.org", "", "{}") for number in range(4))
    for one in waiting.ahead(2):
        one.ahead = True
    waiting.put_back(Transaction(9, "9@example.org", "", "{}"))
    assert [waiting.take(("",)).id for _ in range(5)] == [0, 1, 9, 2, 3]


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


async def test_a_worker_that_has_lost_its_shards_sends_nothing_more_of_them(
    postgres: PostgresServer, config: Config
) -> None:
    """As one that was frozen finds them when it wakes: each has another epoch, and who was under way is unknown."""
    place, connections = postgres.ready(), 3
    queue(config, place, 300)
    stolen, lost = list[int](), asyncio.Event()

    def said(what: str) -> None:
        if "another worker has taken over" in what:
            lost.set()

    def steal(got: int) -> None:
        if got == 30:
            execute(place, "UPDATE deliveries SET state = 'unknown' WHERE state = 'sending'")
            execute(place, "UPDATE shards SET epoch = epoch + 1, worker = 0, job = NULL")
            stolen.append(len(relay.accepted))

    async with serving(RelayServer(on_message=steal)) as relay:
        async with working(config, place, relay.url, connections, said):
            await lost.wait()
        assert len(relay.accepted) <= stolen[0] + 2 * connections  # whose intents it had recorded by then
    states = by_state(place)
    assert relay.addresses <= states["sent"] | states["unknown"]
    assert set(relay.counts.values()) == {1}


async def test_a_full_disk_of_the_server_leaves_no_shard_behind(
    postgres: PostgresServer, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("newsletter.delivery.workers.worker.LOOK", 0.1)
    monkeypatch.setattr("newsletter.delivery.workers.worker.FIRST_REST", 0.1)
    place, loop, failures, done = postgres.ready(), asyncio.get_running_loop(), list[None](), asyncio.Event()
    kept, given_back = asyncio.Event(), shards.give_back
    queue(config, place, 300)
    fails = "RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'"
    execute(place, f"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {fails}; END $$")

    def give_back(*arguments: Any) -> None:
        try:
            given_back(*arguments)
        except psycopg.Error:
            failures.append(None)
            if len(failures) == 2:  # by the run that has failed, and by the worker in its place
                loop.call_soon_threadsafe(kept.set)
            raise

    def watch(got: int) -> None:
        if got == 60:
            for table in ("deliveries", "shards"):
                execute(place, f"CREATE TRIGGER full_disk BEFORE UPDATE ON {table} EXECUTE FUNCTION full_disk()")
        if kept.is_set() and execute(place, "SELECT count(*) FROM deliveries WHERE state = 'pending'") == [(0,)]:
            done.set()

    monkeypatch.setattr(shards, "give_back", give_back)
    async with serving(RelayServer(on_message=watch)) as relay, asyncio.timeout(30), working(config, place, relay.url):
        await kept.wait()
        for table in ("deliveries", "shards"):
            execute(place, f"DROP TRIGGER full_disk ON {table}")
        await done.wait()
    states = by_state(place)
    assert states.keys() == {"sent", "unknown"}
    assert states["sent"] <= relay.addresses <= states["sent"] | states["unknown"]
    assert set(relay.counts.values()) == {1}
    assert execute(place, "SELECT count(*) FROM shards") == [(0,)]


async def test_pause_gives_shards_back_resume_queues_them_and_cancel_leaves_nothing(
    postgres: PostgresServer, config: Config
) -> None:
    place = postgres.ready()
    queue(config, place, 2000)
    engine = PostgresDatabase(place).engine()
    async with serving(RelayServer()) as relay:
        paused = reaching(relay, 60)
        async with working(config, place, relay.url):
            await paused.wait()
            await asyncio.to_thread(control.pause, engine, "hello")
        [(left, held)] = execute(place, "SELECT count(*), count(worker) FROM shards")
        before = len(relay.accepted)
        assert (left > 5, held) == (True, 0)
        goal = reaching(relay, before + 60)
        async with working(config, place, relay.url):
            await asyncio.to_thread(control.resume, engine, "hello")
            await goal.wait()
            with ledger_at(place) as ledger:
                control.cancel(engine, ledger, "hello")
    states = by_state(place)
    assert states.keys() == {"sent", "skipped"}
    assert states["sent"] == relay.addresses
    assert set(relay.counts.values()) == {1}
    assert execute(place, "SELECT 1 FROM shards WHERE worker IS NOT NULL") == []
    engine.dispose()


async def test_who_is_deferred_is_tried_again_by_whichever_worker_and_all_is_settled(
    postgres: PostgresServer, config: Config
) -> None:
    place = postgres.ready()
    queue(config, place, 120)
    greylisting = once("RCPT", "450 4.2.0 come back")

    def some(talk: Talk, command: str, argument: str) -> str | None:
        return greylisting(talk, command, argument) if "7@" in argument else None

    async with serving(RelayServer(script=some)) as relay:
        all_sent = reaching(relay, 120)
        async with working(config, place, relay.url) as one, working(config, place, relay.url) as two:
            await all_sent.wait()
    assert set(relay.counts.values()) == {1}
    assert by_state(place).keys() == {"sent"}
    assert execute(place, "SELECT queued FROM issues") == [(None,)]
    assert one.counts()["deferred"] + two.counts()["deferred"] == 12
    assert min(*one.counts().values(), *two.counts().values()) == 0


def test_what_comes_too_late_is_not_taken(postgres: PostgresServer, config: Config) -> None:
    place = postgres.ready()
    queue(config, place, 10, send_before=1.0)
    [(number, job)] = execute(place, "SELECT number, job FROM shards")
    keeper = Keeper(PostgresDatabase(place), 100)
    assert keeper.take(number, job) is None
    keeper.leave()
    assert execute(place, "SELECT worker, job FROM shards") == [(None, None)]


def test_a_shard_that_is_given_back_with_nobody_left_in_it_is_no_more(postgres: PostgresServer, config: Config) -> None:
    place = postgres.ready()
    queue(config, place, 150)
    (number, job), (other, _) = execute(place, "SELECT number, job FROM shards ORDER BY number")
    keeper = Keeper(PostgresDatabase(place), 100)
    shard = keeper.take(number, job)
    assert shard is not None
    settled = f"UPDATE deliveries SET state = 'sent' WHERE id BETWEEN {shard.first} AND {shard.last}"
    execute(place, settled)
    keeper.give_back([shard])
    keeper.leave()
    assert execute(place, "SELECT number FROM shards") == [(other,)]
    assert execute(place, "SELECT args ->> 'shard' FROM newsletter_queue.procrastinate_jobs") == [(str(other),)]


def test_a_host_whose_clock_is_minutes_ahead_takes_nobody_for_dead_and_is_not_early(
    postgres: PostgresServer, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = postgres.ready()
    queue(config, place, 10)
    execute(place, "UPDATE deliveries SET state = 'deferred', not_before = extract(epoch FROM now()) + 60")
    engine, true = PostgresDatabase(place).engine(), time.time
    with ledger_at(place) as owner:
        owner.hold("hello")
        execute(place, "UPDATE leases SET host = 'another'")
        worker = Keeper(PostgresDatabase(place), 100)
        execute(place, "UPDATE workers SET host = 'another'")
        monkeypatch.setattr(time, "time", lambda: true() + 300)
        ahead = Keeper(PostgresDatabase(place), 100)
        ahead.look_after()
        found = control.pause(engine, "hello")
        assert (len(found["workers"]), bool(found["sender"])) == (2, True)
        assert execute(place, "SELECT count(*) FROM shards WHERE due IS NOT NULL") == [(0,)]
        with ledger_at(place) as other, pytest.raises(TryAgainLater, match="is being sent by process"):
            other.hold("hello")
        ahead.leave()
        worker.leave()


def test_the_next_worker_queues_a_dead_one_s_shard_anew_and_who_was_being_sent_to_is_unknown(
    postgres: PostgresServer, config: Config
) -> None:
    place = postgres.ready()
    queue(config, place, 150)
    (number, job), _ = execute(place, "SELECT number, job FROM shards ORDER BY number")
    dead = Keeper(PostgresDatabase(place), 100)
    assert dead.take(number, job) is not None
    execute(place, "UPDATE deliveries SET state = 'sending' WHERE id = (SELECT min(id) FROM deliveries)")
    execute(place, "UPDATE workers SET pid = 99999999")
    living = Keeper(PostgresDatabase(place), 100)
    living.look_after()
    [(epoch, worker, anew)] = execute(place, f"SELECT epoch, worker, job FROM shards WHERE number = {number}")
    assert (epoch, worker) == (2, None)
    assert anew not in (None, job)
    assert len(by_state(place)["unknown"]) == 1
    assert living.take(number, job) is None  # a job of before tells nothing
    assert living.take(number, anew) is not None
    living.leave()
    dead.leave()
