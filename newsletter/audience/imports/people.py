"""Who the rows of a file are, and what becomes of them: some hundred rows at once, column by column.

A million rows are read in seconds that way, because what is the same for all of them is asked once, and the rest of
each column in one go. Which rows a file has is `reader`'s business, what the columns of a house mean `houses`'s.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import compress

from newsletter.audience.address import address_key, are_normal, is_normal, normalize_address, split_mailbox
from newsletter.audience.csv.cells import as_text, is_tidy
from newsletter.audience.csv.formula import unguard
from newsletter.audience.csv.header import name_parts
from newsletter.audience.csv.reader import control_character
from newsletter.audience.imports.fates import fates_of
from newsletter.audience.imports.houses import Fate, House, split_any_tags, unpack
from newsletter.audience.imports.moments import read_moment
from newsletter.audience.opt_out import opt_out_column
from newsletter.audience.subscriber import JOINED, TAGS, join_tags, pack_cells, split_tags
from newsletter.errors import NewsletterError

PeopleColumns = tuple[Sequence[int], Sequence[str], Sequence[str], Sequence[str], Sequence[str]]
"""People, column by column: lines, keys, addresses, names, and the further columns as JSON objects of texts."""

Outsider = tuple[int, str, str, str, str, Fate, float, str]
"""One who is no subscriber: the same, what becomes of them, when they left (Unix seconds; 0: not known), over what."""

NOBODY: PeopleColumns = ((), (), (), (), ())

_SAMPLE = 4096  # of different cells whose reading is remembered


@dataclass(slots=True)
class Block:
    """What some rows of a file say."""

    subscribers: PeopleColumns = NOBODY
    outsiders: list[Outsider] = field(default_factory=list)
    refused: list[tuple[int, str, str]] = field(default_factory=list)  # line, the address as it stands there, why


class People:
    """How the rows of one file are read. `extra` has the columns that others were packed with, once they were read."""

    def __init__(
        self, house: House, names: tuple[str, ...], mapping: Sequence[str], file_name: str, *, clean: bool
    ) -> None:
        self.extra: dict[str, None] = {}
        self._clean, self._guarded = clean, house.guarded
        self._email = names.index(first_of(house.email, names) or "")
        self._parts = [names.index(name) for name in name_parts(names, house.name)]
        self._unpacked, self._left, self._occasion, self._days = (
            [names.index(name) for name in wanted if name in names]
            for wanted in (house.unpacked, house.left, house.occasion, house.joined)
        )
        self._left += [at for at, name in enumerate(names) if at not in self._left and opt_out_column(name) is not None]
        self._fates = fates_of(house, names, file_name)
        tags = first_of(house.tags, names)
        split = split_any_tags if house.marks else split_tags
        self._tags = names.index(tags) if tags is not None else None
        self._tag_cell = lru_cache(_SAMPLE)(lambda text: join_tags(split(text)))
        self._moment = partial(read_moment, day_first=house.day_first)
        self._day_cell = lru_cache(_SAMPLE)(self._day)
        special = {"", "email", "name", TAGS, JOINED}
        self._kept = [number for number, name in enumerate(mapping) if name not in special]
        self._packed = [mapping[number] for number in self._kept]
        self._packed += [TAGS] if self._tags is not None else []
        self._packed += [JOINED] if self._days else []

    def read(self, lines: Sequence[int], rows: Sequence[Sequence[str]]) -> Block:
        """What rows of full length say; `lines` are those on which they begin."""
        cells: list[Sequence[str]] = list(zip(*rows, strict=True))
        text = as_text(cells)
        tidy = is_tidy(text, len(rows) * len(cells), clean=self._clean)
        if not tidy:
            cells = [list(map(str.strip, column)) for column in cells]
            text = as_text(cells)
        if self._guarded and "'" in text and ("\n'" in text or text[0] == "'"):
            cells, tidy = [list(map(unguard, column)) for column in cells], False
        written = cells[self._email]
        names = self._names(cells, tidy=tidy and "  " not in text)
        columns = self._columns(cells, escape=not tidy or '"' in text or "\\" in text)
        normal = are_normal(written)
        if normal and (tidy or self._clean) and self._fates is None:
            return Block((lines, written, written, names, columns))
        keys, emails, names = list(written), list(written), list(names)
        refused: dict[int, tuple[str, str]] = {}
        for at, address in enumerate(() if normal else written):
            if is_normal(address):
                continue
            try:
                emails[at], beside = _address(address)
            except (ValueError, NewsletterError) as error:
                refused[at] = (address[:80], str(error).split("; write it")[0])
                continue
            names[at] = names[at] or beside
            keys[at] = address_key(emails[at])
        if not (tidy or self._clean) and control_character(text):
            for at, row in enumerate(zip(*cells, strict=True)):
                if at not in refused and (found := control_character("\t".join(row))):
                    refused[at] = (emails[at], f"{found}, which can't be seen; take it out")
        block = Block(refused=[(lines[at], *why) for at, why in sorted(refused.items())])
        people: PeopleColumns = (lines, keys, emails, names, columns)
        stays = [at not in refused for at in range(len(keys))]
        if self._fates is not None:
            block.outsiders = list(self._outsiders(people, cells, self._fates(cells), stays))
        block.subscribers = people if all(stays) else _chosen(people, stays)
        return block

    def _outsiders(
        self,
        people: PeopleColumns,
        cells: Sequence[Sequence[str]],
        fates: Sequence[Fate],
        stays: list[bool],
    ) -> Iterator[Outsider]:
        """Those of them who are no subscribers, taken out of those who stay."""
        for at, fate in enumerate(fates):
            if not stays[at] or fate == "subscriber":
                continue
            stays[at] = False
            row = [column[at] for column in cells]
            moments = (self._moment(row[number]) for number in self._left if row[number])
            moment = next(filter(None, moments), None)
            why = next((row[number] for number in self._occasion if row[number]), "")
            lines, keys, emails, names, columns = people
            left = moment.timestamp() if moment else 0.0
            yield lines[at], keys[at], emails[at], names[at], columns[at], fate, left, why[:200]

    def _names(self, cells: Sequence[Sequence[str]], *, tidy: bool) -> Sequence[str]:
        """The people's names, on one line; nowhere a blank too many in `tidy` cells."""
        if not self._parts:
            return [""] * len(cells[0])
        if len(self._parts) == 1:
            column = cells[self._parts[0]]
            return column if tidy else list(map(" ".join, map(str.split, column)))
        parts = zip(*(cells[part] for part in self._parts), strict=True)
        return list(map(" ".join, map(str.split, map(" ".join, parts))))

    def _day(self, text: str) -> str:
        """When somebody joined, as ISO 8601: a day where the file says no more; as written where it is no moment."""
        if len(text) == 10 and text[4] == text[7] == "-":
            return text
        moment = self._moment(text)
        if moment is None:
            return text
        if (moment.hour, moment.minute, moment.second) == (0, 0, 0):
            return f"{moment:%Y-%m-%d}"
        return moment.isoformat(timespec="seconds").replace("+00:00", "Z")

    def _columns(self, cells: Sequence[Sequence[str]], *, escape: bool) -> list[str]:
        """The further columns, as JSON objects; `escape` where a text may hold what JSON can't hold as it is."""
        packed: list[Sequence[str]] = [cells[number] for number in self._kept]
        if self._tags is not None:
            packed.append(list(map(self._tag_cell, cells[self._tags])))
        if len(self._days) == 1:
            packed.append(list(map(self._day_cell, cells[self._days[0]])))
        elif self._days:
            days = zip(*(cells[day] for day in self._days), strict=True)
            packed.append([self._day_cell(next(filter(None, row), "")) for row in days])
        columns = pack_cells(dict(zip(self._packed, packed, strict=True)), len(cells[0]), escape=escape)
        for number in self._unpacked:
            for at, cell in enumerate(cells[number]):
                further = unpack(cell)
                self.extra.update(dict.fromkeys(further))
                columns[at] = json.dumps({**json.loads(columns[at]), **further}, ensure_ascii=False)
        return columns


def first_of(wanted: Sequence[str], names: Sequence[str]) -> str | None:
    """The first that is wanted and there."""
    return next((name for name in wanted if name in names), None)


def _chosen(people: PeopleColumns, stays: Sequence[bool]) -> PeopleColumns:
    """Those of them who stay."""
    lines, keys, emails, names, columns = people
    texts = (list(compress(column, stays)) for column in (keys, emails, names, columns))
    return (list(compress(lines, stays)), *texts)  # type: ignore[return-value]


def _address(written: str) -> tuple[str, str]:
    """An address and the name that stands beside it: `Ada <ada@example.org>`, `mailto:ada@example.org`."""
    try:
        return normalize_address(written), ""
    except ValueError:
        if "<" in written:
            name, address = split_mailbox(written)
            return address, name
        raise
