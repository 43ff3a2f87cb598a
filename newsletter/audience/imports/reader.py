"""Read a file of people from elsewhere, row by row: who each is, and what becomes of them.

A row that can't be taken over is a `RefusedRow` with its line, and the file goes on; what can't be read for sure at all
(bytes, quotes) is refused whole, as `csv.scan` says. What the columns of a house mean stands in `houses`.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from json.encoder import encode_basestring as quoted
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from newsletter.audience.address import address_key, normalize_address, split_mailbox
from newsletter.audience.csv.formula import unguard
from newsletter.audience.csv.header import ALSO_NAME, column_name, column_names, name_parts, read_titles
from newsletter.audience.csv.reader import control_character
from newsletter.audience.csv.scan import FIELD_MAX, check_quotes, read_rows, scan
from newsletter.audience.imports.houses import ANY, OTHER, Fate, House, fate_of, likely_house, split_any_tags, unpack
from newsletter.audience.imports.moments import read_moment
from newsletter.audience.subscriber import JOINED, TAGS, join_tags, split_tags
from newsletter.errors import NewsletterError

_ESCAPED = re.compile(r'[\x00-\x08\x0a-\x1f"\\]').search
"""What a JSON text has only escaped, but for the tabs that a row is joined with."""
_WHOLE = frozenset(("name", *ALSO_NAME))
"""Columns that are the name; a first and a family name stay columns besides, for templates."""


class Incoming(NamedTuple):
    """Somebody in the file. `left` is when they left, in Unix seconds, 0 where the file does not say."""

    key: str
    email: str
    name: str
    columns: str  # a JSON object of texts
    fate: Fate
    left: float = 0.0
    occasion: str = ""


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that can't be taken over, the address as it stands there, and why."""

    email: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImportFile:
    """A file that was found readable. `mapping` says what each title of its header becomes; "" is of no use."""

    path: Path
    mapping: tuple[tuple[str, str], ...]
    _house: House
    _names: tuple[str, ...]
    _delimiter: str
    _header: int  # its line
    _clean: bool
    _extra: dict[str, None] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that its people have; those that others are packed with, once it was read."""
        return tuple(
            dict.fromkeys((*(new for _, new in self.mapping if new not in ("", "email", "name")), *self._extra))
        )

    @property
    def put_together(self) -> tuple[tuple[str, str], ...]:
        """What `name` is made of, where that stays columns of its own, as a pair to show below the mapping."""
        titles = dict(zip(self._names, (title for title, _ in self.mapping), strict=True))
        parts = name_parts(self._names, self._house.name)
        return ((" + ".join(titles[part] for part in parts), "name"),) if parts and parts[0] not in _WHOLE else ()

    def __iter__(self) -> Iterator[tuple[int, Incoming | RefusedRow]]:
        """Each row with the line on which it begins; blank ones are passed over."""
        width, read = len(self._names), self._person()
        rows = read_rows(self.path, self._delimiter)
        for line, _, row in islice(rows, self._header, None):
            while len(row) > width and not row[-1].strip():
                row.pop()
            if len(row) == width:
                yield line, read(list(map(str.strip, row)))
            elif any(map(str.strip, row)):
                yield line, RefusedRow(row[0][:80], f"{len(row)} fields where the header has {width}; fix the row")

    def _person(self) -> Callable[[list[str]], Incoming | RefusedRow]:
        """A function from a row's cells to a person; what is asked of every row is decided once."""
        house, names, clean = self._house, self._names, self._clean
        at = names.index(_first(house.email, names) or "")
        parts = [names.index(name) for name in name_parts(names, house.name)]
        unpacked, left, occasion, days = (
            [names.index(name) for name in wanted if name in names]
            for wanted in (house.unpacked, house.left, house.occasion, house.joined)
        )
        tags = _first(house.tags, names)
        split = split_any_tags if house is not ANY else split_tags
        fate = fate_of(house, names, self.path.name)
        special = {"", "email", "name", TAGS, JOINED}
        kept = [(f"{quoted(new)}:", number) for number, (_, new) in enumerate(self.mapping) if new not in special]
        as_it_is = ",".join(f'{prefix.replace("%", "%%")}"%s"' for prefix, _ in kept)
        pick = itemgetter(*(number for _, number in kept)) if kept else itemgetter(0)
        tagged = names.index(tags) if tags is not None else None
        tag_cell = lru_cache(4096)(lambda text: f'"{TAGS}":' + quoted(join_tags(split(text))))

        def read(row: list[str]) -> Incoming | RefusedRow:
            text = "\t".join(row)
            if "'" in text and ("\t'" in text or text[:1] == "'"):
                row = [unguard(cell) for cell in row]
            written = row[at]
            try:
                address, name = _address(written)
            except (ValueError, NewsletterError) as error:
                return RefusedRow(written[:80], str(error).split("; write it")[0])
            if parts:
                whole = row[parts[0]] if len(parts) == 1 else " ".join([row[part] for part in parts])
                name = " ".join(whole.split()) or name
            if not clean and (found := control_character(text)):
                return RefusedRow(address, f"{found}, which can't be seen; take it out")
            if kept and text.count("\t") < len(row) and not _ESCAPED(text):
                cells = [as_it_is % pick(row)]
            else:
                cells = [prefix + quoted(row[number]) for prefix, number in kept]
            if tagged is not None:
                cells.append(tag_cell(row[tagged]))
            if days:
                day = row[days[0]] or next((row[number] for number in days if row[number]), "")
                cells.append(f'"{JOINED}":' + quoted(_day(day)))
            columns = "{" + ",".join(cells) + "}"
            for packed in unpacked:
                further = unpack(row[packed])
                self._extra.update(dict.fromkeys(further))
                columns = json.dumps({**json.loads(columns), **further}, ensure_ascii=False)
            what: Fate = fate(row) if fate is not None else "subscriber"
            if what == "subscriber":
                return Incoming(address_key(address), address, name, columns, what)
            moment = next((read_moment(row[number]) for number in left if row[number]), None)
            why = next((row[number] for number in occasion if row[number]), "")
            return Incoming(
                address_key(address), address, name, columns, what, moment.timestamp() if moment else 0.0, why[:200]
            )

        return read


