"""The ledger in PostgreSQL, when its server, its sender, or the word between them is lost."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from newsletter.delivery.engine import deliver
from newsletter.delivery.ledger.batch import Batch
from newsletter.delivery.ledger.postgres import reconnect
from newsletter.delivery.ledger.postgres.ledger import BY_INDEX
from newsletter.delivery.ledger.postgres.reconnect import Reconnecting
from newsletter.errors import NewsletterError, TryAgainLater
from newsletter.smtp.relay import parse_relay
from newsletter.state.postgres import PostgresDatabase
from tests.postgres import PostgresServer, programs, running

from .relay_server import RelayServer, serving
from .sending import PATIENT, QUICK, PlainWriter, by_state, execute, ledger_at, people, plan, rows, send

_ITS_SENDER_DIED = "WITH gone AS (UPDATE workers SET pid = 99999999) UPDATE leases SET pid = 99999999"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_a_server_that_restarts_is_waited_for_and_nobody_gets_it_twice(how: signal.Signals) -> None:
    bin_ = programs()
    if bin_ is None:
        pytest.skip("PostgreSQL is not installed")
    with running(bin_) as server:
        place, count = server.ready(), 600
        restarting: list[asyncio.Task[None]] = []

        async def restart() -> None:
            await asyncio.to_thread(server.stop, how)
            await asyncio.to_thread(server.start)

        def on_message(got: int) -> None:
            if got in (100, 300):
                restarting.append(asyncio.get_running_loop().create_task(restart()))

        async with serving(RelayServer(on_message=on_message)) as relay:
            report = await send(place, relay.url, people(count), connections=4)
            await asyncio.gather(*restarting)
        assert len(restarting) == 2
        assert (report.sent, report.unknown, report.stopped) == (count, 0, None)
        assert set(relay.counts.values()) == {1}
        assert by_state(place) == {"sent": {one.email for one in people(count)}}
        assert {row["attempts"] for row in rows(place)} == {1}


async def test_a_server_that_stays_away_ends_the_run_for_later_and_loses_nobody(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconnect, "PATIENCE", 0.2)
    monkeypatch.setattr("newsletter.delivery.ledger.postgres.ledger.HURRY", 0.1)
    place = postgres.ready()
    name = place.rpartition("/")[2]

    def cut(got: int) -> None:
        if got == 20:
            with psycopg.connect(postgres.url("postgres"), autocommit=True) as db:
                db.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
                db.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    async with serving(RelayServer(on_message=cut)) as relay:
        report = await send(place, relay.url, people(200), connections=3)
        postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert isinstance(report.stopped, TryAgainLater)
        assert len(relay.accepted) < 30
        relay.on_message = None
        execute(place, _ITS_SENDER_DIED)
        again = await send(place, relay.url, None)
    states = by_state(place)
    assert again.stopped is None
    assert set(states) <= {"sent", "unknown"}
    assert len(states.get("unknown", ())) <= 2 * 3
    assert max(relay.counts.values()) == 1
    assert states["sent"] | states.get("unknown", set()) == {one.email for one in people(200)}


async def test_after_kills_nobody_has_it_twice_and_nobody_is_lost(postgres: PostgresServer) -> None:
    place, count, connections, kills = postgres.ready(), 900, 4, 3
    killed = 0
    async with serving(RelayServer()) as relay:
        while killed < kills:
            goal = len(relay.accepted) + 120
            reached = asyncio.Event()
            relay.on_message = lambda got: reached.set() if got >= goal else None  # noqa: B023
            sender = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.delivery.killable", place, relay.url, str(count), str(connections),
                cwd=Path(__file__).parents[2],
            )  # fmt: skip
            await reached.wait()
            sender.send_signal(signal.SIGKILL)
            await sender.wait()
            killed += 1
        relay.on_message = None
        report = await send(place, relay.url, None, connections=connections)
    states = by_state(place)
    assert report.stopped is None
    assert max(relay.counts.values()) == 1
    assert set(states) <= {"sent", "unknown"}
    assert len(states.get("unknown", ())) <= 2 * connections * kills
    assert states["sent"] <= relay.addresses
    assert relay.addresses - states["sent"] <= states.get("unknown", set())


def test_a_word_whose_answer_was_lost_is_written_once(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has done it, and the connection is gone before it says so."""
    place, lost, execute_well = postgres.ready(), list[str](), Reconnecting.execute

    def execute_and_lose(self: Reconnecting, query: str, **named: Any) -> Any:
        done = execute_well(self, query, **named)
        if "serial" in named and not lost:
            lost.append(query)
            self.close()
            raise psycopg.OperationalError("the connection is lost")
        return done

    with ledger_at(place) as ledger:
        plan(ledger, people(1))
        ledger.begin(60.0)
        ledger.commit(Batch(claim=1))
        monkeypatch.setattr(Reconnecting, "execute", execute_and_lose)
        ledger.commit(Batch({1: (1, "sending", None, None, None, None, None, None, 5.0, 1)}))
        assert lost
        assert [(row["state"], row["attempts"]) for row in rows(place)] == [("sending", 1)]


