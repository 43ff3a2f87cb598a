"""Read what a form sends: urlencoded, multipart (RFC 7578) or JSON, bounded in size and time.

RFC 8058 lets a mail program send either of the first two; the pages' own forms are urlencoded.
"""

import asyncio
import json
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl

from starlette.requests import Request

LARGEST = 64 * 1024
"""Bytes of a body at most."""
FIELDS = 50
SLOWEST = 30.0
"""Seconds in which a body must have come: who sends a byte now and then holds no connection for long."""


class TooLarge(Exception):  # noqa: N818 (said as a page, not to a caller)
    """More than a form holds."""


class TooSlow(Exception):  # noqa: N818 (the same)
    """The body did not come in time, or the server stops."""

    headers = {"Connection": "close"}  # noqa: RUF012 (what the answer says besides)


Form = dict[str, list[str]]


async def read_form(request: Request) -> Form:
    """The fields of a body; what can't be read as a form has none. Raises TooLarge and TooSlow."""
    body = await read_body(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return _json(body)
    if kind == "multipart/form-data":
        return _multipart(request.headers["content-type"], body)
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=FIELDS)
    except ValueError:
        return {}
    form: Form = {}
    for name, value in pairs:
        form.setdefault(name, []).append(value)
    return form


def first(form: Form, name: str, most: int = 500) -> str:
    """The first value of a field, on one line and cut; empty without one."""
    values = form.get(name) or [""]
    return " ".join(values[0][:most].split())


async def read_body(request: Request, largest: int = LARGEST) -> bytes:
    """The body as it came. Raises TooLarge and TooSlow."""
    body = bytearray()
    try:
        async with asyncio.timeout(SLOWEST):
            async for chunk in request.stream():
                body += chunk
                if len(body) > largest:
                    raise TooLarge
    except (TimeoutError, asyncio.CancelledError):  # a server that stops cancels whoever it waits for
        raise TooSlow from None
    return bytes(body)


def _json(body: bytes) -> Form:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    form: Form = {}
    for name, item in list(value.items())[:FIELDS]:
        values = item if isinstance(item, list) else [item]
        form[name] = [_whole(value) for value in values if isinstance(value, str)]
    return form


def _whole(text: str) -> str:
    """Without half characters (U+D800 to U+DFFF): JSON may name one by itself, UTF-8 can't write it down."""
    return text.encode("utf-8", "replace").decode()


def _multipart(content_type: str, body: bytes) -> Form:
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    form: Form = {}
    if not message.is_multipart():
        return form
    for part in list(message.walk())[1:FIELDS]:
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes) and not part.get_filename():
            form.setdefault(name, []).append(payload.decode("utf-8", "replace").removesuffix("\r\n"))
    return form
