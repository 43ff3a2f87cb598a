"""Any mail is read: as programs write it, and however hostile it is."""

from base64 import encodebytes
from quopri import encodestring as quoted

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.mime.message import read_message, searched_words, strip_tags
from newsletter.mime.parse import MAX_DEPTH
from tests.mime.hostile import MANY, NESTED


def test_what_was_left_out_is_said() -> None:
    assert any("deeper than" in defect for defect in read_message(NESTED).defects)
    assert any("parts" in defect for defect in read_message(MANY).defects)
    assert max(part.number.count(".") for part in read_message(NESTED).parts) < MAX_DEPTH


def test_a_message_as_programs_write_them_is_understood() -> None:
    message = read_message(
        b"From: =?utf-8?q?Ad=C3=A8le?= <ada@example.org>\r\nTo: Ben <ben@example.org>,\r\n\tcarl@example.org\r\n"
        b"Subject: =?utf-8?b?R3LDvMOfZQ==?= =?utf-8?b?IGF1cw==?= Lyon\r\nDate: Mon, 4 May 2026 10:00:00 +0200\r\n"
        b"Content-Type: multipart/mixed; boundary=\"=_a b\"\r\n\r\npreamble\r\n--=_a b\r\n"
        b"Content-Type: multipart/alternative; boundary=\"=_a\"\r\n\r\n--=_a\r\n"
        b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"caf=E9 =80\r\n--=_a\r\nContent-Type: multipart/related; boundary=r\r\n\r\n--r\r\n"
        b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>caf\xc3\xa9 <img src=\"cid:pic@x\"></p>\r\n--r\r\n"
        b"Content-Type: image/png\r\nContent-ID: <pic@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        b"iVBORw0K\r\n--r--\r\n"
        b"--=_a--\r\n--=_a b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment;\r\n"
        b" filename*0*=utf-8''r%C3%A9; filename*1*=sum%C3%A9.pdf\r\n\r\nPDF\r\n--=_a b--\r\nepilogue\r\n"
    )  # fmt: skip
    assert message.defects == ()
    assert (message.subject, message.sender) == ("Grüße aus Lyon", "Adèle <ada@example.org>")
    assert message.to == ("Ben <ben@example.org>", "carl@example.org")
    assert message.date is not None
    assert message.date.isoformat() == "2026-05-04T10:00:00+02:00"
    assert (message.text, message.html) == ("café €", '<p>café <img src="cid:pic@x"></p>')
    picture = message.picture("pic@x")
    assert picture is not None
    assert picture.content() == b"\x89PNG\r\n"
    assert [part.filename for part in message.attachments] == ["résumé.pdf"]
    assert [part.number for part in message.parts] == ["", "1", "1.1", "1.2", "1.2.1", "1.2.2", "2"]
    assert message.part("2").content() == b"PDF"  # type: ignore[union-attr]
    assert searched_words(message) == ("café € résumé.pdf", "café")


@given(st.binary(max_size=400) | st.text(alphabet="<>/ a-=\r\n:;\"'mulstyexB?q", max_size=400).map(str.encode))
def test_no_bytes_raise(data: bytes) -> None:
    for prefix in (
        b"",
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n",
        b"Content-Type: text/html\r\n\r\n",
    ):
        message = read_message(prefix + data)
        searched_words(message)
        [part.content() for part in message.parts]


def test_first_words_are_read_wherever_the_few_that_are_looked_at_end() -> None:
    head = b"Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n\r\n" + b"oaks " * 500
    for filling in range(3):
        source = "<body>" + "." * filling + "Ä€ß " * 2000
        rich = b"\r\n--a\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + source.encode() + b"\r\n--a--\r\n"
        assert searched_words(read_message(head + rich))[1] == source[6:166]


def test_first_words_are_whole_where_an_encoding_is_cut_amid_a_character() -> None:
    source = "<body>" + "<p>дубы</p>" * 4_000
    head = b"Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n\r\n" + b"oaks " * 500
    rich = b"\r\n--a\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: "
    for name, encoded in (("base64", encodebytes(source.encode())), ("quoted-printable", quoted(source.encode()))):
        message = read_message(head + rich + name.encode() + b"\r\n\r\n" + encoded + b"\r\n--a--\r\n")
        assert searched_words(message)[1] == ("дубы " * 40)[:160]


@pytest.mark.parametrize("part", ["header", "body", "all"])
def test_lines_that_end_in_cr_cr_lf_are_lines(part: str) -> None:
    header = b"Subject: Oaks\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
    body = b"--a\r\nContent-Type: text/plain\r\n\r\nacorns\r\nbark\r\n--a--\r\n"
    doubled = [
        text.replace(b"\r\n", b"\r\r\n") if part in (name, "all") else text
        for name, text in (("header", header), ("body", body))
    ]
    message = read_message(b"".join(doubled))
    assert (message.subject, message.text) == ("Oaks", "acorns\nbark")
    assert len(message.defects) == 1


def test_tags_are_taken_out_and_what_they_say_stays() -> None:
    assert strip_tags("<style>p{a:b}</style><p title='a>b'>one</p><script>x<y</script>two &amp; <b>three").split() == [
        "b'>one", "two", "&", "three",
    ]  # fmt: skip
