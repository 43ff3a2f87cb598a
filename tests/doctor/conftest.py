"""A newsletter whose mail is in order, and the doctor on it."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.compose.message.dkim_key import SigningKey, generate_key, read_key
from newsletter.config.settings import load_config
from newsletter.doctor.diagnosis import Diagnosis
from newsletter.doctor.run import examine_identity, open_case
from tests.doctor.name_server import Zones, name_server

CONFIG = """
[newsletter]
author = "Ada <ada@example.org>"
[smtp]
url = "smtp://relay.example.net:587"
[dkim]
domain = "example.org"
selector = "news"
key_file = "key.pem"
[doctor]
nameserver = "SERVER"
"""

HEALTHY = """
example.org. IN SOA ns.example.org. host.example.org. 1 2 3 4 5
example.org. IN MX 10 mx.example.org.
example.org. IN TXT "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all"
mx.example.org. IN A 192.0.2.80
relay.example.net. IN A 192.0.2.25
relay.example.net. IN AAAA 2001:db8::25
25.2.0.192.in-addr.arpa. IN PTR relay.example.net.
5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. IN PTR relay.example.net.
_dmarc.example.org. IN TXT "v=DMARC1; p=quarantine; rua=mailto:reports@example.org"
_smtp._tls.example.org. IN TXT "v=TLSRPTv1; rua=mailto:tls@example.org"
"""

_KNOWN: dict[tuple[bytes, str, str], SigningKey] = {}
Look = Callable[..., list[Diagnosis]]


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SigningKey]:
    """A key's file, and the key."""
    path = tmp_path_factory.mktemp("dkim") / "key.pem"
    return path, generate_key(path, "example.org", "news", "rsa")


def _read_once(path: Path, domain: str, selector: str) -> SigningKey:
    """A key's file as it is read, once for the same octets: OpenSSL takes a fifth of a second to verify an RSA key."""
    known = (path.read_bytes(), domain, selector)
    if known not in _KNOWN:
        _KNOWN[known] = read_key(path, domain, selector)
    return _KNOWN[known]


@pytest.fixture
def look(tmp_path: Path, key: tuple[Path, SigningKey], monkeypatch: pytest.MonkeyPatch) -> Look:
    """What the doctor says of the healthy zone, without the lines that begin as in `without`, with those of `with_`."""
    monkeypatch.setattr("newsletter.compose.message.dkim_key.read_key", _read_once)

    def identity(
        without: tuple[str, ...] = (),
        with_: str = "",
        config: tuple[tuple[str, str], ...] = (),
        bad: dict[str, str] | None = None,
        chases: bool = True,
    ) -> list[Diagnosis]:
        text = HEALTHY + f"{key[1].zone_line}\n"
        lines = [line for line in text.splitlines() if not line.startswith(without or ("-",))]
        silent = "silent" in (bad or {}).values()  # else a busy machine may take its time
        monkeypatch.setattr("newsletter.doctor.dns.resolver.SECONDS", 0.6 if silent else 20.0)
        toml = CONFIG
        for old, new in config:
            assert old in toml
            toml = toml.replace(old, new)
        if not (tmp_path / "key.pem").exists():
            shutil.copy(key[0], tmp_path / "key.pem")
        with name_server(Zones("\n".join([*lines, *with_.splitlines()]), bad or {}, chases)) as server:
            (tmp_path / "newsletter.toml").write_text(toml.replace("SERVER", server))
            return asyncio.run(examine_identity(open_case(load_config(tmp_path / "newsletter.toml"))))

    return identity
