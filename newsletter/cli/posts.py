"""From what was typed to an issue: find the post, read it, compose it."""

import contextlib
import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.cli.console import short_path
from newsletter.errors import NewsletterError
from newsletter.site.slug import split_name

if TYPE_CHECKING:
    from newsletter.audience.csv.reader import SubscriberList
    from newsletter.audience.subscriber import Subscriber
    from newsletter.compose.issue import Issue
    from newsletter.compose.message.writer import MessageWriter
    from newsletter.config.settings import Config
    from newsletter.site.post import Post
    from newsletter.site.site import Site

_NAME = re.compile(r"[^\W_][\w.-]{0,99}\Z")


@dataclass(frozen=True)
class Composed:
    """A post, and the issue that it became."""

    config: "Config"
    site: "Site"
    post: "Post"
    issue: "Issue"

    @classmethod
    def of(cls, config: "Config", site: "Site", post: "Post", issue_id: str | None = None) -> "Composed":
        """Compose a post that was read."""
        from newsletter.compose.issue import compose

        if issue_id is not None and not _NAME.match(issue_id):
            what = f"--again {issue_id[:80]!r} is no name; use letters, digits and hyphens, such as hello-2"
            raise NewsletterError(what)
        return cls(config, site, post, compose(post, site, config, issue_id=issue_id))

    def writer(self, columns: tuple[str, ...] | None = None) -> "MessageWriter":
        """What turns the issue into messages; `columns` are those of the list, to refuse a slot that has none."""
        from newsletter.audience.token import load_secret
        from newsletter.compose.message.writer import MessageWriter

        return MessageWriter(self.issue, load_secret(self.config), columns=columns)


def find_post(config: "Config", site: "Site", typed: str) -> Path:
    """The post that `typed` names: a Markdown file, a folder with an index.md, or the slug of one of the posts."""
    from newsletter.site.discover import find_posts
    from newsletter.site.jekyll import MARKDOWN

    for place in (typed, os.path.join(config.root, typed)):
        for file in (place, os.path.join(place, "index.md")):
            if os.path.exists(file) and not os.path.isdir(file):
                if Path(file).suffix.lower() not in MARKDOWN:
                    raise NewsletterError("is no Markdown file; name a post, such as posts/hello.md", path=file)
                return Path(file)
    posts = find_posts(config, site)
    slugs = {post: split_name(post.parent.name if post.stem == "index" else post.stem)[1] for post in posts}
    named = [post for post in posts if typed in (post.stem, slugs[post])]
    named = named or [post for post in posts if typed == _slug_within(post)]
    if len(named) == 1:
        return named[0]
    if len(named) > 1:
        paths = ", ".join(short_path(str(post)) for post in named[:5])
        raise NewsletterError(f"{typed!r} is {len(named)} posts; name one by its file: {paths}")
    if typed and os.path.isdir(typed):
        raise NewsletterError("is a folder; name a Markdown file in it", path=typed)
    near = difflib.get_close_matches(typed, slugs.values(), n=1)
    hint = "make one with `newsletter new TITLE`"
    if near:
        hint = f"did you mean {near[0]!r}?"
    elif posts:
        hint = f"the newest is {short_path(str(posts[0]))}"
    raise NewsletterError(f"no post {typed!r}; {hint}")


def _slug_within(post: Path) -> str:
    """The slug in the post's front matter, or of its name; empty for a post that can't be read."""
    from newsletter.site.post import read_post

    with contextlib.suppress(NewsletterError):
        return read_post(post).slug
    return ""


def read(config: "Config", typed: str) -> "tuple[Site, Post]":
    """The site, and the post that `typed` names, read."""
    from newsletter.site.post import read_post
    from newsletter.site.site import load_site

    site = load_site(config)
    return site, read_post(find_post(config, site, typed).absolute(), site.timezone)


def compose_post(config: "Config", typed: str, issue_id: str | None = None) -> Composed:
    """Read and compose the post that `typed` names."""
    return Composed.of(config, *read(config, typed), issue_id)


def open_list(config: "Config") -> "SubscriberList":
    """The newsletter's list of subscribers."""
    from newsletter.audience.csv.reader import read_csv

    if config.subscribers.source == "database":
        what = '[subscribers] source = "database" is not there yet; name a CSV file'
        raise NewsletterError(what, **config.where("subscribers", "source"))
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