def test_a_server_that_takes_connections_and_no_words_is_asked_ever_more_seldom(postgres: PostgresServer) -> None:
    """As a standby does, and one whose administrator bounds each statement."""
    pauses, place = list[float](), postgres.ready()
    postgres.execute(f"ALTER DATABASE {place.rpartition('/')[2]} SET default_transaction_read_only = on")

    def pause(seconds: float) -> None:
        assert "name the primary server" in one.away
        pauses.append(seconds)
        if len(pauses) == 3:
            postgres.execute(f"ALTER DATABASE {place.rpartition('/')[2]} RESET default_transaction_read_only")

    with contextlib.closing(Reconnecting(PostgresDatabase(place), pause)) as one:
        one.together(lambda: one.execute("DELETE FROM workers"))
        assert (pauses, one.away) == ([0.05, 0.1, 0.2], "")
        one.patience = 0.0
        postgres.execute(f"ALTER DATABASE {place.rpartition('/')[2]} SET default_transaction_read_only = on")
        one.db.close()
        with pytest.raises(NewsletterError, match="name the primary server"):
            one.together(lambda: one.execute("DELETE FROM workers"))


def test_settings_of_a_connection_are_those_of_the_one_that_takes_its_place(postgres: PostgresServer) -> None:
    place = postgres.ready()
    postgres.execute(f"ALTER DATABASE {place.rpartition('/')[2]} SET statement_timeout = '1s'")  # a plan takes longer
    with contextlib.closing(Reconnecting(PostgresDatabase(place), time.sleep)) as one:
        one.set(BY_INDEX)
        postgres.execute(f"SELECT pg_terminate_backend({one.db.info.backend_pid})")
        assert one.again(lambda: one.execute("SHOW enable_seqscan").fetchone()) == ("off",)
        assert one.again(lambda: one.execute("SHOW plan_cache_mode").fetchone()) == ("force_generic_plan",)
        assert one.again(lambda: one.execute("SHOW statement_timeout").fetchone()) == ("0",)


async def test_who_was_taken_over_writes_nothing_more_and_sends_no_further_body(postgres: PostgresServer) -> None:
    place, taken = postgres.ready(), 30

    def take_over(got: int) -> None:
        if got == taken:
            execute(place, "UPDATE shards SET epoch = epoch + 1")

    async with serving(RelayServer(on_message=take_over)) as relay:
        report = await send(place, relay.url, people(400), connections=3)
        assert isinstance(report.stopped, TryAgainLater)
        assert "another worker has taken over" in str(report.stopped)
        assert len(relay.accepted) <= taken + 2 * 3
        execute(place, _ITS_SENDER_DIED)
        again = await send(place, relay.url, None, connections=3)
    assert again.stopped is None
    assert max(relay.counts.values()) == 1
    assert len(by_state(place).get("unknown", ())) <= 2 * 3


async def test_a_second_sender_is_told_who_holds_the_issue(postgres: PostgresServer) -> None:
    place = postgres.ready()
    with ledger_at(place) as ledger:
        ledger.hold("hello")
        with ledger_at(place) as other, pytest.raises(TryAgainLater, match=f"by process {os.getpid()} on "):
            other.hold("hello")
    with ledger_at(place) as third:
        third.hold("hello")


async def test_what_a_relay_says_with_a_nul_is_kept_without_it(postgres: PostgresServer) -> None:
    place = postgres.ready()
    with ledger_at(place) as ledger:
        plan(ledger, people(1))
        ledger.begin(60.0)
        ledger.commit(Batch({1: (1, "failed", 550, "5.1.1", "no\0 such user", "RCPT", "relay:25", None, 5.0, 1)}))
    assert [row["text"] for row in rows(place)] == ["no such user"]


async def test_an_away_server_is_told_to_who_watches(postgres: PostgresServer) -> None:
    place, notes = postgres.ready(), set[str]()
    name = place.rpartition("/")[2]

    def close(allow: str) -> None:
        postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allow}")
        postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    async with serving(RelayServer(on_message=lambda got: close("false") if got == 5 else None)) as relay:
        with ledger_at(place) as ledger:
            plan(ledger, people(40))

            def on_progress(progress: object) -> None:
                notes.update(getattr(progress, "notes", ()))
                if any("waiting:" in note for note in notes):
                    postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

            report = await deliver(
                ledger, PlainWriter(), [parse_relay(relay.url, connections=2)], on_progress=on_progress, retry=QUICK,
                timeouts=PATIENT,
            )  # fmt: skip
    assert report.sent == 40
    assert any("waiting: postgresql://127.0.0.1" in note for note in notes)
