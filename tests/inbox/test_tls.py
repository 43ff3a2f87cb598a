"""TLS and logins of the test inbox, by clients that are as strict as a program's own settings may be."""

import asyncio
import smtplib
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiosmtplib
import pytest
import trustme

from newsletter.errors import NewsletterError
from newsletter.inbox.server import InboxServer
from newsletter.inbox.store import Store
from newsletter.inbox.tls import Demand, Tls, load_tls, own_certificate

MESSAGE = b"From: ada@example.org\r\nTo: ben@example.org\r\nSubject: Oaks\r\n\r\nWho planted them?\r\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "inbox") as store:
        yield store


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[..., None]:
    """The inbox runs on either loop."""
    if request.param == "asyncio":
        return asyncio.run
    uvloop = pytest.importorskip("uvloop")
    return lambda main: asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main)


def own(folder: Path, demand: Demand) -> tuple[Tls, ssl.SSLContext]:
    """What the server shows, and what a client that trusts it checks."""
    certificate, key = own_certificate(folder)
    return load_tls(demand, certificate, key), ssl.create_default_context(cafile=str(certificate))


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("demand", ["offered", "required", "smtps"])
def test_a_client_that_checks_the_certificate_is_served(
    store: Store, tmp_path: Path, run: Callable[..., None], demand: Demand, name: str
) -> None:
    tls, trusting = own(tmp_path, demand)

    async def main() -> None:
        async with InboxServer(store, tls=tls) as server:
            client = aiosmtplib.SMTP(
                hostname=name, port=server.port, use_tls=demand == "smtps", start_tls=demand != "smtps",
                tls_context=trusting,
            )  # fmt: skip
            async with client:
                assert not client.supports_extension("starttls")  # it is there already
                await client.login("anybody", "any password")
                await client.sendmail("ada@example.org", "ben@example.org", MESSAGE + b"." * 300_000)

    run(main())
    assert store.search().total == 1


def test_whoever_does_not_trust_it_leaves_and_the_next_is_served(
    store: Store, tmp_path: Path, run: Callable[..., None]
) -> None:
    tls, trusting = own(tmp_path, "offered")

    async def main() -> None:
        async with InboxServer(store, tls=tls, max_connections=3) as server:
            for _ in range(6):
                wary = aiosmtplib.SMTP(hostname="127.0.0.1", port=server.port, start_tls=True)
                with pytest.raises(ssl.SSLCertVerificationError):
                    await wary.connect()
                wary.close()
            async with aiosmtplib.SMTP(port=server.port, hostname="localhost", start_tls=True, tls_context=trusting):
                pass

    run(main())


def test_what_is_said_before_the_handshake_is_forgotten(store: Store, tmp_path: Path) -> None:
    """Whoever stands between could put commands there, which would count as said under TLS."""
    tls, trusting = own(tmp_path, "required")

    def talk(port: int) -> None:
        with smtplib.SMTP("localhost", port) as client:
            client.ehlo()
            assert client.has_extn("starttls")
            assert not client.has_extn("auth")
            assert client.docmd("AUTH", "PLAIN AGEAYg==")[0] == 530
            assert client.docmd("MAIL", "FROM:<ada@example.org>")[0] == 530
            assert client.sock is not None
            client.sock.sendall(b"STARTTLS\r\nMAIL FROM:<mallory@example.org>\r\n")
            assert client.getreply()[0] == 220
            client.sock = trusting.wrap_socket(client.sock, server_hostname="localhost")
            client.file = None
            assert client.docmd("NOOP")[0] == 250  # not MAIL's reply
            assert client.docmd("MAIL", "FROM:<ada@example.org>")[0] == 503  # nor a greeting from before
            assert client.docmd("STARTTLS")[0] == 503

    async def main() -> None:
        async with InboxServer(store, tls=tls) as server:
            await asyncio.to_thread(talk, server.port)

    asyncio.run(main())


async def test_without_tls_none_is_offered(store: Store) -> None:
    async with InboxServer(store) as server, aiosmtplib.SMTP(hostname="127.0.0.1", port=server.port) as client:
        assert not client.supports_extension("starttls")
        assert (await client.execute_command(b"STARTTLS")).code == 502


async def test_a_login_that_is_known_must_be_given(store: Store) -> None:
    async with InboxServer(store, login="ada:re:hearsal") as server:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=server.port, start_tls=False) as client:
            for method in (client.auth_login, client.auth_plain):
                with pytest.raises(aiosmtplib.SMTPAuthenticationError) as refused:
                    await method("ada", "guess")
                assert refused.value.code == 535
            with pytest.raises(aiosmtplib.SMTPSenderRefused) as early:
                await client.sendmail("ada@example.org", "ben@example.org", MESSAGE)
            assert early.value.code == 530
        for method_name in ("auth_login", "auth_plain"):
            async with aiosmtplib.SMTP(hostname="127.0.0.1", port=server.port, start_tls=False) as client:
                await getattr(client, method_name)("ada", "re:hearsal")
                await client.sendmail("ada@example.org", "ben@example.org", MESSAGE)
    assert store.search().total == 2


def test_the_own_certificate_lasts_and_is_made_anew_in_time(tmp_path: Path) -> None:
    certificate, key = own_certificate(tmp_path)
    first = certificate.read_bytes()
    assert (certificate.stat().st_mode & 0o777, key.stat().st_mode & 0o777) == (0o600, 0o600)
    assert own_certificate(tmp_path) == (certificate, key)
    assert certificate.read_bytes() == first
    own_certificate(tmp_path, lambda: datetime.now(UTC) + timedelta(days=800))
    second = certificate.read_bytes()
    assert second != first
    certificate.write_bytes(first)  # of another key
    own_certificate(tmp_path)
    load_tls("offered", certificate, key)


def test_a_certificate_of_ones_own_is_shown_and_what_is_none_is_said(store: Store, tmp_path: Path) -> None:
    authority = trustme.CA()
    file = tmp_path / "own.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(file)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def main() -> None:
        async with InboxServer(store, tls=load_tls("smtps", file)) as server:
            assert server.url.startswith("smtps://")
            async with aiosmtplib.SMTP(hostname="localhost", port=server.port, use_tls=True, tls_context=trusting):
                pass

    asyncio.run(main())
    file.write_text("nothing")
    with pytest.raises(NewsletterError, match=r"own\.pem: is no certificate with its key"):
        load_tls("smtps", file)
    with pytest.raises(NewsletterError, match="can't be read"):
        load_tls("smtps", tmp_path / "missing.pem")
