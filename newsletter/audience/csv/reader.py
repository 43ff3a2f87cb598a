"""Read subscribers from a CSV file: a header row with `email`, then a person a row.

Rows stream, so memory is flat at any size. A file that can't be read for sure is refused whole when it is opened,
before anybody is mailed: its bytes and quotes are `scan`'s, its header `header`'s. A row that can't be mailed is
a `Problem` with its line; a person of whom a column says that they left (`opt_out`), in whichever of their rows, is
`LeftOut`. Format: RFC 4180; what we accept beyond it: docs/reference/subscribers-csv.md.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

from newsletter.audience.address import address_key, are_normal, is_normal, normalize_address
from newsletter.audience.csv.cells import as_text, is_tidy, of_width
from newsletter.audience.csv.duplicates import Seen
from newsletter.audience.csv.header import Header, read_header
from newsletter.audience.csv.scan import FIELD_MAX, Scan, scan
from newsletter.audience.listing import Listing, Problem, Row, RowBlock
from newsletter.audience.opt_out import StatusColumn, StatusTally, how_left, opt_out_column
from newsletter.audience.subscriber import pack_cells
from newsletter.errors import NewsletterError

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class SubscriberList:
    """A list that was opened and found readable; iterate over its rows, as often as you like, until it is changed."""

    path: Path
    columns: tuple[str, ...]  # as templates name them, without email and name
    _header: Header
    _scan: Scan
    _most: int  # rows that it has at most

    def __iter__(self) -> Iterator[Row]:
        """The rows in the order of the file; of the rows with one address, the first is the subscriber."""
        for block in self.blocks():
            yield from block.rows()

    def blocks(self) -> Iterator[RowBlock]:
        """The same, some hundred rows at once."""
        self._check_unchanged()
        seen, left = self._seen(), self._left()
        for lines, rows, problems in self._rows():
            block = self._block(lines, rows, problems)
            if again := seen.add(block.keys, block.lines):
                what = "{} is on line {} already; delete one of them"
                emails = block.emails
                block.refuse({at: Problem(what.format(emails[at], line), emails[at]) for at, line in again.items()})
            if left is not None:
                spoken = {name: cells for name, cells in block.cells.items() if opt_out_column(name) is not None}
                for at, line in left.find(block.keys).items():
                    how = how_left({name: cells[at] for name, cells in spoken.items()}) or f"left, by line {line}"
                    block.left_out[at] = (how, True)
            yield block

    def _seen(self) -> Seen:
        return Seen(self._most, self._scan.lines)

    def _block(
        self, lines: Sequence[int], rows: Sequence[list[str]], problems: Sequence[tuple[int, Problem]]
    ) -> RowBlock:
        """What rows of the header's width say by themselves; `problems` are of others among them."""
        names, parts, clean = self._header.names, self._header.name_parts, self._scan.clean
        written: list[Sequence[str]] = list(zip(*rows, strict=True)) or [()] * len(names)
        text = as_text(written)
        tidy = is_tidy(text, len(rows) * len(names), clean=clean)
        cells = written if tidy else [list(map(str.strip, column)) for column in written]
        if len(parts) == 1:
            people = cells[parts[0]]
        else:
            whole = zip(*(written[part] for part in parts), strict=True) if parts else [("",)] * len(rows)
            people = list(map(" ".join, map(str.split, map(" ".join, whole))))
        columns = {name: cells[at] for at, name in enumerate(names) if name not in ("email", "name")}
        packed = pack_cells(columns, len(rows), escape=not tidy or '"' in text or "\\" in text)
        addresses = written[names.index("email")]
        block = RowBlock(lines, addresses, addresses, people, packed, columns, problems)
        why: dict[int, Problem | None] = {}
        if not are_normal(addresses):
            block.keys, block.emails, why = _normalized(addresses, cells)
        if not tidy and "\n" in "".join(people):
            what = "a line end in 'name'; take it out, or delete the row"
            for at, person in enumerate(people):
                if "\n" in person and at not in why:
                    why[at] = Problem(what, block.emails[at])
        if not (tidy or clean) and _CONTROL.search(text):
            for at, row in enumerate(rows):
                if (found := control_character("\t".join(row))) and at not in why:
                    what = f"{found}, which can't be seen; take it out, or delete the row"
                    why[at] = Problem(what, block.emails[at])
        if why:
            block.refuse(why)
        return block

    def _left(self) -> Seen | None:
        """Who left, by any of their rows; None where no column speaks of it."""
        names = self._header.names
        says_left = [(number, says) for number, name in enumerate(names) if (says := opt_out_column(name)) is not None]
        if not says_left:
            return None
        left, email = self._seen(), names.index("email")
        for lines, rows, _ in self._rows():
            cells = list(zip(*rows, strict=True)) or [()] * len(names)
            spoken = [{value for value in set(cells[number]) if says(value.strip())} for number, says in says_left]
            gone: set[int] = set()
            for (number, _says), values in zip(says_left, spoken, strict=True):
                if values:
                    gone.update(at for at, value in enumerate(cells[number]) if value in values)
            places = sorted(gone)
            keys, _, why = _normalized([cells[email][at] for at in places], ())
            stays = [number not in why for number in range(len(places))]
            left.add(compress(keys, stays), compress((lines[at] for at in places), stays))
        return left

    def _rows(self) -> Iterator[tuple[Sequence[int], Sequence[list[str]], list[tuple[int, Problem]]]]:
        """The rows of the header's width below it, each with its line, and the others; without blank ones."""
        width, count = len(self._header.names), 0
        for lines, rows in self._header.blocks(self.path, self._scan.longest):
            count += len(rows)
            if lines[-1] > self._scan.lines or count > self._most:
                raise self._changed()
            lines, rows, ragged = of_width(lines, rows, width)
            yield lines, rows, [(line, Problem(_ragged(len(row), width))) for line, row in ragged]

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
        header, most = read_header(path), found.lines
        if found.quoted or found.longest > FIELD_MAX:
            most = sum(len(rows) for _, rows in header.blocks(path, found.longest))  # for the sake of their quotes
    except OSError as error:
        raise NewsletterError(f"can't be read ({error.strerror}); name another file", path=path) from None
    columns = tuple(name for name in header.names if name not in ("email", "name"))
    return SubscriberList(path, columns, header, found, most)


