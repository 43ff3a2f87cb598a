"""Refusals that are about us, never about them: each in a real conversation, and what the next run finds."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.delivery.engine import Progress
from newsletter.delivery.pace import RetryPolicy
from newsletter.errors import TryAgainLater
from newsletter.smtp.limit import HOUR

from .relay_server import RelayServer, Talk, serving
from .sending import by_state, people, send, suppressed

DOMAINS = ("example.org", "example.net", "example.com")
GMAIL = (
    "550-5.4.5 Daily user sending limit exceeded. For more information on Gmail\n"
    "550-5.4.5 sending limits go to\n550 5.4.5  https://support.google.com/a/answer/166852 - gsmtp"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "newsletter.db"


def listed(count: int) -> list:  # type: ignore[type-arg]
    """People at three domains in turn."""
    return [people(count, DOMAINS[number % 3])[number] for number in range(count)]


def after(
    accepted: int, what: str, reply: str | Callable[[str], str]
) -> tuple[RelayServer, Callable[[Talk, str, str], str | None]]:
    """A server that takes so many messages, and then answers `what` with `reply`."""
    server = RelayServer()

    def script(_talk: Talk, command: str, argument: str) -> str | None:
        if command != what or len(server.accepted) < accepted:
            return None
        return reply if isinstance(reply, str) else reply(argument)

    server.script = script
    return server, script


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "."])
@pytest.mark.parametrize(
    "reply",
    [
        GMAIL,
        "550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
        "554 5.7.1 limit of 300 messages per 24 hours reached",
        "454 Throttling failure: Daily message quota exceeded.",
        "452 4.3.0 monthly sending quota exceeded",
    ],
)
async def test_a_day_s_quota_ends_the_run_for_later_and_settles_nobody(path: Path, command: str, reply: str) -> None:
    server, _ = after(4, command, reply)
    async with serving(server):
        report = await send(path, server.url, listed(12))
        assert isinstance(report.stopped, TryAgainLater)
        assert "which ends by " in str(report.stopped)
        assert (report.failed, report.unknown, report.deferred) == (0, 0, 0)
        assert report.sent + report.pending == 12
        server.script = None
        report = await send(path, server.url, listed(12))
    assert report.stopped is None
    assert set(server.counts.values()) == {1}
    assert by_state(path) == {"sent": {person.email for person in listed(12)}}


async def test_a_minute_s_quota_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, script = after(5, ".", "452 4.3.0 too many messages, try again in 1 second")
    server.script = lambda talk, command, argument: (
        None if sum(one == "." for one in refused) >= 3 else note(script(talk, command, argument))
    )
    refused: list[str] = []

    def note(answer: str | None) -> str | None:
        if answer:
            refused.append(".")
        return answer

    monkeypatch.setattr("newsletter.delivery.pool.SECOND", 0.5)  # else a second asks for slower, not for a rest
    async with serving(server):
        report = await send(path, server.url, listed(30), connections=1)
    assert (report.sent, report.stopped) == (30, None)
    assert set(server.counts.values()) == {1}


async def test_an_hours_quota_is_rested_out_without_a_connection_and_then_all_get_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hour passes on the loop's clock, once the relay is left alone."""
    loop, passed, seen = asyncio.get_running_loop(), [0.0], list[str]()
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + passed[0])
    server, script = after(5, "RCPT", "452 4.7.1 limit of 5 messages per hour reached")
    server.script = lambda talk, command, argument: script(talk, command, argument) if not passed[0] else None

    def look(now: Progress) -> None:
        resting = [note for note in now.notes if " rests until " in note]
        if resting and not server.open_now and not passed[0]:
            seen.extend([*resting, str(len(server.accepted))])
            passed[0] = HOUR - 60.0
        elif passed[0] == HOUR - 60.0 and resting:
            assert not server.open_now, "a minute before the hour is over nobody is asked"
            passed[0] = HOUR + 60.0

    async with serving(server):
        report = await send(path, server.url, listed(30), connections=3, on_progress=look)
    assert (report.sent, report.failed, report.deferred, report.stopped) == (30, 0, 0, None)
    assert set(server.counts.values()) == {1}
    assert "limit of 5 messages per hour reached" in seen[0]
    assert int(seen[1]) >= 5


