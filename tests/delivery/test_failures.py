"""Each row of the failure table, against a server that fails that way."""

import asyncio
import time
from pathlib import Path

import pytest

from newsletter.delivery.engine import deliver
from newsletter.delivery.ledger.sqlite import SqliteLedger
from newsletter.delivery.pace import RetryPolicy
from newsletter.delivery.progress import Progress
from newsletter.smtp.connection import Timeouts
from newsletter.smtp.relay import parse_relay

from .relay_server import ABORT, CLOSE, DRIP, SWALLOW, RelayServer, Talk, serving
from .sending import PATIENT, SHORT, PlainWriter, by_state, people, plan, rows, send, suppress, suppressed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "newsletter.db"


def once(what: str, reply: str, *, per: str = "recipient"):
    """A script that answers `what` with `reply` the first time for each recipient or connection."""
    seen = set()

    def script(talk: Talk, command: str, _argument: str) -> str | None:
        key = talk.rcpt_to if per == "recipient" else talk.number
        if command != what or key in seen:
            return None
        seen.add(key)
        return reply

    return script


def patience(how: str) -> Timeouts:
    """Short where the server lets us wait."""
    return SHORT if how in (SWALLOW, DRIP) else PATIENT


async def test_everybody_gets_one_message(path: Path) -> None:
    async with serving(RelayServer()) as server:
        report = await send(path, server.url, people(200))
    assert report.sent == 200
    assert report.pending == 0
    assert set(server.counts.values()) == {1}
    assert by_state(path) == {"sent": server.addresses}


async def test_a_second_run_reaches_only_those_who_lack_it(path: Path) -> None:
    async with serving(RelayServer()) as server:
        await send(path, server.url, people(20))
        report = await send(path, server.url, people(25))
    assert report.sent == 5
    assert set(server.counts.values()) == {1}
    assert len(server.counts) == 25


async def test_without_pipelining_each_command_waits_for_its_reply(path: Path) -> None:
    async with serving(RelayServer(extensions=())) as server:
        report = await send(path, server.url, people(30))
    assert report.sent == 30
    assert set(server.counts.values()) == {1}


async def test_a_server_that_knows_only_helo_is_served(path: Path) -> None:
    def script(_talk: Talk, command: str, _argument: str) -> str | None:
        return "502 5.5.2 what?" if command == "EHLO" else None

    async with serving(RelayServer(script=script)) as server:
        report = await send(path, server.url, people(10))
    assert report.sent == 10


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
async def test_a_refused_recipient_never_gets_a_body(path: Path, extensions: tuple[str, ...]) -> None:
    def script(_talk: Talk, command: str, argument: str) -> str | None:
        number = int(argument[6:].partition("@")[0]) if command == "RCPT" else 0
        return "550 5.1.1 no such user" if number % 3 == 1 else None

    async with serving(RelayServer(script=script, extensions=extensions)) as server:
        report = await send(path, server.url, people(60))
    gone = {f"reader{number}@example.org" for number in range(60) if number % 3 == 1}
    assert report.failed == 20
    assert report.sent == 40
    assert server.addresses.isdisjoint(gone)
    assert server.bodies == 40
    assert suppressed(path) == gone
    assert by_state(path)["failed"] == gone


async def test_where_data_is_answered_354_after_a_refusal_only_the_dot_is_sent(path: Path) -> None:
    def script(talk: Talk, command: str, argument: str) -> str | None:
        if command == "RCPT" and argument.startswith("reader1"):
            return "550 5.1.1 no such user"
        return "354 go on" if command == "DATA" else None

    async with serving(RelayServer(script=script)) as server:
        report = await send(path, server.url, people(10), connections=1)
    assert report.sent == 9
    assert server.bodies == 10
    assert "reader1@example.org" not in server.addresses


