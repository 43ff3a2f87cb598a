"""Mailpit's API over the test inbox, for tests that were written against it: list, message, search, delete, tags.

On a port of its own, and open as Mailpit's is: any program of this machine may ask, no page of another site may. Paths,
field names and answers are those of Mailpit 1.30 (https://mailpit.axllent.org/docs/api-v1/); the search language is the
inbox's own, which knows most of Mailpit's terms.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from newsletter import __version__
from newsletter.inbox.index import IndexRow
from newsletter.inbox.search import SearchError
from newsletter.inbox.server import InboxServer
from newsletter.inbox.store import Matches, Store
from newsletter.mime.message import Message, addresses, read_message
from newsletter.mime.parse import Part
from newsletter.web.inbox.api import MAX_LIMIT, read_json
from newsletter.web.inbox.context import (
    UNTRUSTED,
    InboxContext,
    download,
    find_message,
    find_raw,
    inbox_of,
    part_of,
    whole_number,
)
from newsletter.web.local import LocalGuard
from newsletter.web.security import SecurityHeaders, mail_policy

OK = "ok"


def mailpit_app(store: Store, server: InboxServer | None, *, token: str) -> Starlette:
    """The application; `token` is the secret of the inbox, which nobody needs here."""
    one = "/api/v1/message/{id}"
    routes = [
        Route("/livez", _ok, methods=["GET"]),
        Route("/readyz", _ok, methods=["GET"]),
        Route("/api/v1/info", _info, methods=["GET"]),
        Route("/api/v1/messages", _list, methods=["GET"]),
        Route("/api/v1/messages", _set_read, methods=["PUT"]),
        Route("/api/v1/messages", _delete, methods=["DELETE"]),
        Route("/api/v1/search", _search, methods=["GET"]),
        Route("/api/v1/search", _delete_found, methods=["DELETE"]),
        Route("/api/v1/tags", _tags, methods=["GET"]),
        Route("/api/v1/tags", _set_tags, methods=["PUT"]),
        Route("/api/v1/tags/{tag:path}", _rename_tag, methods=["PUT"]),
        Route("/api/v1/tags/{tag:path}", _remove_tag, methods=["DELETE"]),
        Route(one, _message, methods=["GET"]),
        Route(f"{one}/headers", _headers, methods=["GET"]),
        Route(f"{one}/raw", _raw, methods=["GET"]),
        Route(f"{one}/part/{{number}}", _part, methods=["GET"]),
        Route("/view/{id}.txt", _text, methods=["GET"]),
        Route("/view/{id}.html", _html, methods=["GET"]),
        Route("/api/v1/{path:path}", _elsewhere, methods=["GET", "POST", "PUT", "DELETE"]),
    ]
    guard = Middleware(LocalGuard, token=token, api="/", open_api=True)
    refused: dict[Any, Callable[..., Any]] = {HTTPException: _refused, SearchError: _refused}
    app = Starlette(routes=routes, middleware=[Middleware(SecurityHeaders), guard], exception_handlers=refused)
    app.state.context = InboxContext(store, server)
    return app


async def _refused(_request: Request, error: Exception) -> Response:
    """Errors are words, as Mailpit's are."""
    if isinstance(error, HTTPException):
        return PlainTextResponse(str(error.detail), error.status_code)
    return PlainTextResponse(str(error), 400)


async def _ok(_request: Request) -> Response:
    return PlainTextResponse(OK)


async def _elsewhere(request: Request) -> Response:
    what = f"{request.method} {request.url.path}"
    raise HTTPException(404, f"{what} of Mailpit's is not answered here; see the inbox's own API and page")


