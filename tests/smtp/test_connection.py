"""A conversation with a relay, against a server that refuses, breaks off or falls silent at each of its steps."""

from pathlib import Path

import pytest

from newsletter.smtp.connection import Timeouts
from tests.delivery.relay_server import ABORT, CLOSE, DRIP, SWALLOW, RelayServer, Talk, once, serving
from tests.delivery.sending import PATIENT, SHORT, by_state, people, send, suppressed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "newsletter.db"


def patience(how: str) -> Timeouts:
    """Short where the server lets us wait."""
    return SHORT if how in (SWALLOW, DRIP) else PATIENT


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
