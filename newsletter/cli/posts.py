"""From what was typed to an issue: find the post, read it, compose it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.audience.csvfile import SubscriberList
    from newsletter.audience.subscriber import Subscriber
    from newsletter.compose.issue import Issue
    from newsletter.compose.message import MessageWriter
    from newsletter.compose.post import Post
    from newsletter.compose.site import Site
    from newsletter.config import Config


@dataclass(frozen=True)
class Composed:
    """A post, and the issue that it became."""

    config: "Config"
    site: "Site"
    post: "Post"
    issue: "Issue"

    def writer(self, columns: tuple[str, ...] | None = None) -> "MessageWriter":
        """What turns the issue into messages; `columns` are those of the list, to refuse a slot that has none."""
        from newsletter.audience.token import load_secret
        from newsletter.compose.message import MessageWriter

        return MessageWriter(self.issue, load_secret(self.config), columns=columns)


def find_post(config: "Config", site: "Site", typed: str) -> Path:
    """The post that `typed` names: a path, or the slug of one of the newsletter's posts."""
    path = Path(typed)
    for candidate in (path, config.root / path):
        if candidate.exists():
            return candidate
    from newsletter.compose.detect import find_posts

    posts = find_posts(config, site)
    named = [post for post in posts if post.stem == typed or post.stem.endswith("-" + typed)]
    if len(named) == 1:
        return named[0]
    if len(named) > 1:
        raise NewsletterError(f"{typed!r} is {len(named)} posts; name one: {', '.join(map(str, named[:5]))}")
    newest = f"; the newest is {posts[0]}" if posts else "; make one with `newsletter new TITLE`"
    raise NewsletterError(f"no such post{newest}", path=typed)


def compose_post(config: "Config", typed: str, issue_id: str | None = None) -> Composed:
    """Read and compose the post that `typed` names."""
    from newsletter.compose.issue import compose
    from newsletter.compose.post import read_post
    from newsletter.compose.site import load_site

    site = load_site(config)
    post = read_post(find_post(config, site, typed).absolute(), site.timezone)
    return Composed(config, site, post, compose(post, site, config, issue_id=issue_id))


def open_list(config: "Config") -> "SubscriberList":
    """The newsletter's list of subscribers."""
    from newsletter.audience.csvfile import read_csv

    if config.subscribers.source == "database":
        raise NewsletterError('[subscribers] source = "database" is not there yet; name a CSV file', path=config.path)
    return read_csv(config.root / config.subscribers.source)


def one_subscriber(config: "Config", email: str | None) -> "tuple[Subscriber, tuple[str, ...] | None]":
    """The subscriber to render for, and the columns of the list: the one with `email`, else the first.

    Without a list, a made-up one.
    """
    from newsletter.audience.address import address_key
    from newsletter.audience.subscriber import Subscriber

    if email is None and not (config.root / config.subscribers.source).exists():
        return Subscriber("reader@example.org", "A Reader"), None
    subscribers = open_list(config)
    wanted = address_key(email.strip()) if email else None
    for _, row in subscribers:
        if isinstance(row, Subscriber) and wanted in {None, address_key(row.email)}:
            return row, subscribers.columns
    if email is None:
        return Subscriber("reader@example.org", "A Reader", dict.fromkeys(subscribers.columns, "")), subscribers.columns
    raise NewsletterError(f"{email} is not on the list; name one that is, or leave --for out", path=subscribers.path)
