"""What a relay's URL, files and headers say."""

from pathlib import Path

import pytest

from newsletter.errors import NewsletterError
from newsletter.smtp.connect import Connector
from newsletter.smtp.rate import Rate
from newsletter.smtp.relay import Relay, header_lines, parse_relay
from tests.delivery.relay_server import RelayServer, serving
from tests.delivery.sending import people, send


def test_a_url_says_where_as_whom_and_how_much() -> None:
    relay = parse_relay("smtps://ada%40example.org@mail.example.net?connections=20&rate=14/s", password="secret")
    assert relay == Relay("mail.example.net", 465, True, "ada@example.org", "secret", 20, (Rate(14, 1),))
    assert "secret" not in repr(relay)
    assert parse_relay("smtp://mail.example.net").port == 587
    assert parse_relay("smtp://[::1]:25").name == "[::1]:25"
    assert parse_relay("smtp://[::1]:25").is_loopback
    assert not parse_relay("smtp://localhost.example.org").is_loopback
    assert parse_relay("smtp://mail.example.net", rate="5/s 100/d", connections=3).connections == 3


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("mail.example.net", "is no relay"),
        ("http://mail.example.net", "is no relay"),
        ("smtp://", "names no host"),
        ("smtp://:25", "names no host"),
        ("smtp://mail example.net", "names no host"),
        ("smtp://mail.example.net:0", "names no host"),
        ("smtp://mail.example.net:99999", "the port is a number"),
        ("smtp://mail.example.net:smtp", "the port is a number"),
        ("smtp://mail.example.net/path", "nothing may follow"),
        ("smtp://mail.example.net?connections=0", "connections is '0'"),
        ("smtp://mail.example.net?connections=many", "connections is 'many'"),
        ("smtp://mail.example.net?rate=fast", "is no rate"),
        ("smtp://mail.example.net?speed=9", "unknown option 'speed'"),
        ("smtp://mail.example.net?rate=ramp+500/h+x1.5", "'ramp 500/h x1.5' is no ramp; use ramp 500/d x1.5"),
        ("smtp://mail.example.net?rate=ramp+500/d+x1", "is no ramp"),
        ("smtp://mail.example.net?rate=ramp", "'ramp' is no ramp"),
        ("smtp://mail.example.net?rate=ramp+5/d+x2+ramp+5/d+x3", "has two ramps"),
        ("smtp://mail.example.net?domains=", "domains is empty"),
        ("smtp://mail.example.net?domains=example.com,nowhere", "'nowhere' is no domain"),
        ("smtp://[::1", "is no relay"),
    ],
)
def test_a_url_that_is_none_is_refused(url: str, what: str) -> None:
    with pytest.raises(NewsletterError, match=what):
        parse_relay(url)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(NewsletterError, match="NEWSLETTER_SMTP__PASSWORD") as caught:
        parse_relay("smtp://ada:hunter2@mail.example.net")
    assert "hunter2" not in str(caught.value)


def test_a_ca_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(NewsletterError, match="ca_file"):
            Connector(Relay("localhost", 25, ca_file=str(tmp_path / name)))


async def test_the_relay_s_headers_stand_on_each_message(tmp_path: Path) -> None:
    headers = header_lines({"X-PM-Message-Stream": "broadcast", "X-SES-CONFIGURATION-SET": "letters"})
    async with serving(RelayServer()) as server:
        await send(tmp_path / "newsletter.db", server.url, people(3), relay_options={"headers": headers})
    assert len(server.accepted) == 3
    for _, message in server.accepted:
        assert message.startswith(b"X-PM-Message-Stream: broadcast\r\nX-SES-CONFIGURATION-SET: letters\r\nTo: ")


@pytest.mark.parametrize(
    "headers",
    [{"Bcc": "x"}, {"List-Unsubscribe": "x"}, {"X: y": "z"}, {"X-A": "a\r\nBcc: b"}, {"X-A": "é"}, {"X-A": "a" * 1000}],
)
def test_a_header_that_is_none_or_ours_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(NewsletterError):
        header_lines(headers)
