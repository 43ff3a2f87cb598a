"""Limits that several senders share: by numbers for clocks, and in a real PostgreSQL with a relay that counts."""

import asyncio
import contextlib
import json
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery.engine import Progress, Report
from newsletter.delivery.ledger.lease import Process
from newsletter.delivery.ledger.postgres.limits import LimitTable
from newsletter.delivery.limits.share import INTERVAL, SOON, Share
from newsletter.delivery.limits.shared import Ask, Grant, settle
from newsletter.delivery.limits.slots import LEASE, HeldSlots, allot, share_out
from newsletter.delivery.limits.windows import Used
from newsletter.delivery.pace import RetryPolicy
from newsletter.smtp.rate import Rate, parse_rate
from newsletter.smtp.relay import parse_relay
from newsletter.state.postgres import PostgresDatabase
from tests.postgres import PostgresServer

from .relay_server import RelayServer, once, serving
from .sending import Place, an_issue, execute, ledger_at, people, send

STEP = 0.005


@dataclass
class Sender:
    """A sender without a relay: it could send `speed` messages a second over `most` connections."""

    name: str
    share: Share
    speed: float
    sent: list[float] = field(default_factory=list)
    next_ask: float = 0.0
    ready: float = 0.0


class House:
    """Senders that share a row, and a clock that goes in steps; the server's is some hours off."""

    def __init__(self, rates: str, *, connections: int = 10, skew: float = 10_000.0) -> None:
        self.row = ("", "")
        self.rates = parse_rate(rates)
        self.connections = connections
        self.skew = skew
        self.now = 100.0
        self.away = False
        self.chance = random.Random(3)
        self.senders: list[Sender] = []
        self.gone: list[Sender] = []
        self.asked = 0
        self.over = 0  # connections beyond what the relay takes

    def join(self, speed: float, used: Used | None = None) -> Sender:
        name = f"sender {len(self.senders) + len(self.gone)}"
        share = Share("relay", self.rates, self.connections, used, self.now)
        sender = Sender(name, share, speed, next_ask=self.now + self.chance.random() * INTERVAL, ready=self.now)
        self.senders.append(sender)
        return sender

    def kill(self, sender: Sender) -> None:
        self.senders.remove(sender)
        self.gone.append(sender)

    def leave(self, sender: Sender) -> None:
        self.exchange(sender, leaves=True)
        self.kill(sender)

    def exchange(self, sender: Sender, *, leaves: bool = False) -> None:
        share = sender.share
        ask = share.leave(sender.name) if leaves else share.ask(sender.name, self.now)
        self.asked += 1
        if self.away:
            share.failed(ask)
            return
        *row, answer = settle(*self.row, ask, self.now + self.skew)
        self.row = (row[0], row[1])
        if not leaves:
            share.answered(ask, answer, self.now)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += STEP
            for sender in self.senders:
                share = sender.share
                share.use(self.connections, share.connections, self.now)
                if self.now >= sender.next_ask:
                    self.exchange(sender)
                while share.connections and sender.ready <= self.now and share.wait(self.now) <= 0:
                    share.take(self.now)
                    sender.sent.append(self.now)
                    sender.ready = max(sender.ready, self.now - STEP) + 1 / sender.speed
                sender.next_ask = min(sender.next_ask, self.now + SOON) if share.is_short else sender.next_ask
                if self.now >= sender.next_ask:
                    sender.next_ask = self.now + (SOON if share.is_short else INTERVAL)
            self.over = max(self.over, sum(one.share.connections for one in self.senders) - self.connections)

    def went(self, since: float, until: float) -> int:
        return sum(since <= moment < until for one in (*self.senders, *self.gone) for moment in one.sent)


@pytest.mark.parametrize("rate", ["14/s", "200/s", "600/m", "1200/s"])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_rate_is_met_within_five_percent_by_however_many_senders(rate: str, count: int) -> None:
    house = House(rate)
    per_second = house.rates[0].count / house.rates[0].seconds
    for _ in range(count):
        house.join(speed=2 * per_second)
    house.run(2.0)
    began = house.now
    house.run(20.0)
    assert house.went(began, house.now) == pytest.approx(20 * per_second, rel=0.05)
    shares = [sum(moment >= began for moment in one.sent) for one in house.senders]
    assert min(shares) > max(shares) / 3
    assert house.asked < 22 * 10 * count


def test_a_rate_holds_over_a_minute_while_senders_join_leave_die_and_freeze() -> None:
    house = House("100/s", connections=20)
    frozen = house.join(150)
    house.join(150)
    house.run(5.0)
    began = house.now
    for number in range(12):
        match number % 4:
            case 0:
                house.join(150)
            case 1:
                house.kill(house.senders[1])
            case 2:
                house.leave(house.join(150))
            case _:
                house.join(60)
                house.senders.remove(frozen)
        house.run(5.0)
        if frozen not in house.senders:
            house.senders.append(frozen)
    assert house.went(began, house.now) == pytest.approx(6000, rel=0.05)
    for second in range(60):
        assert house.went(began + second, began + second + 1) <= 140
    assert house.over <= 0


