"""`/issues/…`, the feeds and `/v/TOKEN`: past issues for all, and a reader's own copy in the browser."""

import hashlib
import json
from collections import OrderedDict

from sqlalchemy import bindparam, select
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from newsletter.audience.address import address_key
from newsletter.audience.subscriber import Subscriber
from newsletter.compose.composer import issue_writer
from newsletter.compose.issue import Issue
from newsletter.compose.message.writer import MessageWriter
from newsletter.compose.neutral import neutral_html
from newsletter.state.schema import deliveries, issues
from newsletter.web.public.archive import MAIL_POLICY, Archive
from newsletter.web.public.context import Public, is_test

KEEP = 60.0
"""Seconds for which the archive is kept before it is looked at again."""
WRITERS = 8
_SENT = (
    select(deliveries.c.email, deliveries.c.name, deliveries.c.columns)
    .join(issues, issues.c.number == deliveries.c.issue)
    .where(issues.c.id == bindparam("issue"), deliveries.c.key == bindparam("key"))
)
"""Made once: every view asks it."""


def routes(public: Public, reading: "Reading") -> list[Route]:
    """The pages' routes."""

    async def index(request: Request) -> Response:
        archive = await reading.archive()
        return HTMLResponse(archive.index(public.prefix), headers={"Content-Security-Policy": public.policy})

    async def issue(request: Request) -> Response:
        archive = await reading.archive()
        past = archive.find(request.path_params["id"])
        if past is None:
            return public.not_found()
        return HTMLResponse(archive.page(past, public.prefix), headers={"Content-Security-Policy": MAIL_POLICY})

    async def atom(request: Request) -> Response:
        return _polled(request, (await reading.archive()).atom(), "application/atom+xml")

    async def json_feed(request: Request) -> Response:
        return _polled(request, (await reading.archive()).json_feed(), "application/feed+json")

    async def sitemap(request: Request) -> Response:
        return _polled(request, (await reading.archive()).sitemap(), "application/xml")

    async def view(request: Request) -> Response:
        reader = public.reader(request, "view")
        if reader is None:
            return public.not_found()
        html = "<!DOCTYPE html><title>test</title>" if is_test(reader) else reading.copy(*reader)
        if html is None:
            return public.not_found()
        return HTMLResponse(html, headers={"Content-Security-Policy": MAIL_POLICY, "X-Robots-Tag": "noindex"})

    return [
        Route("/issues/", index, methods=["GET"]),
        Route("/issues/{id}/", issue, methods=["GET"]),
        Route("/feed.xml", atom, methods=["GET"]),
        Route("/feed.json", json_feed, methods=["GET"]),
        Route("/sitemap.xml", sitemap, methods=["GET"]),
        Route("/v/{token}", view, methods=["GET"]),
    ]


def _polled(request: Request, text: str, media_type: str) -> Response:
    """What programs ask for again and again: sent where it has changed since (RFC 9110 section 13.1.2)."""
    tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "public, max-age=300"}
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    if tag in known:
        return Response(status_code=304, headers=headers)
    return Response(text, media_type=media_type, headers=headers)


class Reading:
    """What is kept between requests: the archive for a minute, the writers of a few issues."""

    def __init__(self, public: Public) -> None:
        self._public = public
        self._archive: tuple[float, Archive] | None = None
        self._writers: OrderedDict[str, MessageWriter] = OrderedDict()

    async def archive(self) -> Archive:
        """The archive, at most a minute old."""
        now = self._public.clock()
        if self._archive is None or not 0 <= now - self._archive[0] < KEEP:
            self._archive = (now, await run_in_threadpool(Archive.of, self._public))
        return self._archive[1]

    def copy(self, email: str, issue_id: str) -> str | None:
        """The issue as this reader was sent it; without a reader where that is not known any more.

        Filling in takes a millisecond and is not shared by threads: it stays in the event loop.
        """
        writer = self._writer(issue_id)
        if writer is None:
            return None
        with self._public.engine.connect() as connection:
            row = connection.execute(_SENT, {"issue": issue_id, "key": address_key(email)}).first()
        if row is None:
            return neutral_html(writer.issue, {})
        return writer.decoded_html(Subscriber(row[0], row[1], json.loads(row[2])))

    def _writer(self, issue_id: str) -> MessageWriter | None:
        if issue_id not in self._writers:
            with self._public.engine.connect() as connection:
                frozen = connection.scalar(select(issues.c.frozen).where(issues.c.id == issue_id))
            if frozen is None:
                return None
            self._writers[issue_id] = issue_writer(self._public.config, Issue.loads(frozen))
        self._writers.move_to_end(issue_id)
        while len(self._writers) > WRITERS:
            self._writers.popitem(last=False)
        return self._writers[issue_id]
