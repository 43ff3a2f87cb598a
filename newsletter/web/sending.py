"""Send one real message to one address through the configured relay, as `send --to` does.

It is no delivery: nothing is recorded, and the address need not be a subscriber's. The conversation with the relay is
the delivery room's.
"""

from newsletter.web.rendering import RenderedMessage


async def send_to(rendered: RenderedMessage, address: str) -> str:
    """Send the message to `address`; what the relay said. Raises NewsletterError where it was not taken."""
    raise NotImplementedError
