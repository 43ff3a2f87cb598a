"""Read a file of people from elsewhere: which columns it has, what they become here, and its rows.

A row that can't be taken over is refused with its line, and the file goes on; what can't be read for sure at all
(bytes, quotes) is refused whole, as `csv.scan` says. What the columns of a house mean stands in `houses`, who a row is
says `people`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from newsletter.audience.csv.cells import of_width
from newsletter.audience.csv.header import ALSO_NAME, column_name, column_names, name_parts, read_header, read_titles
from newsletter.audience.csv.scan import read_blocks, scan
from newsletter.audience.imports.houses import HOUSES, LIST, OTHER, House, likely_houses
from newsletter.audience.imports.people import Block, People, PeopleColumns, first_of
from newsletter.audience.subscriber import JOINED, TAGS
from newsletter.errors import NewsletterError

_WHOLE = frozenset(("name", *ALSO_NAME))
"""Columns that are the name; a first and a family name stay columns besides, for templates."""


@dataclass(frozen=True, slots=True)
class ImportFile:
    """A file that was found readable. `mapping` says what each title of its header becomes; "" is of no use."""

    path: Path
    mapping: tuple[tuple[str, str], ...]
    _house: House
    _names: tuple[str, ...]
    _delimiter: str
    _header: int  # its line
    _longest: int  # bytes of its longest line
    _people: People

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that its people have; those that others are packed with, once it was read."""
        return tuple(
            dict.fromkeys((*(new for _, new in self.mapping if new not in ("", "email", "name")), *self._people.extra))
        )

    @property
    def shown(self) -> tuple[tuple[str, str], ...]:
        """What becomes of each column, in words; below, what `name` is made of where that stays columns of its own."""
        house = self._house
        pairs = tuple(
            (title, new or _use(name, house)) for (title, new), name in zip(self.mapping, self._names, strict=True)
        )
        titles = dict(zip(self._names, (title for title, _ in self.mapping), strict=True))
        parts = name_parts(self._names, house.name)
        if not parts or parts[0] in _WHOLE:
            return pairs
        return (*pairs, (" + ".join(titles[part] for part in parts), "name"))

    def __iter__(self) -> Iterator[Block]:
        """What its rows say, some hundred at once; blank ones are passed over."""
        width, email = len(self._names), self._names.index(first_of(self._house.email, self._names) or "")
        blocks = read_blocks(
            self.path, self._delimiter, above=self._header, email=email, width=width, longest=self._longest
        )
        for lines, rows in blocks:
            lines, rows, ragged = of_width(lines, rows, width)
            block = self._people.read(lines, rows) if rows else Block()
            block.refused += [
                (line, row[0][:80], f"{len(row)} fields where the header has {width}; fix the row")
                for line, row in ragged
            ]
            yield block


def open_import(path: Path, house: House, *, named: bool) -> ImportFile:
    """Open a file of people, and look through it once. Raises NewsletterError for one that can't be read for sure.

    And for a house's export where no house or another one was `named`: only by its own words is it known who left.
    """
    if not path.exists():
        raise NewsletterError("no such file; name a CSV file with a header row", path=path)
    found = scan(path)
    titles, delimiter, header = read_titles(path)
    names = _unique([column_name(title) or f"column_{number}" for number, title in enumerate(titles, 1)])
    likely = likely_houses(names, path.name)
    if likely and not named:
        what = f"is an export of {likely[0]}, as it looks; give --from {likely[0]}, so that who left there is not"
        raise NewsletterError(f"{what} mailed here, or --from {OTHER} where it is none", path=path)
    if likely and house.marks and not any(HOUSES[name] is house for name in likely):
        what = (
            f"has the columns of {likely[0]}, not of the house named; give --from {likely[0]}, whose words say who left"
        )
        raise NewsletterError(f"{what} there, or --from {OTHER} where it is of neither", path=path)
    if first_of(house.email, names) is None:
        known = column_names(titles)  # as a list's own header is read
        if "email" not in known:
            hint = f"it has {', '.join(titles[:8])}; rename the column of the addresses to `email`"
            if any("@" in title for title in titles):
                hint = "the first line is a person already; put a header row above it"
            raise NewsletterError(f"no column of addresses; {hint}", path=path, line=header)
        names = tuple("email" if at == known.index("email") else name for at, name in enumerate(names))
    mapping = tuple((title, _becomes(name, house, names)) for title, name in zip(titles, names, strict=True))
    people = People(house, names, [new for _, new in mapping], path.name, clean=found.clean)
    return ImportFile(path, mapping, house, names, delimiter, header, found.longest, people)


def listed(path: Path) -> Iterator[PeopleColumns]:
    """Who is on the list in a file of its own, some hundred at once, to compare others with; who left it too."""
    header, found = read_header(path), scan(path)
    titles = tuple((name, name) for name in header.names)
    people = People(LIST, header.names, header.names, "", clean=found.clean)
    file = ImportFile(path, titles, LIST, header.names, header.delimiter, header.line, found.longest, people)
    for block in file:
        if block.subscribers[0]:
            yield block.subscribers
        if block.outsiders:
            lines, keys, emails, names, columns, *_ = zip(*block.outsiders, strict=True)
            yield lines, keys, emails, names, columns


def _becomes(name: str, house: House, names: tuple[str, ...]) -> str:
    """What a column is called here; empty if it is of no use."""
    parts = name_parts(names, house.name)
    if name == first_of(house.email, names):
        return "email"
    if name == first_of(house.tags, names):
        return TAGS
    if parts == (name,) and name in _WHOLE:
        return "name"
    if name == first_of(house.joined, names):
        return JOINED
    used_up = name in house.dropped or name in house.left or name in house.states or name in house.unpacked
    return "" if used_up else name


def _use(name: str, house: House) -> str:
    """What a column that is not kept as one is read for."""
    if name in house.unpacked:
        return "(a column for each of its keys)"
    return "(says who left)" if name in house.states or name in house.left else "(left out)"


def _unique(names: list[str]) -> tuple[str, ...]:
    """The names, with a number behind one that came before: Mailchimp writes a column twice."""
    unique: list[str] = []
    for name in names:
        number = 2
        fresh = name
        while fresh in unique:
            fresh, number = f"{name}_{number}", number + 1
        unique.append(fresh)
    return tuple(unique)
