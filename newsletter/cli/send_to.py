"""`send --to`: the real message through the real relay, to addresses that need not be subscribers. Records nothing."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from newsletter.cli.console import note, say, say_json

if TYPE_CHECKING:
    from newsletter.cli.send_options import Options
    from newsletter.compose.composer import Composed
    from newsletter.config.settings import Config
    from newsletter.smtp.relay import Relay


def send_to(config: "Config", options: "Options", addresses: Sequence[str]) -> int:
    """Send the post to each address; the exit code. As whom each is written to: `audience.source.addressees`.

    What a live send would stop at is said; placeholders go nowhere. Raises NewsletterError.
    """
    from newsletter.checks.obstacles import all_in_one, lacking, placeholders, unpublished, wrong
    from newsletter.checks.post import find_findings
    from newsletter.cli.check import foretell
    from newsletter.cli.loop import run_async
    from newsletter.cli.posts import compose_post
    from newsletter.smtp.relay import no_relay

    if not options.relays:
        raise no_relay(config)
    if samples := placeholders(config):
        raise all_in_one(samples, config)
    composed = compose_post(config, options.post, options.again)
    page = composed.page
    when = (options.at.moment if options.at else None) or datetime.now().astimezone()
    errors = wrong(run_async(find_findings(composed)), page)
    foretell([*lacking(config, has_relay=True), *unpublished(page, when), *errors])
    return run_async(_send(composed, addresses, options.relays, as_json=options.as_json))


async def _send(composed: "Composed", addresses: Sequence[str], relays: "Sequence[Relay]", *, as_json: bool) -> int:
    from newsletter.audience.source import find_list
    from newsletter.delivery.direct import envelopes_to, send_direct

    envelopes = envelopes_to(composed, find_list(composed.config), addresses, option="--to")
    began = time.monotonic()
    replies = await send_direct(envelopes, relays)
    seconds = time.monotonic() - began
    sent = sum(reply.code // 100 == 2 for _, reply in replies)
    unknown = sum(reply.code == 0 and reply.command == "." for _, reply in replies)
    if as_json:
        say_json(_as_json(composed, len(replies), sent, unknown, seconds))
    else:
        for address, reply in replies:
            what = "sent to" if reply.code // 100 == 2 else "not sent to"
            (say if reply.code // 100 == 2 else note)(f"{what} {address}: {reply}")
    return 0 if sent == len(replies) else 1


def _as_json(composed: "Composed", recipients: int, sent: int, unknown: int, seconds: float) -> dict[str, Any]:
    return {
        "issue": composed.issue.id,
        "post": composed.issue.post,
        "mode": "to",
        "recipients": recipients,
        "sent": sent,
        "deferred": 0,
        "failed": recipients - sent - unknown,
        "unknown": unknown,
        "pending": 0,
        "skipped": 0,
        "already_sent": 0,
        "rejected": [],
        "error": None,
        "seconds": round(seconds, 3),
        "rate": round(sent / seconds, 1) if seconds else 0.0,
        "inbox": None,
    }
