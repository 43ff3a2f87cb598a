"""Wrong zones, each of another kind: the doctor names what is wrong, and the exact line that mends it."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from newsletter.doctor.diagnosis import Diagnosis
from tests.doctor.conftest import Look

SPF, DMARC, MX, DKIM = "example.org. IN TXT", "_dmarc.example.org.", "example.org. IN MX", "news._domainkey"


def _line(text: str) -> str:
    return f"{SPF} {_cut(text)}"


ELEVEN = " ".join(f"include:s{n}.example.net" for n in range(11))
TEN_MX = "\n".join(f"many.example.net. IN MX 10 m{n}.example.net." for n in range(11))


def one(found: list[Diagnosis], check: str, *results: str) -> Diagnosis:
    """The one diagnosis of a check with one of these results."""
    wanted = [each for each in found if each.check == check and each.result in (results or ("warn", "fail"))]
    assert len(wanted) == 1, [each for each in found if each.check == check]
    return wanted[0]


def test_a_healthy_zone_lacks_nothing_but_what_needs_a_web_server(look: Look) -> None:
    found = look()
    assert {each.check for each in found if each.result in ("warn", "fail")} == {"mta-sts"}
    assert {each.check for each in found if each.result == "pass"} >= {"from", "spf", "dkim", "dmarc", "mx", "ptr"}


SPF_KINDS = [
    ("", "no SPF record", 'example.org. IN TXT "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 ~all"'),
    ("v=spf1 ip4:192.0.2.25 ~all|v=spf1 mx -all", "2 SPF records", '"v=spf1 ip4:192.0.2.25 mx ~all"'),
    (f"v=spf1 {ELEVEN} -all", "11 look-ups", "include:s10.example.net (1)"),
    ("v=spf1 a:x.example.net a:y.example.net mx:z.example.net -all", "3 void look-ups", '"v=spf1 -all"'),
    ("v=spf1 include:lost.example.net -all", "lost.example.net has no SPF record", "include:lost.example.net"),
    ("v=spf1 include:circle.example.net -all", "circle", "include:example.org"),
    ("v=spf1 ip4:198.51.100.1 -all", "does not include the relay", "ip4:198.51.100.1 ip4:192.0.2.25 ip6:2001:db8::25 -all"),
    ("v=spf1 ip4:192.0.2.25 -all", "2001:db8::25 (fail)", "ip4:192.0.2.25 ip6:2001:db8::25 -all"),
    ("v=spf1 mx +all", "everybody", '"v=spf1 mx ~all"'),
    ("v=spf1 all", "everybody", '"v=spf1 ~all"'),
    ("v=spf1 ip4:0.0.0.0/0 ip6:::/0 -all", "everybody", '"v=spf1 ~all"'),
    ("v=spf1 ip4:192.0.0.0/8 ip6:2001:db8::25 -all", "many owners", "network"),
    ("v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 ptr -all", "ptr", '"v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all"'),
    ("v=spf1 ip4:192.0.2.25 ip6:2001:db8::25", "does not end with `all`", "ip6:2001:db8::25 ~all"),
    ("v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 ?all", "?all", "ip6:2001:db8::25 ~all"),
    ("v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all a", "after -all", '"v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 a -all"'),
    ("v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 redirect=s0.example.net -all", "redirect=", "ip6:2001:db8::25 -all"),
    ("v=spf1 ipv4:192.0.2.25 -all", "no term of SPF", "write ip4:192.0.2.25"),
    ("v=spf1 192.0.2.25 -all", "no term of SPF", "write ip4:192.0.2.25"),
    ("v=spf1 ip4:2001:db8::25 -all", "no network of its kind", "write ip6:2001:db8::25"),
    ("v=spf1 ip4:relay.example.net -all", "no network", "a:mail.example.org"),
    ("v=spf1 include: s0.example.net -all", "names no domain", "without a blank"),
    ("v=spf1 include:https://s0.example.net -all", "no", "include"),
    ("v=spf1 include=s0.example.net -all", "no term", "write include:s0.example.net"),
    ("v=spf1 include:two.example.net -all", "has 2 SPF records", "two.example.net"),
    ("v=spf1 include:broken.example.net -all", "the record of broken.example.net", "tell broken.example.net"),
    ("v=spf1 mx:many.example.net -all", "11 mail hosts", "ip4"),
    ("v=spf1 redirect=lost.example.net", "lost.example.net has no SPF record", "redirect=lost.example.net"),
    ("v=spf1; ip4:192.0.2.25 -all", "is not read", '"v=spf1 ip4:192.0.2.25'),
    (" v=spf1 ip4:192.0.2.25 -all", "is not read", '"v=spf1 ip4:192.0.2.25'),
    ("spf1 ip4:192.0.2.25 -all", "is not read", '"v=spf1 ip4:192.0.2.25'),
    ("v=spf2.0 ip4:192.0.2.25 -all", "is not read", '"v=spf1 ip4:192.0.2.25'),
]  # fmt: skip
OTHERS = (
    "\n".join(f's{n}.example.net. IN TXT "v=spf1 -all"' for n in range(11))
    + f'\ncircle.example.net. IN TXT "v=spf1 include:example.org -all"\n{TEN_MX}\n'
    + 'two.example.net. IN TXT "v=spf1 -all"\ntwo.example.net. IN TXT "v=spf1 ~all"\n'
    + 'broken.example.net. IN TXT "v=spf1 ip4:300.1.2.3 -all"\nx.y.example.net. IN A 192.0.2.1\n'
)


@pytest.mark.parametrize(("records", "what", "fix"), SPF_KINDS, ids=[record or "none" for record, _, _ in SPF_KINDS])
def test_a_wrong_spf_record_is_named_with_its_line(look: Look, records: str, what: str, fix: str) -> None:
    written = "\n".join(_line(record) for record in records.split("|") if record)
    found = look(without=(SPF,), with_=f"{written}\n{OTHERS}")
    wrong = [each for each in found if each.check == "spf" and each.result in ("warn", "fail")]
    assert any(what in each.what and fix in each.fix for each in wrong), wrong


def test_too_many_lookups_are_answered_with_a_record_that_has_fewer(look: Look) -> None:
    inner = "\n".join(f'n{n}.example.net. IN TXT "v=spf1 ip4:198.51.100.{n} -all"' for n in range(11))
    nested = " ".join(f"include:n{n}.example.net" for n in range(9))
    zone = f"{_line('v=spf1 include:deep.example.net include:n9.example.net include:n10.example.net ~all')}\n{inner}\n"
    wrong = one(look(without=(SPF,), with_=f'{zone}deep.example.net. IN TXT "v=spf1 {nested} -all"'), "spf", "fail")
    assert "12 look-ups" in wrong.what
    networks = " ".join(f"ip4:198.51.100.{n}" for n in range(9))
    assert f'"v=spf1 {networks} include:n9.example.net include:n10.example.net ~all"' in wrong.fix


def test_strings_are_joined_without_a_blank_as_receivers_do(look: Look) -> None:
    found = look(without=(SPF,), with_=f'{SPF} "v=spf1 include:s0.example.net" "-all"\n{OTHERS}')
    assert "s0.example.net-all" in one(found, "spf", "fail").what


def test_spf_that_leads_into_silence_is_named(look: Look) -> None:
    found = look(
        without=(SPF,), with_=_line("v=spf1 include:slow.example.net -all"), bad={"slow.example.net": "silent"}
    )
    assert "slow.example.net: nobody answers" in one(found, "spf", "fail").what


def test_macros_are_filled_in_as_receivers_fill_them(look: Look) -> None:
    found = look(
        without=(SPF,),
        with_=_line("v=spf1 exists:%{ir}.%{v}.ok.example.net include:%{d2}.inc.example.net -all")
        + '\n25.2.0.192.in-addr.ok.example.net. IN A 127.0.0.2\nexample.org.inc.example.net. IN TXT "v=spf1 ip6:2001:db8::25 -all"',
    )
    assert not [each for each in found if each.check == "spf" and each.result in ("warn", "fail")]


def test_a_relay_whose_house_alone_is_named_may_send_from_elsewhere(look: Look) -> None:
    zone = (
        _line("v=spf1 include:_spf.example.net -all") + '\n_spf.example.net. IN TXT "v=spf1 ip4:198.51.100.0/24 -all"'
    )
    said = one(look(without=(SPF,), with_=zone), "spf", "warn")
    assert "192.0.2.25 (fail)" in said.what
    assert "--probe" in said.fix


def test_a_known_relay_is_asked_for_by_its_include(look: Look) -> None:
    known = (("relay.example.net", "smtp.mailgun.org"),)
    lacking = one(look(config=known), "spf", "fail")
    assert "Mailgun" in lacking.what
    assert 'ip6:2001:db8::25 include:mailgun.org -all"' in lacking.fix
    line = _line("v=spf1 include:mailgun.org -all") + '\nmailgun.org. IN TXT "v=spf1 ip4:192.0.2.77 -all"'
    good = look(without=(SPF,), with_=line, config=known)
    assert not [each for each in good if each.check == "spf" and each.result in ("warn", "fail")]


def _bits(bits: int) -> tuple[bytes, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private, base64.b64encode(public).decode()


OTHER_KEY = _bits(1024)

DKIM_KINDS = [
    ("", "there is no DKIM record at news._domainkey.example.org"),
    ("v=DKIM1; k=rsa; p=", "revokes"),
    ("v=DKIM1; k=rsa; p=%OTHER", "mismatch"),
    ("v=DKIM1; k=rsa; p=%CUT", "cut off"),
    ("v=DKIM1; k=rsa; p=%OURS~~", "no base64"),
    ("v=DKIM1; k=rsa; t=y; p=%OURS", "t=y"),
    ("v=DKIM1; k=ed25519; p=%OURS", "another kind"),
    ("v=DKIM1; h=sha1; p=%OURS", "h=sha1"),
    ("v=DKIM1; s=tlsrpt; p=%OURS", "not for mail"),
    ("k=rsa; v=DKIM1; p=%OURS", "must begin with v=DKIM1"),
    ("v=DKIM2; p=%OURS", "v=DKIM2"),
    ("v=DKIM1; k=rsa", "no p="),
    ("v=DKIM1; p=%OURS; p=%OURS", "twice"),
    ("v=spf1 -all", "no DKIM record but 'v=spf1 -all'"),
    ("v=DKIM1; p=%OURS|v=DKIM1; p=%OTHER", "2 DKIM records"),
]  # fmt: skip


@pytest.mark.parametrize(("record", "what"), DKIM_KINDS, ids=[record or "none" for record, _ in DKIM_KINDS])
def test_a_wrong_dkim_record_is_named_with_its_line(look: Look, key, record: str, what: str) -> None:
    ours = base64.b64encode(key[1].public).decode()
    texts = [
        text.replace("%OURS", ours).replace("%OTHER", OTHER_KEY[1]).replace("%CUT", ours[:180])
        for text in record.split("|")
    ]
    lines = [f"news._domainkey.example.org. IN TXT {_cut(text)}" for text in texts if text]
    wrong = one(look(without=(DKIM,), with_="\n".join(lines)), "dkim")
    assert what in wrong.what
    assert key[1].zone_line in wrong.fix


def _cut(text: str) -> str:
    return " ".join(f'"{text[at : at + 250]}"' for at in range(0, len(text), 250))


@pytest.mark.parametrize(
    ("place", "what"),
    [
        ("news._domainkey.example.org.example.org", "adds example.org by itself"),
        ("news.example.org", "where nobody looks"),
    ],
)
def test_a_key_at_the_wrong_place_is_found_there(look: Look, key, place: str, what: str) -> None:
    text = key[1].zone_line.replace("news._domainkey.example.org.", f"{place}.", 1)
    assert what in one(look(without=(DKIM,), with_=text), "dkim", "fail").what


@pytest.mark.parametrize(
    ("record", "result", "what"),
    [
        ("v=DKIM1; t=y; p=%OURS", "warn", "t=y"), ("v=DKIM1; p=", "fail", "revokes"), ("v=DKIM1; p=%OTHER", "warn", "1024 bits"),
        ("v=DKIM1; p=%OURS", "warn", "[dkim] names no key for it"), ("v=DKIM1; p=AAAA", "fail", "no key that can be read"),
    ],
)  # fmt: skip
def test_a_record_that_nothing_signs_for_is_looked_at_too(look: Look, key, record: str, result: str, what: str) -> None:
    ours = base64.b64encode(key[1].public).decode()
    text = record.replace("%OURS", ours).replace("%OTHER", OTHER_KEY[1])
    config = (('domain = "example.org"\nselector = "news"\nkey_file = "key.pem"', ""),)
    found = look(with_=f"newsletter._domainkey.example.org. IN TXT {_cut(text)}", config=config)
    said = [each for each in found if each.check == "dkim" and "newsletter._domainkey" in each.what]
    assert [each.result for each in said] == [result]
    assert what in said[0].what


def test_a_short_key_is_named(look: Look, tmp_path) -> None:
    (tmp_path / "key.pem").write_bytes(OTHER_KEY[0])
    (tmp_path / "key.pem").chmod(0o600)
    line = f"news._domainkey.example.org. IN TXT {_cut('v=DKIM1; p=' + OTHER_KEY[1])}"
    assert "1024 bits" in one(look(without=(DKIM,), with_=line), "dkim", "warn").what


def test_an_alias_is_followed_to_the_key_and_into_nothing(look: Look, key) -> None:
    there = key[1].zone_line.replace("news._domainkey.example.org.", "news.keys.example.net.", 1)
    alias = "news._domainkey.example.org. IN CNAME news.keys.example.net."
    for chases in (True, False):
        found = look(without=(DKIM,), with_=f"{alias}\n{there}", chases=chases)
        assert not [each for each in found if each.check == "dkim" and each.result == "fail"]
    assert "an alias of news.keys.example.net" in one(look(without=(DKIM,), with_=alias), "dkim", "fail").what


def test_aliases_in_a_circle_end(look: Look) -> None:
    circle = (
        "news._domainkey.example.org. IN CNAME b.example.net.\nb.example.net. IN CNAME news._domainkey.example.org."
    )
    for chases in (True, False):
        assert "circle" in one(look(without=(DKIM,), with_=circle, chases=chases), "dkim", "fail").what


DMARC_KINDS = [
    ("", "dmarc", "no DMARC record", '_dmarc.example.org. IN TXT "v=DMARC1; p=none; rua='),
    ("v=DMARC1; p=reject|v=DMARC1; p=none", "dmarc", "several DMARC records", "keep one"),
    ("v=DMARC1; p=none; rua=mailto:a@example.org", "dmarc", "p=none", '"v=DMARC1; p=quarantine; rua=mailto:a@example.org"'),
    ("v=DMARC1; p=reject; pct=50; rua=mailto:a@example.org", "dmarc", "pct", '"v=DMARC1; p=reject; rua=mailto:a@example.org; t=y"'),
    ("v=DMARC1; p=reject; ri=3600; rua=mailto:a@example.org", "dmarc", "ri", '"v=DMARC1; p=reject; rua=mailto:a@example.org"'),
    ("v=DMARC1; p=reject; t=y; rua=mailto:a@example.org", "dmarc", "t=y", '"v=DMARC1; p=reject; rua=mailto:a@example.org"'),
    ("v=DMARC1; p=reject; sp=none; rua=mailto:a@example.org", "dmarc", "sp=none", '"v=DMARC1; p=reject; rua=mailto:a@example.org"'),
    ("v=DMARC1; p=quarantaine; rua=mailto:a@example.org", "dmarc", "p=quarantaine", '"v=DMARC1; p=none; rua'),
    ("v=DMARC1; rua=mailto:a@example.org", "dmarc", "no p=", '"v=DMARC1; p=none; rua=mailto:a@example.org"'),
    ("v=DMARC1; p=reject; policy=x; rua=mailto:a@example.org", "dmarc", "policy", '"v=DMARC1; p=reject; rua'),
    ("v=DMARC1; p=reject; adkim=strict; rua=mailto:a@example.org", "dmarc", "adkim=strict", "adkim=r"),
    ("v=dmarc1; p=reject; rua=mailto:a@example.org", "dmarc", "is not read", '"v=DMARC1; p=none'),
    ("p=reject; v=DMARC1", "dmarc", "is not read", '"v=DMARC1; p=none'),
    ("v=DMARC1, p=reject", "dmarc", "is not read", '"v=DMARC1; p=none'),
    ("v=DMARC1; p=reject", "dmarc-reports", "no rua=", "rua=mailto:dmarc-reports@example.org"),
    ("v=DMARC1; p=reject; rua=a@example.org", "dmarc-reports", "no mailbox", "rua=mailto:a@example.org"),
    ("v=DMARC1; p=reject; rua=mailto:a@reports.example.com", "dmarc-reports", "not authorised",
     'example.org._report._dmarc.reports.example.com. IN TXT "v=DMARC1"'),
    ("v=DMARC1; p=reject; rua=mailto:a@nowhere.example.org", "dmarc-reports", "takes no mail", "MX"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("records", "check", "what", "fix"), DMARC_KINDS, ids=[kind[0] or "none" for kind in DMARC_KINDS]
)
def test_a_wrong_dmarc_record_is_named_with_its_line(look: Look, records: str, check: str, what: str, fix: str) -> None:
    written = "\n".join(f'{DMARC} IN TXT "{record}"' for record in records.split("|") if record)
    wrong = one(look(without=(DMARC,), with_=written), check)
    assert what in wrong.what
    assert fix in wrong.fix


def test_an_external_mailbox_for_reports_that_is_authorised_is_fine(look: Look) -> None:
    zone = (
        '_dmarc.example.org. IN TXT "v=DMARC1; p=reject; rua=mailto:a@reports.example.com"\n'
        'example.org._report._dmarc.reports.example.com. IN TXT "v=DMARC1"\nreports.example.com. IN A 192.0.2.7'
    )
    assert one(look(without=(DMARC,), with_=zone), "dmarc-reports", "pass")


@pytest.mark.parametrize("place", ["_dmarc.example.org.example.org", "dmarc.example.org", "example.org"])
def test_a_policy_at_the_wrong_place_is_found_there(look: Look, place: str) -> None:
    wrong = one(look(without=(DMARC,), with_=f'{place}. IN TXT "v=DMARC1; p=reject"'), "dmarc", "fail")
    assert f"stands at {place}," in wrong.what


NEWS = (("ada@example.org", "ada@news.example.org"), ('domain = "example.org"', 'domain = "news.example.org"'))
NEWS_ZONE = """
news.example.org. IN MX 10 mx.example.org.
news.example.org. IN TXT "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all"
"""


def test_a_subdomain_has_the_policy_of_the_organisation_above_it(look: Look) -> None:
    found = look(with_=NEWS_ZONE, config=NEWS)
    assert "that of example.org above it" in one(found, "dmarc", "pass").what


def test_the_policy_for_subdomains_is_what_counts_there(look: Look) -> None:
    zone = NEWS_ZONE + f'{DMARC} IN TXT "v=DMARC1; p=reject; sp=none; rua=mailto:a@example.org"'
    weak = one(look(without=(DMARC,), with_=zone, config=NEWS), "dmarc", "warn")
    assert "sp=none" in weak.what
    assert "sp=quarantine" in weak.fix


def test_a_domain_that_says_psd_n_is_an_organisation_of_its_own(look: Look) -> None:
    """So a signature of the domain above it does not align (RFC 9989 section 4.10.2)."""
    zone = NEWS_ZONE + '_dmarc.news.example.org. IN TXT "v=DMARC1; p=reject; psd=n; rua=mailto:a@example.org"'
    config = (("ada@example.org", "ada@news.example.org"), ("[dkim]", 'mail_from = "b@example.org"\n[dkim]'))
    assert "misaligned" in one(look(with_=zone, config=config), "dmarc-alignment", "fail").what


def test_a_public_suffix_ends_the_walk_one_label_below(look: Look) -> None:
    """Its own record is no organisation's; the domain below it is one, without a record of its own."""
    zone = '_dmarc.org. IN TXT "v=DMARC1; p=reject; psd=y"'
    found = look(without=(DMARC,), with_=zone)
    assert "no DMARC record" in one(found, "dmarc", "fail").what


