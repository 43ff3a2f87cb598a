"""An issue as nobody in particular reads it: for the archive on the web. Slots are empty, and no link is anybody's."""

from collections.abc import Mapping

from newsletter.compose.html.content_id import unembed
from newsletter.compose.issue import Issue, Piece
from newsletter.compose.templating.fill import Fill, Filler, Reader
from newsletter.errors import NewsletterError


class _Nobody(dict[str, str]):
    """Every column, empty."""

    def __missing__(self, name: str) -> str:
        return ""


def neutral_html(issue: Issue, addresses: Mapping[str, str]) -> str:
    """The issue's HTML without a reader; `addresses` are what `unsubscribe_url` and its kind are then."""
    fills = Filler(issue.html, issue.context, html=True).fills
    return unembed(_joined(issue.html, fills, addresses), issue.pictures)


def neutral_subject(issue: Issue) -> str:
    """The issue's subject without a reader."""
    return " ".join(_joined(issue.subject, Filler(issue.subject, issue.context, html=False).fills, {}).split())


def _joined(pieces: tuple[Piece, ...], fills: list[Fill], addresses: Mapping[str, str]) -> str:
    reader = Reader(_Nobody(email="", name=""), lambda name, _reader: addresses.get(name, ""))
    waiting = iter(fills)
    return "".join(piece if isinstance(piece, str) else _filled(next(waiting), reader) for piece in pieces)


def _filled(fill: Fill, reader: Reader) -> str:
    """A slot's text; nothing where it can't do without a reader."""
    try:
        return fill(reader)
    except NewsletterError:
        return ""
