"""The relay as the doctor finds it: a real one on loopback, with and without TLS."""

import asyncio
import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from aiosmtpd.smtp import AuthResult

from newsletter.config.settings import load_config
from newsletter.doctor.diagnosis import Diagnosis
from newsletter.doctor.identity import read_identity
from newsletter.doctor.relay import examine_relays
from tests.smtp.listening import listen

pytestmark = pytest.mark.filterwarnings(
    "ignore:Requiring AUTH"
)  # over TLS from the start, which aiosmtpd does not count
SECRET = "NEWSLETTER_SMTP__PASSWORD"


class Silent:
    """Takes no mail; nobody here sends any."""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_relay(authority: trustme.CA, tmp_path: Path) -> Iterator[int]:
    """Speaks TLS from the start, wants a login, and has a certificate that ends in nine days."""
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=9, hours=1)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", not_after=soon).configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = listen(
        Silent(), ssl_context=context, auth_required=True,
        auth_require_tls=False, data_size_limit=1_000_000,
        authenticator=lambda *about: AuthResult(success=about[-1].password == b"right", handled=False),
    )  # fmt: skip
    yield server.port
    server.stop()


async def examine(folder: Path, smtp: str, recipients: int = 3, unicode_recipients: int = 0) -> dict[str, Diagnosis]:
    path = folder / "newsletter.toml"
    path.write_text(f'[newsletter]\nauthor = "Ada <ada@example.org>"\n[smtp]\n{smtp}\n')
    found = await examine_relays(read_identity(load_config(path)), recipients, unicode_recipients)
    return {one.check: one for one in found}


async def test_tls_certificate_login_and_size_are_told(tls_relay: int, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(SECRET, "right")
    smtp = f'url = "smtps://ada@127.0.0.1:{tls_relay}"\nca_file = "ca.pem"\nrate = "100/d"'
    found = await examine(tmp_path, smtp, recipients=450, unicode_recipients=2)
    assert "logged in as ada" in found["relay"].what
    assert "TLSv1.3" in found["relay-tls"].what
    assert (found["relay-certificate"].result, "ends in 9 days" in found["relay-certificate"].what) == ("warn", True)
    assert (found["relay-size"].result, "1.0 MB" in found["relay-size"].what) == ("warn", True)
    assert (found["quota"].result, found["quota"].what) == ("warn", "450 on the list take 4 days at 100/d")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("smtps://ada@127.0.0.1:{port}", "535"),
        ("smtps://127.0.0.1:1", "can't connect"),
        ("smtp://nohost.invalid", "no such host"),
    ],
)
async def test_a_relay_that_does_not_let_us_in_is_named_with_the_reason(
    tls_relay: int, tmp_path: Path, monkeypatch, url: str, words: str
) -> None:
    monkeypatch.setenv(SECRET, "wrong")
    found = await examine(tmp_path, f'url = "{url.format(port=tls_relay)}"\nca_file = "ca.pem"')
    assert found["relay"].result == "fail"
    assert words in found["relay"].what
    assert found["relay"].fix
    assert "wrong" not in found["relay"].what


async def test_a_server_that_speaks_no_smtp_is_said_to(tmp_path: Path) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x1b[2J" + b"\xff" * 9_000 + b"\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        found = await examine(tmp_path, f'url = "smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"')
    assert "does not speak SMTP at connect" in found["relay"].what
    assert "\x1b" not in found["relay"].what


async def test_a_certificate_that_nobody_vouches_for_is_named(tls_relay: int, tmp_path: Path) -> None:
    found = await examine(tmp_path, f'url = "smtps://127.0.0.1:{tls_relay}"')
    assert "certificate can't be trusted" in found["relay"].what


async def test_who_needs_smtputf8_is_counted_where_the_relay_offers_none(tmp_path: Path) -> None:
    server = listen(Silent(), enable_SMTPUTF8=False)
    try:
        found = await examine(tmp_path, f'url = "smtp://127.0.0.1:{server.port}"', unicode_recipients=2)
    finally:
        server.stop()
    assert "2 on the list have an address that needs it" in found["relay-smtputf8"].what
    assert "in clear" in found["relay-tls"].what


async def test_known_relays_are_known_by_what_they_want(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.doctor.relay.SECONDS", 0.1)
    postmark = await examine(tmp_path, 'url = "smtp://key@smtp.postmarkapp.com:587"')
    assert 'X-PM-Message-Stream = "broadcast"' in postmark["relay-profile"].fix
    gmail = await examine(tmp_path, 'url = "smtp://ada@smtp.gmail.com:587"', recipients=2_500)
    assert "2,000 recipients a day at most, and the list has 2,500" in gmail["relay-profile"].what
    personal = await examine(tmp_path, 'url = "smtp://ada%40gmail.com@smtp.gmail.com:587"', recipients=600)
    assert '"500/d"' in personal["relay-profile"].fix
    microsoft = await examine(tmp_path, 'url = "smtp://ada@smtp.office365.com:587"')
    assert "[smtp] oauth" in microsoft["relay-profile"].fix
    ses = await examine(tmp_path, 'url = "smtp://key@email-smtp.eu-west-1.amazonaws.com:587"')
    assert "sandbox" in ses["relay-profile"].what


async def test_no_relay_yet_is_no_failure_and_a_broken_one_is(tmp_path: Path) -> None:
    assert (await examine(tmp_path, 'url = ""'))["relay"].result == "skip"
    assert (await examine(tmp_path, 'url = "ftp://x"'))["relay"].result == "fail"