async def _info(request: Request) -> Response:
    here = inbox_of(request)
    counts, tags = await run_in_threadpool(here.store.counts), await run_in_threadpool(here.store.tags.counts)
    size = await run_in_threadpool(here.store.size)
    accepted, refused = (here.server.accepted, here.server.refused) if here.server else (0, 0)
    return JSONResponse(
        {
            "Version": f"newsletter {__version__}", "LatestVersion": "", "Database": str(here.store.path),
            "DatabaseSize": size, "Messages": counts["kept"], "Unread": counts["unread"], "Tags": dict(tags),
            "RuntimeStats": {"SMTPAccepted": accepted, "SMTPRejected": refused},
        }
    )  # fmt: skip


# Many


async def _list(request: Request) -> Response:
    return await _page(request, "")


async def _search(request: Request) -> Response:
    return await _page(request, _query(request))


def _query(request: Request) -> str:
    query = request.query_params.get("query", "").strip()
    if not query:
        raise HTTPException(400, "Error: no search query")
    return query


async def _page(request: Request, query: str) -> Response:
    start = whole_number(request, "start", 0, 0, 2**31)
    limit = whole_number(request, "limit", 50, 0, MAX_LIMIT)
    return JSONResponse(await run_in_threadpool(_listed, inbox_of(request).store, query, start, limit))


def _listed(store: Store, query: str, start: int, limit: int) -> dict[str, Any]:
    found = store.search(query, limit=limit, offset=start) if limit else Matches((), 0, True, False)
    counts = store.counts()
    matches, unread = counts["kept"], counts["unread"]
    if query:
        matches, unread = store.search(query, limit=1).total, store.search(f"{query} is:unread", limit=1).total
    messages = [_summary(row, read_message(data)) for row in found.rows if (data := store.raw(row.id)) is not None]
    return {
        "total": counts["kept"], "unread": counts["unread"], "count": len(messages), "messages_count": matches,
        "messages_unread": unread, "start": start, "tags": [tag for tag, _ in store.tags.counts()],
        "messages": messages,
    }  # fmt: skip


async def _set_read(request: Request) -> Response:
    body, store = await read_json(request), inbox_of(request).store
    ids, query, unread = _ids(body), str(body.get("Search") or ""), not body.get("Read")
    if ids and query:
        raise HTTPException(400, "You may specify either IDs or a search query, not both")
    if ids:
        await run_in_threadpool(store.mark, ids, unread=unread)
    else:
        await run_in_threadpool(store.mark_matching, query, unread=unread)
    return PlainTextResponse(OK)


async def _delete(request: Request) -> Response:
    store = inbox_of(request).store
    ids = _ids(await read_json(request))
    await (run_in_threadpool(store.delete, ids) if ids else run_in_threadpool(store.clear))
    return PlainTextResponse(OK)


async def _delete_found(request: Request) -> Response:
    await run_in_threadpool(inbox_of(request).store.delete_matching, _query(request))
    return PlainTextResponse(OK)


async def _tags(request: Request) -> Response:
    return JSONResponse([tag for tag, _ in await run_in_threadpool(inbox_of(request).store.tags.counts)])


async def _set_tags(request: Request) -> Response:
    body, tags = await read_json(request), inbox_of(request).store.tags
    wanted = [str(tag) for tag in body.get("Tags") or ()]
    for number in _ids(body):
        await run_in_threadpool(tags.give, number, wanted)
    return PlainTextResponse(OK)


async def _rename_tag(request: Request) -> Response:
    name = str((await read_json(request)).get("Name") or "")
    if not name.strip():
        raise HTTPException(400, "Name is missing")
    await run_in_threadpool(inbox_of(request).store.tags.rename, request.path_params["tag"], name)
    return PlainTextResponse(OK)


async def _remove_tag(request: Request) -> Response:
    await run_in_threadpool(inbox_of(request).store.tags.remove, request.path_params["tag"])
    return PlainTextResponse(OK)


def _ids(body: Mapping[str, Any]) -> list[int]:
    ids = body.get("IDs") or []
    if not isinstance(ids, list) or not all(str(one).isascii() and str(one).isdecimal() for one in ids):
        raise HTTPException(400, "IDs is no list of a message's IDs")
    return [int(one) for one in ids]


