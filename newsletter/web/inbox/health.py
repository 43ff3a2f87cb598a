"""Whether the test inbox lives and takes mail, for a container's probes, and its counts for Prometheus.

The probes hold nothing of anybody's and need no secret; `/metrics` is as open as the API. By prometheus_client, which
is an extra (`newsletter-press[metrics]`).
"""

from collections.abc import Iterable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from newsletter.web.inbox.context import InboxContext, inbox_of
from newsletter.web.metrics import TEXT_FORMAT, metrics_or_none

METRICS = "/metrics"


def health_routes() -> list[Route]:
    """The routes; they expect a `InboxContext` in `app.state.context`."""
    return [
        Route("/livez", _lives, methods=["GET"]),
        Route("/readyz", _is_ready, methods=["GET"]),
        Route(METRICS, _metrics, methods=["GET"]),
    ]


async def _lives(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _is_ready(request: Request) -> Response:
    """Does the SMTP server take mail, and the index answer?"""
    here = inbox_of(request)
    ready = here.server is None or here.server.is_listening
    if ready:
        await run_in_threadpool(here.store.counts)
    return PlainTextResponse("ok\n" if ready else "the SMTP server is not there\n", 200 if ready else 503)


async def _metrics(request: Request) -> Response:
    here = inbox_of(request)
    found = await run_in_threadpool(lambda: (metrics := metrics_or_none(lambda: _measure(here))) and metrics.text())
    if found is None:
        return PlainTextResponse("no metrics; pip install 'newsletter-press[metrics]'\n", 501)
    return Response(found, media_type=TEXT_FORMAT)


def _measure(here: InboxContext) -> Iterable[tuple[str, str, Mapping[str, float]]]:
    """Name, help and values by label."""
    counts = here.store.counts()
    yield "newsletter_inbox_messages", "Messages kept.", {"": counts["kept"]}
    yield "newsletter_inbox_unread", "Messages that nobody has read.", {"": counts["unread"]}
    yield "newsletter_inbox_received", "Messages ever taken.", {"": counts["received"]}
    yield "newsletter_inbox_dropped", "Messages that had to go for newer ones.", {"": counts["dropped"]}
    yield "newsletter_inbox_bytes", "Bytes of the messages kept.", {"": here.store.size()}
    if here.server is not None:
        yield "newsletter_inbox_refused", "Commands and messages refused.", {"": here.server.refused}
        yield "newsletter_inbox_connections", "Connections open.", {"": here.server.connections}
