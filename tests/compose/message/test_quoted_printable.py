"""Quoted-printable, read back by the standard library."""

import binascii

from hypothesis import example, given
from hypothesis import strategies as st

from newsletter.compose.message.quoted_printable import SOFT_BREAK, encode, encode_value, normal

texts = st.one_of(st.text(), st.text(". =aé😀\t\n", max_size=400))


@given(st.lists(texts))
@example([".", ".\r\n.", "a" * 76, "." * 200, " ", "\0", "é" * 40])
def test_pieces_between_soft_breaks_read_back_as_one_text(pieces: list[str]) -> None:
    coded = SOFT_BREAK.join(encode(piece) for piece in pieces)
    lines = coded.split(b"\r\n")
    assert binascii.a2b_qp(coded).replace(b"\r\n", b"\n").decode() == "".join(map(normal, pieces))
    assert all(len(line) <= 76 for line in lines)
    assert not any(line.startswith(b".") for line in lines)
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert not any(line.endswith((b" ", b"\t")) for line in lines), "blanks at a line's end are lost on the way"


@given(texts)
def test_a_value_is_encoded_alike_wherever_it_comes_from(value: str) -> None:
    coded = encode_value(value) + SOFT_BREAK
    assert binascii.a2b_qp(coded).replace(b"\r\n", b"\n").decode() == normal(value)
    assert all(len(line) <= 76 and not line.startswith(b".") for line in coded.split(b"\r\n"))


def test_a_lone_surrogate_becomes_a_question_mark() -> None:
    assert encode("a\ud800b") == b"a?b"
