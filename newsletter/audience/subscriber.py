"""A subscriber: a person on the list."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring as quoted

TAGS, PAUSED_UNTIL, JOINED = "tags", "paused_until", "joined"
"""Columns that have a meaning: tags with commas between them; days, or moments, as ISO 8601."""


class Tags(str):
    """A cell of tags as segments see it: a text, and what is `in` it is a whole tag, in any case."""

    __slots__ = ()

    def __contains__(self, tag: object) -> bool:
        return isinstance(tag, str) and tag.strip().casefold() in map(str.casefold, split_tags(self))


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Address, name, and whatever further columns the list has, by their header; data only, never compiled."""

    email: str  # as mailed: validated, domain in punycode
    name: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)  # without email and name

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags, each once, in the order in which they stand."""
        return split_tags(self.columns.get(TAGS, ""))

    def is_paused(self, today: str) -> bool:
        """Does this person want no mail yet? `today` is a day as ISO 8601; a pause ends on its day."""
        return self.columns.get(PAUSED_UNTIL, "")[:10] > today


class PackedColumns(Mapping[str, str]):
    """Columns as a JSON object, taken apart when somebody looks: most of a long list is only carried along."""

    __slots__ = ("_columns", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._columns: dict[str, str] | None = None

    def _unpacked(self) -> dict[str, str]:
        if self._columns is None:
            self._columns = _scan(self.text)[0]
        return self._columns

    def __getitem__(self, name: str) -> str:
        return self._unpacked()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._unpacked())

    def __len__(self) -> int:
        return len(self._unpacked())


def pack_columns(columns: Mapping[str, str]) -> str:
    """Columns as a JSON object."""
    return columns.text if isinstance(columns, PackedColumns) else _dumps(dict(columns))


def pack_cells(cells: Mapping[str, Sequence[str]], count: int, *, escape: bool = True) -> list[str]:
    """`pack_columns` of `count` people at once, from what each column says of them.

    `escape`: where a text may hold what JSON can't hold as it is.
    """
    if not cells:
        return ["{}"] * count
    value = "%s" if escape else '"%s"'
    packed = "{" + ",".join(f"{quoted(name)}:".replace("%", "%%") + value for name in cells) + "}"
    columns: Iterable[Iterable[str]] = (map(quoted, column) for column in cells.values()) if escape else cells.values()
    return list(map(packed.__mod__, zip(*columns, strict=True)))


_scan = json.JSONDecoder().raw_decode  # which `loads` wraps twice
_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def split_tags(text: str) -> tuple[str, ...]:
    """The tags in a cell: what stands between commas."""
    return tuple(dict.fromkeys(tag for part in text.split(",") if (tag := part.strip())))


def join_tags(tags: Iterable[str]) -> str:
    """Tags as a cell holds them; a comma in one would part it, and becomes a blank."""
    return ",".join(dict.fromkeys(" ".join(tag.replace(",", " ").split()) for tag in tags if tag.strip(", ")))