def open_import(path: Path, house: House, *, named: bool) -> ImportFile:
    """Open a file of people, and look through it once. Raises NewsletterError for one that can't be read for sure.

    And for a house's export where no house was `named`: only by the house's own words is it known who left.
    """
    if not path.exists():
        raise NewsletterError("no such file; name a CSV file with a header row", path=path)
    found = scan(path)
    titles, delimiter, header = read_titles(path)
    names = _unique([column_name(title) or f"column_{number}" for number, title in enumerate(titles, 1)])
    if not named and (likely := likely_house(names, path.name)):
        what = f"is an export of {likely}, as it looks; give --from {likely}, so that who left there is not mailed here"
        raise NewsletterError(f"{what}, or --from {OTHER} where it is none", path=path)
    if _first(house.email, names) is None:
        known = column_names(titles)  # as a list's own header is read
        if "email" not in known:
            hint = f"it has {', '.join(titles[:8])}; rename the column of the addresses to `email`"
            if any("@" in title for title in titles):
                hint = "the first line is a person already; put a header row above it"
            raise NewsletterError(f"no column of addresses; {hint}", path=path, line=header)
        names = tuple("email" if at == known.index("email") else name for at, name in enumerate(names))
    email = names.index(_first(house.email, names) or "")
    if found.quoted or found.longest > FIELD_MAX:
        check_quotes(path, delimiter, email, len(names), found.longest)
    mapping = tuple((title, _becomes(name, house, names)) for title, name in zip(titles, names, strict=True))
    return ImportFile(path, mapping, house, names, delimiter, header, found.clean)


def _becomes(name: str, house: House, names: tuple[str, ...]) -> str:
    """What a column is called here; empty if it is of no use."""
    parts = name_parts(names, house.name)
    if name == _first(house.email, names):
        return "email"
    if name == _first(house.tags, names):
        return TAGS
    if parts == (name,) and name in _WHOLE:
        return "name"
    if name == _first(house.joined, names):
        return JOINED
    used_up = name in house.dropped or name in house.left or name in house.states or name in house.unpacked
    return "" if used_up else name


def _first(wanted: tuple[str, ...], names: tuple[str, ...]) -> str | None:
    return next((name for name in wanted if name in names), None)


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


def _address(written: str) -> tuple[str, str]:
    """An address and the name that stands beside it: `Ada <ada@example.org>`, `mailto:ada@example.org`."""
    try:
        return normalize_address(written), ""
    except ValueError:
        if "<" in written:
            name, address = split_mailbox(written)
            return address, name
        raise


def _day(text: str) -> str:
    """When somebody joined, as ISO 8601: a day where the file says no more; as written where it is no moment."""
    if len(text) == 10 and text[4] == text[7] == "-":
        return text
    moment = read_moment(text)
    if moment is None:
        return text
    if (moment.hour, moment.minute, moment.second) == (0, 0, 0):
        return f"{moment:%Y-%m-%d}"
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
