"""The test inbox for programs: JSON under /api/v1, for people's own tests.

Any program on this machine may use it (curl, pytest): no token is asked where no browser is in the way, and other
sites' pages are refused (`security.LocalOnly`). What it offers is described by `inbox_openapi`, and a test holds the
two together. Times are ISO 8601 in UTC; ids are never used again; errors are `{"error": "what; next step"}`.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from newsletter.errors import NewsletterError
from newsletter.inbox.index import IndexRow
from newsletter.inbox.search import SearchError
from newsletter.inbox.server import InboxServer
from newsletter.inbox.tags import MessageTags, clean_tag
from newsletter.mime.message import Message
from newsletter.mime.parse import Part
from newsletter.web.inbox.context import (
    download,
    find_message,
    find_raw,
    find_row,
    findings_of,
    inbox_of,
    part_of,
    whole_number,
)
from newsletter.web.inbox.openapi import openapi

PREFIX = "/api/v1"
MAX_LIMIT = 1_000
MAX_WAIT = 300.0
MAX_BODY = 1_000_000

Endpoint = Callable[[Request], Awaitable[Response]]


def api_routes() -> list[Route]:
    """The routes; they expect a `InboxContext` in `app.state.context`."""
    one = f"{PREFIX}/messages/{{id}}"
    return [
        Route(f"{PREFIX}/openapi.json", _openapi, methods=["GET"]),
        Route(f"{PREFIX}/info", answers(_info), methods=["GET"]),
        Route(f"{PREFIX}/messages", answers(_list), methods=["GET"]),
        Route(f"{PREFIX}/messages", answers(_delete_matching), methods=["DELETE"]),
        Route(f"{PREFIX}/messages/read", answers(_read_many), methods=["POST"]),
        Route(f"{PREFIX}/wait", answers(_wait), methods=["GET"]),
        Route(f"{PREFIX}/events", _events, methods=["GET"]),
        Route(f"{PREFIX}/faults", answers(_faults), methods=["GET"]),
        Route(f"{PREFIX}/faults", answers(_set_faults), methods=["PUT"]),
        Route(f"{PREFIX}/tags/{{tag:path}}", answers(_rename_tag), methods=["PUT"]),
        Route(f"{PREFIX}/tags/{{tag:path}}", answers(_remove_tag), methods=["DELETE"]),
        Route(one, answers(_get), methods=["GET"]),
        Route(one, answers(_delete), methods=["DELETE"]),
        Route(f"{one}/read", answers(_read), methods=["PUT"]),
        Route(f"{one}/tags", answers(_tag), methods=["PUT"]),
        Route(f"{one}/raw", answers(_raw), methods=["GET"]),
        Route(f"{one}/text", answers(_text), methods=["GET"]),
        Route(f"{one}/html", answers(_html), methods=["GET"]),
        Route(f"{one}/parts/{{number}}", answers(_part), methods=["GET"]),
        Route(f"{one}/findings", answers(_findings), methods=["GET"]),
    ]


def answers(handler: Endpoint) -> Endpoint:
    """Turn what a caller can mend into JSON."""

    @wraps(handler)
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except (SearchError, NewsletterError) as error:
            return JSONResponse({"error": str(error)}, 400)
        except HTTPException as error:
            return JSONResponse({"error": error.detail}, error.status_code)

    return answer


def row_summary(row: IndexRow) -> dict[str, Any]:
    """A message in a list."""
    return {
        "id": row.id, "received": datetime.fromtimestamp(row.received, UTC).isoformat(), "date": row.date or None,
        "from": row.sender, "to": list(row.recipients), "mail_from": row.mail_from, "rcpt_tos": list(row.rcpt_tos),
        "subject": row.subject, "message_id": row.message_id, "size": row.size, "unread": row.unread,
        "attachments": row.attachments, "tags": list(row.tags), "snippet": row.snippet,
    }  # fmt: skip


def message_fields(row: IndexRow, message: Message) -> dict[str, Any]:
    """A message with everything but the contents of its parts."""
    return {
        **row_summary(row),
        "headers": [[name, value] for name, value in message.headers],
        "text": message.plain.text() if message.plain is not None else None,
        "html": message.html if message.rich is not None else None,
        "parts": [describe_part(part) for part in message.parts],
        "attachments": [describe_part(part) for part in message.attachments],
        "defects": list(message.defects),
    }


def describe_part(part: Part) -> dict[str, Any]:
    return {
        "number": part.number, "content_type": part.content_type, "charset": part.parameters.get("charset", ""),
        "encoding": part.encoding, "disposition": part.disposition, "filename": part.filename,
        "content_id": part.content_id, "size": part.end - part.body,
    }  # fmt: skip


async def read_json(request: Request) -> dict[str, Any]:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            raise HTTPException(413, f"the body is over {MAX_BODY} bytes; ask for less at once")
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise HTTPException(400, "the body is no JSON; see /api/v1/openapi.json") from None
    if not isinstance(value, dict):
        raise HTTPException(400, "the body is no JSON object; see /api/v1/openapi.json")
    return value


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, True)
    if not isinstance(value, bool):
        raise HTTPException(400, f"{name} is neither true nor false; write one of them")
    return value


def strings(body: dict[str, Any], name: str) -> list[str]:
    value = body.get(name)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise HTTPException(400, f'{name} is no list of strings; write {{"{name}": ["…"]}}')
    return value


async def _openapi(request: Request) -> Response:
    return JSONResponse(openapi(str(request.base_url).rstrip("/")))


async def _info(request: Request) -> Response:
    """The SMTP address, and how many messages there are."""
    here = inbox_of(request)
    counts = await run_in_threadpool(here.store.counts)
    session = {"accepted": 0, "refused": 0, "largest": 0}
    if here.server:
        session = {name: getattr(here.server, name) for name in session}
    tags = dict(await run_in_threadpool(here.store.tags.counts))
    return JSONResponse(
        {"smtp": here.smtp or None, "maildir": str(here.store.path), **counts, "session": session, "tags": tags}
    )


async def _list(request: Request) -> Response:
    limit = whole_number(request, "limit", 50, 1, MAX_LIMIT)
    below = whole_number(request, "below", 0, 0, 2**62) or None
    query = request.query_params.get("q", "")
    page = await run_in_threadpool(inbox_of(request).store.search, query, limit=limit, below=below)
    return JSONResponse(
        {
            "messages": [row_summary(row) for row in page.rows], "total": page.total, "exact": page.exact,
            "below": page.rows[-1].id if page.more else None,
        }
    )  # fmt: skip


async def _delete_matching(request: Request) -> Response:
    deleted = await run_in_threadpool(inbox_of(request).store.delete_matching, request.query_params.get("q", ""))
    return JSONResponse({"deleted": deleted})


async def _read_many(request: Request) -> Response:
    body = await read_json(request)
    query, unread = body.get("q", ""), not _flag(body, "read")
    if not isinstance(query, str):
        raise HTTPException(400, "q is no string; write a search such as from:ada")
    return JSONResponse(
        {"changed": await run_in_threadpool(inbox_of(request).store.mark_matching, query, unread=unread)}
    )


async def _wait(request: Request) -> Response:
    """Answer as soon as `count` messages match; 408 when the time is over."""
    here, query = inbox_of(request), request.query_params.get("q", "")
    count = whole_number(request, "count", 1, 1, MAX_LIMIT)
    after = whole_number(request, "after", 0, 0, 2**62)
    try:
        timeout = float(request.query_params.get("timeout", "10"))
    except ValueError:
        timeout = -1.0
    if not 0 <= timeout <= MAX_WAIT:
        raise HTTPException(400, f"timeout is no number of seconds from 0 to {MAX_WAIT:.0f}; write timeout=10")
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout
    while True:
        page = await run_in_threadpool(here.store.search, query, limit=count)
        rows = [row for row in page.rows if row.id > after]
        if len(rows) >= count:
            return JSONResponse({"messages": [row_summary(row) for row in rows]})
        left = until - loop.time()
        if left <= 0 or await request.is_disconnected():
            plural = f"{count} messages match" if count > 1 else "no message matches"
            detail = f"{len(rows)} of {plural}" if count > 1 else plural
            raise HTTPException(
                408, f"{detail} {query!r} after {timeout:g} s; is the mail sent to {here.smtp or 'here'}?"
            )
        # Not only on changes: another process may write into the same Maildir.
        await here.changed(min(left, 1.0))


async def _events(request: Request) -> Response:
    return inbox_of(request).events.response(hello={"smtp": inbox_of(request).smtp})


def _server(request: Request) -> InboxServer:
    server = inbox_of(request).server
    if server is None:
        raise HTTPException(409, "this page has no SMTP server of its own; start `newsletter inbox`")
    return server


async def _faults(request: Request) -> Response:
    return JSONResponse({"faults": [str(fault) for fault in _server(request).faults.faults]})


async def _set_faults(request: Request) -> Response:
    server, body = _server(request), await read_json(request)
    server.faults.replace(strings(body, "faults"))
    return JSONResponse({"faults": [str(fault) for fault in server.faults.faults]})


async def _get(request: Request) -> Response:
    row, message = await find_message(request)
    return JSONResponse(await run_in_threadpool(message_fields, row, message))


async def _delete(request: Request) -> Response:
    row = await find_row(request)
    return JSONResponse({"deleted": await run_in_threadpool(inbox_of(request).store.delete, [row.id])})


async def _read(request: Request) -> Response:
    row, read = await find_row(request), _flag(await read_json(request), "read")
    return JSONResponse({"changed": await run_in_threadpool(inbox_of(request).store.mark, [row.id], unread=not read)})


async def _tag(request: Request) -> Response:
    row, tags = await find_row(request), strings(await read_json(request), "tags")
    kept = await run_in_threadpool(lambda: inbox_of(request).store.tags.give(row.id, tags))
    return JSONResponse({"tags": list(kept or ())})


async def _rename_tag(request: Request) -> Response:
    name = (await read_json(request)).get("name")
    if not isinstance(name, str) or not clean_tag(name):
        raise HTTPException(400, 'name is no tag; write {"name": "…"}, or DELETE the tag')
    return await _changed_tag(request, lambda tags, tag: tags.rename(tag, name))


async def _remove_tag(request: Request) -> Response:
    return await _changed_tag(request, lambda tags, tag: tags.remove(tag))


async def _changed_tag(request: Request, change: Callable[[MessageTags, str], int]) -> Response:
    changed = await run_in_threadpool(change, inbox_of(request).store.tags, request.path_params["tag"])
    if not changed:
        raise HTTPException(404, "no message has that tag; GET /api/v1/info lists them")
    return JSONResponse({"changed": changed})


async def _raw(request: Request) -> Response:
    row, data = await find_raw(request)
    return download(data, "message/rfc822", f"message-{row.id}.eml")


async def _text(request: Request) -> Response:
    _, message = await find_message(request)
    return PlainTextResponse(message.text)


async def _html(request: Request) -> Response:
    """The HTML as text: it is for programs, and must not run when a browser is sent here."""
    _, message = await find_message(request)
    if message.rich is None:
        raise HTTPException(404, "the message has no HTML part; see /text")
    return PlainTextResponse(message.html)


async def _part(request: Request) -> Response:
    return await part_of(request, request.path_params["number"])


async def _findings(request: Request) -> Response:
    _, data = await find_raw(request)
    return JSONResponse(await run_in_threadpool(findings_of, data))