def check_list(subscribers: Listing, named: int | None = None) -> ListReport:
    """Read the whole list as a send would, and count; at most `named` problems are kept, so that memory is flat."""
    count = bad = left = outside = 0
    tally = StatusTally(subscribers.columns)
    problems: list[tuple[int, str]] = []
    for block in subscribers.blocks():
        tally.add(block.cells)
        gone = sum(has_left for _, has_left in block.left_out.values())
        left, outside = left + gone, outside + len(block.left_out) - gone
        count += len(block.lines) - len(block.left_out)
        bad += len(block.problems)
        kept = block.problems if named is None else block.problems[: max(named - len(problems), 0)]
        problems += [(line, problem.what) for line, problem in kept]
    return ListReport(count, bad, tuple(problems), subscribers.columns, left, outside, tally.columns())


def control_character(text: str) -> str:
    """The first character of `text` that can't be seen and has no place in a list, as `U+202E`; empty if none."""
    found = _CONTROL.search(text)
    return f"U+{ord(found[0]):04X}" if found else ""


def _normalized(
    addresses: Sequence[str], cells: Sequence[Sequence[str]]
) -> tuple[list[str], list[str], dict[int, Problem | None]]:
    """Keys and addresses as they are mailed to, and by place what is wrong with the others; None of a blank row."""
    keys, emails = list(addresses), list(addresses)
    why: dict[int, Problem | None] = {}
    for at, address in enumerate(addresses):
        if is_normal(address):
            continue
        try:
            emails[at] = normalize_address(address)
            keys[at] = address_key(emails[at])
        except ValueError as error:
            is_blank = not any(column[at] for column in cells)
            why[at] = None if is_blank else Problem(f"{error}; fix the row or delete it", address.strip())
    return keys, emails, why


def _ragged(found: int, width: int) -> str:
    count = "1 field" if found == 1 else f"{found} fields"
    hint = "put a text with the delimiter in it into quotes" if found > width else "add the empty ones"
    return f"{count} where the header has {width}; {hint}, or delete the row"
