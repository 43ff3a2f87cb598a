"""Workers as a user runs them, for minutes, and all that can befall them: the relay's own log against the ledger.

Kills, stops that last, a relay that refuses, drops and closes, PostgreSQL restarted and killed. `make soak` runs it;
the seed is in the test's output, and NEWSLETTER_TEST_SEED=N begins with it again.
"""

import asyncio
import contextlib
import functools
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from tests.cli.conftest import CONFIG, POST
from tests.postgres import PostgresServer, programs, running

from .relay_server import ABORT, CLOSE, RelayServer, Talk, serving
from .sending import by_state, execute, rows

_NEWSLETTER = Path(sys.executable).with_name("newsletter")
_QUICK = '[delivery]\nretry_first = "1s"\nretry_max = "4s"\n'
_LEFT = "SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending', 'deferred')"
_TEMPORARY = ("450 4.2.0 come back", "451 4.3.0 not now", "452 4.2.2 mailbox full", "421 4.3.2 closing")
_ABOUT_THEM = ("550 5.1.1 no such user", "553 5.1.3 bad address", "552 5.2.2 mailbox full")
_ABOUT_US = ("421 4.7.0 too many, slow down", "451 4.7.1 try later", "530 5.7.0 authentication required", CLOSE)
_LOST = (CLOSE, ABORT)
_AWAY = 75


@dataclass
class Faults:
    """A relay's bad days: what it answers instead, and whose outcome nobody can know."""

    server: RelayServer
    chance: random.Random
    rate: float = 0.01
    lost: set[str] = field(default_factory=set)  # the connection broke under the body, or before the reply to it
    refused: set[str] = field(default_factory=set)

    def script(self, talk: Talk, command: str, argument: str) -> str | None:
        self.server.drop_body_after = None
        if self.chance.random() >= self.rate * (0.1 if command in ("MAIL", "connect") else 1.0):
            return None
        if command in ("MAIL", "connect"):
            return self.chance.choice(_ABOUT_US)
        if command == "RCPT":
            return self._said(argument, self.chance.choice((*_TEMPORARY, *_ABOUT_THEM, *_LOST)))
        if command == "DATA":
            return self._in_the_body(argument)
        if command == ".":
            return self._said(argument, self.chance.choice((*_TEMPORARY, "554 5.6.0 no", *_LOST)), is_over=True)
        return None

    def after_accept(self, talk: Talk) -> str | None:
        """Taken, and the word of it is lost."""
        if self.chance.random() >= self.rate / 4:
            return None
        return self._said(talk.rcpt_to, self.chance.choice(_LOST), is_over=True)

    def _said(self, email: str, reply: str, *, is_over: bool = False) -> str:
        if reply.startswith("5"):
            self.refused.add(email)
        if reply in _LOST and is_over:
            self.lost.add(email)
        return reply

    def _in_the_body(self, email: str) -> str | None:
        if self.chance.random() < 0.5:
            return self.chance.choice(_TEMPORARY)
        self.server.drop_body_after = self.chance.randrange(4000)
        self.lost.add(email)
        return None


@dataclass
class Fleet:
    """The workers of a newsletter, as processes."""

    folder: Path
    environment: dict[str, str]
    relay: RelayServer
    options: tuple[str, ...]
    workers: list[asyncio.subprocess.Process] = field(default_factory=list)
    held: set[asyncio.subprocess.Process] = field(default_factory=set)  # stopped just now
    logs: dict[int, Path] = field(default_factory=dict)
    _joined: int = 0
    at_risk: int = 0  # connections of those who were killed, or stopped for so long that they are taken for dead

    async def run(self, *arguments: str, log: str = "commands") -> asyncio.subprocess.Process:
        with (self.folder / f"{log}.log").open("ab") as output:
            return await asyncio.create_subprocess_exec(
                _NEWSLETTER, *arguments, cwd=self.folder, env=self.environment, stdout=output, stderr=output
            )

    async def join(self) -> None:
        arguments = ("worker", "--smtp", self.relay.url, *self.options)
        self._joined += 1
        worker = await self.run(*arguments, log=f"worker-{self._joined:03}")
        self.logs[worker.pid] = self.folder / f"worker-{self._joined:03}.log"
        self.workers.append(worker)

    def hold(self, worker: asyncio.subprocess.Process, *, for_long: bool) -> None:
        """Stop one, and count its connections, which then stand still."""
        worker.send_signal(signal.SIGSTOP)
        self.at_risk += _open_to(worker.pid, self.relay.port) if for_long else 0

    async def kill(self, worker: asyncio.subprocess.Process) -> None:
        self.hold(worker, for_long=True)
        self.workers.remove(worker)
        worker.kill()
        await worker.wait()

    async def leave(self, worker: asyncio.subprocess.Process) -> None:
        """Ask one to go, once it has begun; it has 30 seconds. One that began while PostgreSQL was away has gone."""
        while "waits for what is queued" not in self.logs[worker.pid].read_text():
            if worker.returncode == _AWAY:
                self.workers.remove(worker)
                return
            assert worker.returncode is None, self.logs[worker.pid].read_text()
            await asyncio.sleep(0.1)
        self.workers.remove(worker)
        worker.terminate()
        assert await asyncio.wait_for(worker.wait(), 40) == 0, self.logs[worker.pid].read_text()

    def said(self) -> str:
        return "".join(f"{path.name}:\n{path.read_text()}" for path in sorted(self.folder.glob("*.log")))


