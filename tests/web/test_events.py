"""Server-sent events: order, a page that falls behind, the end."""

import asyncio

from newsletter.web.events import BACKLOG, Events


async def test_every_open_page_hears_what_is_published() -> None:
    events = Events()
    pages = [events.stream({"n": index}) for index in range(2)]
    assert [await anext(page) for page in pages] == [
        b'retry: 500\nevent: hello\ndata: {"n": 0}\n\n',
        b'retry: 500\nevent: hello\ndata: {"n": 1}\n\n',
    ]
    events.publish("saved", {"path": "posts/ä\n.md"})
    for page in pages:
        assert await anext(page) == b'event: saved\ndata: {"path": "posts/\\u00e4\\n.md"}\n\n'
        await page.aclose()
    assert events.pages == 0


async def test_a_page_that_falls_behind_loses_the_oldest_events() -> None:
    events = Events()
    page = events.stream({})
    await anext(page)
    for number in range(BACKLOG + 10):
        events.publish("saved", {"n": number})
    assert b'"n": 10}' in await anext(page)
    await page.aclose()


async def test_closing_ends_streams_that_wait_and_streams_that_come_later() -> None:
    events = Events()
    page = events.stream({})
    await anext(page)
    waiting = asyncio.ensure_future(anext(page, None))
    await asyncio.sleep(0)
    events.close()
    assert await waiting is None
    late = events.stream({})
    await anext(late)
    assert await anext(late, None) is None
