"""Zones that are wrong otherwise: MX, PTR, the domain itself, lists, and what a name server does not say."""

from ipaddress import ip_address

import pytest

from newsletter.doctor.diagnosis import Diagnosis
from tests.doctor.conftest import Look
from tests.doctor.records import DMARC, MX, SPF, one


def test_a_healthy_zone_lacks_nothing_but_what_needs_a_web_server(look: Look) -> None:
    found = look()
    assert {each.check for each in found if each.result in ("warn", "fail")} == {"mta-sts"}
    assert {each.check for each in found if each.result == "pass"} >= {"from", "spf", "dkim", "dmarc", "mx", "ptr"}


MX_KINDS = [
    ("", "neither MX nor address", "example.org. IN MX 10"),
    ("example.org. IN MX 0 .", "null MX", 'take "example.org. IN MX 0 ." out'),
    ("example.org. IN MX 0 .\nexample.org. IN MX 10 mx.example.org.", "beside others", "take"),
    ("example.org. IN A 192.0.2.80", "no MX record", "example.org. IN MX 10"),
    ("example.org. IN MX 10 gone.example.org.", "gone.example.org has no address", "address of its own"),
    ("example.org. IN MX 10 192.0.2.80.", "is an address", "address of its own"),
    ("example.org. IN MX 10 home.example.org.\nhome.example.org. IN A 192.168.1.2", "private address", "address"),
    ("example.org. IN MX 10 local.example.org.\nlocal.example.org. IN A 127.0.0.1", "private address", "address"),
    ("example.org. IN MX 10 alias.example.org.\nalias.example.org. IN CNAME mx.example.org.", "alias", "address"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "what", "fix"), MX_KINDS, ids=[kind[1] for kind in MX_KINDS])
def test_a_domain_that_takes_no_mail_is_named(look: Look, lines: str, what: str, fix: str) -> None:
    wrong = one(look(without=(MX,), with_=lines), "mx")
    assert what in wrong.what
    assert "From and the return path" in wrong.what
    assert fix in wrong.fix


def test_reply_to_and_return_path_are_looked_at_too(look: Look) -> None:
    config = (("[smtp]", 'reply_to = "ada@replies.example.com"\n[smtp]\nmail_from = "b@bounce.example.com"'),)
    found = [each for each in look(config=config, with_="replies.example.com. IN MX 0 .") if each.check == "mx"]
    assert [each.result for each in found] == ["pass", "fail", "fail"]
    assert "Reply-To" in found[1].what
    assert "the return path" in found[2].what


PTR_LINE = "25.2.0.192.in-addr.arpa."
PTR_KINDS = [
    ("", "fail", "has no name (PTR)"),
    (f"{PTR_LINE} IN PTR other.example.com.", "fail", "mismatch"),
    (f"{PTR_LINE} IN PTR other.example.com.\nother.example.com. IN A 192.0.2.99", "fail", "mismatch"),
    (f"{PTR_LINE} IN PTR 25-2-0-192.line.example.com.\n25-2-0-192.line.example.com. IN A 192.0.2.25", "warn", "household"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "result", "what"), PTR_KINDS, ids=["none", "no such host", "another's", "generic"])
def test_an_address_without_a_name_that_leads_back_is_named(look: Look, lines: str, result: str, what: str) -> None:
    wrong = one(look(without=(PTR_LINE,), with_=lines), "ptr", "warn", "fail")
    assert wrong.result == result
    assert what in wrong.what
    assert f"{PTR_LINE} IN PTR relay.example.net." in wrong.fix


def test_an_alias_at_the_top_of_the_domain_is_named(look: Look) -> None:
    zone = "example.org. IN CNAME www.example.com.\nwww.example.com. IN A 192.0.2.9"
    assert "alias (CNAME)" in one(look(without=("example.org.",), with_=zone), "from", "fail").what


def test_a_policy_behind_an_alias_that_leads_nowhere_is_named(look: Look) -> None:
    found = look(without=(DMARC,), with_="_dmarc.example.org. IN CNAME gone.example.com.")
    assert "an alias of gone.example.com" in one(found, "dmarc", "fail").what


HERE = (("smtp://relay.example.net:587", "smtp://localhost"),)