def test_what_a_slow_sender_does_not_use_goes_by_the_others() -> None:
    house = House("400/s")
    for speed in (10.0, 10.0, 10.0, 600.0):
        house.join(speed)
    house.run(3.0)
    began = house.now
    house.run(20.0)
    assert house.went(began, house.now) == pytest.approx(8000, rel=0.05)


def test_a_quota_and_a_ramp_are_used_up_together_and_not_exceeded_and_the_ledger_comes_first() -> None:
    before = {Rate(500, 3600): [(-600.0, 200)]}
    house = House("500/h", skew=50.0)
    senders = [house.join(100.0, Used(before)) for _ in range(3)]
    house.run(30.0)
    assert house.went(0.0, house.now) == 300
    assert all(one.share.wait(house.now) > 2900 for one in senders), "until the first hour has passed"
    ramp = House("ramp 100/d x2", skew=0.0)
    for _ in range(2):
        ramp.join(100.0, Used(days={-1: 40}))
    ramp.run(30.0)
    assert ramp.went(0.0, ramp.now) == 200
    ramp.now = 86_400.0 - 5.0
    ramp.run(40.0)
    assert ramp.went(86_400.0, ramp.now) == 400


def test_senders_wait_while_the_state_is_away_and_close_their_connections_before_others_have_them() -> None:
    house = House("100/s")
    one = house.join(200.0)
    house.run(3.0)
    gone, house.away = house.now, True
    house.run(10.0)
    assert house.went(gone, gone + 2) <= 115
    assert house.went(gone + 2, house.now) == 0
    house.away = False
    began = house.now
    house.run(10.0)
    assert house.went(began, house.now) == pytest.approx(1000, rel=0.05)
    assert one.share.connections == 10


def test_a_clock_of_the_server_that_is_set_back_stops_nobody_for_long() -> None:
    house = House("100/s")
    house.join(200.0)
    house.run(3.0)
    house.skew -= 3600
    house.run(3.0)
    began = house.now
    house.run(10.0)
    assert house.went(began, house.now) == pytest.approx(1000, rel=0.05)


@pytest.mark.parametrize(
    ("total", "wants", "turn", "shares"),
    [
        (10, {"a": 10}, 0, {"a": 10}),
        (10, {"a": 10, "b": 10}, 0, {"a": 5, "b": 5}),
        (10, {"a": 10, "b": 2, "c": 10}, 0, {"a": 4, "b": 2, "c": 4}),
        (10, {"a": 10, "b": 0, "c": 10, "d": 10}, 0, {"a": 3, "b": 0, "c": 3, "d": 4}),
        (2, {"a": 5, "b": 5, "c": 5}, 0, {"a": 1, "b": 1, "c": 0}),
        (2, {"a": 5, "b": 5, "c": 5}, 1, {"a": 0, "b": 1, "c": 1}),
        (10, {"a": 1, "b": 2}, 0, {"a": 1, "b": 2}),
        (0, {"a": 1}, 0, {"a": 0}),
    ],
)
def test_connections_are_shared_out_evenly(
    total: int, wants: dict[str, int], turn: int, shares: dict[str, int]
) -> None:
    assert share_out(total, wants, turn) == shares


def test_a_sender_that_comes_waits_for_the_slots_it_gets_and_a_dead_one_gives_its_own_back() -> None:
    allowed, slots = allot({}, "a", 10, 0, 10, 0.0)
    assert allowed == 10
    allowed, slots = allot(slots, "b", 10, 0, 10, 1.0)
    assert allowed == 0
    allowed, slots = allot(slots, "a", 10, 10, 10, 2.0)
    assert (allowed, slots["a"].holds) == (5, 10)
    allowed, slots = allot(slots, "b", 10, 0, 10, 3.0)
    assert allowed == 0, "the others are not closed yet"
    allowed, slots = allot(slots, "a", 10, 7, 10, 4.0)
    allowed, slots = allot(slots, "b", 10, 0, 10, 5.0)
    assert allowed == 3
    allowed, slots = allot(slots, "b", 10, 3, 10, 5.0 + LEASE)
    assert (allowed, set(slots)) == (10, {"b"})
    assert allot({"a": HeldSlots(10, 0, 99.0)}, "a", 10, 10, 0, 0.0)[0] == 10, "what nobody else wants stays open"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), max_size=60))
def test_no_relay_ever_has_more_connections_than_it_takes(steps: list[tuple[int, int]]) -> None:
    slots: dict[str, HeldSlots] = {}
    open_: Counter[str] = Counter()
    for moment, (number, wants) in enumerate(steps):
        name = str(number)
        allowed, slots = allot(slots, name, 7, open_[name], wants, moment / 10)
        open_[name] = min(open_[name], allowed) if wants % 2 else max(open_[name] - 1, allowed)
        assert allowed <= 7
        slots[name] = HeldSlots(max(slots[name].holds, open_[name]), wants, slots[name].until)
        assert sum(open_.values()) <= 7


