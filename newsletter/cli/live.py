"""`send --when-live`: wait until the web shows the post, so that no mail leads to a page that is not there yet.

Live is: the page answers with 2xx and has the words of the post's title, and every picture of the message answers. How
one asks is `checks.live`'s business.
"""

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from newsletter.cli.console import human_seconds, note, say
from newsletter.errors import NewsletterError, TryAgainLater

if TYPE_CHECKING:
    from newsletter.compose.issue import Issue
    from newsletter.config.settings import Config

_PAUSE = 10.0
"""Seconds between two looks; the first ones follow faster."""


class NotLive(TryAgainLater):
    """The web does not show the post yet."""


async def wait_live(config: "Config", issue: "Issue", stop: asyncio.Event, *, quiet: bool) -> bool:
    """Wait until the post of `issue` is live; False if stopped before.

    Raises NotLive where it is not in the time of `[posts] live_wait`, and NewsletterError for one without an address.
    """
    from newsletter.checks.live import why_not_live
    from newsletter.delivery.pace import parse_duration

    with config.naming("posts", "live_wait"):
        patience = parse_duration(config.posts.live_wait, "[posts] live_wait")
    if not issue.view_url and not issue.context.get("digest"):
        raise NewsletterError("--when-live: the post has no address on the web; set [newsletter] url", path=issue.post)
    deadline, pause, told = time.monotonic() + patience, 1.0, ""
    while (why := await why_not_live(issue)) is not None:
        if why != told and not quiet:
            (say if not told else note)(f"waiting, {human_seconds(patience)} at most: {why}; Ctrl-C stops")
        told = why
        left = deadline - time.monotonic()
        if left <= 0:
            raise NotLive(
                f"is not on the web yet, after {human_seconds(patience)}: {why}; nothing was sent", path=issue.post
            )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), min(pause, left))
        if stop.is_set():
            return False
        pause = min(pause * 2, _PAUSE)
    return True
