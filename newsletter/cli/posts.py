"""From what was typed to a post, and to its issue."""

import contextlib
import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.cli.console import short_path
from newsletter.errors import NewsletterError
from newsletter.site.slug import split_name

if TYPE_CHECKING:
    from newsletter.compose.composer import Composed
    from newsletter.config.settings import Config
    from newsletter.site.site import Site


def find_post(config: "Config", site: "Site", typed: str) -> Path:
    """The post that `typed` names: a Markdown file, a folder with an index.md, or the slug of one of the posts."""
    from newsletter.site.discover import find_posts
    from newsletter.site.jekyll import POSTS

    for place in (typed, os.path.join(config.root, typed)):
        for file in (place, os.path.join(place, "index.md"), os.path.join(place, "index.html")):
            if os.path.exists(file) and not os.path.isdir(file):
                if Path(file).suffix.lower() not in POSTS:
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


def find_issue(config: "Config", typed: str) -> str:
    """The id of the issue that is meant: an id, or a post by its file or slug."""
    from newsletter.delivery.ledger.posts import issue_of
    from newsletter.state import database_of

    path = Path(typed)
    stem = path.parent.name if path.stem == "index" else path.stem
    names = [os.path.relpath(typed, config.root), split_name(stem)[1]]
    if path.is_dir():
        names += [f"{names[0]}/index.md", f"{names[0]}/index.html"]
    return issue_of(database_of(config), typed, [name.replace(os.sep, "/") for name in names])


def compose_post(config: "Config", typed: str, again: str | None = None) -> "Composed":
    """Read and compose the post that `typed` names; `again` names a second issue of it."""
    from newsletter.api import compose, of_config

    letter = of_config(config)
    return compose(letter, find_post(config, letter.composer.site, typed).absolute(), again=again)
