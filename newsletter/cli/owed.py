"""Send the mails that a command owes to single people; what no relay takes waits for the next run, or `serve`."""

from typing import TYPE_CHECKING

from newsletter.cli.console import note, plural
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.config.settings import Config


def send_owed(config: "Config", kind: str = "confirmation mail") -> None:
    """Send what is due, and say how many went; a relay that is missing or away is no error of the command's."""
    from newsletter.cli.loop import run_async
    from newsletter.delivery.notices import send_due
    from newsletter.smtp.relay import configured_relays
    from newsletter.web.public.context import Public
    from newsletter.web.public.mails import Mails

    public = Public.read(config)
    try:
        relays = configured_relays(config)
    except NewsletterError as error:
        note(f"no mail can be sent: {error}; the mails that are due wait")
        return
    sent = run_async(send_due(public.engine, relays, Mails(public).envelope))
    note(f"{plural(sent.sent, kind)} sent" + (f", {sent.failed:,} refused" if sent.failed else ""))
    if sent.waiting:
        why = f": {sent.trouble}" if sent.trouble else ""
        note(f"{sent.waiting:,} wait for the next run, or for `newsletter serve`{why}")
