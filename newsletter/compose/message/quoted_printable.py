"""Quoted-printable for bodies that are spliced: RFC 2045 section 6.7, with two promises more.

Every piece starts in column 0 and may be followed by a soft line break, so pieces join in any number and a value never
changes the line lengths of fixed text. No line begins with a dot, so SMTP's dot-stuffing has nothing to do.
"""

import re

LINE = 76
"""Characters of an encoded line at most, its soft break included (RFC 2045 section 6.7, rule 5)."""

SOFT_BREAK = b"=\r\n"

_TABLE = {byte: f"={byte:02X}" for byte in range(256) if byte not in (9, 10, *range(32, 61), *range(62, 127))}
_plain = re.compile(r"(?!\.)([ -<>-~]{,75})(?:(?!\.)([ -<>-~]{1,75}))?").fullmatch
"""A name, or a link: one line or two that stand as they are."""
_LINE_END = re.compile(r"\r\n|\r")
_BLANK_BEFORE_END = re.compile(r"[ \t](?=\n|\Z)")


def normal(text: str) -> str:
    """`text` as it will be read: every line end a newline, lone surrogates question marks."""
    if text.isascii() and "\r" not in text:
        return text
    return _LINE_END.sub("\n", text).encode("utf-8", "replace").decode()


def encode(text: str) -> bytes:
    """`text` encoded: line ends made CRLF, lines of at most 76 characters, whatever the characters are.

    The result ends where the text does; a soft break may follow it. Lone surrogates become question marks.
    """
    octets = _LINE_END.sub("\n", text).encode("utf-8", "replace").decode("latin-1")
    coded = _BLANK_BEFORE_END.sub(lambda blank: f"={ord(blank[0]):02X}", octets.translate(_TABLE))
    return b"\r\n".join(_fold(line.encode("ascii")) for line in coded.split("\n"))


def encode_value(value: str) -> bytes:
    """`encode` for a slot's value: mostly short and plain, and always followed by a soft break."""
    if plain := _plain(value):
        first, second = plain.groups()
        return (first if second is None else f"{first}=\r\n{second}").encode("ascii")
    if value.isascii() and value.isprintable():
        return _fold(value.replace("=", "=3D").encode("ascii"))  # many times as fast as a table
    if len(value) < 26 and "\n" not in value and "\r" not in value:
        return _fold(value.encode("utf-8", "replace").decode("latin-1").translate(_TABLE).encode("ascii"))
    return encode(value)


def _fold(line: bytes) -> bytes:
    """One encoded line cut into lines of at most 76 by soft breaks, never inside `=XX`, none with a dot in front."""
    if len(line) < LINE and not line.startswith(b"."):
        return line
    pieces = []
    while line:
        if line.startswith(b"."):
            line = b"=2E" + line[1:]
        end = LINE - 1
        if len(line) > end:
            escape = line.rfind(b"=", end - 2, end)
            end = escape if escape > 0 else end
        pieces.append(line[:end])
        line = line[end:]
    return SOFT_BREAK.join(pieces)
