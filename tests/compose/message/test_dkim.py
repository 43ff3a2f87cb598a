"""Signatures, judged by dkimpy."""

import os
import re
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dkim
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.audience.subscriber import Subscriber
from newsletter.compose.issue import Slot
from newsletter.compose.message.dkim import Signer, relaxed_body, split_fields
from newsletter.compose.message.dkim_key import SigningKey, dns_name, generate_key, load_keys, read_key
from newsletter.compose.message.quoted_printable import SOFT_BREAK, encode, encode_value
from newsletter.compose.message.writer import MessageWriter
from newsletter.config.settings import load_config
from newsletter.errors import NewsletterError
from tests.compose.writing import SECRET
from tests.compose.writing import issue as an_issue

SHARED = (
    b"From: Ada Moreau <ada@example.org>\r\n",
    b"MIME-Version: 1.0\r\n",
    b'Content-Type: text/plain; charset="utf-8"\r\n',
    b"Content-Transfer-Encoding: quoted-printable\r\n",
)
NAMES = ("To", "Subject", "Date", "Message-ID", "List-Unsubscribe")
OWN = (
    b"To: =?utf-8?q?L=C3=A9a?= <lea@example.net>\r\n",
    b"Subject: A   subject that\r\n\t is  folded \r\n",
    b"Date: Thu, 26 Nov 2026 14:00:00 +0000\r\n",
    b"Message-ID: <abc@example.org>\r\n",
    b"List-Unsubscribe: <https://example.org/u/TOKEN>,\r\n <mailto:u@example.org?subject=unsubscribe%20TOKEN>\r\n",
)
MOMENT = 1_795_000_000
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[SigningKey]:
    folder = tmp_path_factory.mktemp("keys")
    return [
        generate_key(folder / "rsa.pem", "example.org", "newsletter", "rsa"),
        generate_key(folder / "ed.pem", "example.org", "ed", "ed25519"),
    ]


def signed(keys: list[SigningKey], pieces: list[bytes], places: list[int]) -> bytes:
    template = [b"" if at in places else piece for at, piece in enumerate(pieces)]
    signer = Signer(keys, SHARED, NAMES, template, places)
    return signer.sign(OWN, pieces, MOMENT) + b"".join((*SHARED, *OWN)) + b"\r\n" + b"".join(pieces)


def verifies(message: bytes, keys: list[SigningKey]) -> list[bool]:
    records = {f"{key.name}.".encode(): key.record.encode() for key in keys}
    return [verifies_at(message, at, records) for at in range(len(keys))]


def verifies_at(message: bytes, at: int, records: dict[bytes, bytes]) -> bool:
    try:
        return bool(dkim.DKIM(message).verify(idx=at, dnsfunc=lambda name, timeout=5: records[name]))
    except dkim.ValidationError:
        return False


def test_both_kinds_of_signature_verify(keys: list[SigningKey]) -> None:
    message = signed(keys, [b"Hello  \t you=\r\n", b"L=C3=A9a ", b"=\r\n, and   goodbye.\r\n"], [1])
    assert verifies(message, keys) == [True, True]
    assert b"a=rsa-sha256" in message
    assert b"a=ed25519-sha256" in message


def test_a_changed_word_does_not_verify(keys: list[SigningKey]) -> None:
    message = signed(keys, [b"Hello=\r\n", b"Lea", b"=\r\n.\r\n"], [1])
    assert verifies(message.replace(b"\r\nLea", b"\r\nLeo"), keys) == [False, False]
    assert verifies(message.replace(b"ada@example.org", b"eve@example.org"), keys) == [False, False]


@pytest.mark.parametrize("name", ["From", "Subject", "To", "Date", "Message-ID", "List-Unsubscribe"])
def test_a_second_field_of_that_name_breaks_the_signature(keys: list[SigningKey], name: str) -> None:
    message = signed(keys, [b"Hello.\r\n"], [])
    assert verifies(message, keys) == [True, True]
    at = message.index(b"From: ")
    assert verifies(message[:at] + name.encode() + b": other\r\n" + message[at:], keys) == [False, False]


@given(
    fixed=st.lists(st.text(max_size=200), min_size=1, max_size=4),
    values=st.lists(st.text(max_size=60), min_size=4, max_size=4),
)
def test_whatever_stands_in_slots_and_around_them_verifies(
    keys: list[SigningKey], fixed: list[str], values: list[str]
) -> None:
    pieces, places = [], []
    for text, value in zip(fixed, values, strict=False):
        pieces += [encode(text), SOFT_BREAK, encode_value(value), SOFT_BREAK]
        places.append(len(pieces) - 2)
    pieces.append(b"the end.\r\n")
    assert verifies(signed(keys[1:], pieces, places), keys[1:]) == [True]


@given(st.lists(st.text("ab \t", max_size=8)))
def test_relaxed_bodies_are_as_dkimpy_makes_them(lines: list[str]) -> None:
    body = "".join(line + "\r\n" for line in [*lines, "."]).encode()
    assert relaxed_body(body) == dkim.canonicalization.Relaxed.canonicalize_body(body)


def test_a_header_is_split_at_its_fields_not_at_its_folds() -> None:
    assert split_fields(b"".join(OWN)) == list(OWN)


def test_lines_of_a_signature_are_short(keys: list[SigningKey]) -> None:
    header = signed(keys, [b"Hello.\r\n"], []).partition(b"From: ")[0]
    assert max(map(len, header.split(b"\r\n"))) <= 78


