"""DMARC records, each wrong in another way: named, with the line that mends it; and whose policy holds."""

import pytest

from newsletter.doctor.dns.dmarc_record import mended
from tests.doctor.conftest import Look
from tests.doctor.records import DMARC, one

DMARC_KINDS = [
    ("", "dmarc", "no DMARC record", '_dmarc.example.org. IN TXT "v=DMARC1; p=none; rua='),
    ("v=DMARC1; p=reject|v=DMARC1; p=none", "dmarc", "several DMARC records", "keep one"),
    ("v=DMARC1; p=none; rua=mailto:a@example.org", "dmarc", "p=none", '"v=DMARC1; p=quarantine; rua=mailto:a@example.org"'),
    ("v=DMARC1; p=reject; pct=50; rua=mailto:a@example.org", "dmarc", "pct", '"v=DMARC1; p=reject; rua=mailto:a@example.org; t=y"'),
    ("v=DMARC1; p=reject; ri=3600; rua=mailto:a@example.org", "dmarc", "ri", '"v=DMARC1; p=reject; rua=mailto:a@example.org"'),
    ("v=DMARC1; p=reject; t=y; rua=mailto:a@example.org", "dmarc", "t=y", '"v=DMARC1; p=reject; rua=mailto:a@example.org"'),
    ("v=DMARC1; p=reject; sp=none; rua=mailto:a@example.org", "dmarc", "sp=none", '"v=DMARC1; p=reject; rua=mailto:a@example.org"'),
    ("v=DMARC1; p=quarantaine; rua=mailto:a@example.org", "dmarc", "p=quarantaine", '"v=DMARC1; p=quarantine; rua'),
    ("v=DMARC1; rua=mailto:a@example.org", "dmarc", "no p=", '"v=DMARC1; p=none; rua=mailto:a@example.org"'),
    ("v=DMARC1; p=reject; policy=x; rua=mailto:a@example.org", "dmarc", "policy", '"v=DMARC1; p=reject; rua'),
    ("v=DMARC1; p=reject; adkim=strict; rua=mailto:a@example.org", "dmarc", "adkim=strict", "adkim=r"),
    ("v=dmarc1; p=reject; rua=mailto:a@example.org", "dmarc", "is not read", '"v=DMARC1; p=reject; rua=mailto:a@example.org"'),
    ("p=reject; v=DMARC1", "dmarc", "is not read", '"v=DMARC1; p=reject; rua=mailto:dmarc-reports@example.org"'),
    ("v=DMARC1, p=reject", "dmarc", "is not read", "with p=none to begin with"),
    (" v=DMARC1; p=none", "dmarc", "is not read", '"v=DMARC1; p=none'),
    ("v=DMARC1; p=reject; np=none; rua=mailto:a@example.org", "dmarc", "np=none", '"v=DMARC1; p=reject; rua=mailto:a@example.org"'),
    ("v=DMARC1; p=reject; sp=quarantine; rua=mailto:a@example.org", "dmarc", "sp=quarantine", '"v=DMARC1; p=reject; rua=mailto:a@example.org"'),
    ("v=DMARC1; p=reject; p=none; rua=mailto:a@example.org", "dmarc", "p twice", '"v=DMARC1; p=reject; rua=mailto:a@example.org"'),
    ("v=DMARC1; p=reject; psd=y; rua=mailto:a@example.org", "dmarc", "psd=y", '"v=DMARC1; p=reject; rua=mailto:a@example.org"'),
    ("v=DMARC1; p=reject; rua=mailto:a@example.org!10m", "dmarc", "a size behind", '"v=DMARC1; p=reject; rua=mailto:a@example.org"'),
    ("v=DMARC1; p=reject; fo=x; rua=mailto:a@example.org", "dmarc", "fo=x", '"v=DMARC1; p=reject; rua=mailto:a@example.org"'),
    ("v=DMARC1; p=reject rua=mailto:a@example.org", "dmarc", "lacks a semicolon before rua=", '"v=DMARC1; p=reject; rua=mailto:a@example.org"'),
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


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"v=DMARC1\; p=reject\; rua=mailto:a@x.net", "p=reject rua=mailto:a@x.net"),
        ('"v=DMARC1; p: Reject; sp=nonne"', "p=reject sp=none"),
        ("v=DMARC1; p=none; rua=mailto:a@x.net; mailto:b@x.net", "p=none rua=mailto:a@x.net,mailto:b@x.net"),
        ("v=DMARC1 p=quarantine pct=20 adkim=strict t=perhaps x=1", "p=quarantine adkim=r t=y"),
        ("v=DMARC1; p=none; rua=mailto:a@x.net!10m,mailto:b@x.net!5", "p=none rua=mailto:a@x.net,mailto:b@x.net"),
        ("v=DMARC1; p=block; pct=100; psd=n; fo=1:d", "p=none psd=n fo=1:d"),
        ("", "p=none"),
    ],
)
def test_a_record_is_mended_to_what_it_means(written: str, meant: str) -> None:
    found = mended(written)
    assert {f"{name}={value}" for name, value in found.items()} == {"v=DMARC1", *meant.split()}


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
