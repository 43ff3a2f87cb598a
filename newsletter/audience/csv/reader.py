"""Read subscribers from a CSV file: a header row with `email`, then a person a row.

Rows stream, so memory is flat at any size. A file that can't be read for sure is refused whole when it is opened,
before anybody is mailed: its bytes and quotes are `csvscan`'s, its header `csvheader`'s. A row that can't be mailed is
a `Problem` with its line; a person of whom a column says that they left (`opt_out`), in whichever of their rows, is
`LeftOut`. Format: RFC 4180; what we accept beyond it: docs/reference/subscribers-csv.md.
"""

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring as quoted
from operator import itemgetter
from pathlib import Path
from typing import Protocol

from newsletter.audience.address import address_key, are_normal, is_normal, normalize_address
from newsletter.audience.csv.duplicates import Seen
from newsletter.audience.csv.header import Header, read_header
from newsletter.audience.csv.scan import FIELD_MAX, Scan, check_quotes, read_rows, scan
from newsletter.audience.opt_out import StatusColumn, StatusTally, how_left, opt_out_column
from newsletter.audience.subscriber import PackedColumns, Subscriber
from newsletter.errors import NewsletterError

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

_TOGETHER = 500
"""Rows whose addresses are looked at together."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that can't be mailed: `what` says why, and after a semicolon the next step."""

    what: str
    email: str = ""  # as it stands there, where it is known which field that is


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A person on the list who is not mailed: a row of theirs says that they left, or they are outside the segment."""

    subscriber: Subscriber
    what: str
    left: bool = True  # else outside the segment


Row = tuple[int, Subscriber | LeftOut | Problem]
"""The line of the file (from 1) on which a row begins, and what it says."""


class Listing(Protocol):
    """A list of people, wherever it is."""

    @property
    def columns(self) -> tuple[str, ...]:
        """As templates name them, without email and name."""

    def __iter__(self) -> Iterator[Row]:
        """Its rows, with their lines or numbers."""


@dataclass(frozen=True, slots=True)
class SubscriberList:
    """A list that was opened and found readable; iterate over its rows, as often as you like, until it is changed."""

    path: Path
    columns: tuple[str, ...]  # as templates name them, without email and name
    _header: Header
    _scan: Scan
    where: Callable[[Subscriber], bool] | None = None  # the standing segment

    def __iter__(self) -> Iterator[Row]:
        """The rows in the order of the file; of the rows with one address, the first is the subscriber."""
        self._check_unchanged()
        names = self._header.names
        email = names.index("email")
        parts = self._header.name_parts
        width, strip = len(names), str.strip
        packed = "{" + ",".join(f"{quoted(name)}:".replace("%", "%%") + "%s" for name in self.columns) + "}"
        pick = _picker([number for number, name in enumerate(names) if name not in ("email", "name")])
        clean = self._scan.clean
        add = Seen(self._scan.lines).add
        left = self._left()
        may_leave = left is not None or self.where is not None
        part = parts[0] if len(parts) == 1 else None
        for line, row, is_plain in self._looked_through(email):
            if len(row) != width:
                yield line, Problem(_ragged(len(row), width))
                continue
            try:
                address = row[email] if is_plain else normalize_address(row[email])
            except ValueError as error:
                if any(map(strip, row)):
                    yield line, Problem(f"{error}; fix the row or delete it", row[email].strip())
                continue
            key = address if is_plain else address_key(address)
            person = strip(row[part]) if part is not None else " ".join(" ".join(row[n] for n in parts).split())
            if "\n" in person:
                yield line, Problem("a line end in 'name'; take it out, or delete the row", address)
            elif not clean and (found := _CONTROL.search("\t".join(row))):
                unseen = f"U+{ord(found[0]):04X}, which can't be seen; take it out, or delete the row"
                yield line, Problem(unseen, address)
            elif first := add(key, line):
                yield line, Problem(f"{address} is on line {first} already; delete one of them", address)
            else:
                subscriber = Subscriber(
                    address, person, PackedColumns(packed % tuple(map(quoted, map(strip, pick(row)))))
                )
                if may_leave and (out := self._left_out(subscriber, left.line_of(key) if left else 0)):
                    yield line, out
                else:
                    yield line, subscriber

    def _looked_through(self, email: int) -> Iterator[tuple[int, list[str], object]]:
        """The rows of `_cells`, each with whether its address is one to the letter: asked of some hundred at once."""
        cells = self._cells()
        while block := list(itertools.islice(cells, _TOGETHER)):
            lines, rows = zip(*block, strict=True)
            texts = [row[email] if len(row) > email else "" for row in rows]
            yield from zip(lines, rows, itertools.repeat(True) if are_normal(texts) else map(is_normal, texts))  # noqa: B905

    def _left(self) -> Seen | None:
        """Who left, by any of their rows; None where no column speaks of it."""
        names = self._header.names
        says_left = [(number, says) for number, name in enumerate(names) if (says := opt_out_column(name)) is not None]
        if not says_left:
            return None
        left, email = Seen(self._scan.lines), names.index("email")
        for line, row in self._cells():
            if len(row) == len(names) and any(says(row[number].strip()) for number, says in says_left):
                with contextlib.suppress(ValueError):
                    left.add(address_key(normalize_address(row[email])), line)
        return left

    def _left_out(self, subscriber: Subscriber, left: int) -> LeftOut | None:
        """Why the subscriber is not mailed, if so; `left` is the line that says that they left, or 0."""
        if not left:
            if self.where is None or self.where(subscriber):
                return None
            return LeftOut(subscriber, "outside [subscribers] where", left=False)
        return LeftOut(subscriber, how_left(subscriber.columns) or f"left, by line {left}")

    def _cells(self) -> Iterator[tuple[int, list[str]]]:
        """The rows below the header, each with its line, without blank ones and what is appended to rows."""
        width, lines = len(self._header.names), self._scan.lines
        rows = read_rows(self.path, self._header.delimiter)
        for line, _, row in itertools.islice(rows, self._header.line, None):
            if line > lines:
                raise self._changed()
            if len(row) == width or (row := _trimmed(row, width)):
                yield line, row

    def is_unchanged(self) -> bool:
        """Is the file as it was when it was opened?"""
        facts = self.path.stat()
        return (facts.st_size, facts.st_mtime_ns) == (self._scan.size, self._scan.modified)

    def _check_unchanged(self) -> None:
        if not self.is_unchanged():
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
    left: int  # people of whom a column says that they left
    outside: int  # others, outside the standing segment
    status: tuple[StatusColumn, ...]  # the columns that may say so, with what stands in them


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


def check_list(subscribers: Listing, named: int | None = None) -> ListReport:
    """Read the whole list as a send would, and count; at most `named` problems are kept, so that memory is flat."""
    count = bad = left = outside = 0
    tally = StatusTally(subscribers.columns)
    problems: list[tuple[int, str]] = []
    for line, row in subscribers:
        if isinstance(row, Subscriber):
            count += 1
            tally.add(row.columns)
            continue
        if isinstance(row, LeftOut):
            left, outside = left + row.left, outside + (not row.left)
            tally.add(row.subscriber.columns)
            continue
        bad += 1
        if named is None or len(problems) < named:
            problems.append((line, row.what))
    return ListReport(count, bad, tuple(problems), subscribers.columns, left, outside, tally.columns())


def control_character(text: str) -> str:
    """The first character of `text` that can't be seen and has no place in a list, as `U+202E`; empty if none."""
    found = _CONTROL.search(text)
    return f"U+{ord(found[0]):04X}" if found else ""


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
