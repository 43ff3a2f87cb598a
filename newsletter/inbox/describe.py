"""What the list and the search know of a message: one row of the index, made from its bytes and its envelope. Pure."""

from newsletter.inbox.index import IndexRow
from newsletter.inbox.maildir import Entry
from newsletter.inbox.tags import tags_brought
from newsletter.mime.message import read_message, searched_words


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
