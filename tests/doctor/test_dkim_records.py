"""DKIM records, each wrong in another way: named, with the line that mends it."""

import base64
import re

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)

from tests.doctor.conftest import Look
from tests.doctor.records import DKIM, cut, one


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
    ("v=DKIM1; k=rsa; p=%OURS~~", "no base64, with ~ in it"),
    ("v=DKIM1; k=rsa; p=%PRIVATE", "PRIVATE"),
    ("v=DKIM1; k=rsa; p=%PKCS1", "PKCS #1"),
    ("v=DKIM1; k=rsa; P=%OURS", "written small"),
    ("v=DKIM1 k=rsa p=%OURS", "lacks a semicolon before k="),
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
    public = load_der_public_key(key[1].public)
    values = {
        "%OURS": ours, "%OTHER": OTHER_KEY[1], "%CUT": ours[:180],
        "%PKCS1": base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.PKCS1)).decode(),
        "%PRIVATE": "".join(OTHER_KEY[0].decode().splitlines()[1:-1]),
    }  # fmt: skip
    texts = [re.sub("%[A-Z0-9]+", lambda found: values[found[0]], text) for text in record.split("|")]
    lines = [f"news._domainkey.example.org. IN TXT {cut(text)}" for text in texts if text]
    wrong = one(look(without=(DKIM,), with_="\n".join(lines)), "dkim")
    assert what in wrong.what
    assert key[1].zone_line in wrong.fix


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
    found = look(with_=f"newsletter._domainkey.example.org. IN TXT {cut(text)}", config=config)
    said = [each for each in found if each.check == "dkim" and "newsletter._domainkey" in each.what]
    assert [each.result for each in said] == [result]
    assert what in said[0].what


def test_a_short_key_is_named(look: Look, tmp_path) -> None:
    (tmp_path / "key.pem").write_bytes(OTHER_KEY[0])
    (tmp_path / "key.pem").chmod(0o600)
    line = f"news._domainkey.example.org. IN TXT {cut('v=DKIM1; p=' + OTHER_KEY[1])}"
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
