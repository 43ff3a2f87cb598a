"""Where subscribers come from: the newsletter's list, and those of it whom a message is rendered for.

One behaviour for `render`, `check`, `send --to` and the studio: who is shown when nobody is named, and as whom an
address is written to that is not on the list.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from newsletter.audience.address import address_key
from newsletter.audience.csv.editor import reading
from newsletter.audience.listing import Listing, Row, RowBlock
from newsletter.audience.opt_out import how_left, opt_out_column
from newsletter.audience.roster import list_lock, open_roster, read_list
from newsletter.audience.subscriber import PAUSED_UNTIL, Subscriber
from newsletter.audience.token import erased_key, load_secret
from newsletter.config.settings import Config
from newsletter.errors import NewsletterError
from newsletter.state.database import Database
from newsletter.state.open import database_of
from newsletter.state.questions import read_erased

MADE_UP = Subscriber("reader@example.org", "Robin Reader")
"""Who reads where there is no subscriber yet."""


Sieve = Callable[[RowBlock], None]
"""Leaves people of a block out."""


@dataclass(frozen=True, slots=True)
class MailingList:
    """The list as a message goes to it, from a file or from the database; iterate over its rows as often as you like.

    Who has paused, was erased, or is outside the standing segment is left out, and said to be.
    """

    name: str  # of the file, or of the state, for messages
    columns: tuple[str, ...]  # as templates name them, without email and name
    _open: Callable[[], Iterable[RowBlock]]
    _lock: Path  # that editors of the file hold
    _sieves: tuple[Sieve, ...]

    def __iter__(self) -> Iterator[Row]:
        """The rows with their lines or numbers, in the order of the list."""
        for block in self.blocks():
            yield from block.rows()

    def blocks(self) -> Iterator[RowBlock]:
        """The same, some hundred at once."""
        with reading(self._lock):
            for block in self._open():
                for leave_out in self._sieves:
                    leave_out(block)
                yield block


def open_list(config: Config) -> MailingList:
    """The newsletter's list of subscribers. Raises NewsletterError where there is none, or none that is fit to read."""
    state, lock = database_of(config), list_lock(config)
    if config.subscribers.source == "database":
        roster = open_roster(config)
        columns = roster.columns
        sieves = (*_reasons(config, state, columns), *_standing(config, columns))
        return MailingList(state.name, columns, roster.blocks, lock, sieves)
    path = config.root / config.subscribers.source
    with reading(lock):
        rows = read_list(config)
    sieves = (*_standing(config, rows.columns), *_reasons(config, state, rows.columns, looked=True))

    def opened() -> Iterable[RowBlock]:
        """The rows, read anew where an editor of ours has changed the file since."""
        return (rows if rows.is_unchanged() else read_list(config)).blocks()

    return MailingList(str(path), rows.columns, opened, lock, sieves)


def _standing(config: Config, columns: tuple[str, ...]) -> Iterator[Sieve]:
    """Leaves out who is outside the standing segment, if there is one."""
    if not config.subscribers.where:
        return
    from newsletter.audience.segment import compile_segment

    with config.naming("subscribers", "where"):
        segment = compile_segment(config.subscribers.where, columns, "[subscribers] where")

    def leave_out(block: RowBlock) -> None:
        for place, belongs in zip(block.places(), segment.of(block), strict=True):
            if not belongs:
                block.left_out[place] = ("outside [subscribers] where", False)

    yield leave_out


def _reasons(config: Config, state: Database, columns: tuple[str, ...], *, looked: bool = False) -> Iterator[Sieve]:
    """Leave out who is on the list and gets nothing now.

    `looked`: the list itself has looked whether one of its `columns` says that they left.
    """
    today = time.strftime("%Y-%m-%d")
    erased = read_erased(state)
    secret = load_secret(config) if erased else b""
    speaking = {} if looked else {name: says for name in columns if (says := opt_out_column(name)) is not None}

    def paused(block: RowBlock) -> None:
        untils = block.fields(PAUSED_UNTIL)
        if any(untils):
            for place in block.places():
                if (until := untils[place][:10]) > today:
                    block.left_out[place] = (f"paused until {until}", True)

    def asked(block: RowBlock) -> None:
        for place in block.places():
            if erased_key(secret, block.emails[place]) in erased:
                block.left_out[place] = ("asked to be erased", True)

    def left(block: RowBlock) -> None:
        spoken = {name: block.cells[name] for name in speaking}
        if any(any(map(speaking[name], set(cells))) for name, cells in spoken.items()):
            for place in block.places():
                if how := how_left({name: cells[place] for name, cells in spoken.items()}):
                    block.left_out[place] = (how, True)

    if PAUSED_UNTIL in columns:
        yield paused
    if erased:
        yield asked
    if speaking:
        yield left


def list_file(config: Config) -> Path | None:
    """The file that the list is in; None where it is in the state."""
    return None if config.subscribers.source == "database" else config.root / config.subscribers.source


def list_name(config: Config) -> str:
    """What people know the list by: its file, or the state."""
    return str(list_file(config) or database_of(config).name)


def find_list(config: Config) -> MailingList | None:
    """The list, or None where there is none yet."""
    path = list_file(config)
    there = path.exists() if path is not None else database_of(config).exists()
    return open_list(config) if there else None


def subscribers_of(rows: Listing | None) -> Iterator[Subscriber]:
    """The rows that can be mailed, streamed."""
    return (row for _, row in rows or () if isinstance(row, Subscriber))


def first_subscriber(rows: Listing | None) -> Subscriber:
    """The list's first; somebody made up, with the list's columns empty, where it has none."""
    made_up = replace(MADE_UP, columns=dict.fromkeys(rows.columns if rows else (), ""))
    return next(subscribers_of(rows), made_up)


def find_subscriber(rows: Listing | None, email: str) -> Subscriber | None:
    """The subscriber of this address, or None."""
    wanted = address_key(email.strip())
    return next((row for row in subscribers_of(rows) if address_key(row.email) == wanted), None)


def one_subscriber(config: Config, email: str | None = None) -> tuple[Subscriber, tuple[str, ...] | None]:
    """Whom to render for, and the columns of the list (None without one): the subscriber `email`, else the first.

    Raises NewsletterError where `email` is not on the list.
    """
    rows = open_list(config) if email is not None else find_list(config)
    found = first_subscriber(rows) if email is None else find_subscriber(rows, email)
    if found is None:
        raise NewsletterError(
            f"{email} is not on the list; name one that is, or leave --for out", path=list_name(config)
        )
    return found, rows.columns if rows is not None else None


def addressees(rows: Listing | None, addresses: Iterable[str], viewed: Subscriber | None = None) -> list[Subscriber]:
    """Whom each of `addresses` is written to as, in their order, when a message goes there to be looked at.

    As `viewed` where somebody was chosen to look through the eyes of; else as the subscriber of that address, whose own
    message it is; else as the list's first. Always under the address itself, with the other's name and columns.
    """
    wanted = {address_key(address): address for address in addresses}
    known: dict[str, Subscriber] = {}
    if viewed is None:
        for row in subscribers_of(rows):
            if (key := address_key(row.email)) in wanted:
                known[key] = row
                if len(known) == len(wanted):
                    break
    other = viewed or first_subscriber(rows)
    return [known.get(key) or replace(other, email=address) for key, address in wanted.items()]
