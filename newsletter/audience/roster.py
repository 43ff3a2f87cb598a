"""The list as it is edited, wherever it is: a CSV file or the state's table, behind one interface.

Reading for a send is `source`'s business, who may not be mailed `suppression`'s; here people are found, put on the list
and taken off it. Changes come in the order of the list, so that a file of any size is edited in one pass.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from newsletter.audience.address import address_key
from newsletter.audience.csv.editor import KEEP, Additions, Fields, cells_of, edit_csv, locked, new_csv, reading
from newsletter.audience.csv.reader import SubscriberList, read_csv
from newsletter.audience.listing import Row, RowBlock
from newsletter.audience.subscriber import Subscriber
from newsletter.config.settings import Config
from newsletter.errors import NewsletterError
from newsletter.state.sealed import SUFFIX, readable

if TYPE_CHECKING:
    from newsletter.audience.imports.staging import Staging


class Roster(Protocol):
    """The list. `apply` wants it held, and between reading and applying nobody else of this program edits it."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns, without email and name."""

    def __iter__(self) -> Iterator[Row]:
        """Its rows, with their lines or numbers."""

    def blocks(self) -> Iterator[RowBlock]:
        """The same, some hundred at once."""

    def held(self) -> AbstractContextManager[None]:
        """Hold it against other editors."""

    def find(self, email: str) -> Subscriber | None:
        """The one with this address, in any spelling."""

    def apply(self, updates: Iterable[Subscriber], additions: Iterable[Subscriber], columns: Collection[str]) -> None:
        """Change who is on it already, in its order, and add the others.

        `columns` are all that they have; `name` is one if any of them has a name.
        """

    def compare(self, people: "Staging") -> None:
        """Say of each of a file's people whether they are on it already."""

    def take_over(self, people: "Staging", columns: Collection[str], *, newcomers: bool) -> None:
        """`apply` what a file's people change, and with `newcomers` who is new."""

    def remove(self, keys: Collection[str]) -> set[str]:
        """Take these people off it; the keys of those who were on it."""


@dataclass(frozen=True, slots=True)
class CsvRoster:
    """A list in a CSV file; made with a header at the first edit."""

    path: Path
    lock: Path
    read: Callable[[], SubscriberList]

    @property
    def columns(self) -> tuple[str, ...]:
        return self.read().columns if self.path.exists() else ()

    def __iter__(self) -> Iterator[Row]:
        return iter(self.read()) if self.path.exists() else iter(())

    def blocks(self) -> Iterator[RowBlock]:
        return self.read().blocks() if self.path.exists() else iter(())

    def held(self) -> AbstractContextManager[None]:
        if self.path.suffix == SUFFIX:
            plain = self.path.stem
            what = f"is sealed: open it (`newsletter state open {self.path.name}`), edit {plain}, and seal that again"
            raise NewsletterError(what, path=self.path)
        return locked(self.lock)

    def find(self, email: str) -> Subscriber | None:
        key = address_key(email)
        with reading(self.lock):
            return next((row for _, row in self if isinstance(row, Subscriber) and address_key(row.email) == key), None)

    def apply(self, updates: Iterable[Subscriber], additions: Iterable[Subscriber], columns: Collection[str]) -> None:
        self._edit(updates, cells_of(additions), columns)

    def _edit(self, updates: Iterable[Subscriber], additions: Additions | None, columns: Collection[str]) -> None:
        if not self.path.exists():
            new_csv(self.path, [name for name in columns if name != "name"])
        edit_csv(self.path, _in_order(iter(updates)), additions, columns)

    def compare(self, people: "Staging") -> None:
        people.compare_with_csv(self.path)

    def take_over(self, people: "Staging", columns: Collection[str], *, newcomers: bool) -> None:
        self._edit(people.updates(), people.cells if newcomers else None, columns)

    def remove(self, keys: Collection[str]) -> set[str]:
        removed: set[str] = set()

        def change(key: str, _fields: Fields) -> Fields | None:
            if key not in keys:
                return KEEP
            removed.add(key)
            return None

        if self.path.exists():
            edit_csv(self.path, change)
        return removed


def _in_order(updates: Iterator[Subscriber]) -> Callable[[str, Fields], Fields | None]:
    """A change of each row whose turn it is; a second row of the same address is left as it is."""
    person = next(updates, None)

    def change(key: str, fields: Fields) -> Fields | None:
        nonlocal person
        if person is None or key != address_key(person.email):
            return KEEP
        after = {**fields, **person.columns}
        if "name" in fields or person.name:
            after["name"] = person.name
        person = next(updates, None)
        return after

    return change


def open_roster(config: Config) -> Roster:
    """The newsletter's list, to be edited."""
    if config.subscribers.source == "database":
        from newsletter.audience.database import DatabaseRoster  # with SQLAlchemy, which a file's list does without
        from newsletter.state import open_state

        return DatabaseRoster(open_state(config))
    return CsvRoster(config.root / config.subscribers.source, list_lock(config), lambda: read_list(config))


def read_list(config: Config) -> SubscriberList:
    """The list's file, sealed or not. Raises NewsletterError where it is not fit to read."""
    path = config.root / config.subscribers.source
    if path.suffix != SUFFIX:
        return read_csv(path)
    plain = readable(path, config)
    try:
        return read_csv(plain)
    except NewsletterError as error:
        error.path = str(path) if error.path == str(plain) else error.path
        raise


def list_lock(config: Config) -> Path:
    """The file that whoever reads or edits the list's file locks."""
    return config.state_dir / "list.lock"


def put(roster: Roster, people: Sequence[Subscriber]) -> None:
    """Put a few people on the list, or change those who are on it to what is given: name and columns."""
    wanted = {address_key(person.email): person for person in people}
    with roster.held():
        there = [key for _, row in _known(roster, wanted) if (key := address_key(row.email)) in wanted]
        columns = tuple(dict.fromkeys(name for person in people for name in person.columns))
        columns = ("name", *columns) if any(person.name for person in people) else columns
        roster.apply(
            [wanted[key] for key in there], [person for key, person in wanted.items() if key not in there], columns
        )


def _known(roster: Roster, wanted: Collection[str]) -> Iterator[tuple[int, Subscriber]]:
    if isinstance(roster, CsvRoster):  # which finds nobody without reading all of it
        return ((line, row) for line, row in roster if isinstance(row, Subscriber))
    found = [roster.find(key) for key in wanted]
    return iter([(0, row) for row in found if row is not None])


def today() -> str:
    """The day, as ISO 8601, where this runs."""
    return time.strftime("%Y-%m-%d")
