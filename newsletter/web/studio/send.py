"""Send one real message to one address through the configured relay, as `send --to` does.

It is no delivery: nothing is recorded, and the address need not be a subscriber's. The message is the one that is
looked at, with another address; the conversation with the relay is `delivery.direct`'s.
"""

from dataclasses import replace

from newsletter.audience.address import normalize_address
from newsletter.audience.token import load_secret
from newsletter.compose.message.writer import MessageWriter
from newsletter.delivery.direct import send_direct
from newsletter.errors import NewsletterError
from newsletter.smtp.relay import configured_relays
from newsletter.web.studio.renderer import RenderedMessage


async def send_to(rendered: RenderedMessage, address: str) -> str:
    """Send the message to `address`; what happened, in words.

    Raises NewsletterError for what is no address, and with the relay's words where it did not take the message.
    """
    try:
        normal = normalize_address(address)
    except ValueError as error:
        raise NewsletterError(f"{error}; give an address such as you@example.org") from None
    config = rendered.config
    writer = MessageWriter(rendered.issue, load_secret(config), columns=rendered.columns)
    envelope = writer.envelope(replace(rendered.subscriber, email=normal))
    (_, reply), *_ = await send_direct([envelope], configured_relays(config))
    if reply.code // 100 != 2:
        said = f"{reply.code} {reply.status} {reply.text}" if reply.code else reply.text
        raise NewsletterError(f"not sent to {normal}: {' '.join(said.split())}; look at [smtp] url and the address")
    return f"Sent to {normal}; the relay said: {reply.code} {' '.join(reply.text.split())[:160]}"
