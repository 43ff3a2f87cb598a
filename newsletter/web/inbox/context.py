"""What the inbox's pages and its API share: the store and its changes, the message that a request names, its checks."""

import asyncio
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from newsletter.config.settings import Config
from newsletter.errors import NewsletterError
from newsletter.inbox.index import IndexRow
from newsletter.inbox.server import InboxServer
from newsletter.inbox.store import Store, StoreChange
from newsletter.mime.message import Message, read_message
from newsletter.site.site import Site
from newsletter.web.events import Events

if TYPE_CHECKING:
    from newsletter.checks.finding import Finding
    from newsletter.checks.sample import Sample

CHECKED = 2_000_000
"""Bytes of the largest message that is checked."""


@dataclass(slots=True)
class InboxContext:
    """What the pages and the API work with."""

    store: Store
    server: InboxServer | None
    site: Site | None = None  # whose pictures are shown from its folder
    config: Config | None = None  # of the newsletter whose inbox it is: its relay, its spam filter
    events: Events = field(default_factory=Events)
    _waiters: set[asyncio.Event] = field(default_factory=set)

    @property
    def smtp(self) -> str:
        """The address of the SMTP server, or empty."""
        return self.server.url if self.server else ""

    def announce(self, event: StoreChange) -> None:
        """Pass a change in the store on to open pages and to those who wait; in the loop's thread."""
        self.events.publish(event.kind, {"ids": list(event.ids[-100:])})
        for waiter in self._waiters:
            waiter.set()

    async def changed(self, seconds: float) -> None:
        """Wait for the next change, or the time-out."""
        waiter = asyncio.Event()
        self._waiters.add(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter.wait()
        except TimeoutError:
            pass
        finally:
            self._waiters.discard(waiter)


def inbox_of(request: Request) -> InboxContext:
    """The inbox that the application of this request shows."""
    found: InboxContext = request.app.state.context
    return found


async def find_row(request: Request) -> IndexRow:
    """The row that the path names; `latest` is the newest, of those that `?q=` matches. 404 if there is none."""
    store, name = inbox_of(request).store, request.path_params["id"]
    row = None
    if name == "latest":
        page = await run_in_threadpool(store.search, request.query_params.get("q", ""), limit=1)
        row = page.rows[0] if page.rows else None
    elif str(name).isascii() and str(name).isdigit() and len(str(name)) < 19:
        row = await run_in_threadpool(store.get, int(name))
    if row is None:
        raise HTTPException(404, "there is no such message; it may have been deleted")
    return row


async def find_raw(request: Request) -> tuple[IndexRow, bytes]:
    row = await find_row(request)
    data = await run_in_threadpool(inbox_of(request).store.raw, row.id)
    if data is None:
        raise HTTPException(404, "the message's file is gone; another program has taken it")
    return row, data


async def find_message(request: Request) -> tuple[IndexRow, Message]:
    row, data = await find_raw(request)
    return row, await run_in_threadpool(read_message, data)


def whole_number(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A number in the query, within bounds. 400 if it is none."""
    text = request.query_params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19 and least <= int(text) <= most):
        raise HTTPException(400, f"{name} is {text!r}; write a whole number from {least} to {most}")
    return int(text)


def sample_from(data: bytes) -> "Sample":
    """A message as the checks take it. Raises NewsletterError for one that is too large."""
    from newsletter.checks.sample import sample_of  # when the first is checked: the page is there sooner

    if len(data) > CHECKED:
        raise NewsletterError(f"messages over {CHECKED // 1_000_000} MB are not checked; send a smaller one")
    return sample_of(data)


def findings_of(data: bytes) -> list[dict[str, Any]]:
    """What the checks find in a message, the gravest first; as in `check --json`."""
    from newsletter.checks.run import check_message

    sample = sample_from(data)
    try:
        found = check_message(sample)
    except Exception as error:  # any bytes come here, and a rule that trips over them is no reason to show nothing
        raise NewsletterError(
            f"the checks can't take this message apart ({type(error).__name__}); see its source"
        ) from error
    return gravest_first(found)


def gravest_first(found: "Iterable[Finding]") -> list[dict[str, Any]]:
    """Findings as `check --json` prints them."""
    order = {"error": 0, "warning": 1, "info": 2}
    return sorted((asdict(finding) for finding in found), key=lambda one: order[one["severity"]])


UNTRUSTED = {"Content-Security-Policy": "default-src 'none'; sandbox"}
"""For bytes of unknown hands."""


async def part_of(request: Request, number: str) -> Response:
    """A part's decoded content, as a file; `0` and empty are the message itself. 404 if there is no such part."""
    _, message = await find_message(request)
    part = message.part("" if number == "0" else number)
    if part is None:
        raise HTTPException(404, "there is no such part; its message lists them")
    content = await run_in_threadpool(part.content)
    return download(content, part.content_type, part.filename or f"part-{number or 0}")


def download(content: bytes, content_type: str, filename: str) -> Response:
    """Bytes of unknown hands: saved, never shown as a page of ours."""
    plain = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-_. ") else "_" for letter in filename
    )
    encoded = "".join(f"%{byte:02X}" for byte in filename[:150].encode("utf-8", "replace"))
    headers = {
        "Content-Disposition": f"attachment; filename=\"{plain[:150]}\"; filename*=UTF-8''{encoded}",
        **UNTRUSTED,
    }
    return Response(content, media_type=content_type, headers=headers)
