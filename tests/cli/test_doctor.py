"""`doctor` as a user runs it, on a name server of ours."""

import json
import sys
from pathlib import Path

import pytest

from newsletter.doctor.dns import resolver
from tests.doctor.name_server import Zones, name_server

from .conftest import Call

ZONE = """
example.org. IN SOA ns.example.org. host.example.org. 1 2 3 4 5
example.org. IN MX 10 mx.example.org.
mx.example.org. IN A 192.0.2.80
_dmarc.example.org. IN TXT "v=DMARC1; p=reject; rua=mailto:reports@example.org"
"""
SPF = 'example.org. IN TXT "v=spf1 mx ip4:127.0.0.1 -all"\n'


@pytest.fixture
def no_relay(folder: Path) -> Path:
    """newsletter.toml without a relay, which no test here is about."""
    path = folder / "newsletter.toml"
    path.write_text(path.read_text().replace('url = "smtp://localhost:1025"', 'url = ""'))
    return path


def _ask(path: Path, server: str) -> None:
    path.write_text(path.read_text() + f'[doctor]\nnameserver = "{server}"\n')


def test_what_is_wrong_ends_with_1_and_the_line_that_mends_it(call: Call, no_relay: Path) -> None:
    with name_server(Zones(ZONE)) as server:
        _ask(no_relay, server)
        code, out, err = call("doctor")
        as_json, told, _ = call("doctor", "--json")
    assert (code, as_json, err) == (1, 1, "")
    assert '\n      example.org. IN TXT "v=spf1 mx ~all"\n' in out
    found = json.loads(told)
    assert all(set(one) == {"check", "result", "what", "fix"} for one in found)
    assert {one["result"] for one in found} <= {"pass", "warn", "fail", "skip"}
    assert [one["check"] for one in found if one["result"] == "fail"] == ["spf"]


def test_warnings_alone_end_with_0(call: Call, no_relay: Path) -> None:
    with name_server(Zones(ZONE + SPF)) as server:
        _ask(no_relay, server)
        code, out, _ = call("doctor")
    assert code == 0, out


def test_a_name_server_that_is_away_is_75_and_named(
    call_here: Call, no_relay: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "SECONDS", 0.1)
    with name_server(Zones(bad={"": "silent"})) as server:
        pass
    _ask(no_relay, server)
    code, out, err = call_here("doctor", "--json")
    assert code == 75
    assert out == ""
    assert f"no name server answers at {server}" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("server", ["dns.example.org", "127.0.0.1:x", "127.0.0.1:99999", "[::1"])
def test_what_is_no_name_server_is_told_with_its_line(call: Call, no_relay: Path, server: str) -> None:
    _ask(no_relay, server)
    code, _, err = call("doctor")
    assert code == 2
    assert f"newsletter.toml:{len(no_relay.read_text().splitlines())}: [doctor] nameserver" in err


def test_without_dnspython_the_extra_is_named(call_here: Call, no_relay: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dns.resolver", None)
    monkeypatch.setitem(sys.modules, "dns.inet", None)
    code, _, err = call_here("doctor")
    assert code == 2
    assert "pip install 'newsletter-press[doctor]'" in err
    assert err.count("\n") == 1


def test_without_an_author_there_is_nobody_to_examine(call: Call, no_relay: Path) -> None:
    no_relay.write_text(no_relay.read_text().replace("Ada Moreau <ada@example.org>", ""))
    code, _, err = call("doctor")
    assert code == 2
    assert "[newsletter] author" in err
