"""Where subscribers come from: the newsletter's list, and those of it whom a message is rendered for.

One behaviour for `render`, `check`, `send --to` and the studio: who is shown when nobody is named, and as whom an
address is written to that is not on the list.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from newsletter.audience.address import address_key
from newsletter.audience.csv.reader import SubscriberList, read_csv
from newsletter.audience.segment import compile_segment
from newsletter.audience.subscriber import Subscriber
from newsletter.config.settings import Config
from newsletter.errors import NewsletterError

MADE_UP = Subscriber("reader@example.org", "Robin Reader")
"""Who reads where there is no subscriber yet."""


def open_list(config: Config) -> SubscriberList:
    """The newsletter's list of subscribers. Raises NewsletterError where there is none, or none that is fit to read."""
    if config.subscribers.source == "database":
        what = '[subscribers] source = "database" is not there yet; name a CSV file'
        raise NewsletterError(what, **config.where("subscribers", "source"))
    rows = read_csv(config.root / config.subscribers.source)
    if not config.subscribers.where:
        return rows
    option = "[subscribers] where"
    with config.naming("subscribers", "where"):
        return replace(rows, where=compile_segment(config.subscribers.where, rows.columns, option))


def list_path(config: Config) -> Path | None:
    """The file that the list is in; None where it is in no file."""
    return None if config.subscribers.source == "database" else config.root / config.subscribers.source


def find_list(config: Config) -> SubscriberList | None:
    """The list, or None where there is none yet."""
    path = list_path(config)
    return open_list(config) if path is not None and path.exists() else None


def subscribers_of(rows: SubscriberList | None) -> Iterator[Subscriber]:
    """The rows that can be mailed, streamed."""
    return (row for _, row in rows or () if isinstance(row, Subscriber))


def first_subscriber(rows: SubscriberList | None) -> Subscriber:
    """The list's first; somebody made up, with the list's columns empty, where it has none."""
    made_up = replace(MADE_UP, columns=dict.fromkeys(rows.columns if rows else (), ""))
    return next(subscribers_of(rows), made_up)


def find_subscriber(rows: SubscriberList | None, email: str) -> Subscriber | None:
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
            f"{email} is not on the list; name one that is, or leave --for out", path=list_path(config)
        )
    return found, rows.columns if rows is not None else None


def addressees(
    rows: SubscriberList | None, addresses: Iterable[str], viewed: Subscriber | None = None
) -> list[Subscriber]:
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
