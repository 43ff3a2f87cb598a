"""What a shown message reaches: nothing. All that fetches or connects, tried in Chromium on a listening socket."""

import asyncio
from email.message import EmailMessage
from pathlib import Path

import pytest
from playwright.async_api import Browser

from newsletter.web.inert import inert
from tests.chromium import CHROMIUM
from tests.web.conftest import PATIENCE_MS, enter

from .site import plain, running

IFRAME = '<iframe src="FAR/hidden"></iframe>'
REACHING = (
    # elements that fetch, and their attributes
    '<iframe src="FAR/iframe"></iframe>', "<IFRAME\nSRC='FAR/iframe'>", "<iframe/src=FAR/iframe>",
    '<iframe srcdoc="&lt;img src=FAR/srcdoc&gt;&lt;link rel=preconnect href=FAR&gt;"></iframe>',
    '<frameset><frame src="FAR/frame"></frameset>', '<object data="FAR/object"></object>',
    '<object type="text/html" data="FAR/object"><embed src="FAR/embed"></object>', '<embed src="FAR/embed">',
    '<applet code="FAR/applet"></applet>', '<portal src="FAR/portal"></portal>',
    '<fencedframe src="FAR/fenced"></fencedframe>',
    *(f'<link rel="{rel}" href="FAR/{rel.split()[0]}" as="image">' for rel in (
        "preconnect", "dns-prefetch", "prefetch", "prerender", "preload", "modulepreload", "stylesheet", "icon",
        "manifest", "alternate stylesheet", "apple-touch-icon", "next", "compression-dictionary",
    )),
    '<meta http-equiv="refresh" content="0;url=FAR/refresh">', '<meta HTTP-EQUIV=refresh content="0;FAR/refresh">',
    '<meta name=x content="y"http-equiv="refresh"content="0;url=FAR/refresh">',
    '<meta http-equiv="Link" content="&lt;FAR/l&gt;; rel=preconnect">',
    '<base href="FAR/"><img src="base.png">', '<img src="FAR/img">', '<img srcset="FAR/srcset 2x">',
    '<picture><source srcset="FAR/source"><img src="FAR/picture"></picture>', '<input type="image" src="FAR/input">',
    '<video src="FAR/video" poster="FAR/poster" autoplay></video>', '<audio src="FAR/audio" preload="auto"></audio>',
    '<video><source src="FAR/source"><track default src="FAR/track"></video>', '<bgsound src="FAR/sound">',
    '<body background="FAR/body">', '<table background="FAR/table"><td background="FAR/td">x</table>',
    '<script src="FAR/script"></script>', '<script type="module">import "FAR/module"</script>',
    '<script type="speculationrules">{"prefetch": [{"source": "list", "urls": ["FAR/rules"]}]}</script>',
    '<svg><image href="FAR/svg"/><use href="FAR/use#a"/><feImage href="FAR/fe"/><script href="FAR/s"/></svg>',
    '<svg><foreignObject><iframe src="FAR/foreign"></iframe></foreignObject></svg>',
    '<style>@import "FAR/import"; @font-face { font-family: f; src: url(FAR/font) } p { font-family: f;'
    " background: url(FAR/css); cursor: url(FAR/cursor), auto; list-style: url(FAR/list) }</style><p>x</p>",
    '<p style="background: image-set(url(FAR/set) 1x); content: url(FAR/content)">x</p>',
    '<form action="FAR/form"><input autofocus onfocus="this.form.submit()"></form>',
    '<a href="FAR/link" ping="FAR/ping">a link, not followed</a>', '<html manifest="FAR/manifest"><p>x</p>',
    '<template shadowrootmode="open"><iframe src="FAR/shadow"></iframe></template>',
    # what one parser takes for text and another for markup
    f"<!--><p>{IFRAME}<!-- -->", f"<!---><p>{IFRAME}<!-- -->", f"<!-- --!><p>{IFRAME}<!-- -->",
    f"<noembed><!--</noembed>{IFRAME}-->", f"<noframes><!--</noframes>{IFRAME}-->", f"<noscript>{IFRAME}</noscript>",
    f'<iframe><!--</iframe>{IFRAME}-->', f'<p a"b>{IFRAME}"c">', f"<svg><style><p>{IFRAME}</style>",
    f"<svg><title><p>{IFRAME}</title></svg>", f"<math><xmp><p>{IFRAME}</xmp>", f"<svg><![CDATA[><p>{IFRAME}]]>",
    f"<style>a{{content:'</style>{IFRAME}'}}</style>", f"<title><p></title>{IFRAME}", f"<textarea></textarea>{IFRAME}",
    f"<select>{IFRAME}</select>", f"<table>{IFRAME}</table>", f"<?php ?>{IFRAME}", f"</ >{IFRAME}", "<iframe src=FAR",
    '<svg><style>a{content:"\\3c p>\\3c iframe src=FAR/escaped>"}</style>', "<style>a{}</style ><iframe src=FAR/x>",
    "<if<base>rame src=FAR/joined></iframe>", "<if<!-- -->rame src=FAR/joined></iframe>", "<iframe\x0csrc=FAR/ff>",
    "<i\x00frame src=FAR/nul><ifr\x00ame src=FAR/nul>", "<link\trel=preconnect\thref=FAR>",
)  # fmt: skip


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.asyncio(loop_scope="session")
async def test_nothing_in_a_shown_message_connects_to_anywhere(browser: Browser, tmp_path: Path) -> None:
    connections: list[str] = []
    seen = asyncio.Event()

    async def far(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append("")  # also of one that says nothing
        at = len(connections) - 1
        connections[at] = (await reader.readline()).decode("latin-1").strip()
        if "/control" in connections[at]:
            seen.set()
        writer.write(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(far, "127.0.0.1", 0) as elsewhere, running(tmp_path / "inbox") as site:
        there = f"http://127.0.0.1:{elsewhere.sockets[0].getsockname()[1]}"
        for html in REACHING:
            await site.mail(_html(html.replace("FAR", there)))
        await site.mail(_html(f'<img src="{there}/control">'))
        context = await browser.new_context()
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        await enter(page, site.entry)
        for number in range(1, len(REACHING) + 1):
            for theme in ("light", "inverted") if "style" in REACHING[number - 1] else ("light",):
                await page.goto(f"{site.url}message/{number}/frame?theme={theme}", wait_until="load")
            if "meta" in REACHING[number - 1]:  # it leads elsewhere after all has come
                await page.goto(f"{site.url}message/{number}", wait_until="networkidle")
            assert connections == [], REACHING[number - 1]
        await page.goto(f"{site.url}message/{len(REACHING) + 1}/frame?images=1")
        await asyncio.wait_for(seen.wait(), 60)
        assert [line.split(" ")[1] for line in connections if line] == ["/control"]
        await context.close()


def _html(html: str) -> EmailMessage:
    message = plain("Reaching out")
    message.add_alternative(html, subtype="html", cte="base64")
    return message


def test_what_cannot_connect_stays_as_it_was_sent() -> None:
    for html in (
        '<meta charset="utf-8"><meta name="color-scheme" content="light dark"><meta name=viewport content="a, b">',
        "<p>links, frames and <b>objects</b></p><linkage><iframes>", "<img src=x><video></video>", "a < link", "",
    ):  # fmt: skip
        assert inert(html) == html


def test_a_refresh_is_taken_out_though_the_sandbox_refuses_it_too() -> None:
    for meta in ('http-equiv="refresh" content="0;x"', "name=a http-equiv=refresh", 'content="0;x"http-equiv=refresh'):
        assert inert(f"<meta {meta}>") == f"<x-meta {meta}>"


def test_a_large_message_is_made_inert_in_no_time() -> None:
    for piece in ("<iframe ", "<meta name=", "<meta  ", '<meta name="', "<"):
        assert inert(piece * 300_000)