def test_a_key_is_its_owners_alone_and_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    generate_key(path, "example.org", "newsletter", "ed25519")
    before = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(NewsletterError, match="never written over"):
        generate_key(path, "example.org", "newsletter", "rsa")
    assert path.read_bytes() == before


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    generate_key(path, "example.org", "newsletter", "ed25519")
    path.chmod(0o640)
    with pytest.raises(NewsletterError, match="chmod 600"):
        read_key(path, "example.org", "newsletter")


@pytest.mark.parametrize("octets", [b"", b"hello", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_said_to_be_none(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(octets)
    path.chmod(0o600)
    with pytest.raises(NewsletterError, match="no private key"):
        read_key(path, "example.org", "newsletter")


def test_a_record_is_split_into_strings_that_dns_can_hold(keys: list[SigningKey]) -> None:
    strings = keys[0].zone_line.split('"')[1::2]
    assert "".join(strings) == keys[0].record
    assert max(map(len, strings)) <= 255


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("Example.ORG.", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("a_b", "a_b"),
        ("straße.example", "xn--strae-oqa.example"),
    ],
)
def test_a_name_is_written_as_dns_has_it(written: str, found: str) -> None:
    assert dns_name(written, "domain") == found


@pytest.mark.parametrize("name", ["", "a b", "-a", "a..b", "é" * 100, "a" * 64, ";x", 'a"b'])
def test_what_dns_cannot_have_is_refused(name: str) -> None:
    with pytest.raises(NewsletterError, match="DKIM selector"):
        dns_name(name, "selector")


def test_an_address_is_no_domain() -> None:
    with pytest.raises(NewsletterError, match="DKIM domain"):
        dns_name("192.0.2.1", "domain")


def test_a_key_file_that_is_none_ends_in_a_line(tmp_path: Path) -> None:
    """A pipe would be waited for, and a device read without end."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(NewsletterError, match="is no file"):
            read_key(path, "example.org", "newsletter")


def config(tmp_path: Path, dkim_lines: str) -> Path:
    path = tmp_path / "newsletter.toml"
    path.write_text(f'[newsletter]\nauthor = "Ada <ada@example.org>"\n[dkim]\n{dkim_lines}\n', encoding="utf-8")
    return path


def test_one_key_or_a_list_of_them_is_loaded(tmp_path: Path) -> None:
    generate_key(tmp_path / "a.pem", "example.org", "a", "rsa")
    generate_key(tmp_path / "b.pem", "example.org", "b", "ed25519")
    one = config(tmp_path, 'domain = "example.org"\nselector = "a"\nkey_file = "a.pem"')
    assert [key.algorithm for key in load_keys(load_config(one))] == ["rsa-sha256"]
    two = config(
        tmp_path, 'domain = ["example.org", "example.org"]\nselector = ["a", "b"]\nkey_file = ["a.pem", "b.pem"]'
    )
    assert [key.algorithm for key in load_keys(load_config(two))] == ["rsa-sha256", "ed25519-sha256"]
    assert load_keys(load_config(config(tmp_path, ""))) == ()


@pytest.mark.parametrize(
    "lines",
    [
        'domain = "example.org"',
        'domain = "example.org"\nselector = ["a", "b"]\nkey_file = "a.pem"',
        'domain = "example.org"\nselector = "a"\nkey_file = "none.pem"',
        'domain = "exa mple.org"\nselector = "a"\nkey_file = "a.pem"',
    ],
)
def test_half_a_key_is_refused_with_its_place(tmp_path: Path, lines: str) -> None:
    generate_key(tmp_path / "a.pem", "example.org", "a", "ed25519")
    with pytest.raises(NewsletterError) as caught:
        load_keys(load_config(config(tmp_path, lines)))
    assert caught.value.path


@pytest.mark.parametrize("subject", [("Oaks",), (Slot("{{ subscriber.name }}, oaks", "t.html", 1),)])
@pytest.mark.parametrize("url", ["https://example.org/n", ""])
def test_what_the_writer_signs_verifies(keys: list[SigningKey], subject: tuple[str | Slot, ...], url: str) -> None:
    text = ("Dear  ", Slot("{{ subscriber.name }}", "t.html", 1), ",\n\n  and   so on\t \n.\n" * 40)
    what = an_issue(subject=subject, text=text, html=("<p>", *text, "</p>"), unsubscribe_url=url)
    writer = MessageWriter(what, SECRET, keys=keys)
    for name in ("Léa", "A  B", "", " . "):
        message = writer.envelope(Subscriber("lea@example.net", name), NOON).message
        assert verifies(message, keys) == [True, True]


def test_a_signed_message_differs_from_day_to_day_in_date_and_signature_alone(keys: list[SigningKey]) -> None:
    writer = MessageWriter(an_issue(), SECRET, keys=keys)
    first, second = (
        writer.envelope(Subscriber("lea@example.net", "Léa"), moment).message
        for moment in (NOON, NOON + timedelta(days=1))
    )
    assert first != second
    assert without_time(first) == without_time(second)


def without_time(message: bytes) -> bytes:
    dated = re.sub(rb"\r\nDate: [^\r]*", b"", message)
    return re.sub(rb"(t=)\d+|(\r\n b=)(?:[^\r]|\r\n )*", rb"\1\2", dated)
