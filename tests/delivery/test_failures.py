"""Each row of the failure table, against a server that fails that way."""

import asyncio
import time

import pytest

from newsletter.delivery.engine import deliver
from newsletter.delivery.ledger.journal import LOOKED, Journal
from newsletter.delivery.pace import RetryPolicy
from newsletter.delivery.progress import Progress
from newsletter.smtp.connection import Timeouts
from newsletter.smtp.relay import parse_relay

from .relay_server import SWALLOW, RelayServer, Talk, once, serving
from .sending import Place, PlainWriter, by_state, ledger_at, people, plan, rows, send, suppress, suppressed


async def test_everybody_gets_one_message(path: Place) -> None:
    async with serving(RelayServer()) as server:
        report = await send(path, server.url, people(200))
    assert report.sent == 200
    assert report.pending == 0
    assert set(server.counts.values()) == {1}
    assert by_state(path) == {"sent": server.addresses}


async def test_a_second_run_reaches_only_those_who_lack_it(path: Place) -> None:
    async with serving(RelayServer()) as server:
        await send(path, server.url, people(20))
        report = await send(path, server.url, people(25))
    assert report.sent == 5
    assert set(server.counts.values()) == {1}
    assert len(server.counts) == 25


async def test_a_greylisted_recipient_is_deferred_and_sent_on_the_second_try(path: Place) -> None:
    async with serving(RelayServer(script=once("RCPT", "450 4.2.0 greylisted, come back"))) as server:
        report = await send(path, server.url, people(4))
    assert report.sent == 4
    assert report.deferred == 0
    assert {row["attempts"] for row in rows(path)} == {2}


async def test_no_wait_leaves_the_deferred_for_the_next_run(path: Place) -> None:
    async with serving(RelayServer(script=once("RCPT", "450 4.2.0 greylisted, come back"))) as server:
        report = await send(path, server.url, people(4), no_wait=True)
        assert (report.sent, report.deferred) == (0, 4)
        assert report.replies == (("450 4.2.0 greylisted, come back", 4),)
        report = await send(path, server.url, people(4), no_wait=True, clock=lambda: time.time() + 60)
    assert (report.sent, report.deferred) == (4, 0)


async def test_who_is_always_deferred_fails_in_the_end(path: Place) -> None:
    def script(_talk: Talk, command: str, _argument: str) -> str | None:
        return "452 4.2.2 mailbox is full for now" if command == "RCPT" else None

    async with serving(RelayServer(script=script)) as server:
        report = await send(path, server.url, people(2), retry=RetryPolicy(first=0.05, most=0.1, give_up=0.3))
    assert report.failed == 2
    assert {row["code"] for row in rows(path)} == {452}


@pytest.mark.parametrize(
    ("what", "reply"),
    [
        ("connect", "554 5.7.1 we don't talk to you"),
        ("MAIL", "550 5.1.8 sender rejected"),
        ("MAIL", "530 5.7.0 authentication required"),
        ("RCPT", "550 5.7.26 unauthenticated sender"),
        (".", "550 5.7.515 access denied"),
        (".", "552 5.3.4 message too large"),
        (".", "550 5.7.28 too much mail"),
    ],
)
async def test_what_is_about_us_stops_the_issue(path: Place, what: str, reply: str) -> None:
    def script(_talk: Talk, command: str, _argument: str) -> str | None:
        return reply if command == what else None

    async with serving(RelayServer(script=script)) as server:
        report = await send(path, server.url, people(50))
        assert report.stopped is not None
        assert reply[:3] in str(report.stopped)
        assert ";" in str(report.stopped)
        assert report.pending == 50
        assert report.sent == report.failed == 0
        assert suppressed(path) == set()
        server.script = None
        report = await send(path, server.url, people(50))
    assert report.sent == 50


async def test_relaying_denied_for_everybody_stops_the_issue(path: Place) -> None:
    def script(_talk: Talk, command: str, _argument: str) -> str | None:
        return "554 5.7.1 relay access denied" if command == "RCPT" else None

    async with serving(RelayServer(script=script)) as server:
        report = await send(path, server.url, people(500))
    assert report.stopped is not None
    assert report.failed < 20
    assert suppressed(path) == set()


async def test_policy_refusals_pause_their_domain_and_no_other(path: Place) -> None:
    def script(_talk: Talk, command: str, argument: str) -> str | None:
        return "550 5.7.1 looks like spam" if command == "." and argument.endswith("example.com") else None

    listed = [person for pair in zip(people(40), people(40, "example.com"), strict=True) for person in pair]
    async with serving(RelayServer(script=script)) as server:
        report = await send(path, server.url, listed, no_wait=True, connections=1)
    assert report.sent == 40
    assert 5 <= report.failed <= 7
    assert report.deferred == 40 - report.failed
    assert any("example.com" in note and "spam" in note for note in report.notes)
    assert suppressed(path) == set()


async def test_a_full_mailbox_is_no_reason_to_suppress(path: Place) -> None:
    def script(_talk: Talk, command: str, _argument: str) -> str | None:
        return "552 5.2.2 mailbox full" if command == "RCPT" else None

    async with serving(RelayServer(script=script)) as server:
        report = await send(path, server.url, people(3))
    assert report.failed == 3
    assert report.stopped is None
    assert suppressed(path) == set()


