"""A body that comes in pieces, against one that is there at once."""

from typing import TYPE_CHECKING, cast

from hypothesis import given
from hypothesis import strategies as some

from newsletter.inbox.incoming_body import IncomingBody

if TYPE_CHECKING:
    from newsletter.inbox.server import InboxServer

PIECES = (b"\r", b"\n", b".", b"..", b"\r\n", b"a", b"\r\n.", b"\r\n.\r\n", b"\r\n..\r\n")


class Bounds:
    """What a body asks of its server."""

    max_size, max_unfinished, unfinished = 10_000, 10_000, 0


def expected(stream: bytes) -> tuple[bytes, bytes] | None:
    """The message and what follows it (RFC 5321 section 4.5.2); None where its end has not come."""
    begun, end, rest = (b"\r\n" + stream).partition(b"\r\n.\r\n")
    return ((begun + b"\r\n").replace(b"\r\n.", b"\r\n")[2:], rest) if end else None


@given(some.lists(some.sampled_from(PIECES), max_size=12).map(b"".join), some.lists(some.integers(1, 5)))
def test_in_whatever_pieces_a_body_comes_it_ends_at_its_dot_and_loses_the_added_ones(
    stream: bytes, sizes: list[int]
) -> None:
    bounds, buffer, got = Bounds(), bytearray(), None
    body = IncomingBody(cast("InboxServer", bounds))
    at = 0
    for size in (*sizes, len(stream)):
        buffer += stream[at : at + size]
        at = min(at + size, len(stream))
        if (got := body.take(buffer)) is not None:
            break
    assert (None if got is None else (got, bytes(buffer) + stream[at:])) == expected(stream)
    assert got is None or bounds.unfinished == 0