def _open_to(pid: int, port: int) -> int:
    """How many connections a process has to a port of this machine."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    theirs = {f"socket:[{line[9]}]" for line in lines if line[2].endswith(f":{port:04X}")}
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(os.readlink(descriptor))
    return len(theirs & found)


@contextlib.asynccontextmanager
async def queued(folder: Path, postgres: PostgresServer, count: int, *options: str) -> AsyncIterator[tuple[Fleet, str]]:
    """A newsletter whose issue for `count` readers is queued; its workers-to-be, and where the state is."""
    (folder / "posts").mkdir()
    (folder / "newsletter.toml").write_text(CONFIG + _QUICK)
    (folder / "posts" / "2026-05-04-hello.md").write_text(POST)
    people = (f"reader{number}@{'abcdefgh'[number % 8]}.example.org" for number in range(count))
    (folder / "subscribers.csv").write_text("email\n" + "".join(f"{email}\n" for email in people))
    place = postgres.database()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NEWSLETTER_")}
    environment |= {"NEWSLETTER_STATE__URL": place, "NEWSLETTER_SECRET": "a secret that all hosts share"}
    async with serving(RelayServer()) as relay:
        fleet = Fleet(folder, environment, relay, options)
        assert await (await fleet.run("send", "hello", "--detach", "--yes")).wait() == 0, fleet.said()
        try:
            yield fleet, place
        finally:
            for worker in (*fleet.workers, *fleet.held):
                with contextlib.suppress(ProcessLookupError):
                    worker.kill()
                await worker.wait()


async def left(place: str) -> int | None:
    """How many are still to be sent to; None while PostgreSQL is away."""
    try:
        return int((await asyncio.to_thread(execute, place, _LEFT))[0][0])
    except psycopg.OperationalError:
        return None


def reaching(relay: RelayServer, goals: dict[int, Callable[[], object]]) -> None:
    """Have something done when the relay has taken so many."""

    def on_message(got: int) -> None:
        if (act := goals.pop(got, None)) is not None:
            act()

    relay.on_message = on_message


def compare(place: str, relay: RelayServer, faults: Faults, count: int, at_risk: int) -> None:
    """The promise: nobody twice, nobody lost, and few of whom nobody knows."""
    states = by_state(place)
    sent, unknown, failed = (states.pop(state, set()) for state in ("sent", "unknown", "failed"))
    print(f"sent {len(sent)}, unknown {len(unknown)} ({len(unknown - faults.lost)} by kills, of at most {2 * at_risk};"
          f" {len(unknown & relay.addresses)} arrived), failed {len(failed)}")  # fmt: skip
    assert not states
    assert set(relay.counts.values()) == {1}
    assert relay.addresses <= sent | unknown
    assert sent <= relay.addresses
    assert failed <= faults.refused
    assert len(sent) + len(unknown) + len(failed) == count
    assert len(unknown - faults.lost) <= 2 * at_risk
    assert execute(place, "SELECT number FROM shards") == []
    assert execute(place, "SELECT queued FROM issues") == [(None,)]


async def befall(fleet: Fleet, chance: random.Random, place: str) -> int:
    """Until all is settled: kill, stop for seconds or for so long that others take over, let leave, let join."""
    held: set[asyncio.Task[None]] = set()
    happened, began = 0, time.monotonic()

    async def stop_one(worker: asyncio.subprocess.Process, seconds: float, *, for_long: bool) -> None:
        fleet.hold(worker, for_long=for_long)
        fleet.workers.remove(worker)
        fleet.held.add(worker)
        await asyncio.sleep(seconds)
        worker.send_signal(signal.SIGCONT)
        fleet.held.remove(worker)
        fleet.workers.append(worker)

    while await left(place) != 0:
        await asyncio.sleep(chance.uniform(0.5, 6.0))
        what, worker = chance.choice(("kill", "kill", "stop", "freeze", "leave")), chance.choice(fleet.workers)
        happened += 1
        print(f"{time.monotonic() - began:.0f} s: {what}, {len(fleet.relay.accepted)} taken", flush=True)
        if worker.returncode == _AWAY:  # began while PostgreSQL was away; a service is started again
            fleet.workers.remove(worker)
            await fleet.join()
            continue
        assert worker.returncode is None, fleet.said()
        if what == "kill":
            await fleet.kill(worker)
            await fleet.join()
        elif what == "leave":
            await fleet.leave(worker)
            await fleet.join()
        elif what and len(held) < len(fleet.workers) - 1:
            is_long = what == "freeze"
            task = asyncio.create_task(
                stop_one(worker, chance.uniform(*((35, 60) if is_long else (1, 8))), for_long=is_long)
            )
            held.add(task)
            task.add_done_callback(held.discard)
    await asyncio.gather(*held)
    return happened


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("workers", "count"), [(4, 20_000), (8, 20_000)])
async def test_whatever_befalls_workers_relay_and_server_nobody_has_it_twice_and_nobody_is_lost(
    tmp_path: Path, workers: int, count: int
) -> None:
    seed = int(os.environ.get("NEWSLETTER_TEST_SEED") or random.randrange(10**6))
    print(f"NEWSLETTER_TEST_SEED={seed}")
    chance = random.Random(seed)
    bin_ = programs()
    assert bin_ is not None
    with running(bin_) as server:
        options = ("--connections", str(4 * workers), "--rate", "300/s")
        async with queued(tmp_path, server, count, *options) as (fleet, place):
            relay = fleet.relay
            faults = Faults(relay, random.Random(seed + 1))
            relay.script, relay.after_accept = faults.script, faults.after_accept
            restarting: set[asyncio.Task[None]] = set()

            async def restart(how: signal.Signals, seconds: float) -> None:
                await asyncio.to_thread(server.stop, how)
                await asyncio.sleep(seconds)
                await asyncio.to_thread(server.start)

            def away(how: signal.Signals) -> None:
                restarting.add(asyncio.get_running_loop().create_task(restart(how, chance.uniform(0, 8))))

            goals = {count // 5: signal.SIGINT, count * 2 // 5: signal.SIGQUIT}
            reaching(relay, {goal: functools.partial(away, how) for goal, how in goals.items()})
            for _ in range(workers):
                await fleet.join()
            happened = await befall(fleet, chance, place)
            await asyncio.gather(*restarting)
            assert len(restarting) == 2
            for worker in list(fleet.workers):
                await fleet.leave(worker)
            print(f"{happened} things happened to {workers} workers")
            compare(place, relay, faults, count, fleet.at_risk)
            assert execute(place, "SELECT number FROM workers") == []
            assert execute(place, "SELECT status FROM newsletter_queue.procrastinate_jobs") == []
            assert "Traceback" not in fleet.said(), fleet.said()


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_a_worker_that_stood_still_for_two_minutes_sends_nothing_more_of_what_it_lost(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    count, connections = 6000, 8
    async with queued(tmp_path, postgres, count, "--connections", str(connections), "--rate", "100/s") as (
        fleet,
        place,
    ):
        relay, begun = fleet.relay, asyncio.Event()
        reaching(relay, {count // 10: begun.set})
        await fleet.join()
        await fleet.join()
        await begun.wait()
        frozen = max(fleet.workers, key=lambda one: _open_to(one.pid, relay.port))
        other = next(one for one in fleet.workers if one is not frozen)
        fleet.hold(frozen, for_long=True)
        thawing = asyncio.create_task(asyncio.sleep(120))
        await thawing
        fleet.hold(other, for_long=False)  # so that whatever comes now is the thawed one's
        await asyncio.sleep(1.0)
        states = by_state(place)
        before, lost = len(relay.accepted), states["unknown"]
        assert states["sent"] > set(), "the other one went on"
        held = execute(place, "SELECT first, last FROM shards WHERE worker IS NOT NULL")
        frozen.send_signal(signal.SIGCONT)
        await asyncio.sleep(8)
        late = {email for email, _ in relay.accepted[before:]}
        theirs = {row["email"] for row in rows(place) for first, last in held if first <= row["id"] <= last}
        print(f"lost {len(lost)}; after the thaw {len(late)}, of which {len(late & lost)} had their body half written")
        assert not late & (theirs - lost)
        assert len(late & lost) <= connections
        other.send_signal(signal.SIGCONT)
        while await left(place) != 0:  # noqa: ASYNC110 (another process ends it)
            await asyncio.sleep(1.0)
        for worker in list(fleet.workers):
            await fleet.leave(worker)
        compare(place, relay, Faults(relay, random.Random(0)), count, fleet.at_risk)
        assert "Traceback" not in fleet.said(), fleet.said()
