"""`send --to`: the real message through the real relay, to addresses that need not be subscribers. Records nothing."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from newsletter.cli.console import note, say, say_json
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.audience.subscriber import Subscriber
    from newsletter.cli.posts import Composed
    from newsletter.smtp.relay import Relay


async def send_to(composed: "Composed", addresses: Sequence[str], relays: "Sequence[Relay]", *, as_json: bool) -> int:
    """Send to each address, as the subscriber of that address or else as the list's first gets it; the exit code."""
    from newsletter.audience.address import address_key
    from newsletter.cli.posts import one_subscriber
    from newsletter.delivery.direct import send_direct

    first, columns = one_subscriber(composed.config, None)
    wanted = list({address_key(address): address for address in map(_address, addresses)}.values())
    known = _known(composed, {address_key(address) for address in wanted})
    writer = composed.writer(columns)
    envelopes = [
        writer.envelope(known.get(address_key(address)) or replace(first, email=address, name="")) for address in wanted
    ]
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


def _address(text: str) -> str:
    from newsletter.audience.address import normalize_address

    try:
        return normalize_address(text)
    except ValueError as error:
        raise NewsletterError(f"--to: {error}; give an address such as you@example.org") from None


def _known(composed: "Composed", keys: set[str]) -> "dict[str, Subscriber]":
    """Those of `keys` who are on the list."""
    from newsletter.audience.address import address_key
    from newsletter.audience.subscriber import Subscriber
    from newsletter.cli.posts import open_list

    config = composed.config
    if not (config.root / config.subscribers.source).exists():
        return {}
    rows = (row for _, row in open_list(config) if isinstance(row, Subscriber))
    return {address_key(row.email): row for row in rows if address_key(row.email) in keys}


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
        "seconds": round(seconds, 3),
        "rate": round(sent / seconds, 1) if seconds else 0.0,
        "inbox": None,
    }
