"""A digest: one issue of several posts, each with its picture, its summary and where it goes on.

It is composed like any issue, through the template `digest`, from a page that stands for them all: no file holds it. A
post without an address on the web has nowhere to go on, so a digest holds it whole. Personalized posts go out alone.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from newsletter.compose.body import render_body
from newsletter.compose.context import body_context, json_value, post_context
from newsletter.config.settings import Config
from newsletter.errors import NewsletterError
from newsletter.site.dates import aware
from newsletter.site.load import newsletter_zone
from newsletter.site.page import Page
from newsletter.site.paths import shown_path
from newsletter.site.post import Post
from newsletter.site.site import Author, Site

LAYOUT = "digest"
_SUBJECT = 70
"""Characters of a subject, after which titles are counted rather than named."""


def digest_page(pages: Sequence[Page], site: Site, config: Config, name: str, day: datetime) -> Page:
    """The page that stands for `pages` in the issue `name`, of `day` (aware). Raises NewsletterError."""
    if not pages:
        raise NewsletterError("a digest needs a post; none is due")
    for page in pages:
        if page.post.personalize:
            what = "is personalized, which a digest is not; send it alone"
            raise NewsletterError(what, path=page.post.path)
    zone = newsletter_zone(config, site)
    post = Post(
        path=config.root / name,
        slug=name,
        title=_subject([page.post.title for page in pages]),
        subtitle="",
        date=day,
        author="",
        image="",
        layout=LAYOUT,
        categories=(),
        tags=(),
        draft=False,
        personalize=False,
        excerpt=False,
        front_matter={},
        body="",
        body_line=1,
        send_before=min((aware(each, zone) for page in pages if (each := page.post.send_before)), default=None),
    )
    return Page(
        post=post, site=site, file=PurePosixPath(name), layers=(), defaults={}, path="", url="",
        author=Author(site.default_author), image="", language=site.language or "en",
    )  # fmt: skip


def digest_posts(pages: Sequence[Page], config: Config) -> list[dict[str, Any]]:
    """`digest.posts` in templates: each post as `post` is, with its `content` (HTML) and its `path`.

    A site's default picture would stand beside every post, so a post has its own picture or none.
    """
    made = []
    for page in pages:
        body = render_body(page)
        own = {
            "image": page.image if page.post.image else "",
            "path": shown_path(page.post.path, config.root),
            "content": body,
        }
        made.append({**post_context(page), **body_context(page.post, body), **own})
    return made


def without_content(posts: Sequence[dict[str, Any]]) -> Any:
    """`digest.posts` as the frozen issue keeps them."""
    return json_value([{key: value for key, value in post.items() if key != "content"} for post in posts])


def _subject(titles: Sequence[str]) -> str:
    """`Oaks · Rivers · +2`: as many titles as one reads in a list of mails."""
    shown = " ".join(titles[0].split())
    for number, title in enumerate(titles[1:], 1):
        longer = f"{shown} · {' '.join(title.split())}"
        if len(longer) > _SUBJECT:
            return f"{shown} · +{len(titles) - number}"
        shown = longer
    return shown
