"""Messages described for the index, a batch at a time; here, or where `Describer` stands for another process.

To take a message apart is most of what the inbox does for it. Done in a process of its own, it leaves the interpreter
to the conversations and to the index, which writes one batch while the next is described.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from newsletter.inbox.describe import describe
from newsletter.inbox.index import IndexRow
from newsletter.inbox.maildir import Entry, Maildir


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message that is a file, and waits for the index. `received`: seconds since 1970."""

    entry: Entry
    mail_from: str
    rcpt_tos: tuple[str, ...]
    received: float


class Describer(Protocol):
    """Describes one batch at a time: `ask`, then `receive`."""

    def ask(self, batch: Sequence[Arrived]) -> None:
        """Begin with these."""

    def receive(self) -> list[IndexRow]:
        """Their rows, without those whose files are gone. Raises NewsletterError where the other process is gone."""


class OwnDescriber:
    """Describes them itself, when they are asked for."""

    def __init__(self, maildir: Maildir) -> None:
        self._maildir = maildir
        self._batch: Sequence[Arrived] = ()

    def ask(self, batch: Sequence[Arrived]) -> None:
        self._batch = batch

    def receive(self) -> list[IndexRow]:
        return describe_files(self._maildir, self._batch)


def describe_files(maildir: Maildir, batch: Sequence[Arrived]) -> list[IndexRow]:
    """The rows of messages, without those whose files are gone."""
    found = ((one, maildir.read(one.entry)) for one in batch)
    return [
        describe(one.entry, one.mail_from, one.rcpt_tos, one.received, data) for one, data in found if data is not None
    ]