def test_a_return_path_and_a_signature_of_other_domains_are_misaligned(look: Look, tmp_path) -> None:
    zone = 'bounce.example.com. IN MX 10 mx.example.org.\nbounce.example.com. IN TXT "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all"'
    config = (
        ("[dkim]", 'mail_from = "b@bounce.example.com"\n[dkim]'),
        ('domain = "example.org"', 'domain = "example.com"'),
    )
    wrong = one(look(with_=zone, config=config), "dmarc-alignment", "fail")
    assert "misaligned" in wrong.what
    assert "dkim generate --domain example.org" in wrong.fix


def test_strict_alignment_takes_no_subdomain(look: Look) -> None:
    zone = NEWS_ZONE + f'{DMARC} IN TXT "v=DMARC1; p=reject; aspf=s; adkim=s; rua=mailto:a@example.org"'
    config = (("[dkim]", 'mail_from = "b@news.example.org"\n[dkim]'), NEWS[1])
    assert "strict" in one(look(without=(DMARC,), with_=zone, config=config), "dmarc-alignment", "fail").what


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


def test_from_at_a_freemail_domain_fails(look: Look) -> None:
    wrong = one(look(config=(("ada@example.org", "ada@gmail.com"),)), "from", "fail")
    assert "gmail.com" in wrong.what


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
    wrong = look(without=("_smtp._tls",), with_='_smtp._tls.example.org. IN TXT "v=TLSRPTv1; rua=tls@example.org"')
    assert "neither mailto:" in one(wrong, "tls-rpt", "fail").what
    assert "TLSRPTv1" in one(look(without=("_smtp._tls",)), "tls-rpt", "warn").fix