def test_a_relay_on_this_machine_is_judged_by_its_public_address(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.doctor.dns.sources.own_addresses", lambda: [ip_address("192.0.2.44")])
    found = look(config=HERE)
    spf = one(found, "spf", "fail")
    assert "192.0.2.44 (fail)" in spf.what
    assert "ip4:192.0.2.44 -all" in spf.fix
    assert "192.0.2.44 has no name" in one(found, "ptr", "fail").what


def test_a_relay_behind_a_router_is_said_to_be_unknown(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.doctor.dns.sources.own_addresses", list)
    found = look(config=HERE)
    assert "can't be told" in one(found, "spf", "warn").what
    assert one(found, "ptr", "skip")


def test_from_at_a_freemail_domain_fails(look: Look) -> None:
    wrong = one(look(config=(("ada@example.org", "ada@gmail.com"),)), "from", "fail")
    assert "gmail.com" in wrong.what


HOSTILE = r"\027[2J\027]0;owned\007\155\226\128\174\255<script>"
HOST = r"\027[2J\027]0\007\155\226\128\174\255"


def test_what_a_record_has_beside_text_never_reaches_the_terminal(look: Look) -> None:
    """Escapes are shown as zone files have them; a thousand hosts are not all asked for."""
    zone = "\n".join(
        [f'{SPF} "v=spf1 {HOSTILE} -all"', f'{DMARC} IN TXT "v=DMARC1; p=none; {HOSTILE}=1; rua=mailto:{HOSTILE}"']
        + [f'{place}.example.org. IN TXT "{HOSTILE}"' for place in ("_mta-sts", "_smtp._tls", "news._domainkey")]
        + [f"{MX} 10 {HOST}{n}.example.net." for n in range(30)]
    )
    found = look(without=(SPF, DMARC, MX, "_smtp._tls", "news._domainkey"), with_=zone)
    said = "\n".join(f"{each.what}\n{each.fix}" for each in found)
    assert not set(said) & {"\x1b", "\x07", "\x9b", "\u202e", "\udcff"}
    assert r"\027[2J" in said
    assert "29.example.net" not in said
    assert Diagnosis("mx", "fail", "a\x1b[2J\nb" + "c" * 2_000, "d\x9b\ne").what.startswith(r"a\x1b[2J bccc")


def test_a_domain_that_does_not_exist_is_named(look: Look) -> None:
    config = (("ada@example.org", "ada@exampel.org"),)
    assert "NXDOMAIN" in one(look(config=config), "from", "fail").what


@pytest.mark.parametrize(
    ("word", "what"),
    [("servfail", "SERVFAIL"), ("unsigned", "DNSSEC"), ("refused", "REFUSED"), ("silent", "nobody answers"),
     ("garbage", "can't be read"), ("cut-silent", "too long for UDP")],
)  # fmt: skip
def test_a_record_that_nobody_can_read_is_named_with_the_reason(look: Look, word: str, what: str) -> None:
    found = look(bad={"_dmarc.example.org": word, "example.org TXT": word, "news._domainkey.example.org": word})
    for check in ("spf", "dkim", "dmarc"):
        assert what in one(found, check, "fail").what


def test_an_answer_that_was_cut_is_asked_for_over_tcp(look: Look) -> None:
    found = look(bad={"example.org TXT": "cut", "news._domainkey.example.org": "cut"})
    assert not [each for each in found if each.check in ("spf", "dkim") and each.result != "pass"]


@pytest.mark.parametrize(
    ("record", "what"),
    [("v=STSv1; id=a b", "is not read"), ("v=STSv1; id=1", "has no address")],
)
def test_a_wrong_mta_sts_record_is_named(look: Look, record: str, what: str) -> None:
    assert what in one(look(with_=f'_mta-sts.example.org. IN TXT "{record}"'), "mta-sts", "fail").what


def test_a_wrong_tls_report_record_is_named(look: Look) -> None:
    for rua in ("tls@example.org", "mailto:"):
        wrong = look(without=("_smtp._tls",), with_=f'_smtp._tls.example.org. IN TXT "v=TLSRPTv1; rua={rua}"')
        assert "neither a mailbox (mailto:)" in one(wrong, "tls-rpt", "fail").what
    slip = look(without=("_smtp._tls",), with_='_smtp._tls.example.org. IN TXT "v=TLSRPT1; rua=mailto:tls@example.org"')
    assert "but 'v=TLSRPT1" in one(slip, "tls-rpt", "warn").what
    assert "TLSRPTv1" in one(look(without=("_smtp._tls",)), "tls-rpt", "warn").fix


@pytest.mark.parametrize(
    ("record", "policy", "what"),
    [("v=BIMI1; l=https://example.org/l.svg", "quarantine", "no a="), ("v=BIMI1; l=https://example.org/l.png", "reject", "no SVG"),
     ("v=BIMI1; l=; a=", "reject", "no l="), ("v=BIMI1; l=https://a.example.org/l.svg|v=BIMI1; l=", "reject", "2 BIMI records"),
     ("v=BIMI1; l=http://example.org/l.svg", "reject", "no https"), ("v=BIMI1; l=https://example.org/l.svg", "none", "not looked at")],
)  # fmt: skip
def test_a_logo_that_is_not_shown_is_named(look: Look, record: str, policy: str, what: str) -> None:
    zone = f'{DMARC} IN TXT "v=DMARC1; p={policy}; rua=mailto:a@example.org"\n' + "\n".join(
        f'default._bimi.example.org. IN TXT "{each}"' for each in record.split("|")
    )
    assert what in one(look(without=(DMARC,), with_=zone), "bimi").what


def test_dns_lists_are_asked_on_request(look: Look) -> None:
    config = (("[doctor]", '[doctor]\nlists = ["bl.example.com", "closed.example.com", "made.example.com"]'),)
    zone = (
        '25.2.0.192.bl.example.com. IN A 127.0.0.2\n25.2.0.192.bl.example.com. IN TXT "seen sending"\n'
        "example.org.closed.example.com. IN A 127.255.255.254\nexample.org.made.example.com. IN A 203.0.113.5"
    )
    found = [each for each in look(config=config, with_=zone) if each.check == "lists"]
    assert [each.result for each in found] == ["fail", "warn", "warn"]
    assert "203.0.113.5 is no answer of a list" in found[2].what
    assert "192.0.2.25 stands on bl.example.com (127.0.0.2): seen sending" in found[0].what
    assert "closed.example.com gives no answer" in found[1].what
