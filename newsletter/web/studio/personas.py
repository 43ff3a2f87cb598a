"""Whom the preview is shown as: a subscriber of the list, or a persona such as every list has.

The list is streamed: looking for a person stops at the first matches, and memory stays flat.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from newsletter.audience.listing import Listing
from newsletter.audience.source import find_subscriber, first_subscriber
from newsletter.audience.subscriber import Subscriber

MATCHES = 20
"""Subscribers that a search returns at most."""


@dataclass(frozen=True, slots=True)
class Persona:
    """A subscriber that breaks careless templates; `key` starts with a tilde, which no address does here."""

    key: str
    label: str
    email: str
    name: str


PERSONAS: tuple[Persona, ...] = (
    Persona("~no-name", "No name", "reader@example.net", ""),
    Persona(
        "~long-name",
        "A very long name",
        "maximiliane@example.com",
        "Maximiliane Theodora Freifrau von Hohenstein-Wartenberg-Schwarzenfels zu Donaueschingen, geb. Lindqvist",
    ),
    Persona("~right-to-left", "Right to left", "layla@example.net", "ليلى حدّاد"),
    Persona("~emoji", "Emoji", "sunny@example.com", "Sunny 🌻 Patel 👩🏽‍🚀"),
    Persona("~markup", "Markup and quotes", "conan@example.org", '"O\'Brien" <b>& Sons</b> {{ 7 * 7 }}'),
)


def find_person(rows: Listing | None, key: str) -> Subscriber | None:
    """The persona of that key, with the columns of the list's first; or the subscriber of that address."""
    if persona := next((one for one in PERSONAS if one.key == key), None):
        return Subscriber(persona.email, persona.name, first_subscriber(rows).columns)
    return find_subscriber(rows, key)


def search(subscribers: Iterable[Subscriber], words: str, most: int = MATCHES) -> list[Subscriber]:
    """The first subscribers in whose address, name or columns every word is found, whatever its case."""
    wanted = words.casefold().split()
    return list(islice(_matching(subscribers, wanted), most))


def _matching(subscribers: Iterable[Subscriber], wanted: list[str]) -> Iterator[Subscriber]:
    for one in subscribers:
        text = " ".join((one.email, one.name, *one.columns.values())).casefold()
        if all(word in text for word in wanted):
            yield one
