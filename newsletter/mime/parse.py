"""Take a message apart: header fields, the tree of parts, and what each part says.

Made for hostile mail: it never raises, works on offsets into the bytes that arrived (nothing is copied until it is
looked at), and is bounded in depth, number of parts and length of header, so its time grows with the size of the
message alone. What it had to forgive or leave out is listed as defects. What is shown of a part, and how, is left to
`message`. Syntax: RFC 5322 (header), RFC 2045 and 2046 (parts), RFC 2047 and 2231 (words and parameters).
"""

import binascii
import codecs
import contextlib
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message as StandardMessage
from email.utils import collapse_rfc2231_value

MAX_DEPTH = 50
MAX_PARTS = 10_000
MAX_HEADER = 1_000_000
"""Bytes of a header block that are read; the rest of it is ignored."""
MAX_FIELD = 16_000
"""Characters of a field's value that are decoded; more is cut."""
MAX_FIELDS = 1_000
MAX_KEPT = 500
"""Characters of a field whose meaning is kept for the next message: those of one mailing have most in common."""

_DOUBLED = b"\r\r\n"
_ODD_LINE_ENDS = "lines that end in CR CR LF or a lone CR: both are taken for line ends"
_LINE_END = re.compile(rb"\r*\n|\r+")
_FIELD_NAME = re.compile(rb"[!-9;-~]+[ \t]*:")
_FIELD = re.compile(r"^([!-9;-~]+)[ \t]*:(.*)$", re.MULTILINE)
_PARAMETER = re.compile(
    r""";[ \t]*([a-z][a-z0-9-]*)=(?:"([ !#-;=-\[\]-~]*)"|([a-z0-9!#$%&+./^_`{|}~-]+))[ \t]*""", re.IGNORECASE | re.ASCII
)
"""One parameter as it is usually written, which needs no parser: `; charset="utf-8"`."""
_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")
_ENCODED = ("quoted-printable", "base64")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_NOT_FOR_TEXT = {"idna", "punycode", "undefined", "mbcs", "oem", "unicode_escape", "raw_unicode_escape"}
"""Codecs that are quadratic, or that no mail is written in."""


@dataclass(slots=True, eq=False)
class Part:
    """One part of a message; the root is the message itself. Offsets are into `data`, the whole message."""

    data: bytes = field(repr=False)
    number: str  # "" for the root, then "1", "2", "2.1" as IMAP counts (RFC 9051 section 6.4.5.1)
    start: int  # of the header
    body: int  # of the body
    end: int
    fields: tuple[tuple[str, str], ...] = ()  # names as written, values unfolded, not yet decoded
    content_type: str = "text/plain"
    parameters: dict[str, str] = field(default_factory=dict)
    disposition: str = ""  # "inline", "attachment" or ""
    filename: str = ""
    content_id: str = ""  # without the angle brackets
    encoding: str = "7bit"
    by_name: dict[str, str] = field(default_factory=dict, repr=False)  # the first field of each name, in lower case
    children: list["Part"] = field(default_factory=list)

    def get(self, name: str) -> str:
        """The first field of that name, decoded; empty if there is none."""
        return decode_words(self.header(name) or "")

    def walk(self) -> Iterator["Part"]:
        """This part and all below it, in the order of the source."""
        yield self
        for child in self.children:
            yield from child.walk()

    def header(self, name: str) -> str | None:
        """The first field of that name as written, unfolded; None if there is none."""
        return self.by_name.get(name.lower())

    @property
    def charset(self) -> str:
        """As declared, in lower case; empty if not."""
        return self.parameters.get("charset", "").strip().lower()

    @property
    def mislabelled(self) -> bool:
        """Whether there are bytes that are not in the declared charset (where none is: UTF-8), or no such charset."""
        try:
            codec = codecs.lookup(self.charset or "utf-8").name
            self.content().decode(codec)
        except (LookupError, ValueError, OverflowError):
            return True
        return codec in _NOT_FOR_TEXT

    def content(self, limit: int | None = None, start: int = 0) -> bytes:
        """The body without its transfer encoding; of the encoded bytes, those from `start` to `limit` are looked at."""
        begin, end = self.body + start, self.end if limit is None else min(self.end, self.body + limit)
        if end < self.end and (line := self.data.rfind(b"\n", begin, end)) >= 0 and self.encoding in _ENCODED:
            end = line + 1  # not amid what stands for a byte
        raw = self.data[begin:end]
        if self.encoding == "base64":
            return _base64(raw)
        if self.encoding == "quoted-printable":
            return binascii.a2b_qp(raw)
        return raw

    def text(self, limit: int | None = None) -> str:
        """The content as text, in its own charset or the likeliest, with line ends as \\n."""
        return self.words(limit).replace("\r\n", "\n")

    def words(self, limit: int | None = None) -> str:
        """The same with its own line ends, for who looks at its words alone."""
        cut = limit is not None and self.end - self.body > limit
        return decode_text(self.content(limit), self.charset, cut=cut)


