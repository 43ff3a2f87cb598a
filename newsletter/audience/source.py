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
from newsletter.audience.csv.reader import LeftOut, Listing, Row
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


@dataclass(frozen=True, slots=True)
class MailingList:
    """The list as a message goes to it, from a file or from the database; iterate over its rows as often as you like.

    Who has paused, was erased, or is outside the standing segment is left out, and said to be.
    """

    name: str  # of the file, or of the state, for messages
    columns: tuple[str, ...]  # as templates name them, without email and name
    _open: Callable[[], Iterable[Row]]
    _why: Callable[[Subscriber], str] | None  # None: nothing is known of anybody
    _lock: Path  # that editors of the file hold
    _where: Callable[[Subscriber], bool] | None = None  # the standing segment, of a list that knows none itself

    def __iter__(self) -> Iterator[Row]:
        """The rows with their lines or numbers, in the order of the list."""
        with reading(self._lock):
            yield from self._each()

    def _each(self) -> Iterator[Row]:
        why, where = self._why, self._where
        if why is None and where is None:
            yield from self._open()
            return
        for line, row in self._open():
            if not isinstance(row, Subscriber):
                yield line, row
            elif why is not None and (what := why(row)):
                yield line, LeftOut(row, what)
            elif where is not None and not where(row):
                yield line, LeftOut(row, "outside [subscribers] where", left=False)
            else:
                yield line, row


def open_list(config: Config) -> MailingList:
    """The newsletter's list of subscribers. Raises NewsletterError where there is none, or none that is fit to read."""
    state, lock = database_of(config), list_lock(config)
    if config.subscribers.source == "database":
        roster = open_roster(config)
        columns = roster.columns
        where = _standing(config, columns)
        return MailingList(state.name, columns, lambda: roster, _reasons(config, state, columns), lock, where)
    path = config.root / config.subscribers.source
    with reading(lock):
        rows = read_list(config)
    where = _standing(config, rows.columns)

    def opened() -> Iterable[Row]:
        """The rows, read anew where an editor of ours has changed the file since."""
        return replace(rows if rows.is_unchanged() else read_list(config), where=where)

    return MailingList(str(path), rows.columns, opened, _reasons(config, state, rows.columns, looked=True), lock)


def _standing(config: Config, columns: tuple[str, ...]) -> Callable[[Subscriber], bool] | None:
    if not config.subscribers.where:
        return None
    from newsletter.audience.segment import compile_segment

    with config.naming("subscribers", "where"):
        return compile_segment(config.subscribers.where, columns, "[subscribers] where")


def _reasons(
    config: Config, state: Database, columns: tuple[str, ...], *, looked: bool = False
) -> Callable[[Subscriber], str] | None:
    """Why somebody who is on the list gets nothing now; empty for all others. None where it would be for all.

    `looked`: the list itself has looked whether one of its `columns` says that they left.
    """
    speaking = not looked and any(opt_out_column(name) for name in columns)
    today = time.strftime("%Y-%m-%d")
    erased = read_erased(state)
    if not (speaking or erased or PAUSED_UNTIL in columns):
        return None
    secret = load_secret(config) if erased else b""

    def why(person: Subscriber) -> str:
        if person.is_paused(today):
            return f"paused until {person.columns[PAUSED_UNTIL][:10]}"
        if erased and erased_key(secret, person.email) in erased:
            return "asked to be erased"
        return how_left(person.columns) if speaking else ""

    return why


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