async def test_a_recipient_suppressed_during_the_run_is_not_mailed(
    path: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]

    def suppress_the_last(count: int) -> None:
        if count == 1:
            suppress(path, "reader39@example.org")
            now[0] += LOOKED

    monkeypatch.setattr(Journal.__init__, "__defaults__", (lambda: now[0],))
    async with serving(RelayServer(on_message=suppress_the_last)) as server:
        report = await send(path, server.url, people(40), connections=1)
    assert report.sent == 39
    assert report.skipped == 1
    assert "reader39@example.org" not in server.addresses
    assert by_state(path)["skipped"] == {"reader39@example.org"}


async def test_a_run_whose_recipients_are_all_suppressed_before_it_begins_ends(path: Place) -> None:
    with ledger_at(path, time.time) as ledger:
        plan(ledger, people(3))
        for one in people(3):
            suppress(path, one.email)
        async with serving(RelayServer()) as server:
            relays = [parse_relay(server.url, connections=2)]
            async with asyncio.timeout(30):
                report = await deliver(ledger, PlainWriter(), relays)
    assert (report.sent, report.skipped, server.connections) == (0, 3, 0)


async def test_a_relay_that_was_never_there_is_said_at_once(path: Place) -> None:
    report = await send(path, "smtp://127.0.0.1:9", people(3))
    assert report.stopped is not None
    assert "127.0.0.1:9" in str(report.stopped)
    assert "refused" in str(report.stopped)
    assert report.pending == 3


async def test_a_relay_that_goes_away_is_waited_for(path: Place) -> None:
    server = RelayServer()
    gone, missed = asyncio.Event(), asyncio.Event()
    server.on_message = lambda count: gone.set() if count == 20 else None

    def noticed(now: Progress) -> None:
        if any("can't connect" in note for note in now.notes):
            missed.set()

    async with serving(server):
        pass  # to learn of a free port
    context = serving(server)
    await context.__aenter__()
    sending = asyncio.ensure_future(send(path, server.url, people(200), connections=2, on_progress=noticed))
    await gone.wait()
    await context.__aexit__(None, None, None)
    await missed.wait()
    async with serving(server):
        report = await sending
    assert report.sent + report.unknown == 200
    assert report.unknown <= 2
    assert set(server.counts.values()) == {1}


async def test_another_relay_takes_over_from_one_that_fails(path: Place) -> None:
    def script(_talk: Talk, command: str, _argument: str) -> str | None:
        return "550 5.1.8 sender rejected" if command == "MAIL" else None

    async with serving(RelayServer(script=script)) as bad, serving(RelayServer()) as good:
        report = await send(path, [bad.url, good.url, "smtp://127.0.0.1:9"], people(60))
    assert report.sent == 60
    assert len(good.counts) == 60
    assert report.stopped is None


async def test_stop_finishes_what_is_under_way_and_the_next_run_goes_on(path: Place) -> None:
    stop = asyncio.Event()
    async with serving(RelayServer(on_message=lambda count: stop.set() if count == 50 else None)) as server:
        report = await send(path, server.url, people(300), stop=stop)
        assert report.interrupted
        assert report.unknown == 0
        assert 50 <= report.sent < 150
        assert report.pending == 300 - report.sent
        assert len(server.accepted) == report.sent
        report = await send(path, server.url, people(300))
    assert set(server.counts.values()) == {1}
    assert len(server.counts) == 300


async def test_a_relay_that_says_go_on_too_late_after_a_stop_gets_no_body_and_nobody_is_in_doubt(
    path: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("newsletter.delivery.engine.LAST_BODY", 0.0)
    stop, late, loop = asyncio.Event(), asyncio.Event(), asyncio.get_running_loop()

    def asked(talk: Talk, command: str, _argument: str) -> None:
        if command == "RCPT" and talk.number == 4:
            stop.set()
            loop.call_later(0.2, late.set)  # long after the stop is seen

    async with serving(RelayServer(script=asked, late=late)) as relay:
        report = await send(path, relay.url, people(20), stop=stop)
        assert relay.accepted == []
    assert (report.interrupted, report.sent, report.unknown, report.pending) == (True, 0, 0, 20)
    assert by_state(path).keys() == {"pending"}


async def test_a_second_signal_stops_at_once_and_names_the_unknown(path: Place) -> None:
    stop, abort = asyncio.Event(), asyncio.Event()

    def script(_talk: Talk, command: str, _argument: str) -> str | None:
        if command == ".":
            stop.set()
            asyncio.get_running_loop().call_later(0.1, abort.set)
            return SWALLOW
        return None

    async with serving(RelayServer(script=script)) as server:
        report = await send(path, server.url, people(30), stop=stop, abort=abort, connections=2, timeouts=Timeouts())
    assert report.interrupted
    assert report.stopped is None
    assert [text for text, _ in report.replies if "stopped before the relay had answered" in text]
    assert not [text for text, _ in report.replies if "closed by the relay" in text]
    assert 1 <= report.unknown <= 2
    assert report.pending == 30 - report.unknown


async def test_a_message_that_can_t_be_written_fails_alone(path: Place) -> None:
    from newsletter.errors import NewsletterError

    class Writer(PlainWriter):
        def envelope(self, subscriber):
            if subscriber.email.startswith("reader3@"):
                raise NewsletterError("no column 'city'")
            return super().envelope(subscriber)

    async with serving(RelayServer()) as server:
        report = await send(path, server.url, people(10), writer=Writer())
    assert (report.sent, report.failed) == (9, 1)
    assert "no column 'city'" in report.replies[0][0]
