"""A message's body as it comes, to the line that is a dot (RFC 5321 section 4.5.2), within the inbox's bounds.

It is looked through once, for lines that begin with a dot: the last is the end, others have a dot too many. What is too
much is thrown away as it comes, and refused when it is over.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from newsletter.inbox.server import InboxServer

_DOT = b"\r\n."
_END = b"\r\n.\r\n"


class IncomingBody:
    """One body on its way to `inbox`; what it holds counts as unfinished until it is over, or given back."""

    def __init__(self, inbox: "InboxServer") -> None:
        self._inbox = inbox
        self._searched = 0  # bytes of the buffer without the body's end
        self._stuffed = False  # another line than the last begins with a dot
        self._size = 0  # bytes so far
        self._held = 0  # bytes that count as unfinished
        self._refusal = ""

    def take(self, buffer: bytearray) -> bytes | str | None:
        """The message once its end is in `buffer`, which loses it; the reply that refuses it; None before."""
        end = self._end(buffer)
        after = len(buffer) if end is None else end + len(_END) - 2
        self._count(after - self._searched)
        if end is None:
            if self._refusal:
                del buffer[: 1 - len(_END)]
            self._searched = len(buffer)
            return None
        raw = b"" if self._refusal else bytes(memoryview(buffer)[:end])
        del buffer[:after]
        self.give_back()
        return self._refusal or (_unstuffed(raw) if self._stuffed else raw)

    def _end(self, buffer: bytearray) -> int | None:
        """Where the body ends, and the line that is a dot begins; None where it has not come."""
        if not self._refusal and buffer.startswith(b"."):
            if buffer.startswith(_END[2:]):
                return 0
            self._stuffed = True
        at = max(self._searched - len(_END) + 1, 0)
        if buffer.rfind(_DOT, at) < 0:  # most often; it is found out faster from behind
            return None
        while (at := buffer.find(_DOT, at)) >= 0:
            if buffer.startswith(_END, at):
                return at + 2
            self._stuffed = True
            at += len(_DOT)
        return None

    def give_back(self) -> None:
        """What it held counts no more."""
        self._inbox.unfinished -= self._held
        self._held = 0

    def _count(self, fresh: int) -> None:
        """Count bytes that came; past a bound, give all back."""
        inbox = self._inbox
        self._size += fresh
        if self._refusal:
            return
        if self._size > inbox.max_size + 3:
            self._refusal = f"552 5.3.4 the message is larger than {inbox.max_size} bytes"
        elif inbox.unfinished + fresh > inbox.max_unfinished:
            self._refusal = "452 4.3.1 too many unfinished messages; try again when they are over"
        else:
            inbox.unfinished += fresh
            self._held += fresh
            return
        self.give_back()


def _unstuffed(raw: bytes) -> bytes:
    message = raw.replace(b"\r\n.", b"\r\n")
    return message[1:] if message.startswith(b".") else message