@pytest.mark.parametrize(
    ("record", "policy", "what"),
    [("v=BIMI1; l=https://example.org/l.svg", "quarantine", "no a="), ("v=BIMI1; l=https://example.org/l.png", "reject", "no SVG"),
     ("v=BIMI1; l=http://example.org/l.svg", "reject", "no https"), ("v=BIMI1; l=https://example.org/l.svg", "none", "not looked at")],
)  # fmt: skip
def test_a_logo_that_is_not_shown_is_named(look: Look, record: str, policy: str, what: str) -> None:
    zone = (
        f'{DMARC} IN TXT "v=DMARC1; p={policy}; rua=mailto:a@example.org"\ndefault._bimi.example.org. IN TXT "{record}"'
    )
    assert what in one(look(without=(DMARC,), with_=zone), "bimi").what


def test_dns_lists_are_asked_on_request(look: Look) -> None:
    config = (("[doctor]", '[doctor]\nlists = ["bl.example.com", "closed.example.com"]'),)
    zone = (
        '25.2.0.192.bl.example.com. IN A 127.0.0.2\n25.2.0.192.bl.example.com. IN TXT "seen sending"\n'
        "example.org.closed.example.com. IN A 127.255.255.254"
    )
    found = [each for each in look(config=config, with_=zone) if each.check == "lists"]
    assert [each.result for each in found] == ["fail", "warn"]
    assert "192.0.2.25 stands on bl.example.com (127.0.0.2): seen sending" in found[0].what
    assert "closed.example.com gives no answer" in found[1].what
