"""Tags of messages: what a person or a program puts on them, to find them again.

They come with a message (its X-Tags field, and what stands behind a `+` in the addresses that it is for), and change
here. They are in the index alone: a Maildir has no place for them.
"""

from collections.abc import Callable, Iterable, Sequence

from newsletter.inbox.index import Index

MAX_TAG = 100
MAX_GIVEN = 20
"""Tags that a message brings along, at most."""


def clean_tag(tag: str) -> str:
    """A tag as it is kept: no control characters, no quotes (they end a search term), not long."""
    return " ".join("".join(letter for letter in tag if letter.isprintable() and letter != '"').split())[:MAX_TAG]


def clean_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags as they are kept, each once whatever its case."""
    kept: dict[str, str] = {}
    for tag in tags:
        if clean := clean_tag(tag):
            kept.setdefault(clean.casefold(), clean)
    return tuple(kept.values())


def tags_brought(field: str, rcpt_tos: Sequence[str]) -> tuple[str, ...]:
    """The tags that a message has from the beginning: `welcome` for ada+welcome@example.org (RFC 5233)."""
    locals_ = (address.rpartition("@")[0].strip('"') for address in rcpt_tos[:MAX_GIVEN])
    return clean_tags([*field.split(",")[:MAX_GIVEN], *(local.partition("+")[2] for local in locals_)])[:MAX_GIVEN]


class MessageTags:
    """The tags in `index`; `tell` is called with the ids of messages whose tags have changed."""

    def __init__(self, index: Index, tell: Callable[[tuple[int, ...]], None]) -> None:
        self._index, self._tell = index, tell

    def counts(self) -> list[tuple[str, int]]:
        """Every tag, and how many messages have it."""
        asked = "SELECT min(tag), count(*) FROM tags GROUP BY tag ORDER BY tag"
        return [(tag, count) for tag, count in self._index.ask(asked)]

    def give(self, number: int, tags: Iterable[str]) -> tuple[str, ...] | None:
        """Give a message these tags and no others; the tags it has then, or None if there is no such message."""
        if self._index.get(number) is None:
            return None
        wanted = clean_tags(tags)
        with self._index.transaction() as database:
            database.execute("DELETE FROM tags WHERE message = ?", (number,))
            database.executemany("INSERT INTO tags VALUES (?, ?)", [(number, tag) for tag in wanted])
        self._tell((number,))
        return wanted

    def rename(self, tag: str, name: str) -> int:
        """Call a tag something else, on all messages that have it; how many. One that has the name already joins it."""
        wanted = clean_tag(name)
        with self._index.transaction() as database:
            ids = self._having(tag)
            database.execute("DELETE FROM tags WHERE tag = ?", (tag,))
            database.executemany(
                "INSERT OR REPLACE INTO tags VALUES (?, ?)", [(number, wanted) for number in ids if wanted]
            )
        self._tell(ids)
        return len(ids)

    def remove(self, tag: str) -> int:
        """Take a tag off all messages that have it; how many."""
        return self.rename(tag, "")

    def _having(self, tag: str) -> tuple[int, ...]:
        return tuple(number for (number,) in self._index.ask("SELECT message FROM tags WHERE tag = ?", (tag,)))
