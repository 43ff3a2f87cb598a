"""Serve a local page until it is told to stop: a free port, a ready signal, an orderly end.

Binds to the loopback address only. When the port is taken the next free one is used; the caller names it.
"""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from newsletter.errors import NewsletterError

LOOPBACK = "127.0.0.1"
TRIES = 50
"""Ports looked at, from the one asked for upward."""


def bind_free(port: int, host: str = LOOPBACK, tries: int = TRIES) -> socket.socket:
    """A listening-ready socket on `port`, or on the next free one above it; 0 means any.

    Raises NewsletterError when none of `tries` ports is free or the port can't be had.
    """
    for candidate in range(port, min(port + tries, 65536)) if port else (0,):
        bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, candidate))
            bound.listen(128)
        except OSError as error:
            bound.close()
            if error.errno != errno.EADDRINUSE:
                raise NewsletterError(f"port {candidate} can't be used: {error.strerror}; try another --port") from None
        else:
            return bound
    raise NewsletterError(f"no free port from {port} to {port + tries - 1}; name another with --port")


class _Server(uvicorn.Server):
    """uvicorn that leaves the signals to the command line and ends open streams before it waits for them."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_stop()
        await super().shutdown(sockets)


async def serve_app(
    app: ASGIApp,
    bound: socket.socket,
    *,
    on_ready: Callable[[str], None] | None = None,
    on_stop: Callable[[], None] = lambda: None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve `app` on `bound` until `stop` is set or the task is cancelled.

    `on_ready` is called with the page's address once it answers; `on_stop` before open connections are waited for.
    """
    host, port = bound.getsockname()[:2]
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
        lifespan="on",
        ws="none",
    )
    server = _Server(config, on_stop)
    serving = asyncio.ensure_future(server.serve(sockets=[bound]))
    stopping = asyncio.ensure_future(stop.wait()) if stop else None
    try:
        if on_ready:
            # Listening already: connections made before uvicorn accepts wait in the backlog.
            on_ready(f"http://{'localhost' if host == LOOPBACK else host}:{port}/")
        await asyncio.wait([serving, *([stopping] if stopping else [])], return_when=asyncio.FIRST_COMPLETED)
    finally:
        if stopping:
            stopping.cancel()
        server.should_exit = True
        await asyncio.shield(serving)
