"""Put the public pages together: routes, guards, the style sheet, what is said when something fails."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from newsletter.audience.notices import waiting
from newsletter.audience.signup import count_unconfirmed
from newsletter.audience.suppression import count_suppressions
from newsletter.delivery.watch import count_newest
from newsletter.errors import TryAgainLater
from newsletter.feedback.webhooks.providers import ReadPosted, providers
from newsletter.web.metrics import metrics_or_none
from newsletter.web.pages import FOLDER, static_files
from newsletter.web.public import preferences, reading, signup, unsubscribe, webhooks
from newsletter.web.public.challenge import Limits
from newsletter.web.public.context import Public
from newsletter.web.public.forms import TooLarge, TooSlow
from newsletter.web.public.guard import PublicGuard
from newsletter.web.public.theme import stylesheet
from newsletter.web.security import SecurityHeaders


def public_app(public: Public, *, proxy_headers: bool = False, known: dict[str, ReadPosted] | None = None) -> ASGIApp:
    """The public pages as an ASGI application, guarded; `known` are the providers whose webhooks are answered.

    Without it, those that the configuration has a secret for. Raises NewsletterError for a secret that is none.
    """
    sheet = stylesheet(public.config.newsletter, (FOLDER / "static" / "public.css").read_text(encoding="utf-8"))

    async def style(_request: Request) -> Response:
        return Response(sheet, media_type="text/css", headers={"Cache-Control": "public, max-age=300"})

    past = reading.Reading(public)
    app = Starlette(
        routes=[
            *signup.routes(public, Limits(), past),
            *unsubscribe.routes(public),
            *preferences.routes(public),
            *reading.routes(public, past),
            *webhooks.routes(public, providers(public.config) if known is None else known),
            Route("/style.css", style, methods=["GET"]),
            static_files(),
        ],
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers={
            404: _answer(public, "error.not_found", 404),
            405: _answer(public, "error.not_found", 405),
            TooLarge: _answer(public, "error.too_large", 413),
            TooSlow: _answer(public, "error.failed", 408),
            ClientDisconnect: _answer(public, "error.failed", 400),  # for the log: nobody is there to read it
            TryAgainLater: _away(public),
            500: _answer(public, "error.failed", 500),
        },
    )
    metrics = metrics_or_none(partial(_measure, public))
    return PublicGuard(app, public.base, proxy_headers=proxy_headers, metrics=metrics)


def _measure(public: Public) -> list[tuple[str, str, dict[str, float]]]:
    """What `/metrics` looks up."""
    return [
        (
            "newsletter_mails_waiting",
            "Confirmations and the like that wait for the relay.",
            {"": waiting(public.engine)},
        ),
        ("newsletter_unconfirmed", "Sign-ups that wait for an answer.", {"": count_unconfirmed(public.engine)}),
        ("newsletter_suppressed{reason}", "Addresses that are not mailed.", dict(count_suppressions(public.engine))),
        ("newsletter_recipients{state}", "Recipients of the newest issue.", dict(count_newest(public.engine))),
    ]


def _away(public: Public) -> Callable[[Request, Exception], Awaitable[Response]]:
    """The state is away: programs come again, people are asked to."""
    said = ""

    async def answer(_request: Request, error: Exception) -> Response:
        nonlocal said
        if str(error) != said:
            said = str(error)
            logging.getLogger("newsletter.access").warning("%s", error)
        response = public.message("error.failed", 503)
        response.headers["Retry-After"] = "30"
        return response

    return answer


def _answer(public: Public, key: str, status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(_request: Request, error: Exception) -> Response:
        response = public.message(key, status)
        response.headers.update(getattr(error, "headers", None) or {})
        return response

    return answer
