"""A list of people as it is read: some hundred rows at once, column by column, or a row at a time.

What is the same for all rows of a block is asked once, and the rest of each column in one go: a million people are read
in seconds. Who reads lists: `csv.reader`, `database`; who of them is left out: `source`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import itemgetter
from typing import Protocol, TypeVar

from newsletter.audience.subscriber import PackedColumns, Subscriber

_Value = TypeVar("_Value")


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
"""The line of the file (from 1) on which a row begins, or its number in a database, and what it says."""


@dataclass(slots=True)
class RowBlock:
    """People who stand together on a list, column by column, and the rows among them that can't be mailed."""

    lines: Sequence[int]
    keys: Sequence[str]
    emails: Sequence[str]
    names: Sequence[str]
    columns: Sequence[str]  # the further ones, as JSON objects (`pack_columns`)
    cells: Mapping[str, Sequence[str]]  # the same, by the name of the column
    problems: Sequence[tuple[int, Problem]] = ()  # in the order of their lines
    left_out: dict[int, tuple[str, bool]] = field(default_factory=dict)
    """Who of the people is not mailed, by place: `LeftOut.what` and `LeftOut.left`."""

    def places(self) -> Sequence[int]:
        """The places of those who are mailed."""
        everybody = range(len(self.lines))
        return [place for place in everybody if place not in self.left_out] if self.left_out else everybody

    def mailed(self, column: Sequence[_Value]) -> Sequence[_Value]:
        """What a column says of those who are mailed."""
        return [column[place] for place in self.places()] if self.left_out else column

    def fields(self, name: str) -> Sequence[str]:
        """What everybody's column of this name holds: address, name, or a further one; empty where there is none."""
        if name in ("email", "name"):
            return self.emails if name == "email" else self.names
        return self.cells.get(name) or [""] * len(self.lines)

    def refuse(self, why: Mapping[int, Problem | None]) -> None:
        """Take the people at these places out, as rows that can't be mailed; without a problem, as blank ones."""
        refused = [(self.lines[place], problem) for place, problem in why.items() if problem is not None]
        self.problems = sorted([*self.problems, *refused], key=itemgetter(0))
        stays = [place not in why for place in range(len(self.lines))]
        self.lines = list(compress(self.lines, stays))
        self.keys, self.emails, self.names, self.columns = (
            list(compress(column, stays)) for column in (self.keys, self.emails, self.names, self.columns)
        )
        self.cells = {name: list(compress(column, stays)) for name, column in self.cells.items()}

    def rows(self) -> Iterator[Row]:
        """Its rows, in their order."""
        problems = iter(self.problems)
        problem = next(problems, None)
        for place, (line, email, name, columns) in enumerate(
            zip(self.lines, self.emails, self.names, self.columns, strict=True)
        ):
            while problem is not None and problem[0] < line:
                yield problem
                problem = next(problems, None)
            person = Subscriber(email, name, PackedColumns(columns))
            yield line, LeftOut(person, *self.left_out[place]) if place in self.left_out else person
        if problem is not None:
            yield problem
            yield from problems


class Listing(Protocol):
    """A list of people, wherever it is."""

    @property
    def columns(self) -> tuple[str, ...]:
        """As templates name them, without email and name."""

    def blocks(self) -> Iterable[RowBlock]:
        """Its rows, some hundred at once."""

    def __iter__(self) -> Iterator[Row]:
        """Its rows, with their lines or numbers."""