def parse(data: bytes) -> tuple[Part, list[str]]:
    """The tree of parts, and the defects found on the way."""
    defects: list[str] = []
    first = _LINE_END.search(data)
    if first is None or first[0] in {b"\n", b"\r\n"}:
        root = _parse_part(data, 0, len(data), "", 0, "text/plain", [MAX_PARTS], defects)
        if _ODD_LINE_ENDS not in defects:
            return root, defects
    # It went through a program that adds CRs, or that adds none; this is what was meant.
    defects = [_ODD_LINE_ENDS]
    data = _LINE_END.sub(b"\r\n", data)
    return _parse_part(data, 0, len(data), "", 0, "text/plain", [MAX_PARTS], defects), defects


def _ends_doubled(data: bytes, start: int, end: int) -> bool:
    """Does the first or the last line there end in CR CR LF? Then most do."""
    first = data.find(b"\n", start, end)
    if first < start + 2:
        return False
    last = data.rfind(b"\n", start, end)
    return data[first - 2 : first] == b"\r\r" or data[last - 2 : last] == b"\r\r"


def decode_words(value: str) -> str:
    """A field's value with its encoded words (RFC 2047) decoded; line ends and NULs never survive."""
    text = value[:MAX_FIELD]
    if text.isascii() and text.isprintable() and "=?" not in text:
        return text
    return _decode_words(text) if len(text) <= MAX_KEPT else _decode_words.__wrapped__(text)


@functools.lru_cache(maxsize=512)
def _decode_words(text: str) -> str:
    if "=?" in text:
        with contextlib.suppress(HeaderParseError, ValueError, LookupError):  # then it is shown as it was written
            text = "".join(_word(piece, charset) for piece, charset in decode_header(text))
    return _SURROGATES.sub("\ufffd", re.sub(r"[\r\n\x00\u2028\u2029]+", " ", text))


def _word(piece: bytes | str, charset: str | None) -> str:
    if isinstance(piece, str):
        return piece
    return decode_text(piece, charset) if charset else piece.decode("raw-unicode-escape", "replace")


def decode_text(content: bytes, charset: str, *, cut: bool = False) -> str:
    """Bytes as text: in `charset` if that can be, else UTF-8, else Windows-1252, which is what mislabelled mail is.

    `cut`: where UTF-8 may end amid a character, which is left out then."""
    for name in (charset.strip().lower(), "utf-8"):
        try:
            codec = codecs.lookup(name or "utf-8").name
            if codec not in _NOT_FOR_TEXT:
                if codec == "utf-8":
                    return codecs.utf_8_decode(content, "strict", not cut)[0]
                text = content.decode("cp1252" if codec in {"iso8859-1", "ascii"} else codec)
                return text if text.isascii() else _SURROGATES.sub("\ufffd", text)  # which UTF-8 never has
        except (LookupError, ValueError, OverflowError):
            continue
    return content.decode("cp1252", errors="replace")


def _parse_part(
    data: bytes, start: int, end: int, number: str, depth: int, default: str, budget: list[int], defects: list[str]
) -> Part:
    budget[0] -= 1
    body, header = _header(data, start, end, defects)
    part = Part(data, number, start, body, end, _fields(header, defects))
    _describe(part, default)
    nested = part.content_type.startswith("multipart/")
    if _DOUBLED in header or (not nested and _ends_doubled(data, body, end)):
        _once(defects, _ODD_LINE_ENDS)
    if not nested and part.content_type != "message/rfc822":
        return part
    if depth >= MAX_DEPTH:
        _once(defects, f"parts nested deeper than {MAX_DEPTH}: the rest is not taken apart")
        return part
    if not nested:
        if part.encoding in {"7bit", "8bit", "binary"}:
            part.children.append(
                _parse_part(data, body, end, _below(number, 1), depth + 1, "text/plain", budget, defects)
            )
        return part
    boundary = part.parameters.get("boundary", "")
    if not boundary:
        _once(defects, f"{part.content_type} without a boundary")
        return part
    inside = "message/rfc822" if part.content_type == "multipart/digest" else "text/plain"
    for count, (first, last) in enumerate(_between(data, body, end, boundary, defects), 1):
        if budget[0] <= 0:
            _once(defects, f"more than {MAX_PARTS} parts: the rest is left out")
            break
        part.children.append(_parse_part(data, first, last, _below(number, count), depth + 1, inside, budget, defects))
    return part


def _below(number: str, count: int) -> str:
    return f"{number}.{count}" if number else str(count)


def _once(defects: list[str], text: str) -> None:
    if text not in defects:
        defects.append(text)


