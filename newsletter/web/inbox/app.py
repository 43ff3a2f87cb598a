"""The test inbox's pages: a list with search, a message in every view, both kept fresh by server-sent events.

Rendered on the server; scripts fetch the same pieces again. A message's HTML stands in a sandboxed frame with a policy
of its own (`security.mail_policy`) and reaches nothing: pictures that it carries, or that lie in the site's folder, are
put into it, remote ones are off until asked for. Changes go through the API (`inbox_api`), with the session's token.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from newsletter.config.settings import Config
from newsletter.errors import NewsletterError
from newsletter.inbox.index import IndexRow
from newsletter.inbox.search import SearchError
from newsletter.inbox.server import InboxServer
from newsletter.inbox.store import Matches, Store, StoreChange
from newsletter.mime.message import Message, read_message
from newsletter.mime.parse import Part
from newsletter.site.site import Site
from newsletter.web.frame import THEMES, Appearance, Theme, frame_document
from newsletter.web.inbox.actions import action_routes, can_release
from newsletter.web.inbox.api import PREFIX, api_routes
from newsletter.web.inbox.context import (
    UNTRUSTED,
    InboxContext,
    download,
    find_message,
    find_raw,
    findings_of,
    inbox_of,
    part_of,
    whole_number,
)
from newsletter.web.inbox.health import METRICS, health_routes
from newsletter.web.inert import inert
from newsletter.web.local import LocalGuard
from newsletter.web.pages import fragment, page, static_files
from newsletter.web.pictures import embedder
from newsletter.web.security import SecurityHeaders, mail_policy

PAGE = 50
FOLLOW_EVERY = 1.0
"""Seconds between two looks at whether another program has changed the Maildir."""
VIEWS = ("html", "text", "headers", "parts", "source", "findings")
SOURCE_MOST = 500_000
"""Bytes of a source that are shown; the rest is for download."""
TEXT_MOST = 500_000
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""What is shown beside an attachment's name: a browser draws them, and they hold no markup."""
PICTURE_MOST = 5_000_000
"""Bytes of a picture that is."""
REWRITE_MOST = 3_000_000
"""Characters of HTML that are rewritten for dark mode; more is shown as it is."""
_SHOWN_ADDRESSES = 20
_TAG_SEARCH = re.compile(r'tag:(?:"([^"]+)"|([^\s"]+))', re.IGNORECASE)


def inbox_app(
    store: Store, server: InboxServer | None = None, *, token: str, open_api: bool = False,
    site: Site | None = None, config: Config | None = None, now: Callable[[], datetime] = datetime.now,
) -> Starlette:  # fmt: skip
    """The pages and the API over `store`; `server` is the SMTP server that fills it, if it runs here.

    `token` is the secret of those who may use it; with `open_api` programs need none for the API. Pictures of `site`
    show from its folder; `config` is the newsletter's, where there is one.
    `app.state.close()` ends open event streams; call it before the server waits for its connections.
    """
    here = InboxContext(store, server, site, config)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()

        def listener(event: StoreChange) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended before a last thread
                loop.call_soon_threadsafe(here.announce, event)

        unsubscribe = store.subscribe(listener)
        follower = asyncio.create_task(_follow(store), name="inbox follower")
        try:
            yield
        finally:
            here.events.close()
            unsubscribe()
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)

    routes = [
        Route("/", _list_page, methods=["GET"]),
        Route("/list", _list_again, methods=["GET"]),
        Route("/message/{id}", _message_page, methods=["GET"]),
        Route("/message/{id}/pane", _pane, methods=["GET"]),
        Route("/message/{id}/frame", _frame, methods=["GET"]),
        Route("/message/{id}/download", _download, methods=["GET"]),
        Route("/message/{id}/thumbnail", _thumbnail, methods=["GET"]),
        *api_routes(),
        *action_routes(),
        *health_routes(),
        static_files(),
    ]
    guard = Middleware(LocalGuard, token=token, api=(f"{PREFIX}/", METRICS), open_api=open_api)
    app = Starlette(
        routes=routes,
        middleware=[Middleware(SecurityHeaders), guard],
        lifespan=lifespan,
        exception_handlers={404: _not_found},
    )
    app.state.context, app.state.now, app.state.close = here, now, here.events.close
    return app


async def _follow(store: Store) -> None:
    while True:
        await asyncio.sleep(FOLLOW_EVERY)
        with contextlib.suppress(OSError):
            await asyncio.to_thread(store.follow)


