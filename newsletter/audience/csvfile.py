"""Read subscribers from a CSV file: a header row with `email`, then a person a row.

Rows stream, so memory is flat at any size. A file that can't be read for sure (encoding, quoting, columns) is refused
whole; a row that can't be mailed is a `Problem` with its line. What a field may hold: docs/reference/subscribers-csv.md.
"""

import csv
import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from newsletter.audience.address import address_key, normalize_address
from newsletter.audience.subscriber import Subscriber
from newsletter.errors import NewsletterError

FIELD_LIMIT = 65_536
"""Characters in one field; more is refused."""

LINE_LIMIT = 1_048_576
"""Bytes in one line of the file; more is refused before it is read whole."""

_BOMS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_NEW_ROW = re.compile(r"[^\s\"@]+@[^\s\"@]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that can't be mailed: the reason, with the next step."""

    what: str


Row = tuple[int, Subscriber | Problem]
"""The line of the file (from 1) on which a row begins, and what it says."""


@dataclass(frozen=True, slots=True)
class SubscriberList:
    """A list that was opened: its columns as templates name them; iterate for the rows, as often as you like."""

    path: Path
    columns: tuple[str, ...]  # without email and name
    delimiter: str
    header: tuple[str, ...]  # all of them, as templates name them

    def __iter__(self) -> Iterator[Row]:
        email = self.header.index("email")
        name = self.header.index("name") if "name" in self.header else -1
        rest = [number for number, column in enumerate(self.header) if number not in (email, name)]
        seen = _Seen()
        width = len(self.header)
        columns = self.columns
        for line, row in _rows(self.path, self.delimiter):
            if line == 1 or not row:
                continue
            if len(row) != width:
                if not any(cell.strip() for cell in row):
                    continue
                yield line, Problem(f"{len(row)} fields, but the header has {width}; fix the row or delete it")
                continue
            try:
                address = normalize_address(row[email])
            except ValueError as error:
                yield line, Problem(f"{error}; fix the row or delete it")
                continue
            if any(map(_CONTROL.search, row)):
                yield line, Problem("a control character or line end in a field; fix the row or delete it")
                continue
            if first := seen.add(address_key(address), line):
                yield line, Problem(f"{address} again (line {first}); one of the rows can go")
                continue
            yield (
                line,
                Subscriber(
                    address,
                    row[name].strip() if name >= 0 else "",
                    {key: row[at].strip() for key, at in zip(columns, rest, strict=True)},
                ),
            )


@dataclass(frozen=True, slots=True)
class ListReport:
    """What `subscribers check` says of a list."""

    subscribers: int
    problems: tuple[tuple[int, str], ...]
    columns: tuple[str, ...]


def read_csv(path: Path) -> SubscriberList:
    """Open the list at `path`: read its header, and read it through once to be sure of its encoding and quoting."""
    if not path.is_file():
        raise NewsletterError("no such list; make it, with a header row `email,name`", path=path)
    delimiter, header = _header(path)
    for _ in _rows(path, delimiter):
        pass
    return SubscriberList(path, tuple(c for c in header if c not in {"email", "name"}), delimiter, header)


def check_csv(path: Path) -> ListReport:
    """Read the whole list and count."""
    subscribers, problems = read_csv(path), []
    good = 0
    for line, row in subscribers:
        if isinstance(row, Problem):
            problems.append((line, row.what))
        else:
            good += 1
    return ListReport(good, tuple(problems), subscribers.columns)


def column_name(header: str) -> str:
    """A header as templates name it: `First name` is `first_name`."""
    return re.sub(r"\W+", "_", header.strip().casefold()).strip("_")


def safe_cell(text: str) -> str:
    """A cell for an exported CSV that no spreadsheet takes for a formula."""
    return "'" + text if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def _header(path: Path) -> tuple[str, tuple[str, ...]]:
    with path.open("rb") as file:
        first = next(_lines(file, path), "")
    if not first.strip():
        raise NewsletterError("is empty; begin it with a header row `email,name`", path=path)
    delimiter = max(",;\t", key=first.count)
    try:
        cells = next(csv.reader([first], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise NewsletterError(f"the header can't be read: {error}; mend the quotes", path=path, line=1) from None
    names = tuple(column_name(cell) for cell in cells)
    names = tuple("email" if name in {"e_mail", "email_address", "e_mail_address", "mail"} else name for name in names)
    if "email" not in names:
        near = difflib.get_close_matches("email", names, n=1, cutoff=0.5)
        hint = (
            f"is {cells[names.index(near[0])]!r} it? rename it"
            if near
            else "name the column with the addresses `email`"
        )
        raise NewsletterError(f"no column `email` in the header; {hint}", path=path, line=1)
    for number, name in enumerate(names):
        if not name:
            raise NewsletterError(f"column {number + 1} has no name; name it or take it out", path=path, line=1)
        if name in names[:number]:
            raise NewsletterError(f"two columns are named {name!r}; rename one", path=path, line=1)
    return delimiter, names


def _rows(path: Path, delimiter: str) -> Iterator[tuple[int, Sequence[str]]]:
    """The rows with the lines on which they begin; raises where the quoting can't be right."""
    csv.field_size_limit(FIELD_LIMIT)
    with path.open("rb") as file:
        reader = csv.reader(_lines(file, path), delimiter=delimiter, strict=True)
        begins = 1
        try:
            for row in reader:
                if reader.line_num > begins:
                    _refuse_swallowed(path, begins, row)
                yield begins, row
                begins = reader.line_num + 1
        except csv.Error as error:
            what = f"a field over {FIELD_LIMIT} characters" if "field limit" in str(error) else str(error)
            if "unexpected end" in what:
                what = "a quote is opened here and never closed"
            raise NewsletterError(f"{what}; mend the quotes of this row", path=path, line=begins) from None


def _refuse_swallowed(path: Path, line: int, row: Sequence[str]) -> None:
    """A quoted field that runs over lines which look like rows has swallowed people: refuse the list."""
    for cell in row:
        if any(_NEW_ROW.search(part) for part in cell.splitlines()[1:]):
            raise NewsletterError(
                "a quote is opened here and swallows the rows below; mend the quotes of this row", path=path, line=line
            )


def _lines(file: BinaryIO, path: Path) -> Iterator[str]:
    """The lines as text, each bounded, strictly UTF-8, a BOM taken off."""
    for number, line in enumerate(iter(lambda: file.readline(LINE_LIMIT + 1), b""), 1):
        if number == 1:
            for bom, encoding in _BOMS:
                if line.startswith(bom):
                    raise NewsletterError(f"is {encoding}; save it as UTF-8", path=path)
            line = line.removeprefix(b"\xef\xbb\xbf")
        if len(line) > LINE_LIMIT:
            raise NewsletterError(f"a line of over {LINE_LIMIT} bytes; is this a CSV?", path=path, line=number)
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise NewsletterError(
                f"byte {error.start + 1} of the line is not UTF-8; save the list as UTF-8", path=path, line=number
            ) from None
        if "\0" in text:
            raise NewsletterError("a NUL character; is this a CSV? Save it as UTF-8", path=path, line=number)
        yield text


class _Seen:
    """Which addresses came before, and where: eight bytes of hash and four of line each, in open addressing.

    Two addresses with the same 61 bits of hash would be taken for one: at a million rows that is one chance in
    four million.
    """

    def __init__(self) -> None:
        self._lines: dict[int, int] = {}

    def add(self, key: str, line: int) -> int:
        """0, or the line on which `key` came first."""
        first = self._lines.setdefault(hash(key), line)
        return first if first != line else 0
