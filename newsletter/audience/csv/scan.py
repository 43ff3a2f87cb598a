"""Look through a CSV file once, as bytes, before any of its rows is believed.

Answers whether the file can be read for sure: UTF-8, no NUL, lines of bounded length, every quote closed where its
field ends. Memory is flat, and no line is ever held whole that is too long. What the columns mean and which rows can
be mailed is not asked here.
"""

import codecs
import contextlib
import csv
import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from newsletter.errors import NewsletterError

FIELD_MAX = 65_536
"""Characters of a field at most."""

LINE_MAX = 1_048_576
"""Bytes of a line at most; more is no row of a person."""

_TOO_LARGE = f"a field of over {FIELD_MAX // 1024} KB; is a quote opened and never closed?"
_CHUNK = 1 << 16  # bytes read at once; their lines take three times as much memory
_ROWS = 500  # read at once
_BYTES = 1 << 22  # of them at most
_BEGINNINGS = (
    (b"\xff\xfe", "is UTF-16, not UTF-8; save it as CSV UTF-8"),
    (b"\xfe\xff", "is UTF-16, not UTF-8; save it as CSV UTF-8"),
    (b"\x00\x00\xfe\xff", "is UTF-32, not UTF-8; save it as CSV UTF-8"),
)
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\[\s*[\[{\"]|\{\s*\")")
_NOT_CONTROLS = bytes({9, 10, 13, *range(32, 127), *range(128, 256)})
_LEADS = (b"\xc2", b"\xe2\x80", b"\xe2\x81")  # of U+0080 to U+009F, and of line separators and direction overrides


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found; `lines` counts LF, CRLF and lone CR, and a last line without an end."""

    size: int
    modified: int  # nanoseconds
    lines: int
    quoted: bool  # a quote stands somewhere: a row may be longer than a line
    longest: int  # bytes of the longest line
    clean: bool  # nowhere a control character, or a character of those that might be one


def scan(path: Path) -> Scan:
    """Read the file through. Raises NewsletterError with the line for what can't be read for sure."""
    if path.is_dir():
        raise NewsletterError("is a folder; name the CSV file in it", path=path)
    if not path.is_file():
        near = difflib.get_close_matches(path.name, [file.name for file in path.parent.glob("*.csv")], n=1)
        hint = f"did you mean {near[0]!r}?" if near else "make it, with a header row `email,name`"
        raise NewsletterError(f"no such list; {hint}", path=path)
    decoder = codecs.getincrementaldecoder("utf-8")()
    facts = path.stat()
    offset = lines = length = 0  # bytes read, line ends in them, bytes of the line that is not ended yet
    longest = 0
    quoted, clean, after_cr = False, True, False
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            if offset == 0:
                _check_beginning(chunk, path)
            if b"\0" in chunk:
                what = "a NUL character; is this UTF-16? Save it as CSV UTF-8"
                raise NewsletterError(what, path=path, line=_line_at(path, offset + chunk.index(0)))
            before = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                raise _not_utf8(path, offset - before + error.start) from None
            offset += len(chunk)
            quoted = quoted or b'"' in chunk
            clean = clean and not _may_control(chunk)
            if b"\r" in chunk or after_cr:
                chunk, after_cr = _one_line_end(chunk, after_cr)
            pieces = chunk.split(b"\n")
            longest = max(longest, length + len(pieces[0]), max(map(len, pieces)))
            if longest > LINE_MAX:
                raise _too_long(path, lines, length, pieces)
            lines += len(pieces) - 1
            length = len(pieces[-1]) + (length if len(pieces) == 1 else 0)
    if left := decoder.getstate()[0]:
        raise _not_utf8(path, offset - len(left))
    return Scan(facts.st_size, facts.st_mtime_ns, lines + bool(length), quoted, longest, clean)


def read_blocks(
    path: Path, delimiter: str, *, above: int, email: int, width: int, longest: int
) -> Iterator[tuple[Sequence[int], Sequence[list[str]]]]:
    """The rows below the first `above`, some hundred at once, with the lines (from 1) on which they begin.

    `email` is the number of the address's column, of `width`; `longest` the file's longest line, in bytes. Raises
    NewsletterError for quotes that don't match, or can't be believed (`check_row`).
    """
    size = max(1, min(_ROWS, _BYTES // max(longest, 1)))
    with path.open(encoding="utf-8-sig") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        before, wanted = 0, above or size
        try:
            while rows := list(islice(reader, wanted)):
                lines: Sequence[int] = range(before + 1, before + 1 + len(rows))
                if reader.line_num - before != len(rows) or longest > FIELD_MAX:
                    lines = list(_lines(before + 1, rows))
                    for line, after, row in zip(lines, [*lines[1:], reader.line_num + 1], rows, strict=True):
                        if after - line > 1 or longest > FIELD_MAX:
                            check_row(path, line, row, delimiter, email, width)
                if before >= above:
                    yield lines, rows
                before, wanted = reader.line_num, size
        except csv.Error as error:
            for line, row in _each_row(path, delimiter):  # which says on what line
                check_row(path, line, row, delimiter, email, width)
            raise NewsletterError(_quoting(str(error)), path=path) from None


def _each_row(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows, each with its first line. Raises NewsletterError for quotes that don't match."""
    with path.open(encoding="utf-8-sig") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        first = 1
        try:
            for row in reader:
                yield first, row
                first = reader.line_num + 1
        except csv.Error as error:
            raise NewsletterError(_quoting(str(error)), path=path, line=first) from None


def _lines(first: int, rows: Iterable[Iterable[str]]) -> Iterator[int]:
    """The line on which each row begins."""
    for row in rows:
        yield first
        first += 1 + "".join(row).count("\n")


def check_row(path: Path, line: int, row: list[str], delimiter: str, email: int, width: int) -> None:
    """Whether quotes can be believed in a row of several lines; `email` is the number of the address's column, of
    `width`.

    A quote that is never closed swallows the rows below up to the next quote, and may still make a well-formed file:
    so a field that runs over several lines may not hold what looks like a row of this very list.
    """
    for number, cell in enumerate(row):
        if len(cell) > FIELD_MAX:
            raise NewsletterError(_TOO_LARGE, path=path, line=line)
        if "\n" in cell:
            inner = [piece.split(delimiter) for piece in cell.split("\n")[1:]]
            inner[-1] += row[number + 1 :]
            if any(len(piece) == width and "@" in piece[email] for piece in inner):
                what = "a quote opened here swallows rows below; close it, or take it out"
                raise NewsletterError(what, path=path, line=line)


def _quoting(reason: str) -> str:
    if "unexpected end" in reason:
        return "a quote opened here is never closed; close it, or take it out"
    if "field larger" in reason:
        return _TOO_LARGE
    if "expected after" in reason:
        return 'a quote inside a quoted field; double it ("say ""hello"""), or close the one that opens the field'
    return f"{reason}; fix the row"


def _check_beginning(chunk: bytes, path: Path) -> None:
    for beginning, what in _BEGINNINGS:
        if chunk.startswith(beginning):
            raise NewsletterError(what, path=path)
    if chunk.startswith(b"PK\x03\x04"):
        raise NewsletterError(_packed(path), path=path)
    if _JSON.match(chunk):
        raise NewsletterError("is JSON, not a CSV file; export it as CSV (UTF-8)", path=path)


def _packed(path: Path) -> str:
    """What a zip file is: an archive of lists, as the houses send them, or a spreadsheet."""
    import zipfile  # slow to load, and for an error alone

    lists: list[str] = []
    with contextlib.suppress(zipfile.BadZipFile, OSError), zipfile.ZipFile(path) as archive:
        lists = [name for name in archive.namelist() if name.lower().endswith(".csv")]
    if not lists:
        return "is a spreadsheet, not a CSV file; export it as CSV (UTF-8)"
    others = f" and {len(lists) - 4} more" if len(lists) > 4 else ""
    return f"is a zip file of {', '.join(lists[:4])}{others}; unpack it and name one of these"


def _may_control(chunk: bytes) -> bool:
    """Whether a control character, a line separator or a direction override may stand in `chunk`."""
    return bool(chunk.translate(None, _NOT_CONTROLS)) or any(lead in chunk for lead in _LEADS) or chunk[-1:] == b"\xe2"


def _one_line_end(chunk: bytes, after_cr: bool) -> tuple[bytes, bool]:
    """`chunk` with LF for CRLF and for CR, and whether it ended in CR; `after_cr` of the chunk before."""
    if after_cr and chunk.startswith(b"\n"):
        chunk = chunk[1:]
    return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n"), chunk.endswith(b"\r")


def _too_long(path: Path, lines: int, length: int, pieces: list[bytes]) -> NewsletterError:
    first = next(at for at, piece in enumerate(pieces) if len(piece) + (0 if at else length) > LINE_MAX)
    what = f"a line of over {LINE_MAX // 1024:,} KB; is this a CSV file?"
    return NewsletterError(what, path=path, line=lines + first + 1)


def _not_utf8(path: Path, offset: int) -> NewsletterError:
    """What stands at `offset`, and what it may have been meant for."""
    with path.open("rb") as file:
        file.seek(offset)
        byte = file.read(1)
    guess = byte.decode("cp1252", "replace")
    meant = f", {guess!r} in Windows-1252 and Latin-1" if guess.isprintable() and guess != "\ufffd" else ""
    what = f"not UTF-8: the byte 0x{byte[0]:02X}{meant}; save the list as CSV UTF-8"
    return NewsletterError(what, path=path, line=_line_at(path, offset))


def _line_at(path: Path, offset: int) -> int:
    """The line (from 1) of the byte at `offset`."""
    line, after_cr = 1, False
    with path.open("rb", buffering=0) as file:
        while offset > 0 and (chunk := file.read(min(_CHUNK, offset))):
            offset -= len(chunk)
            chunk, after_cr = _one_line_end(chunk, after_cr)
            line += chunk.count(b"\n")
    return line
