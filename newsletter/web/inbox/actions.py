"""What somebody orders about one message of the test inbox, because it reaches beyond this program.

Its links are asked, a spam filter is asked, and it is released: sent, as it is, through the newsletter's relay to
addresses that are named. That is the one way out of the inbox. So it is asked twice, what will happen is said before it
does, and only whoever has the secret may, with an open API too (its path is not the API's).
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from newsletter.audience.address import split_mailbox
from newsletter.checks.rules.link_status import check_links
from newsletter.checks.rules.spam import check_spam
from newsletter.config.settings import Config
from newsletter.delivery.direct import envelopes_of, send_direct
from newsletter.errors import NewsletterError
from newsletter.smtp.relay import Relay, configured_relays
from newsletter.web.inbox.api import PREFIX, answers, read_json, strings
from newsletter.web.inbox.context import InboxContext, find_raw, gravest_first, inbox_of, sample_from

MOST = 20
"""Addresses that a message is released to at once: it is to be looked at, not published."""
SPAMD = "localhost:783"
"""Where SpamAssassin listens; asked where `[checks] spamd` names no filter."""

_KEY = secrets.token_bytes(16)  # of confirmations, which last as long as this process


def action_routes() -> list[Route]:
    """The routes; they expect a `InboxContext` in `app.state.context`."""
    one = f"{PREFIX}/messages/{{id}}"
    return [
        Route(f"{one}/links", answers(_links), methods=["POST"]),
        Route(f"{one}/spam", answers(_spam), methods=["POST"]),
        Route("/message/{id}/release", answers(_release), methods=["POST"]),
    ]


def can_release(here: InboxContext) -> bool:
    """Is there a relay to send a message through?"""
    return here.config is not None and bool(here.config.smtp.urls)


async def _links(request: Request) -> Response:
    """Ask each link and picture of the message."""
    _, data = await find_raw(request)
    sample = await run_in_threadpool(sample_from, data)
    return JSONResponse(gravest_first(await check_links(sample)))


async def _spam(request: Request) -> Response:
    """Ask the spam filter for its score."""
    _, data = await find_raw(request)
    config = inbox_of(request).config
    sample = await run_in_threadpool(sample_from, data)
    return JSONResponse(gravest_first(await check_spam(sample, (config and config.checks.spamd) or SPAMD)))


async def _release(request: Request) -> Response:
    """The question and its `confirm`; with that given back, send, and say what the relay said of each address."""
    row, data = await find_raw(request)
    body = await read_json(request)
    config, relays = _relays(inbox_of(request))
    wanted = strings(body, "to")
    if not 0 < len(wanted) <= MOST:
        raise HTTPException(400, f"to holds {len(wanted)} addresses; name one to {MOST}")
    mail_from = config.smtp.mail_from or split_mailbox(config.newsletter.author, "[newsletter] author")[1]
    envelopes = envelopes_of(data, mail_from, wanted)
    addresses = [envelope.rcpt_to for envelope in envelopes]
    confirm = _confirmation(data, addresses, relays)
    if not hmac.compare_digest(str(body.get("confirm", "")).encode(), confirm.encode()):
        question = f"Send “{row.subject or '(no subject)'}” to {', '.join(addresses)} through {relays[0].name}?"
        return JSONResponse({"question": question, "to": addresses, "relay": relays[0].name, "confirm": confirm})
    replies = await send_direct(envelopes, relays)
    sent = [{"email": address, "sent": reply.code // 100 == 2, "reply": str(reply)} for address, reply in replies]
    return JSONResponse({"released": sent}, 200 if all(one["sent"] for one in sent) else 502)


def _relays(here: InboxContext) -> tuple[Config, tuple[Relay, ...]]:
    """Raises HTTPException where there is none."""
    config = here.config
    if config is None or not can_release(here):
        raise HTTPException(409, "there is no relay to release it through; set [smtp] url in newsletter.toml")
    try:
        return config, configured_relays(config)
    except NewsletterError as error:
        raise HTTPException(409, str(error)) from None


def _confirmation(data: bytes, addresses: Sequence[str], relays: Sequence[Relay]) -> str:
    """What says that this message, these addresses and these relays were asked about."""
    asked = "\0".join([hashlib.sha256(data).hexdigest(), *addresses, *(relay.name for relay in relays)])
    return hmac.new(_KEY, asked.encode(), hashlib.sha256).hexdigest()