# The list


async def _list_page(request: Request) -> Response:
    return page(request, "inbox/page.html", {**await _list_context(request), "message": None})


async def _list_again(request: Request) -> Response:
    """The list and the sidebar, for a page that is open."""
    context = await _list_context(request)
    return JSONResponse(
        {
            "list": fragment("inbox/list.html", context), "nav": fragment("inbox/nav.html", context),
            "none": fragment("inbox/none.html", context), "unread": context["counts"]["unread"],
        }
    )  # fmt: skip


async def _list_context(request: Request) -> dict[str, Any]:
    here, query = inbox_of(request), request.query_params.get("q", "").strip()
    number = whole_number(request, "page", 1, 1, 10**7)
    problem = ""
    try:
        found = await run_in_threadpool(here.store.search, query, limit=PAGE, offset=(number - 1) * PAGE)
    except SearchError as error:
        found, problem = Matches((), 0, True, False), str(error)
    counts = await run_in_threadpool(here.store.counts)
    now = request.app.state.now()
    current = request.query_params.get("open") or request.path_params.get("id")
    first = (number - 1) * PAGE
    return {
        "rows": [_row(row, now, query, number) for row in found.rows], "query": query, "number": number,
        "first": first + 1 if found.rows else 0, "last": first + len(found.rows), "total": found.total,
        "exact": found.exact, "problem": problem, "counts": counts,
        "shown_tag": _tag_in(query), "can_release": can_release(here),
        "tags": await run_in_threadpool(here.store.tags.counts),
        "smtp": here.smtp, "newer": _url("/", query, number - 1) if number > 1 else "",
        "older": _url("/", query, number + 1) if found.more else "", "current": str(current or ""),
        "limit": here.store.limit, "search_url": _search_url, "faults": _fault_list(here),
    }  # fmt: skip


def _tag_in(query: str) -> str:
    """The tag that a search is for, if that is all of it."""
    found = _TAG_SEARCH.fullmatch(query)
    return (found[1] or found[2]) if found else ""


def _fault_list(here: InboxContext) -> list[str]:
    return [str(fault) for fault in here.server.faults.faults] if here.server else []


def _row(row: IndexRow, now: datetime, query: str, number: int) -> dict[str, Any]:
    received = datetime.fromtimestamp(row.received)
    return {
        "id": row.id, "unread": row.unread, "sender": _name(row.sender) or row.mail_from or "(nobody)",
        "to": ", ".join(row.rcpt_tos or row.recipients), "subject": row.subject or "(no subject)",
        "snippet": row.snippet,
        "when": short_time(received, now), "iso": received.astimezone().isoformat(timespec="seconds"),
        "attachments": row.attachments, "tags": row.tags, "url": _url(f"/message/{row.id}", query, number),
    }  # fmt: skip


def _name(sender: str) -> str:
    name = sender.partition("<")[0].strip().strip('"')
    return name or sender.strip("<> ")


def short_time(moment: datetime, now: datetime) -> str:
    """The time today, the day this year, else the date."""
    if moment.date() == now.date():
        return f"{moment:%H:%M}"
    return f"{moment.day} {moment:%b}" if moment.year == now.year else f"{moment.day} {moment:%b %Y}"


def _url(path: str, query: str, number: int = 1, **more: str) -> str:
    values = {"q": query, "page": str(number) if number > 1 else "", **more}
    text = urlencode({name: value for name, value in values.items() if value})
    return f"{path}?{text}" if text else path


def _search_url(query: str) -> str:
    return _url("/", query)


# A message


async def _message_page(request: Request) -> Response:
    context = {**await _list_context(request), **await _message_context(request)}
    return page(request, "inbox/page.html", context)


async def _pane(request: Request) -> Response:
    context = await _message_context(request)
    return HTMLResponse(fragment("inbox/message.html", context))


