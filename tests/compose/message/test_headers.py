"""Header fields as bytes, read back by the standard library's parser."""

import re
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.compose.message import headers
from newsletter.errors import NewsletterError

NASTY = [
    "\r\nBcc: eve@example.org",
    "=?utf-8?q?x=0D=0ABcc:_e?=",
    "a\0b",
    "\x85",
    "\u2028x\u2029",
    "x" * 2000,
    " a  b ",
    "",
]
texts = st.one_of(st.text(), st.sampled_from(NASTY), st.text('ab =?_"\\<>,;:é—😀\u0301\r\n\t', max_size=300))


def parsed(field: bytes) -> EmailMessage:
    return message_from_bytes(field + b"\r\nbody\r\n", policy=policy.default)


def decoded(field: bytes) -> str:
    """The field's text by the old, strict reader of RFC 2047."""
    value: Any = message_from_bytes(field + b"\r\n")["Subject"]
    return str(make_header(decode_header(value.replace("\r\n", ""))))


def assert_well_formed(field: bytes) -> None:
    assert field.endswith(b"\r\n")
    lines = field.removesuffix(b"\r\n").split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert all(len(line) <= 998 for line in lines)
    assert all(re.match(rb"[ \t]+[^ \t]", line) for line in lines[1:]), "a folded line holds more than blanks"


@given(texts)
def test_a_subject_reads_back_as_it_was_but_for_line_ends_and_controls(text: str) -> None:
    field = headers.text_field("Subject", text)
    assert_well_formed(field)
    assert all(len(line) <= 78 for line in field.split(b"\r\n"))
    assert decoded(field) == headers.clean(text)
    assert parsed(field).keys() == ["Subject"]
    assert not parsed(field)["Subject"].defects


@given(texts)
def test_every_encoded_word_is_short_and_whole(text: str) -> None:
    for word in re.findall(rb"=\?utf-8\?[bq]\?[^?]*\?=", headers.text_field("Subject", text + "é")):
        assert len(word) <= 75
        part, charset = decode_header(word.decode())[0]
        part.decode(charset)


@given(texts)
def test_a_display_name_reads_back_and_adds_no_field(name: str) -> None:
    field = headers.mailbox_field("To", name, "ada@example.org")
    assert_well_formed(field)
    message = parsed(field)
    assert message.keys() == ["To"]
    (address,) = message["To"].addresses
    assert address.addr_spec == "ada@example.org"
    # The new parser keeps the blank between adjacent encoded words of a phrase, against RFC 2047 section 6.2; the old
    # one doesn't.
    shown, _ = parseaddr(message_from_bytes(field + b"\r\n")["To"].replace("\r\n", ""))
    assert str(make_header(decode_header(shown))) == headers.clean(name).strip()


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Ada Moreau", b"To: Ada Moreau <a@example.org>\r\n"),
        ("Moreau, Ada", b'To: "Moreau, Ada" <a@example.org>\r\n'),
        ('Ada "A" \\ Moreau', b'To: "Ada \\"A\\" \\\\ Moreau" <a@example.org>\r\n'),
        ("Zoë", b"To: =?utf-8?q?Zo=C3=AB?= <a@example.org>\r\n"),
        ("", b"To: a@example.org\r\n"),
        (" \r\n ", b"To: a@example.org\r\n"),
    ],
)
def test_a_name_is_bare_quoted_or_encoded(name: str, written: bytes) -> None:
    assert headers.mailbox_field("To", name, "a@example.org") == written


def test_the_shorter_of_b_and_q_is_taken() -> None:
    assert b"?q?" in headers.text_field("Subject", "How to bounce back when you’re job searching")
    assert b"?b?" in headers.text_field("Subject", "Приветствие и прощание")


def test_a_long_subject_of_plain_words_is_folded_not_encoded() -> None:
    field = headers.text_field("Subject", " ".join(["plain"] * 40))
    assert b"=?" not in field
    assert field.count(b"\r\n") > 2


def test_text_that_looks_like_an_encoded_word_stays_text() -> None:
    assert decoded(headers.text_field("Subject", "=?utf-8?q?Bcc?=")) == "=?utf-8?q?Bcc?="


def test_an_address_beyond_ascii_is_written_in_utf8() -> None:
    assert headers.mailbox_field("To", "", "zoë@example.org") == "To: zoë@example.org\r\n".encode()


@pytest.mark.parametrize(
    "address", ["", "a b@example.org", "a@example.org\r\nBcc: b@example.org", "a@x, b@y", "a<b@x", "a@x\x85", "a@x\n"]
)
def test_an_address_that_would_break_the_field_is_refused(address: str) -> None:
    with pytest.raises(NewsletterError, match="can't stand in To"):
        headers.mailbox_field("To", "Ada", address)


def test_a_list_of_urls_is_folded_between_them_and_never_encoded() -> None:
    long = "https://example.org/u/" + "t" * 300
    field = headers.uris_field("List-Unsubscribe", [long, "mailto:u@example.org?subject=unsubscribe%20x"])
    assert field == f"List-Unsubscribe: <{long}>,\r\n <mailto:u@example.org?subject=unsubscribe%20x>\r\n".encode()


@pytest.mark.parametrize(
    "uri", ["https://example.org/ä", "https://example.org/a b", "https://x/>", "https://" + "x" * 1000]
)
def test_a_url_that_would_need_encoding_is_refused(uri: str) -> None:
    with pytest.raises(NewsletterError, match="can't stand in List-Unsubscribe"):
        headers.uris_field("List-Unsubscribe", [uri])


def test_identifiers_are_neither_folded_nor_encoded() -> None:
    assert headers.id_field("Message-ID", "<" + "a" * 100 + "@example.org>").count(b"\r\n") == 1
    with pytest.raises(NewsletterError):
        headers.id_field("Message-ID", "<a@example.org>\r\nBcc: x@example.org")


def test_list_id_quotes_its_title() -> None:
    assert headers.list_id_field("The Long View <example.org>") == b"List-Id: The Long View <example.org>\r\n"
    assert headers.list_id_field("Long, View <example.org>") == b'List-Id: "Long, View" <example.org>\r\n'
    assert headers.list_id_field("<example.org>") == b"List-Id: <example.org>\r\n"
