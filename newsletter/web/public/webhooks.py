"""`/webhooks/PROVIDER`: bounces and complaints as a provider tells them; what is signed is acted on, once.

Who speaks is the provider's file to decide (`feedback.webhooks`), what is done `feedback.record`'s. What is not signed,
stale, too large or not its shape changes nothing.
"""

import logging
from threading import Lock

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from newsletter.feedback.record import Recorder
from newsletter.feedback.webhooks.posted import LARGEST, Posted, ProviderEvent, WebhookRefused
from newsletter.feedback.webhooks.providers import ReadPosted
from newsletter.web.public.context import Public
from newsletter.web.public.forms import read_body

_log = logging.getLogger("newsletter.access")


def routes(public: Public, known: dict[str, ReadPosted]) -> list[Route]:
    """The providers' routes."""
    recorder = Recorder(
        public.engine,
        public.secret,
        clock=public.clock,
        is_subscriber=lambda email: public.roster.find(email) is not None,
        trust_unsigned=public.config.feedback.trust_unsigned,
    )
    one_at_a_time = Lock()

    async def hear(request: Request) -> Response:
        name = request.path_params["provider"]
        if name not in known:
            return PlainTextResponse("This provider is not set up; see [webhooks].\n", 404)
        headers = {key.lower(): value for key, value in request.headers.items()}
        body = await read_body(request, LARGEST)
        posted = Posted(body, headers, request.path_params.get("secret", ""), public.clock())
        try:
            events = await run_in_threadpool(known[name], posted)
            acted = await run_in_threadpool(act, name, events)
        except WebhookRefused as refused:
            _log.info("webhook of %s refused: %s", name, refused)
            return PlainTextResponse(f"refused: {refused}\n", refused.status, _asked(refused))
        return PlainTextResponse(f"{acted} acted on\n")

    def act(name: str, events: list[ProviderEvent]) -> int:
        with one_at_a_time:
            if name == "mailgun" and any(recorder.is_handled(event.key.encode()) for event in events):
                raise WebhookRefused("this token came before", 406)  # which Mailgun takes for: don't try again
            actions = [recorder.act(event.key.encode(), event.feedback, source=name)[0] for event in events]
        return sum(action != "none" for action in actions)

    return [
        Route("/webhooks/{provider}", hear, methods=["POST"]),
        Route("/webhooks/{provider}/{secret}", hear, methods=["POST"]),
    ]


def _asked(refused: WebhookRefused) -> dict[str, str]:
    return {"WWW-Authenticate": 'Basic realm="webhooks"'} if refused.status == 401 else {}
