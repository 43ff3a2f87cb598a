"""What the list and the search know of a message: one row of the index, made from its bytes and its envelope. Pure."""

from newsletter.inbox.index import IndexRow
from newsletter.inbox.maildir import Entry
from newsletter.mime.message import read_message, searched_words

MAX_TAG = 100


def clean_tag(tag: str) -> str:
    """A tag as it is kept: no control characters, no quotes (they end a search term), not long."""
    return " ".join("".join(letter for letter in tag if letter.isprintable() and letter != '"').split())[:MAX_TAG]


def describe(entry: Entry, mail_from: str, rcpt_tos: tuple[str, ...], received: float, data: bytes) -> IndexRow:
    """What the list and the search know of a message. Tags come from its X-Tags field, separated by commas."""
    message = read_message(data)
    words, first_words = searched_words(message)
    tags = tuple(
        dict.fromkeys(clean for tag in message.root.get("x-tags").split(",")[:20] if (clean := clean_tag(tag)))
    )
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
