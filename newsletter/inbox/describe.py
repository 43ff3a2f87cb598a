"""What the list and the search know of a message: one row of the index, made from its bytes and its envelope.

To take a message apart is most of what the inbox does for it. Done in a process of its own (`Describer` stands for it),
it leaves the interpreter to the conversations and to the index, which writes one batch while the next is described.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from newsletter.inbox.index import IndexRow
from newsletter.inbox.maildir import Entry, Maildir
from newsletter.inbox.tags import tags_brought
from newsletter.mime.message import read_message, searched_words


@dataclass(frozen=True, slots=True)
class Unindexed:
    """A message that is a file, and waits for the index. `received`: seconds since 1970."""

    entry: Entry
    mail_from: str
    rcpt_tos: tuple[str, ...]
    received: float


class Describer(Protocol):
    """Describes one batch at a time: `ask`, then `receive`."""

    def ask(self, batch: Sequence[Unindexed]) -> None:
        """Begin with these."""

    def receive(self) -> list[IndexRow]:
        """Their rows, without those whose files are gone. Raises NewsletterError where the other process is gone."""


class OwnDescriber:
    """Describes them itself, when they are asked for."""

    def __init__(self, maildir: Maildir) -> None:
        self._maildir = maildir
        self._batch: Sequence[Unindexed] = ()

    def ask(self, batch: Sequence[Unindexed]) -> None:
        self._batch = batch

    def receive(self) -> list[IndexRow]:
        return describe_files(self._maildir, self._batch)


def describe_files(maildir: Maildir, batch: Sequence[Unindexed]) -> list[IndexRow]:
    """The rows of messages, without those whose files are gone."""
    found = ((one, maildir.read(one.entry)) for one in batch)
    return [
        describe(one.entry, one.mail_from, one.rcpt_tos, one.received, data) for one, data in found if data is not None
    ]


def describe(entry: Entry, mail_from: str, rcpt_tos: tuple[str, ...], received: float, data: bytes) -> IndexRow:
    """What the list and the search know of a message."""
    message = read_message(data)
    words, first_words = searched_words(message)
    tags = tags_brought(message.root.get("x-tags"), rcpt_tos)
    return IndexRow(
        id=0, entry=entry, mail_from=_plain(mail_from, 500), rcpt_tos=tuple(_plain(one, 500) for one in rcpt_tos),
        sender=message.sender[:500], recipients=tuple(one[:500] for one in message.to[:100]),
        subject=message.subject[:1000], date=message.date.isoformat() if message.date else "", received=received,
        size=len(data), attachments=len(message.attachments), snippet=first_words,
        message_id=message.message_id[:500], words=words, tags=tags,
    )  # fmt: skip


def _plain(text: str, limit: int) -> str:
    """SMTP gives undecodable bytes as surrogates, which no database takes."""
    return text[:limit].encode("utf-8", "replace").decode()