async def _message_context(request: Request) -> dict[str, Any]:
    row, data = await find_raw(request)
    message = await run_in_threadpool(read_message, data)
    store, query = inbox_of(request).store, request.query_params.get("q", "").strip()
    number = whole_number(request, "page", 1, 1, 10**7)
    # To look changes nothing; the page marks it as read by a request of its own, unless it was just marked as unread.
    is_opened = row.unread and request.query_params.get("keep") != "unread"
    try:
        newer, older = await run_in_threadpool(store.neighbours, row.id, query)
    except SearchError:
        newer, older = None, None
    views = [view for view in VIEWS if view != "html" or message.rich is not None]
    view = request.query_params.get("view", "")
    view = view if view in views else views[0]
    return {
        "message": message, "row": row, "is_opened": is_opened, "view": view, "query": query, "number": number,
        "views": [(name, _url(f"/message/{row.id}", query, number, view=name)) for name in views],
        "newer_message": _url(f"/message/{newer}", query, number) if newer else "",
        "older_message": _url(f"/message/{older}", query, number) if older else "",
        "back": _url("/", query, number), "received": datetime.fromtimestamp(row.received).astimezone(),
        "is_picture": is_picture, "can_release": can_release(inbox_of(request)), "to": message.to[:_SHOWN_ADDRESSES],
        "more_to": max(0, len(message.to) - _SHOWN_ADDRESSES),
        "remote": message.rich is not None and has_remote(message.html), "search_url": _search_url,
        "raw_url": _url(f"/message/{row.id}", query, number, view="source"),
        "line_url": lambda line: _url(
            f"/message/{row.id}", query, number, view="source", part="html", line=str(line or "")
        ),
        **await run_in_threadpool(_view, view, message, data, request.query_params),
    }  # fmt: skip


def _view(view: str, message: Message, data: bytes, asked: Mapping[str, str]) -> dict[str, Any]:
    """What one view needs beside the message."""
    if view == "text":
        text = message.text
        return {"text": text[:TEXT_MOST], "cut": len(text) > TEXT_MOST}
    if view == "source":
        part = "html" if asked.get("part") == "html" and message.rich is not None else ""
        source = message.html if part else data[: SOURCE_MOST + 1].decode("utf-8", "replace").replace("\r\n", "\n")
        wanted = int(line) if (line := asked.get("line", "")).isascii() and line.isdecimal() and len(line) < 9 else 0
        lines = source[:SOURCE_MOST].split("\n")
        return {"lines": lines, "cut": len(source) > SOURCE_MOST, "part": part, "wanted": wanted}
    if view == "findings":
        try:
            return {"findings": findings_of(data), "problem_found": ""}
        except NewsletterError as error:
            return {"findings": [], "problem_found": str(error)}
    return {}


async def _frame(request: Request) -> Response:
    """The message's HTML for its frame: own pictures inside it, remote ones only if asked for."""
    _, message = await find_message(request)
    images = request.query_params.get("images") == "1"
    wanted = request.query_params.get("theme", "light")
    theme: Theme = next((theme for theme in THEMES if theme == wanted), "light")
    html = message.html
    if len(html) <= REWRITE_MOST:
        document = await run_in_threadpool(_shown, html, theme, message, inbox_of(request).site)
    else:
        document = inert(html)
    return HTMLResponse(document, headers={"Content-Security-Policy": mail_policy(remote_images=images)})


def _shown(html: str, theme: Theme, message: Message, site: Site | None) -> str:
    return frame_document(html, Appearance(theme=theme), embedder(message, site), foreign=True)


def is_picture(part: Part) -> bool:
    """Is it shown beside its name?"""
    return part.content_type in PICTURES and part.end - part.body <= PICTURE_MOST


def has_remote(html: str) -> bool:
    """Whether the HTML may fetch pictures or styles from elsewhere; in doubt, yes."""
    low = html.lower()
    return any(
        mark in low for mark in ('src="http', "src='http", "src=http", "url(http", "url('http", 'url("http')
    ) or ("background=" in low or "srcset=" in low or 'src="//' in low or "@import" in low)


async def _download(request: Request) -> Response:
    """The whole message, or with `?part=` one of its parts, as a file."""
    number = request.query_params.get("part")
    if number is None:
        row, data = await find_raw(request)
        return download(data, "message/rfc822", f"message-{row.id}.eml")
    return await part_of(request, number)


async def _thumbnail(request: Request) -> Response:
    """A picture among the attachments, small enough to be shown beside its name."""
    _, message = await find_message(request)
    part = message.part(request.query_params.get("part", ""))
    if part is None or not is_picture(part):
        raise HTTPException(404)
    return Response(await run_in_threadpool(part.content), media_type=part.content_type, headers=UNTRUSTED)


async def _not_found(request: Request, error: Exception) -> Response:
    if request.url.path.startswith(f"{PREFIX}/"):
        return JSONResponse({"error": "there is nothing here; see /api/v1/openapi.json"}, 404)
    return page(request, "inbox/gone.html", {"back": _url("/", request.query_params.get("q", ""))}, 404)