@pytest.mark.parametrize("what", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("how", [CLOSE, ABORT, "421 4.3.2 going down", SWALLOW, DRIP])
async def test_what_is_lost_before_the_body_goes_on_another_connection(path: Path, what: str, how: str) -> None:
    async with serving(RelayServer(script=once(what, how, per="connection"))) as server:
        seen = iter(range(1000))
        inner = server.script
        assert inner is not None
        server.script = lambda talk, command, argument: (
            inner(talk, command, argument) if command == what and next(seen) % 7 == 3 else None
        )
        report = await send(path, server.url, people(40), timeouts=patience(how))
    assert report.sent == 40
    assert report.unknown == 0
    assert set(server.counts.values()) == {1}


@pytest.mark.parametrize("how", [CLOSE, ABORT, SWALLOW, DRIP])
async def test_no_reply_to_the_final_dot_is_unknown_and_never_sent_again(path: Path, how: str) -> None:
    def after(talk: Talk) -> str | None:
        return how if talk.messages == 5 else None

    async with serving(RelayServer(after_accept=after)) as server:
        report = await send(path, server.url, people(20), connections=1, timeouts=patience(how))
        assert report.unknown == 4
        assert report.sent == 16
        again = await send(path, server.url, people(20), connections=1)
        assert again.sent == 0
        assert set(server.counts.values()) == {1}
        assert by_state(path)["unknown"] == set(report.unknown_names)
        resent = await send(path, server.url, people(20), connections=1, plan_options={"resend_unknown": True})
    assert resent.sent == 4
    assert set(by_state(path)) == {"sent"}


async def test_a_connection_lost_in_the_body_makes_the_next_ones_hold_the_dot_back(path: Path) -> None:
    def after(talk: Talk, command: str, _argument: str) -> str | None:
        server.drop_body_after = 100 if talk.number in (1, 2, 3) and command == "DATA" else None
        return None

    async with serving(RelayServer(script=after)) as server:
        report = await send(path, server.url, people(10), connections=1)
    assert report.unknown <= 1
    assert report.sent + report.unknown == 10
    assert set(server.counts.values()) == {1}


async def test_a_greylisted_recipient_is_deferred_and_sent_on_the_second_try(path: Path) -> None:
    async with serving(RelayServer(script=once("RCPT", "450 4.2.0 greylisted, come back"))) as server:
        report = await send(path, server.url, people(4))
    assert report.sent == 4
    assert report.deferred == 0
    assert {row["attempts"] for row in rows(path)} == {2}


async def test_no_wait_leaves_the_deferred_for_the_next_run(path: Path) -> None:
    async with serving(RelayServer(script=once("RCPT", "450 4.2.0 greylisted, come back"))) as server:
        report = await send(path, server.url, people(4), no_wait=True)
        assert (report.sent, report.deferred) == (0, 4)
        assert report.replies == (("450 4.2.0 greylisted, come back", 4),)
        report = await send(path, server.url, people(4), no_wait=True, clock=lambda: time.time() + 60)
    assert (report.sent, report.deferred) == (4, 0)


async def test_who_is_always_deferred_fails_in_the_end(path: Path) -> None:
    def script(_talk: Talk, command: str, _argument: str) -> str | None:
        return "452 4.2.2 mailbox is full for now" if command == "RCPT" else None

    async with serving(RelayServer(script=script)) as server:
        report = await send(path, server.url, people(2), retry=RetryPolicy(first=0.05, most=0.1, give_up=0.3))
    assert report.failed == 2
    assert {row["code"] for row in rows(path)} == {452}


async def test_421_in_place_of_the_final_reply_is_tried_again_elsewhere(path: Path) -> None:
    async with serving(RelayServer(script=once(".", "421 4.3.2 going down", per="connection"))) as server:
        first = server.script
        assert first is not None
        server.script = lambda talk, *rest: first(talk, *rest) if talk.number < 3 else None
        report = await send(path, server.url, people(20), connections=2)
    assert report.sent == 20
    assert set(server.counts.values()) == {1}


async def test_a_limit_of_messages_a_connection_only_means_more_connections(path: Path) -> None:
    def script(talk: Talk, command: str, _argument: str) -> str | None:
        return "421 4.7.0 enough on this connection" if command == "MAIL" and talk.messages >= 5 else None

    async with serving(RelayServer(script=script)) as server:
        report = await send(path, server.url, people(60), connections=2)
    assert report.sent == 60
    assert set(server.counts.values()) == {1}
    assert server.connections >= 12


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
async def test_what_is_about_us_stops_the_issue(path: Path, what: str, reply: str) -> None:
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


async def test_relaying_denied_for_everybody_stops_the_issue(path: Path) -> None:
    def script(_talk: Talk, command: str, _argument: str) -> str | None:
        return "554 5.7.1 relay access denied" if command == "RCPT" else None

    async with serving(RelayServer(script=script)) as server:
        report = await send(path, server.url, people(500))
    assert report.stopped is not None
    assert report.failed < 20
    assert suppressed(path) == set()


async def test_policy_refusals_pause_their_domain_and_no_other(path: Path) -> None:
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


async def test_a_full_mailbox_is_no_reason_to_suppress(path: Path) -> None:
    def script(_talk: Talk, command: str, _argument: str) -> str | None:
        return "552 5.2.2 mailbox full" if command == "RCPT" else None

    async with serving(RelayServer(script=script)) as server:
        report = await send(path, server.url, people(3))
    assert report.failed == 3
    assert report.stopped is None
    assert suppressed(path) == set()


async def test_a_recipient_suppressed_during_the_run_is_not_mailed(path: Path) -> None:
    def suppress_the_last(count: int) -> None:
        if count == 1:
            suppress(path, "reader39@example.org")

    async with serving(RelayServer(on_message=suppress_the_last)) as server:
        report = await send(path, server.url, people(40), connections=1)
    assert report.sent == 39
    assert report.skipped == 1
    assert "reader39@example.org" not in server.addresses
    assert by_state(path)["skipped"] == {"reader39@example.org"}


async def test_a_run_whose_recipients_are_all_suppressed_before_it_begins_ends(path: Path) -> None:
    with SqliteLedger(path, time.time) as ledger:
        plan(ledger, people(3))
        for one in people(3):
            suppress(path, one.email)
        async with serving(RelayServer()) as server:
            relays = [parse_relay(server.url, connections=2)]
            async with asyncio.timeout(30):
                report = await deliver(ledger, PlainWriter(), relays)
    assert (report.sent, report.skipped, server.connections) == (0, 3, 0)


async def test_a_non_ascii_address_needs_smtputf8(path: Path) -> None:
    listed = [*people(2), *people(1, "example.com")]
    listed[2] = type(listed[2])("jürgen@example.com")
    async with serving(RelayServer(extensions=("PIPELINING",))) as server:
        report = await send(path, server.url, listed)
        assert (report.sent, report.skipped) == (2, 1)
        server.extensions = ("PIPELINING", "SMTPUTF8")
        report = await send(path, server.url, listed)
    assert report.sent == 1
    assert any("SMTPUTF8" in command for command in server.commands)


async def test_a_relay_that_was_never_there_is_said_at_once(path: Path) -> None:
    report = await send(path, "smtp://127.0.0.1:9", people(3))
    assert report.stopped is not None
    assert "127.0.0.1:9" in str(report.stopped)
    assert "refused" in str(report.stopped)
    assert report.pending == 3


async def test_a_relay_that_goes_away_is_waited_for(path: Path) -> None:
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


async def test_another_relay_takes_over_from_one_that_fails(path: Path) -> None:
    def script(_talk: Talk, command: str, _argument: str) -> str | None:
        return "550 5.1.8 sender rejected" if command == "MAIL" else None

    async with serving(RelayServer(script=script)) as bad, serving(RelayServer()) as good:
        report = await send(path, [bad.url, good.url, "smtp://127.0.0.1:9"], people(60))
    assert report.sent == 60
    assert len(good.counts) == 60
    assert report.stopped is None


async def test_stop_finishes_what_is_under_way_and_the_next_run_goes_on(path: Path) -> None:
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


async def test_a_second_signal_stops_at_once_and_names_the_unknown(path: Path) -> None:
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


async def test_a_message_that_can_t_be_written_fails_alone(path: Path) -> None:
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


async def test_a_relay_that_never_answers_the_final_dot_is_not_fed_the_whole_list(path: Path) -> None:
    async with serving(RelayServer(after_accept=lambda _talk: CLOSE)) as server:
        report = await send(path, server.url, people(200), connections=1)
    assert report.unknown <= 4
    assert report.pending == 200 - report.unknown
    assert "closes without an answer" in str(report.stopped)
    assert set(server.counts.values()) == {1}


@pytest.mark.parametrize("offered", [True, False])
async def test_reports_are_asked_for_where_the_relay_offers_them(path: Path, offered: bool) -> None:
    async with serving(RelayServer(extensions=("PIPELINING", *["DSN"] * offered))) as server:
        await send(path, server.url, people(1))
    mail, rcpt = (line for line in server.commands if line.startswith(("MAIL", "RCPT")))
    assert mail == "MAIL FROM:<ada@example.org>" + " RET=HDRS ENVID=envelope-1" * offered
    assert rcpt == "RCPT TO:<reader0@example.org>" + " NOTIFY=FAILURE" * offered
