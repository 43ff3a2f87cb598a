"""Who sends no request keeps no reader out: real sockets against the server that all our pages stand on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from newsletter.web import connections
from newsletter.web.connections import Silent
from newsletter.web.local import bind_free
from newsletter.web.server import serve_app

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Place:
    """A server with one page, whose answer may be held back."""

    def __init__(self, port: int, answer: asyncio.Event) -> None:
        self.port, self.answer = port, answer

    async def open(self, sent: bytes) -> Connection:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        await writer.drain()
        return reader, writer

    async def get(self) -> bytes:
        reader, writer = await self.open(GET)
        line = await reader.readline()
        writer.close()
        return line


@asynccontextmanager
async def serving(waiting: Silent) -> AsyncIterator[Place]:
    answer = asyncio.Event()
    answer.set()

    async def page(request: Request) -> Response:
        await answer.wait()
        return PlainTextResponse(f"{len(await request.body())}\n")

    bound, stop, ready = bind_free(0), asyncio.Event(), asyncio.Event()
    app = Starlette(routes=[Route("/", page, methods=["GET", "POST"])])
    server = asyncio.create_task(serve_app(app, bound, on_ready=lambda _: ready.set(), stop=stop, waiting=waiting))
    await ready.wait()
    async with asyncio.timeout(20):
        yield Place(bound.getsockname()[1], answer)
    stop.set()
    await server


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: b",
        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx",
    ],
    ids=["nothing", "line", "header", "body"],
)
async def test_whoever_sends_no_whole_request_is_pushed_out_by_the_next_and_a_reader_is_answered(begun: bytes) -> None:
    async with serving(Silent(most=10)) as place:
        slow = [await place.open(begun) for _ in range(40)]
        assert b" 200 " in await place.get()
        assert [await reader.read() for reader, _ in slow[:29]] == [b""] * 29
        assert b" 200 " in await place.get()
        for _, writer in slow:
            writer.close()


async def test_a_header_that_never_ends_is_cut_off_when_its_time_is_over() -> None:
    now = 0.0
    async with serving(Silent(clock=lambda: now)) as place:
        place.answer.clear()
        reader, writer = await place.open(b"GET / HTTP/1.1\r\nHost: loc")
        answered, waits = await place.open(GET)
        now = 29.0
        writer.write(b"alhost\r\nX-A: a")
        late, later = await place.open(b"GET / HTTP/1.1\r\n")
        now = 31.0
        assert await reader.read() == b""
        later.write(b"Host: localhost\r\n\r\n")
        place.answer.set()
        assert b" 200 " in await answered.readline()  # it waits for us, not we for it
        assert b" 200 " in await late.readline()
        for each in (writer, waits, later):
            each.close()


async def test_a_header_without_bounds_is_refused_before_it_fills_the_memory() -> None:
    async with serving(Silent()) as place:
        reader, writer = await place.open(b"GET / HTTP/1.1\r\n" + b"X-A: " + b"a" * connections.HEADER + b"\r\n")
        assert await reader.readline() == b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
        writer.close()
        reader, writer = await place.open(
            b"POST / HTTP/1.1\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000 + b"y" * 100_000
        )
        assert b" 200 " in await reader.readline()
        writer.write(GET)
        assert (await reader.readuntil(b"\r\n\r\n200000\n"))[-1:] == b"\n"
        assert b" 200 " in await reader.readline()
        writer.close()