def _header(data: bytes, start: int, end: int, defects: list[str]) -> tuple[int, bytes]:
    """Where the body begins, and the header's lines."""
    if data[start : start + 1] == b"\n":
        return start + 1, b""
    if data[start : start + 2] == b"\r\n":
        return start + 2, b""
    if not _FIELD_NAME.match(data, start, end):
        if start < end:
            _once(defects, "a part without a header")
        return start, b""
    stop, body = end, end
    for mark in (b"\n\r\n", b"\n\n"):  # the one that comes first
        if (at := data.find(mark, start, stop)) >= 0:
            stop, body = at, at + len(mark)
    if stop - start > MAX_HEADER:
        _once(defects, f"a header over {MAX_HEADER:,} bytes: the rest of it is ignored")
        stop = start + MAX_HEADER
    return body, data[start:stop]


def _fields(header: bytes, defects: list[str]) -> tuple[tuple[str, str], ...]:
    unfolded = _header_text(header).replace("\r\n", "\n").replace("\n ", " ").replace("\n\t", "\t")
    found = _FIELD.findall(unfolded)
    if len(found) <= unfolded.count("\n") and any(
        line.strip("\r") and not _FIELD.match(line) for line in unfolded.split("\n")
    ):
        _once(defects, "a line in a header that is no field")
    if len(found) > MAX_FIELDS:
        _once(defects, f"more than {MAX_FIELDS} header fields: the rest is left out")
        del found[MAX_FIELDS:]
    return tuple([(name, value.strip()) for name, value in found])


def _header_text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return "\n".join(_field_text(line) for line in raw.split(b"\n"))


def _field_text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _describe(part: Part, default: str) -> None:
    """Content-Type, disposition, file name, encoding and id. The standard library knows RFC 2231; it is given short
    ASCII values only, since it is slow on long ones and raises on odd ones."""
    part.by_name = named = {key.lower(): value for key, value in reversed(part.fields)}
    part.content_type = default
    if kind := named.get("content-type", "")[:4000]:
        part.parameters = _parameters(kind)
        kind = kind.partition(";")[0].strip().lower()
        part.content_type = kind if _TYPE.fullmatch(kind) else "text/plain"
    name = part.parameters.get("name", "")
    if disposition := named.get("content-disposition", "")[:4000]:
        kind = disposition.partition(";")[0].strip().lower()
        part.disposition = kind if kind in {"inline", "attachment"} else ("attachment" if kind else "")
        name = _parameters(disposition).get("filename") or name
    if name:
        part.filename = _CONTROLS.sub("", decode_words(name)).replace("\\", "/").rpartition("/")[2]
    if encoding := named.get("content-transfer-encoding", "")[:4000]:
        part.encoding = encoding.partition(";")[0].strip().lower()
    if content_id := named.get("content-id", "")[:4000]:
        part.content_id = decode_words(content_id).strip("<> ")


def _parameters(value: str) -> dict[str, str]:
    found: dict[str, str] = {}
    if (at := value.find(";")) < 0:
        return found
    while (usual := _PARAMETER.match(value, at)) is not None:
        found[usual[1].lower()] = (usual[2] or usual[3] or "").strip()
        at = usual.end()
    if at == len(value) and '"' not in value.partition(";")[0]:
        return found
    return dict(_read_parameters(value) if len(value) <= MAX_KEPT else _read_parameters.__wrapped__(value))


@functools.lru_cache(maxsize=512)
def _read_parameters(value: str) -> dict[str, str]:
    holder = StandardMessage()
    try:
        holder["content-type"] = re.sub(r"[\r\n\x00]", " ", value)
        found = holder.get_params([])
        return {key.lower(): collapse_rfc2231_value(text, errors="replace").strip() for key, text in found[1:]}
    except (ValueError, LookupError, TypeError, AttributeError, IndexError):
        return {}


def _between(data: bytes, start: int, end: int, boundary: str, defects: list[str]) -> Iterator[tuple[int, int]]:
    """The spans between the boundary's delimiter lines; a missing last one is forgiven."""
    mark = b"--" + boundary.encode("utf-8", "surrogateescape")
    opened = -1
    at = data.find(mark, start, end)
    while at >= 0:
        after = at + len(mark)
        line_end = data.find(b"\n", after, end)
        stop = end if line_end < 0 else line_end
        closing = data[after : after + 2] == b"--"
        if (at == start or data[at - 1 : at] == b"\n") and (
            closing or not data[after : min(stop, after + 200)].strip()
        ):
            if opened >= 0:
                last = at - 1 if at > opened else at
                yield opened, max(opened, last - 1 if data[last - 1 : last] == b"\r" else last)
            if closing:
                return
            opened = min(stop + 1, end)
        at = data.find(mark, max(after, at + 1), end)
    if opened >= 0:
        _once(defects, "a multipart that is not closed")
        yield opened, end
    else:
        _once(defects, "a multipart whose boundary never appears")


def _base64(raw: bytes) -> bytes:
    try:
        return binascii.a2b_base64(raw)
    except binascii.Error:
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", raw)
        letters = letters[: len(letters) - (len(letters) % 4 == 1)]
        return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