# One


async def _message(request: Request) -> Response:
    row, message = await find_message(request)
    await run_in_threadpool(inbox_of(request).store.mark, [row.id], unread=False)  # as Mailpit does
    return JSONResponse(await run_in_threadpool(_whole, row, message))


async def _headers(request: Request) -> Response:
    _, message = await find_message(request)
    found: dict[str, list[str]] = {}
    for name, value in message.headers:
        found.setdefault("-".join(word.capitalize() for word in name.split("-")), []).append(value)
    return JSONResponse(found)


async def _raw(request: Request) -> Response:
    row, data = await find_raw(request)
    if request.query_params.get("dl") == "1":
        return download(data, "message/rfc822", f"{row.id}.eml")
    return PlainTextResponse(data, headers=UNTRUSTED)


async def _part(request: Request) -> Response:
    return await part_of(request, request.path_params["number"])


async def _text(request: Request) -> Response:
    _, message = await find_message(request)
    return PlainTextResponse(message.text, headers=UNTRUSTED)


async def _html(request: Request) -> Response:
    _, message = await find_message(request)
    if message.rich is None:
        raise HTTPException(404, "This message does not contain a HTML part")
    return HTMLResponse(message.html, headers={"Content-Security-Policy": mail_policy(remote_images=False)})


def _summary(row: IndexRow, message: Message) -> dict[str, Any]:
    return {
        **_about(row, message), "Read": not row.unread, "Attachments": row.attachments, "Snippet": row.snippet,
        "Created": datetime.fromtimestamp(row.received, UTC).isoformat(timespec="milliseconds"),
    }  # fmt: skip


def _whole(row: IndexRow, message: Message) -> dict[str, Any]:
    attached = {id(part) for part in message.attachments}
    inline = [part for part in message.parts if part.content_id and id(part) not in attached and not part.children]
    moment = message.date or datetime.fromtimestamp(row.received, UTC)
    return {
        **_about(row, message), "ReturnPath": row.mail_from, "Date": moment.isoformat(),
        "Text": message.plain.text() if message.plain is not None else "", "HTML": message.html,
        "ListUnsubscribe": _list_unsubscribe(message), "Inline": [_attachment(part) for part in inline],
        "Attachments": [_attachment(part) for part in message.attachments],
    }  # fmt: skip


def _about(row: IndexRow, message: Message) -> dict[str, Any]:
    to, cc = _people(message, "to"), _people(message, "cc")
    known = {one["Address"].lower() for one in (*to, *cc)}
    hidden = [{"Name": "", "Address": one} for one in row.rcpt_tos if one.lower() not in known]
    return {
        "ID": str(row.id), "MessageID": row.message_id.strip("<>"), "From": next(iter(_people(message, "from")), None),
        "To": to, "Cc": cc, "Bcc": hidden, "ReplyTo": _people(message, "reply-to"), "Subject": row.subject,
        "Username": "", "Tags": list(row.tags), "Size": row.size,
    }  # fmt: skip


def _people(message: Message, field: str) -> list[dict[str, str]]:
    named = (parseaddr(one) for one in addresses(message.root.get(field)))
    return [{"Name": name, "Address": address} for name, address in named]


def _attachment(part: Part) -> dict[str, Any]:
    content = part.content()
    return {
        "PartID": part.number, "FileName": part.filename, "ContentType": part.content_type,
        "ContentID": part.content_id, "Size": len(content),
        "Checksums": {
            "MD5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
            "SHA1": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
            "SHA256": hashlib.sha256(content).hexdigest(),
        },
    }  # fmt: skip


def _list_unsubscribe(message: Message) -> dict[str, Any]:
    header = message.root.get("list-unsubscribe")
    links = [one.strip().strip("<>") for one in header.split(",") if one.strip()]
    post = message.root.get("list-unsubscribe-post")
    return {"Header": header, "Links": links, "Errors": "", "HeaderPost": post}
