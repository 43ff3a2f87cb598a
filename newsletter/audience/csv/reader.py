"""Read subscribers from a CSV file: a header row with `email`, then a person a row.

Rows stream, so memory is flat at any size. A file that can't be read for sure is refused whole when it is opened,
before anybody is mailed: its bytes and quotes are `csvscan`'s, its header `csvheader`'s. A row that can't be mailed is
a `Problem` with its line. Format: RFC 4180; what we accept beyond it: docs/reference/subscribers-csv.md.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from newsletter.audience.address import address_key, normalize_address
from newsletter.audience.csv.duplicates import Seen
from newsletter.audience.csv.header import Header, read_header
from newsletter.audience.csv.scan import FIELD_MAX, Scan, check_quotes, read_rows, scan
from newsletter.audience.subscriber import Subscriber
from newsletter.errors import NewsletterError

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that can't be mailed: `what` says why, and after a semicolon the next step."""

    what: str


Row = tuple[int, Subscriber | Problem]
"""The line of the file (from 1) on which a row begins, and what it says."""


@dataclass(frozen=True, slots=True)
class SubscriberList:
    """A list that was opened and found readable; iterate over its rows, as often as you like, until it is changed."""

    path: Path
    columns: tuple[str, ...]  # as templates name them, without email and name
    _header: Header
    _scan: Scan

    def __iter__(self) -> Iterator[Row]:
        """The rows in the order of the file; of the rows with one address, the first is the subscriber."""
        self._check_unchanged()
        names = self._header.names
        width = len(names)
        email = names.index("email")
        name = names.index("name") if "name" in names else None
        keys = self.columns
        pick = _picker([number for number in range(width) if number not in (email, name)])
        clean = self._scan.clean
        lines = self._scan.lines
        add = Seen(lines).add
        rows = read_rows(self.path, self._header.delimiter)
        next(rows)
        for line, _, row in rows:
            if line > lines:
                raise self._changed()
            if len(row) != width and not (row := _trimmed(row, width)):
                continue
            if len(row) != width:
                yield line, Problem(_ragged(len(row), width))
                continue
            try:
                address = normalize_address(row[email])
            except ValueError as error:
                if any(map(str.strip, row)):
                    yield line, Problem(f"{error}; fix the row or delete it")
                continue
            person = row[name].strip() if name is not None else ""
            if "\n" in person:
                yield line, Problem("a line end in 'name'; take it out, or delete the row")
            elif not clean and (found := _CONTROL.search("\t".join(row))):
                yield line, Problem(f"U+{ord(found[0]):04X}, which can't be seen; take it out, or delete the row")
            elif first := add(address_key(address), line):
                yield line, Problem(f"{address} is on line {first} already; delete one of them")
            else:
                yield line, Subscriber(address, person, dict(zip(keys, map(str.strip, pick(row)))))  # noqa: B905

    def _check_unchanged(self) -> None:
        facts = self.path.stat()
        if (facts.st_size, facts.st_mtime_ns) != (self._scan.size, self._scan.modified):
            raise self._changed()

    def _changed(self) -> NewsletterError:
        return NewsletterError("the list was changed while it was in use; run the command again", path=self.path)


@dataclass(frozen=True, slots=True)
class ListReport:
    """What `subscribers check` says of a list."""

    subscribers: int
    bad_rows: int
    problems: tuple[tuple[int, str], ...]  # line and what, of the rows that can't be mailed, or of the first of them
    columns: tuple[str, ...]


def read_csv(path: Path) -> SubscriberList:
    """Open the list at `path`, and look through it once.

    Raises NewsletterError, with the line, for a file that is missing or can't be read for sure.
    """
    try:
        found = scan(path)
        header = read_header(path)
        if found.quoted or found.longest > FIELD_MAX:
            check_quotes(path, header.delimiter, header.names.index("email"), len(header.names), found.longest)
    except OSError as error:
        raise NewsletterError(f"can't be read ({error.strerror}); name another file", path=path) from None
    columns = tuple(name for name in header.names if name not in ("email", "name"))
    return SubscriberList(path, columns, header, found)


def check_csv(path: Path, named: int | None = None) -> ListReport:
    """Read the whole list as a send would, and count; at most `named` problems are kept, so that memory is flat."""
    subscribers = read_csv(path)
    count = bad = 0
    problems: list[tuple[int, str]] = []
    for line, row in subscribers:
        if not isinstance(row, Problem):
            count += 1
            continue
        bad += 1
        if named is None or len(problems) < named:
            problems.append((line, row.what))
    return ListReport(count, bad, tuple(problems), subscribers.columns)


def safe_cell(text: str) -> str:
    """A cell for an exported CSV that no spreadsheet takes for a formula."""
    return "'" + text if text[:1] in _FORMULA or text.lstrip()[:1] in _FORMULA else text


def _trimmed(row: list[str], width: int) -> list[str]:
    """A row without the empty cells that a spreadsheet appends; nothing for a blank line."""
    while len(row) > width and not row[-1].strip():
        row = row[:-1]
    return row if any(map(str.strip, row)) else []


def _ragged(found: int, width: int) -> str:
    count = "1 field" if found == 1 else f"{found} fields"
    hint = "put a text with the delimiter in it into quotes" if found > width else "add the empty ones"
    return f"{count} where the header has {width}; {hint}, or delete the row"


def _picker(numbers: list[int]) -> Callable[[list[str]], Sequence[str]]:
    """A function from a row to its cells with these numbers."""
    if len(numbers) > 1:
        return itemgetter(*numbers)
    return lambda row: [row[number] for number in numbers]