def test_a_relay_s_limits_are_an_account_s_and_hold_no_name() -> None:
    one, two = (parse_relay(f"smtp://{user}@Mail.example.org:587", password="secret") for user in ("ada", "bob"))
    assert one.account != two.account
    assert one.account.startswith("mail.example.org:587 ")
    assert not any(word in one.account for word in ("ada", "secret"))
    bound = parse_relay("smtp://ada@mail.example.org:587?domains=example.net")
    assert bound.account.startswith(one.account + " "), "its rate is its own"
    assert parse_relay("smtp://mail.example.org:25").account == "mail.example.org:25"


async def test_what_earlier_runs_were_given_counts_against_a_day(path: Place) -> None:
    async with serving(RelayServer()) as relay:
        limits = {"rate": parse_rate("5/d")}
        await send(path, relay.url, people(3), relay_options=limits)
        with ledger_at(path) as ledger:
            assert sum(count for _, count in ledger.used(f"127.0.0.1:{relay.port}", Rate(5, 86_400), 0.0)) == 3
        other = {"issue": an_issue("Other words.", "other")}
        stop, full = asyncio.Event(), "goes on at"

        def on_progress(progress: Progress) -> None:
            if any(full in note for note in progress.notes):
                stop.set()

        report = await send(path, relay.url, people(4), plan_options=other, relay_options=limits, stop=stop,
                            on_progress=on_progress)  # fmt: skip
        assert (report.sent, report.pending) == (2, 2)


async def test_whoever_waits_for_others_leaves_its_connections_to_one_that_may_have_fewer_in_all(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender whose list is sent waits for a retry with a connection open, and a second one may have one in all."""
    monkeypatch.setattr("newsletter.delivery.engine.SHARED_IDLE", 0.1)
    monkeypatch.setattr("newsletter.delivery.limits.share.BUSY", 0.6)  # more than a tick of the engine
    place, waits, stop = postgres.ready(), asyncio.Event(), asyncio.Event()

    def on_progress(now: Progress) -> None:
        if now.deferred and not now.sent:
            waits.set()

    async with serving(RelayServer(script=once("RCPT", "450 4.2.0 later"))) as relay, asyncio.timeout(20):
        first = asyncio.create_task(
            send(place, relay.url, people(1), on_progress=on_progress, stop=stop,
                 retry=RetryPolicy(first=8.0, most=8.0), plan_options={"issue": an_issue("First.", "first")})
        )  # fmt: skip
        await waits.wait()
        options = {"issue": an_issue()}
        second = await send(place, relay.url, people(1), connections=1, no_wait=True, plan_options=options)
        stop.set()
        assert (second.sent, (await first).deferred) == (1, 1)


async def test_two_issues_sent_at_once_share_a_relay_s_rate_and_connections(postgres: PostgresServer) -> None:
    place, moments = postgres.ready(), []
    loop = asyncio.get_running_loop()
    async with serving(RelayServer(on_message=lambda _: moments.append(loop.time()))) as relay:
        limits = {"rate": parse_rate("100/s 5000/d")}

        async def one(name: str) -> Report:
            plan_options = {"issue": an_issue(f"Hello, {name}.", name)}
            return await send(place, relay.url, people(80), plan_options=plan_options, relay_options=limits)

        reports = await asyncio.gather(one("first"), one("second"))
        assert [report.sent for report in reports] == [80, 80]
        assert relay.most_open <= 4
    assert moments[-1] - moments[0] > 0.95 * (160 / 100 - 0.4), "late ones make up for 0.4 s"
    [(relay_key, version, windows, slots)] = execute(place, "SELECT relay, version, windows, slots FROM limits")
    assert relay_key == f"127.0.0.1:{relay.port}"
    assert sum(count for _, count in json.loads(windows)["86400"]) == 160, "what was granted and not sent is given back"
    assert (slots, version < 100) == ("{}", True)


def test_what_a_sender_that_died_here_held_is_free_at_once_and_elsewhere_when_its_lease_ends(
    postgres: PostgresServer,
) -> None:
    place = postgres.ready()
    database, here = PostgresDatabase(place), Process.current()
    table = LimitTable(database, here)
    ask = Ask(table.me, (), 10, wants=10)

    def answer() -> Grant:
        return table.exchange("relay:25", lambda windows, slots, now: settle(windows, slots, ask, now))

    with contextlib.closing(table):
        for pid, host, free in ((99_999_999, here.host, 10), (99_999_999, "elsewhere", 0), (here.pid, here.host, 0)):
            other = "|".join((host, here.boot, str(pid), here.mark, "0"))
            execute(place, "DELETE FROM limits")
            held = f"jsonb_build_object('{other}', jsonb_build_array(10, 0, extract(epoch FROM now()) + 9))::text"
            execute(place, f"INSERT INTO limits VALUES ('relay:25', 1, '', {held})")
            assert answer().connections == free
        postgres.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{place.rpartition('/')[2]}'"
        )
        assert answer().connections == 0, "over a new connection"
