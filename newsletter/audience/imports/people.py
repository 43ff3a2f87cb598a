"""Who the rows of a file are, and what becomes of them: some hundred rows at once, column by column.

A million rows are read in seconds that way, because what is the same for all of them is asked once, and the rest of
each column in one go. Which rows a file has is `reader`'s business, what the columns of a house mean `houses`'s.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from json.encoder import encode_basestring as quoted

from newsletter.audience.address import address_key, are_normal, is_normal, normalize_address, split_mailbox
from newsletter.audience.csv.formula import unguard
from newsletter.audience.csv.header import name_parts
from newsletter.audience.csv.reader import control_character
from newsletter.audience.imports.houses import Fate, House, fate_of, split_any_tags, unpack
from newsletter.audience.imports.moments import read_moment
from newsletter.audience.opt_out import opt_out_column
from newsletter.audience.subscriber import JOINED, TAGS, join_tags, split_tags
from newsletter.errors import NewsletterError

Subscribed = tuple[int, str | None, str, str, str]
"""A subscriber of the file: line, key where it is not the address itself, address, name, and the further columns as a
JSON object of texts."""

Outsider = tuple[int, str | None, str, str, str, Fate, float, str]
"""Anybody else: the same, what becomes of them, when they left (Unix seconds; 0: not known), and over what."""

_SAMPLE = 4096  # of different cells whose reading is remembered


@dataclass(slots=True)
class Block:
    """What some rows of a file say."""

    subscribers: list[Subscribed] = field(default_factory=list)
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
        self._fate = fate_of(house, names, file_name)
        tags = first_of(house.tags, names)
        split = split_any_tags if house.marks else split_tags
        self._tags = names.index(tags) if tags is not None else None
        self._tag_cell = lru_cache(_SAMPLE)(lambda text: quoted(join_tags(split(text))))
        self._moment = partial(read_moment, day_first=house.day_first)
        self._day_cell = lru_cache(_SAMPLE)(lambda text: quoted(self._day(text)))
        special = {"", "email", "name", TAGS, JOINED}
        self._kept = [number for number, name in enumerate(mapping) if name not in special]
        packed = [*(mapping[number] for number in self._kept)]
        packed += [TAGS] if self._tags is not None else []
        packed += [JOINED] if self._days else []
        self._object = "{" + ",".join(f"{quoted(name)}:".replace("%", "%%") + "%s" for name in packed) + "}"

    def read(self, lines: Sequence[int], rows: Sequence[Sequence[str]]) -> Block:
        """What rows of full length say; `lines` are those on which they begin."""
        cells = [list(map(str.strip, column)) for column in zip(*rows, strict=True)]
        text = "\n".join(map("\n".join, cells))
        if self._guarded and "'" in text and ("\n'" in text or text[0] == "'"):
            cells = [list(map(unguard, column)) for column in cells]
        written = cells[self._email]
        emails, names = list(written), self._names(cells)
        odd: list[int] = []
        if not are_normal(written):
            odd = [at for at, found in enumerate(map(is_normal, written)) if not found]
        keys: list[str | None] = [None] * len(emails)
        refused: dict[int, tuple[str, str]] = {}
        for at in odd:
            try:
                emails[at], beside = _address(written[at])
            except (ValueError, NewsletterError) as error:
                refused[at] = (written[at][:80], str(error).split("; write it")[0])
                continue
            names[at] = names[at] or beside
            keys[at] = address_key(emails[at])
        if not self._clean and control_character(text):
            for at, row in enumerate(zip(*cells, strict=True)):
                if at not in refused and (found := control_character("\t".join(row))):
                    refused[at] = (emails[at], f"{found}, which can't be seen; take it out")
        people: list[Subscribed] = list(zip(lines, keys, emails, names, self._columns(cells), strict=True))
        block = Block(people, refused=[(lines[at], *why) for at, why in sorted(refused.items())])
        if refused or self._fate is not None:
            block.subscribers = list(self._subscribed(people, cells, refused, block.outsiders))
        return block

    def _subscribed(
        self,
        people: Sequence[Subscribed],
        cells: Sequence[Sequence[str]],
        refused: dict[int, tuple[str, str]],
        outsiders: list[Outsider],
    ) -> Iterator[Subscribed]:
        """Those of them who are subscribers; the others are put to the `outsiders`, but for the refused."""
        for at, person in enumerate(people):
            if at in refused:
                continue
            row = [column[at] for column in cells] if self._fate is not None else []
            fate: Fate = self._fate(row) if self._fate is not None else "subscriber"
            if fate == "subscriber":
                yield person
                continue
            moments = (self._moment(row[number]) for number in self._left if row[number])
            moment = next(filter(None, moments), None)
            why = next((row[number] for number in self._occasion if row[number]), "")
            outsiders.append((*person, fate, moment.timestamp() if moment else 0.0, why[:200]))

    def _names(self, cells: Sequence[list[str]]) -> list[str]:
        """The people's names, on one line."""
        if not self._parts:
            return [""] * len(cells[0])
        if len(self._parts) == 1:
            return list(map(" ".join, map(str.split, cells[self._parts[0]])))
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

    def _columns(self, cells: Sequence[list[str]]) -> list[str]:
        """The further columns, as JSON objects."""
        packed: list[Iterator[str]] = [map(quoted, cells[number]) for number in self._kept]
        if self._tags is not None:
            packed.append(map(self._tag_cell, cells[self._tags]))
        if len(self._days) == 1:
            packed.append(map(self._day_cell, cells[self._days[0]]))
        elif self._days:
            days = zip(*(cells[day] for day in self._days), strict=True)
            packed.append(self._day_cell(next(filter(None, row), "")) for row in days)
        columns = list(map(self._object.__mod__, zip(*packed, strict=True))) if packed else ["{}"] * len(cells[0])
        for number in self._unpacked:
            for at, cell in enumerate(cells[number]):
                further = unpack(cell)
                self.extra.update(dict.fromkeys(further))
                columns[at] = json.dumps({**json.loads(columns[at]), **further}, ensure_ascii=False)
        return columns


def first_of(wanted: Sequence[str], names: Sequence[str]) -> str | None:
    """The first that is wanted and there."""
    return next((name for name in wanted if name in names), None)


def _address(written: str) -> tuple[str, str]:
    """An address and the name that stands beside it: `Ada <ada@example.org>`, `mailto:ada@example.org`."""
    try:
        return normalize_address(written), ""
    except ValueError:
        if "<" in written:
            name, address = split_mailbox(written)
            return address, name
        raise
