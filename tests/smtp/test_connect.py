"""From a TCP connection to a session: greeting, TLS, login; what stands in the way is said, and no secret with it."""

import asyncio
import base64
import datetime
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from newsletter.inbox.server import InboxServer
from newsletter.inbox.store import Store
from newsletter.smtp import relay as relay_module
from newsletter.smtp.connect import Connector, RelayTrouble, helo_name
from newsletter.smtp.connection import Timeouts
from newsletter.smtp.relay import Relay, parse_relay
from tests.delivery.relay_server import DRIP, SWALLOW, RelayServer, Talk, serving
from tests.delivery.sending import PlainWriter, people, rows, send


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    return ca


def context_for(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


@pytest.fixture
def off_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the relay were elsewhere: TLS is required."""
    monkeypatch.setattr(relay_module.Relay, "is_loopback", property(lambda self: False))


@pytest.mark.usefixtures("off_loopback")
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_mail_goes_over_verified_tls(tmp_path: Path, authority: trustme.CA, scheme: str) -> None:
    context = context_for(authority.issue_cert("localhost"))
    server = RelayServer(starttls=context) if scheme == "smtp" else RelayServer(tls=context)
    server.password = "secret"
    async with serving(server, "localhost"):
        report = await send(
            tmp_path / "newsletter.db", f"{scheme}://ada@localhost:{server.port}", people(50),
            relay_options={"ca_file": str(tmp_path / "ca.pem"), "password": "secret"},
        )  # fmt: skip
    assert report.sent == 50
    assert set(server.counts.values()) == {1}


@pytest.mark.usefixtures("off_loopback")
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
@pytest.mark.parametrize("fault", ["expired", "wrong name", "unknown authority"])
async def test_a_bad_certificate_stops_and_nothing_is_said_in_clear(
    tmp_path: Path, authority: trustme.CA, scheme: str, fault: str
) -> None:
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=2)
    certificate = {
        "expired": lambda: authority.issue_cert("localhost", not_before=past, not_after=past + datetime.timedelta(1)),
        "wrong name": lambda: authority.issue_cert("mail.example.net"),
        "unknown authority": lambda: trustme.CA().issue_cert("localhost"),
    }[fault]()
    context = context_for(certificate)
    server = RelayServer(starttls=context) if scheme == "smtp" else RelayServer(tls=context)
    async with serving(server, "localhost"):
        report = await send(
            tmp_path / "newsletter.db", f"{scheme}://localhost:{server.port}", people(5),
            relay_options={"ca_file": str(tmp_path / "ca.pem")},
        )  # fmt: skip
    assert "certificate can't be trusted" in str(report.stopped)
    assert report.pending == 5
    assert server.connections <= 1
    assert not any(command.startswith("MAIL") for command in server.commands)


@pytest.mark.usefixtures("off_loopback")
async def test_without_starttls_no_login_and_no_mail_leave_in_clear(tmp_path: Path) -> None:
    async with serving(RelayServer(password="secret")) as server:
        report = await send(
            tmp_path / "newsletter.db", f"smtp://ada@127.0.0.1:{server.port}", people(5),
            relay_options={"password": "secret"},
        )  # fmt: skip
    assert "STARTTLS" in str(report.stopped)
    assert not any(command.startswith(("AUTH", "MAIL")) for command in server.commands)


async def test_a_refused_login_stops_after_one_attempt(tmp_path: Path) -> None:
    async with serving(RelayServer(password="right")) as server:
        report = await send(
            tmp_path / "newsletter.db", f"smtp://ada@127.0.0.1:{server.port}", people(50), connections=20,
            relay_options={"password": "wrong"},
        )  # fmt: skip
    assert "535 5.7.8" in str(report.stopped)
    assert "NEWSLETTER_SMTP__PASSWORD" in str(report.stopped)
    assert "wrong" not in str(report.stopped)
    assert server.connections == 1
    assert report.pending == 50


async def test_a_login_that_is_not_offered_is_said(tmp_path: Path) -> None:
    async with serving(RelayServer()) as server:
        relay = parse_relay(f"smtp://ada@127.0.0.1:{server.port}", password="x")
        with pytest.raises(RelayTrouble, match="takes no login"):
            await Connector(relay).connect(2.0)


async def test_a_host_that_does_not_exist_is_said(tmp_path: Path) -> None:
    report = await send(tmp_path / "newsletter.db", "smtp://relay.invalid:25", people(1))
    assert "no such host" in str(report.stopped)


@pytest.mark.parametrize("how", [SWALLOW, DRIP])
async def test_a_greeting_that_never_comes_times_out_and_ends_the_run(how: str, tmp_path: Path) -> None:
    def script(_talk: Talk, command: str, _argument: str) -> str | None:
        return how if command == "connect" else None

    async with serving(RelayServer(script=script)) as server:
        relay = parse_relay(server.url)
        with pytest.raises(RelayTrouble, match="no answer in time"):
            await Connector(relay).connect(0.2)
        short = Timeouts(connect=0.2, back_off=20.0)  # long enough that no second try is made
        report = await send(tmp_path / "newsletter.db", server.url, people(2), connections=1, timeouts=short)
        assert report.stopped is not None
        assert (report.stopped.exit_code, report.pending) == (75, 2)


@pytest.mark.usefixtures("off_loopback")
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_the_conversation_works_on_uvloop_over_tls_too(tmp_path: Path, authority: trustme.CA, scheme: str) -> None:
    uvloop = pytest.importorskip("uvloop")
    context = context_for(authority.issue_cert("localhost"))
    server = RelayServer(starttls=context) if scheme == "smtp" else RelayServer(tls=context)

    async def main() -> None:
        async with serving(server, "localhost"):
            report = await send(
                tmp_path / "newsletter.db", f"{scheme}://localhost:{server.port}", people(100),
                writer=PlainWriter(200_000), relay_options={"ca_file": str(tmp_path / "ca.pem")}, timeouts=Timeouts(),
            )  # fmt: skip
        assert report.sent == 100

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    assert set(server.counts.values()) == {1}


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("mail.example.org", "mail.example.org"),
        ("my_laptop.example.org", "[127.0.0.1]"),
        ("-box.example.org", "[127.0.0.1]"),
        ("box-.example.org", "[127.0.0.1]"),
        ("laptop", "[127.0.0.1]"),
        ("10.0.0.1", "[127.0.0.1]"),
        ("büro.example.org", "[127.0.0.1]"),
        ("a..example.org", "[127.0.0.1]"),
        ("a b.example.org", "[127.0.0.1]"),
        ("x" * 64 + ".example.org", "[127.0.0.1]"),
        ("", "[127.0.0.1]"),
    ],
)
def test_a_machine_gives_its_host_name_or_an_address_literal(host: str, name: str) -> None:
    assert helo_name(host) == name


async def test_a_port_that_speaks_tls_only_is_said_at_once(tmp_path: Path, authority: trustme.CA) -> None:
    async with serving(RelayServer(tls=context_for(authority.issue_cert("localhost"))), "localhost") as server:
        report = await send(tmp_path / "newsletter.db", f"smtp://localhost:{server.port}", people(3))
    assert "speaks TLS from the start; write smtps://" in str(report.stopped)
    assert report.seconds < 10
    assert report.pending == 3


async def test_a_slow_greeting_in_clear_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.smtp.connect.SILENT", 0.0)
    async with serving(RelayServer()) as server:
        assert (await send(tmp_path / "newsletter.db", server.url, people(3))).sent == 3


async def test_a_login_s_reply_that_repeats_the_secret_is_not_repeated_by_us(tmp_path: Path) -> None:
    def script(_talk: Talk, command: str, argument: str) -> str | None:
        return f"535 5.7.8 no login for {argument} with hunter22" if command == "AUTH" else None

    async with serving(RelayServer(password="right", script=script)) as server:
        report = await send(
            tmp_path / "newsletter.db", f"smtp://ada@127.0.0.1:{server.port}", people(2),
            relay_options={"password": "hunter22"},
        )  # fmt: skip
    assert "535 5.7.8" in str(report.stopped)
    assert "hunter22" not in str(report.stopped)
    assert base64.b64encode(b"\0ada\0hunter22").decode() not in str(report.stopped)


async def test_a_refusal_that_repeats_the_secret_is_recorded_without_it(tmp_path: Path) -> None:
    def script(_talk: Talk, command: str, _argument: str) -> str | None:
        return "550 5.3.0 you logged in with hunter22" if command == "RCPT" else None

    async with serving(RelayServer(password="hunter22", script=script)) as server:
        report = await send(
            tmp_path / "newsletter.db", f"smtp://ada@127.0.0.1:{server.port}", people(2),
            relay_options={"password": "hunter22"},
        )  # fmt: skip
    assert report.failed == 2
    assert {row["text"] for row in rows(tmp_path / "newsletter.db")} == {"you logged in with [secret]"}


def token_command(folder: Path, *tokens: str) -> str:
    """A command that prints the next of the tokens each time, and keeps count in runs.txt."""
    (folder / "tokens.txt").write_text("".join(f"{token}\n" for token in tokens))
    return 'echo run >> runs.txt; sed -n "$(wc -l < runs.txt)p" tokens.txt'


class Tokens:
    """A server's XOAUTH2: takes the tokens in `good`, answers others with a challenge and then 535."""

    def __init__(self, *good: str) -> None:
        self.good = set(good)
        self.asked: list[str] = []

    def __call__(self, _talk: Talk, command: str, argument: str) -> str | None:
        if command == "AUTH":
            mechanism, _, given = argument.partition(" ")
            assert mechanism == "XOAUTH2"
            user, bearer = base64.b64decode(given).decode().split("\1")[:2]
            assert user == "user=ada@example.org"
            self.asked.append(bearer.removeprefix("auth=Bearer "))
            ok = self.asked[-1] in self.good
            return "235 2.7.0 accepted" if ok else "334 " + base64.b64encode(b'{"status":"401"}').decode()
        return "535 5.7.8 token refused" if command == "" else None


def oauth(folder: Path, server: RelayServer, *tokens: str) -> Relay:
    server.password = ""
    relay = parse_relay(f"smtp://ada%40example.org@127.0.0.1:{server.port}")
    return replace(relay, oauth=token_command(folder, *tokens), folder=str(folder))


async def test_a_command_s_access_token_logs_in_once_for_all_connections(tmp_path: Path) -> None:
    tokens = Tokens("one")
    async with serving(RelayServer(script=tokens, auth="XOAUTH2")) as server:
        connector = Connector(oauth(tmp_path, server, "one", "two"))
        for session in await asyncio.gather(*(connector.connect(5.0) for _ in range(4))):
            session.transport.close()
    assert tokens.asked == ["one"] * 4
    assert (tmp_path / "runs.txt").read_text() == "run\n"


async def test_an_expired_access_token_is_fetched_anew(tmp_path: Path) -> None:
    tokens = Tokens("one")
    async with serving(RelayServer(script=tokens, auth="XOAUTH2")) as server:
        connector = Connector(oauth(tmp_path, server, "one", "two"))
        (await connector.connect(5.0)).transport.close()
        tokens.good = {"two"}
        (await connector.connect(5.0)).transport.close()
    assert tokens.asked == ["one", "one", "two"]


async def test_a_refused_access_token_stops_with_what_the_server_said_and_without_the_token(tmp_path: Path) -> None:
    async with serving(RelayServer(script=Tokens(), auth="XOAUTH2")) as server:
        with pytest.raises(RelayTrouble, match=r"535 5\.7\.8 token refused .*\[smtp\] oauth") as caught:
            await Connector(oauth(tmp_path, server, "one-token")).connect(5.0)
    assert caught.value.lasting
    assert "one-token" not in str(caught.value)


@pytest.mark.parametrize(
    ("command", "said"),
    [("echo no key >&2; exit 3", r"failed \(no key\)"), ("exit 4", r"failed \(exit 4\)"), ("true", "printed none")],
)
async def test_a_command_that_gives_no_access_token_is_said(tmp_path: Path, command: str, said: str) -> None:
    async with serving(RelayServer(auth="XOAUTH2")) as server:
        relay = replace(oauth(tmp_path, server), oauth=command)
        with pytest.raises(RelayTrouble, match=said):
            await Connector(relay).connect(5.0)


async def test_a_relay_that_takes_only_tokens_says_so_to_a_password(tmp_path: Path) -> None:
    async with serving(RelayServer(password="x", auth="XOAUTH2")) as server:
        relay = parse_relay(f"smtp://ada@127.0.0.1:{server.port}", password="x")
        with pytest.raises(RelayTrouble, match=r"only tokens: set \[smtp\] oauth"):
            await Connector(relay).connect(5.0)


async def test_the_test_inbox_is_no_relay_for_a_live_send(tmp_path: Path) -> None:
    with Store(tmp_path / "inbox") as store:
        async with InboxServer(store) as server:
            report = await send(tmp_path / "live.db", server.url, people(2))
            assert "is the test inbox, where nobody reads; set [smtp] url" in str(report.stopped)
            assert report.pending == 2
            meant = {"is_rehearsal": True}
            assert (await send(tmp_path / "dry.db", server.url, people(2), relay_options=meant)).sent == 2
