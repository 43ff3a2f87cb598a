"""Serve an application on a bound socket until it is told to stop: a ready signal, an orderly end.

Which address and port, and who may ask, is the caller's (`local` for the local tools).
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from newsletter.web.connections import WAITING, Silent, allow_files, watched


class _Server(uvicorn.Server):
    """uvicorn that leaves the signals to the command line and ends open streams before it waits for them."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None], waiting: Silent) -> None:
        super().__init__(config)
        self._on_stop = on_stop
        self._waiting = waiting
        self.begun = asyncio.Event()  # who stops it before leaves its socket and its lifespan open

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.begun.set()

    async def on_tick(self, counter: int) -> bool:
        self._waiting.sweep()
        return await super().on_tick(counter)

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
    waiting: Silent | None = None,
) -> None:
    """Serve `app` on `bound` until `stop` is set or the task is cancelled.

    `on_ready` is called with the page's address once it answers; `on_stop` before open connections are waited for.
    `waiting` bounds the connections that send no request.
    """
    waiting = waiting or Silent(min(WAITING, allow_files() // 4))
    host, port = bound.getsockname()[:2]
    config = uvicorn.Config(
        app,
        http=watched(waiting),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
        lifespan="on",
        ws="none",
    )
    server = _Server(config, on_stop, waiting)
    serving = asyncio.ensure_future(server.serve(sockets=[bound]))
    begun = asyncio.ensure_future(server.begun.wait())
    stopping = asyncio.ensure_future(stop.wait()) if stop else None
    try:
        if on_ready:
            # Listening already: connections made before uvicorn accepts wait in the backlog.
            on_ready(f"http://{'localhost' if host == '127.0.0.1' else host}:{port}/")
        await asyncio.wait([serving, *([stopping] if stopping else [])], return_when=asyncio.FIRST_COMPLETED)
    finally:
        if stopping:
            stopping.cancel()
        await asyncio.wait([begun, serving], return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        server.should_exit = True
        await asyncio.shield(serving)