async def test_a_limit_that_names_no_time_ends_the_run_after_twenty_refusals(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("newsletter.delivery.pool.FIRST_REST", 0.01)
    monkeypatch.setattr("newsletter.delivery.pool.LONGEST_REST", 0.02)
    server, _ = after(0, "RCPT", "452 4.3.0 sending quota exceeded")
    async with serving(server):
        report = await send(path, server.url, listed(12))
    assert isinstance(report.stopped, TryAgainLater)
    assert report.pending == 12


async def test_too_many_a_second_slows_down_and_everybody_gets_it(path: Path) -> None:
    refused = []

    def reply(_argument: str) -> str:
        refused.append(1)
        if len(refused) > 4:
            server.script = None
        return "550 5.7.0 Requested action not taken: too many emails per second"

    server, _ = after(4, ".", reply)
    async with serving(server):
        report = await send(path, server.url, listed(12))
    assert (report.sent, report.failed, report.stopped) == (12, 0, None)
    assert set(server.counts.values()) == {1}


async def test_too_many_a_second_for_good_ends_the_run_for_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.delivery.pace.SETTLE", 0.01)
    monkeypatch.setattr("newsletter.delivery.pool.LIMITED", 4)
    server, _ = after(4, ".", "550 5.7.0 Requested action not taken: too many emails per second")
    async with serving(server):
        report = await send(path, server.url, listed(12))
    assert isinstance(report.stopped, TryAgainLater)
    assert (report.sent, report.pending) == (4, 8)


@pytest.mark.parametrize(
    ("command", "reply", "hint"),
    [
        (
            ".",
            "554 Message rejected: Email address is not verified. The following identities failed the check",
            "verify",
        ),
        ("RCPT", "553 5.7.1 <ada@example.org>: Sender address rejected: not owned by user relay", "sender"),
        (".", "550 5.7.60 SMTP; Client does not have permissions to send as this sender", "sender"),
        ("RCPT", "501 5.5.2 <my_laptop.example.org>: Helo command rejected: Invalid name", "host name"),
        (".", "550 5.7.25 the sending address has no PTR record", "SPF"),
        (".", "550 5.7.1 DMARC policy of example.org", "SPF"),
        (".", "550 5.7.30 Basic authentication is not supported", "XOAUTH2"),
        (".", "552 5.2.3 message length exceeds the limit of the mailbox", "smaller"),
        ("MAIL", "554 message size exceeds the fixed maximum", "smaller"),
        (".", "554 5.7.1 Sandbox subdomains are for test purposes only", "verify"),
        (".", "554 Sending paused for this account", "account"),
        ("RCPT", "550 5.7.1 Authentication required", "NEWSLETTER_SMTP__PASSWORD"),
    ],
)
async def test_what_is_about_our_identity_stops_and_says_what_to_do(
    path: Path, command: str, reply: str, hint: str
) -> None:
    server, _ = after(0, command, reply)
    async with serving(server):
        report = await send(path, server.url, listed(12))
        assert report.stopped is not None
        assert report.stopped.exit_code == 3
        assert hint in str(report.stopped)
        assert (report.sent, report.failed, report.pending) == (0, 0, 12)
        server.script = None
        assert (await send(path, server.url, listed(12))).sent == 12
    assert suppressed(path) == set()


@pytest.mark.parametrize("reply", ["421 4.7.26 not authenticated", "450 4.7.23 SPF validation failed"])
async def test_a_reader_s_domain_that_misses_spf_for_now_is_deferred_and_paused(path: Path, reply: str) -> None:
    server = RelayServer()
    server.script = lambda _talk, command, argument: (
        reply if command == "RCPT" and argument.endswith("example.com") else None
    )
    async with serving(server):
        report = await send(path, server.url, listed(30), no_wait=True, connections=1)
    assert (report.sent, report.deferred, report.failed) == (20, 10, 0)
    assert any("example.com" in note for note in report.notes)


async def test_ten_alike_refusals_over_three_domains_are_about_us_whatever_they_say(path: Path) -> None:
    server, _ = after(3, ".", lambda email: f"550 5.6.9 computer says no to {email} (id {hash(email)})")
    async with serving(server):
        report = await send(path, server.url, listed(40))
        assert report.stopped is not None
        assert "computer says no" in str(report.stopped)
        assert report.stopped.exit_code == 3
        assert (report.sent, report.failed, report.pending) == (3, 0, 37)
        server.script = None
        assert (await send(path, server.url, listed(40))).sent == 37
    assert set(server.counts.values()) == {1}


async def test_ten_who_are_put_off_alike_until_we_give_up_are_about_us_too(path: Path) -> None:
    server, _ = after(0, "MAIL", lambda _: "450 4.1.8 sender address rejected: domain not found")
    async with serving(server):
        report = await send(path, server.url, listed(12), retry=RetryPolicy(first=0.05, most=0.1, give_up=0.3))
        assert report.stopped is not None
        assert "domain not found" in str(report.stopped)
        assert (report.sent, report.failed, report.pending + report.deferred) == (0, 0, 12)
        server.script = None
        assert (await send(path, server.url, listed(12))).sent == 12


@pytest.mark.parametrize(
    "reply",
    [
        lambda email: "550 5.1.1 no such user",
        lambda email: "550 5.2.1 mailbox disabled",
        lambda email: "552 5.2.2 mailbox full",
        lambda email: (
            "550 5.6.9 computer says no" if int(email[6:].partition("@")[0]) % 9 else "550 5.6.8 not this one"
        ),
    ],
)
async def test_what_names_the_reader_s_mailbox_or_is_not_alike_settles_the_reader(
    path: Path, reply: Callable[[str], str]
) -> None:
    server, _ = after(0, "RCPT", reply)
    async with serving(server):
        report = await send(path, server.url, listed(36), connections=1)
    assert report.stopped is None
    assert report.failed == 36


async def test_alike_refusals_at_two_domains_only_settle_their_readers(path: Path) -> None:
    server = RelayServer()
    server.script = lambda _talk, command, argument: (
        "550 5.6.9 computer says no" if command == "RCPT" and not argument.endswith("example.org") else None
    )
    only_two = [person for person in listed(60) if not person.email.endswith("example.org")]
    async with serving(server):
        report = await send(path, server.url, only_two)
    assert (report.stopped, report.failed) == (None, 40)


async def test_another_relay_goes_on_for_one_whose_quota_is_used_up(path: Path) -> None:
    server, _ = after(2, ".", GMAIL)
    async with serving(server), serving(RelayServer()) as other:
        report = await send(path, [server.url, other.url], listed(60))
    assert (report.sent, report.stopped) == (60, None)
    assert len({*server.addresses, *other.addresses}) == 60
