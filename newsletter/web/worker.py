"""`/health` and `/metrics` of a worker, for those who watch it; counts alone, of no reader's.

By prometheus_client, which is an extra (`newsletter-press[metrics]`).
"""

from collections.abc import Iterable, Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from newsletter.delivery.workers.worker import Worker
from newsletter.web.metrics import TEXT_FORMAT, metrics_or_none


def worker_app(worker: Worker) -> Starlette:
    """What a worker answers."""

    def measure() -> Iterable[tuple[str, str, Mapping[str, float]]]:
        yield "newsletter_worker_recipients{state}", "Recipients since this worker began.", worker.counts()
        yield "newsletter_worker_rate", "Messages a second, lately.", {"": worker.rate}
        yield "newsletter_worker_shards", "Shards in hand.", {"": worker.shards_in_hand}
        yield "newsletter_worker_waits", "1 while the database is away.", {"": float(bool(worker.away))}

    metrics = metrics_or_none(measure)

    async def show(_request: Request) -> Response:
        if metrics is None:
            return PlainTextResponse("no metrics; pip install 'newsletter-press[metrics]'\n", 501)
        return Response(metrics.text(), media_type=TEXT_FORMAT)

    async def health(_request: Request) -> Response:
        return PlainTextResponse("ok\n" if not worker.away else f"waiting: {worker.away}\n")

    return Starlette(routes=[Route("/health", health, methods=["GET"]), Route("/metrics", show, methods=["GET"])])
