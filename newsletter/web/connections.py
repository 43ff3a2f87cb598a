"""Connections whose request does not come: closed after a while, and sooner where too many of them wait.

uvicorn bounds how long a connection may rest between two requests, but neither how long one takes to send its first nor
how much: a few thousand that send a byte a minute ("slowloris") would keep readers out until no file could be opened,
and one that sends header after header would fill the memory. What takes its time to answer is nobody's business here,
and a body that comes too slowly is a form's (`public.forms`).
"""

import contextlib
import sys
import time
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

WAIT = 30.0
"""Seconds in which a request's header must have come."""
WAITING = 2048
"""Connections whose request is not whole, at most: beyond, those that have waited longest go."""
HEADER = 64 * 1024
"""Bytes of a request's header, at most."""
FILES = 8192
"""Files that may be open, where the machine allows it: each connection is one."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Silent:
    """The connections of a server whose request is not whole, those that wait longest first.

    A reader's request is whole within one round trip, so whoever fills the places pushes out their own. `sweep` comes
    some ten times a second: what has come in is read before anybody is told to go.
    """

    def __init__(self, most: int = WAITING, longest: float = WAIT, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._longest, self._clock = most, longest, clock
        self._since: dict[Any, float] = {}

    def put(self, connection: Any) -> None:
        """`connection` waits from now, if it doesn't yet."""
        self._since.setdefault(connection, self._clock())

    def take(self, connection: Any) -> None:
        """`connection` has its request, or is gone."""
        self._since.pop(connection, None)

    def sweep(self) -> None:
        """Close those that are too many, and those that have sent no header for too long."""
        latest = self._clock() - self._longest
        while len(self._since) > self._most:
            self._close(next(iter(self._since)))
        while self._since and next(iter(self._since.values())) < latest:
            connection = next(iter(self._since))
            if connection.has_header():
                self.take(connection)
            else:
                self._close(connection)

    def _close(self, connection: Any) -> None:
        self.take(connection)
        connection.transport.close()


def watched(waiting: Silent) -> type[Any]:
    """uvicorn's protocol, whose connections are in `waiting` while their request is not whole."""

    class Watched(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # whichever of its two parsers is there
        received = 0  # bytes of a header that is not whole

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            waiting.put(self)

        def connection_lost(self, exc: Exception | None) -> None:
            waiting.take(self)
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            in_header = self.cycle is None or (self.cycle.response_complete and not self.cycle.more_body)
            self.received = self.received + len(data) if in_header else 0
            if self.received > HEADER and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()
            self._watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch()

        def has_header(self) -> bool:
            """Has a request begun that is not answered yet?"""
            return self.cycle is not None and not self.cycle.response_complete

        def _watch(self) -> None:
            if self.transport.is_closing() or (self.has_header() and not self.cycle.more_body):
                waiting.take(self)
            else:
                waiting.put(self)

    return Watched


def allow_files() -> int:
    """Let this process open as many files as it may have connections, if the machine lets it; how many it may open."""
    if sys.platform == "win32":
        return FILES
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):  # macOS has a bound of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return FILES if soft == resource.RLIM_INFINITY else soft
