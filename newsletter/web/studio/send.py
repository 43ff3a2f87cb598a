"""Send the message that is looked at to one address through the configured relay, as `send --to` does.

It is no delivery: nothing is recorded, and the address need not be a subscriber's. As whom the address is written to
is `audience.source`'s business; the conversation with the relay is `delivery.direct`'s.
"""

import asyncio

from newsletter.delivery.direct import envelopes_to, send_direct
from newsletter.errors import NewsletterError
from newsletter.smtp.relay import configured_relays
from newsletter.web.studio.renderer import RenderedMessage


async def send_rendered(rendered: RenderedMessage, address: str) -> str:
    """Send the message to `address`; what happened, in words.

    Raises NewsletterError for what is no address, and with the relay's words where it did not take the message.
    """
    viewed = rendered.subscriber if rendered.chosen else None
    envelopes = await asyncio.to_thread(envelopes_to, rendered.composed, rendered.rows, [address], viewed=viewed)
    ((normal, reply),) = await send_direct(envelopes, configured_relays(rendered.config))
    if reply.code // 100 != 2:
        words = f"{reply.code} {reply.status} {reply.text}" if reply.code else reply.text
        raise NewsletterError(f"not sent to {normal}: {' '.join(words.split())}; look at [smtp] url and the address")
    return f"Sent to {normal}; the relay said: {reply.code} {' '.join(reply.text.split())[:160]}"
