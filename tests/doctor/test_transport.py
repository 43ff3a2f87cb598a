"""An MTA-STS policy as a sending server fetches it, over TLS, from a server on loopback."""

import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from newsletter.doctor.diagnosis import Diagnosis
from newsletter.doctor.dns import policies
from tests.doctor.conftest import Look

GOOD = "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 604800\n"
ZONE = '_mta-sts.example.org. IN TXT "v=STSv1; id=20260501"\nmta-sts.example.org. IN A 127.0.0.1'


@dataclass
class Policy:
    """What the server answers."""

    status: int = 200
    text: str = GOOD


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def policy(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Policy]:
    """A server for mta-sts.example.org, whose certificate is trusted."""
    found = Policy()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/.well-known/mta-sts.txt"
            self.send_response(found.status)
            self.send_header("Content-Length", str(len(found.text)))
            self.end_headers()
            self.wfile.write(found.text.encode())

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (its name)
            """Say nothing."""

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("mta-sts.example.org").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    monkeypatch.setattr(policies, "PORT", f":{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def said(look: Look) -> Diagnosis:
    return next(one for one in look(with_=ZONE) if one.check == "mta-sts")


def test_a_policy_that_names_the_mail_hosts_passes(look: Look, policy: Policy) -> None:
    assert said(look).result == "pass"
    policy.text = GOOD.replace("mx.example.org", "*.example.org")
    assert "mode enforce" in said(look).what


@pytest.mark.parametrize(
    ("status", "text", "what"),
    [
        (200, GOOD.replace("mx.example.org", "old.example.org"), "does not name the mail host mx.example.org"),
        (200, GOOD.replace("enforce", "strict"), "lacks version: STSv1 or a mode"),
        (200, GOOD.replace("max_age", "age"), "lacks max_age"),
        (404, "", "is answered with 404"),
        (301, "", "is answered with 301"),
    ],
)
def test_a_policy_that_keeps_mail_away_is_named(look: Look, policy: Policy, status: int, text: str, what: str) -> None:
    policy.status, policy.text = status, text
    found = said(look)
    assert found.result == "fail"
    assert what in found.what


def test_a_certificate_that_is_not_trusted_is_named(
    look: Look, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "a certificate that is not trusted" in said(look).what
