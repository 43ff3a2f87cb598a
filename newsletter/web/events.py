"""Tell open pages that something happened: server-sent events (HTML Living Standard, section 9.2).

A page that falls behind loses the oldest events, never the newest; events therefore say what to look at again, not what
it is. Streams end when the server stops, so that Ctrl-C does not wait for open pages.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from starlette.responses import StreamingResponse

KEEP_ALIVE = 15.0
"""Seconds of silence after which a comment is sent, so that a dead connection is noticed."""
BACKLOG = 64
"""Events kept for a page that reads slowly."""


class Events:
    """A channel: `publish` reaches every page that is open now."""

    def __init__(self) -> None:
        self._pages: set[asyncio.Queue[bytes | None]] = set()
        self._closed = False

    @property
    def pages(self) -> int:
        """Pages that listen now."""
        return len(self._pages)

    def publish(self, name: str, data: Mapping[str, Any] | None = None) -> None:
        """Send event `name` with `data` as JSON; from the loop's own thread, never waits."""
        self._put(event_bytes(name, data or {}))

    def close(self) -> None:
        """End every stream, now and from now on."""
        self._closed = True
        self._put(None)

    def response(self, *, hello: Mapping[str, Any] | None = None) -> StreamingResponse:
        """The stream as a response; `hello` is sent at once as event `hello`."""
        return StreamingResponse(
            self.stream(hello or {}),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def stream(self, hello: Mapping[str, Any]) -> AsyncGenerator[bytes, None]:
        """Events as they come, in wire form, until `close`."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(BACKLOG)
        self._pages.add(queue)
        try:
            yield b"retry: 500\n" + event_bytes("hello", hello)
            while not self._closed:
                try:
                    event = await asyncio.wait_for(queue.get(), KEEP_ALIVE)
                except TimeoutError:
                    event = b": still here\n\n"
                if event is None:
                    return
                yield event
        finally:
            self._pages.discard(queue)

    def _put(self, event: bytes | None) -> None:
        for queue in self._pages:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)


def event_bytes(name: str, data: Mapping[str, Any]) -> bytes:
    """One event in wire form; JSON keeps `data` on one line."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=True)}\n\n".encode("ascii")
