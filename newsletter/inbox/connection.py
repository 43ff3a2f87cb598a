"""A connection of the test inbox: lines in, replies out, as a protocol of asyncio.

Commands are answered as they come, those of one write (PIPELINING, RFC 2920) in one write. What waits (a fault's delay,
the index, a TLS handshake) waits in a task, and what comes meanwhile is kept. What is said is `conversation`'s.
"""

import asyncio
import contextlib
import ssl
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from newsletter.inbox.server import InboxServer

MAX_LINE = 4_096
"""Bytes of a command; more than the 512 of RFC 5321, since parameters and tokens may be long."""
MAX_KEPT = 1_000_000
"""Bytes that are read ahead while something is waited for."""
IDLE = 300.0
"""Seconds without a byte after which a connection is closed (RFC 5321 section 4.5.3.2)."""
HANDSHAKE = 30.0
"""Seconds for a TLS handshake."""


class ClientConnection(asyncio.Protocol, ABC):
    """One connection of `inbox`."""

    def __init__(self, inbox: "InboxServer") -> None:
        self._inbox = inbox
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._replies: list[str] = []
        self._waiting: asyncio.Task[None] | None = None
        self._closing = False
        self._heard = self._loop.time()
        self._clock: asyncio.TimerHandle | None = None

    @abstractmethod
    async def _greet(self) -> None:
        """Say the first word."""

    @abstractmethod
    def _take(self) -> bool:
        """Answer what is next in the buffer; False where more has to come."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]
        self._clock = self._loop.call_later(IDLE, self._look)
        if not self._inbox.enters(self):
            self._refuse("421 4.3.2 too many connections; close some")
            self._leave()
            return
        self._wait(self._greet())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._heard = self._loop.time()
        if self._waiting is None:
            self._go_on()
        elif len(self._buffer) > MAX_KEPT and self._transport is not None:
            self._transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._closing = True
        if self._waiting is not None:
            self._waiting.cancel()
        if self._clock is not None:
            self._clock.cancel()
        self._inbox.leaves(self)

    def end(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def _look(self) -> None:
        """Close what has been silent for too long."""
        left = self._heard + IDLE - self._loop.time()
        if left > 0 or self._waiting is not None:
            self._clock = self._loop.call_later(max(left, 1.0), self._look)
        else:
            self.end()

    @property
    def _is_secure(self) -> bool:
        """Is it under TLS?"""
        return self._transport is not None and self._transport.get_extra_info("ssl_object") is not None

    async def _secure(self, context: ssl.SSLContext) -> None:
        """Go on under TLS. What came before the handshake is forgotten: anybody may have put it there (RFC 3207)."""
        assert self._transport is not None
        self._buffer.clear()
        plain = self._transport
        try:
            self._transport = await self._loop.start_tls(
                plain, self, context, server_side=True, ssl_handshake_timeout=HANDSHAKE
            )
        except (OSError, asyncio.CancelledError):  # a client that does not trust us, most often
            plain.abort()
            self.connection_lost(None)

    # Going on

    def _go_on(self) -> None:
        """Answer what has come, until something is to be waited for or more has to come."""
        while not self._closing and self._waiting is None and self._take():
            pass
        self._write()

    def _line(self) -> bytes | None:
        """The next line, with its end; None where there is none yet."""
        at = self._buffer.find(b"\n")
        if at < 0:
            if len(self._buffer) > MAX_LINE:
                self._refuse("500 5.5.2 the line is too long")
                self._leave()
            return None
        line = bytes(self._buffer[: at + 1])
        del self._buffer[: at + 1]
        return line

    def _wait(self, what: Coroutine[Any, Any, None]) -> None:
        self._write()
        self._waiting = self._loop.create_task(self._waited(what))

    async def _waited(self, what: Coroutine[Any, Any, None]) -> None:
        try:
            await what
        except Exception as error:  # whatever the store or a fault does, the client gets an answer
            self._refuse(f"451 4.3.0 the inbox has failed at this: {type(error).__name__}")
        self._waiting = None
        if self._transport is not None and not self._closing:
            with contextlib.suppress(RuntimeError):  # it was not paused
                self._transport.resume_reading()
            self._go_on()

    def _say(self, reply: str) -> None:
        self._replies.append(reply)

    def _refuse(self, reply: str) -> None:
        self._inbox.refused += 1
        self._say(reply)

    def _write(self) -> None:
        if self._replies and self._transport is not None and not self._transport.is_closing():
            self._transport.write("\r\n".join([*self._replies, ""]).encode("utf-8", "surrogateescape"))
        self._replies.clear()

    def _leave(self) -> None:
        """Say goodbye, and close."""
        self._write()
        self._closing = True
        self.end()

    def _cut(self) -> None:
        self._replies.clear()
        self._closing = True
        if self._transport is not None:
            self._transport.abort()
