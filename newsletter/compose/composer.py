"""The front door of composing: from config and post to issue and messages.

`send`, its dry run, `--to`, `render`, `check`, the studio and whoever delivers a frozen issue enter here, so that they
cannot differ. Importing this costs nothing: what composing loads (premailer, lxml, markdown) comes with the first post.
Whom a message is rendered for is `audience.source`'s business.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.audience.token import load_secret
from newsletter.compose.issue import Issue
from newsletter.config.settings import Config
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.compose.message.writer import MessageWriter
    from newsletter.site.page import Page
    from newsletter.site.site import Site

_NAME = re.compile(r"[^\W_][\w.-]{0,99}\Z")


@dataclass(frozen=True, eq=False)
class Composed:
    """A post, and the issue that it became."""

    config: Config
    page: "Page"
    issue: Issue

    @cached_property
    def template(self) -> Path | None:
        """The file of the template that it was rendered with."""
        from newsletter.compose.pipeline import template_of

        return template_of(self.page, self.config)

    @property
    def send_before(self) -> datetime | None:
        """Nobody is to get it after that; where the post names no offset, by the newsletter's clocks."""
        from newsletter.site.dates import aware
        from newsletter.site.load import newsletter_zone

        written = self.page.post.send_before
        return aware(written, newsletter_zone(self.config, self.page.site)) if written is not None else None

    def message(self, email: str | None = None) -> bytes:
        """The message that the subscriber `email` gets, by default the first, as it goes over the wire."""
        from newsletter.audience.source import one_subscriber

        subscriber, columns = one_subscriber(self.config, email)
        return self.writer(columns).envelope(subscriber).message

    def writer(self, columns: Collection[str] | None = None) -> "MessageWriter":
        """What turns the issue into messages; see `issue_writer`."""
        return issue_writer(self.config, self.issue, columns)


class Composer:
    """Composes the posts of one newsletter. Its site is read once."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @cached_property
    def site(self) -> "Site":
        """The site that the posts live in. Raises NewsletterError where its configuration is broken."""
        from newsletter.site.load import load_site

        return load_site(self.config)

    def read(self, path: Path) -> "Page":
        """The post at `path`, resolved against its site. Raises NewsletterError for one that can't be read."""
        from newsletter.site.page import read_page

        return read_page(path.absolute(), self.site)

    def compose(self, page: "Page", again: str | None = None) -> Composed:
        """The issue of a post that was read; `again` names a second issue of the same post.

        Raises NewsletterError for what the author can mend: in the post, the template or newsletter.toml.
        """
        from newsletter.compose.pipeline import compose

        if again is not None and not _NAME.match(again):
            what = f"--again {again[:80]!r} is no name; use letters, digits and hyphens, such as hello-2"
            raise NewsletterError(what)
        return Composed(self.config, page, compose(page, self.config, issue_id=again))

    def compose_digest(self, pages: Sequence["Page"], name: str, day: datetime) -> Composed:
        """The issue `name` of several posts that were read, dated `day`. Raises NewsletterError as `compose` does."""
        from newsletter.compose.digest import digest_page
        from newsletter.compose.pipeline import compose

        page = digest_page(pages, self.site, self.config, name, day)
        return Composed(self.config, page, compose(page, self.config, issue_id=name, posts=pages))


def issue_writer(config: Config, issue: Issue, columns: Collection[str] | None = None) -> "MessageWriter":
    """What turns an issue, fresh or frozen, into messages.

    `columns` are those of the list, where there is one, so that a slot that has none is refused at once. Raises
    NewsletterError also for a key of `[dkim]` that can't be used.
    """
    from newsletter.compose.message.dkim_key import load_keys
    from newsletter.compose.message.writer import MessageWriter

    return MessageWriter(issue, load_secret(config, to_look=True), columns=columns, keys=load_keys(config))
