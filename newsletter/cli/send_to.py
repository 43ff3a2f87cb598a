"""`send --to`: the real message through the real relay, to addresses that need not be subscribers. Records nothing."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from newsletter.cli.console import note, say, say_json

if TYPE_CHECKING:
    from newsletter.compose.composer import Composed
    from newsletter.smtp.relay import Relay


async def send_to(composed: "Composed", addresses: Sequence[str], relays: "Sequence[Relay]", *, as_json: bool) -> int:
    """Send to each address; the exit code. As whom each is written to: `audience.source.addressees`."""
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
