"""Stage one: a post becomes an issue.

Markdown to HTML, through the template, CSS inlined, the text part beside it, slots cut out. Pure but for reading
templates: no network, no clock. What a template may mention is in `context`; how slots come about in `templating`; this
module puts them in order. Who composes enters by `composer`.
"""

import functools
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup, escape

from newsletter.audience.address import ascii_domain, split_mailbox
from newsletter.compose.body import render_body
from newsletter.compose.context import (
    body_context,
    json_value,
    newsletter_context,
    post_context,
    preheader_of_post,
    replace_surrogates,
    site_context,
)
from newsletter.compose.deadline import deadline, reach
from newsletter.compose.digest import digest_posts, without_content
from newsletter.compose.html.embed import embed, way_of
from newsletter.compose.html.inline_css import inline_css
from newsletter.compose.issue import Issue, Piece
from newsletter.compose.templating.dynamic import TokenMarkup
from newsletter.compose.templating.environment import FOLDER, Rendering, Templates
from newsletter.compose.templating.personalize import set_apart, unwrap
from newsletter.compose.templating.slots import slots_of
from newsletter.compose.text.render import html_to_text
from newsletter.config.settings import Config
from newsletter.errors import NewsletterError
from newsletter.site.page import Page
from newsletter.site.paths import shown_path
from newsletter.site.post import Post

_LAYOUT = re.compile(r"[^\W_][\w-]*(?:[./][\w-]+)*\Z")
_TEXT_TEMPLATE = "post.txt"  # for layouts that have none of their own


def compose(page: Page, config: Config, *, issue_id: str | None = None, posts: Sequence[Page] = ()) -> Issue:
    """The issue of a post, rendered through its template, inlined, with slots where content depends on the reader.

    `issue_id` is the post's slug if not given; `posts` are those of a digest, for which `page` stands. Whether a post
    is a draft isn't asked here. Raises NewsletterError for what the author can mend: in the post, the template or
    newsletter.toml; and where it takes too long. Never touches the network.
    """
    with deadline(page.post):
        return _compose(page, config, issue_id, posts)


def _compose(page: Page, config: Config, issue_id: str | None, posts: Sequence[Page]) -> Issue:
    post = page.post
    name, address = _author(config)
    templates = Templates(config.root)
    layout = _layout(page, config, templates)
    id_ = issue_id or post.slug
    newsletter = newsletter_context(page, config, name)
    site = site_context(page.site)
    rendering = templates.start(f"{id_}\0{post.title}\0{post.body}", {"site": site, "newsletter": newsletter})
    slots = rendering.slots

    about = post_context(page)
    rendering.update(post={**about, **body_context(post, "")})
    title, subject = _title_and_subject(post, config, rendering)
    if post.personalize:
        written = rendering.source(post.body, shown_path(post.path, config.root), post.body_line)
        body = unwrap(render_body(page, set_apart(written, slots)), slots)
    else:
        body = render_body(page)
    about |= body_context(post, slots.sample(body))
    issue: dict[str, Any] = {
        "id": id_,
        "subject": slots.sample(subject),
        "date": about["date"],
        "date_text": about["date_text"],
        "preheader": replace_surrogates(preheader_of_post(post, slots.sample(body))),
    }

    several = digest_posts(posts, config)
    if several:
        issue["preheader"] = issue["preheader"] or several[0]["summary"]
    rendering.update(
        post={**about, "title": _marked(title, rendering), "content": Markup(body)},  # noqa: S704 (the author's own)
        digest={"posts": [{**each, "content": Markup(each["content"])} for each in several]},  # noqa: S704
        issue={**issue, "subject": _marked(subject, rendering)},
    )
    reach(f"the template {layout}.html")
    placed = slots.place(replace_surrogates(rendering.template(f"{layout}.html")))
    if not placed.strip():
        raise NewsletterError(
            "makes an empty mail; write {{ post.content }} in it", path=templates.path(f"{layout}.html")
        )
    reach("the CSS of its message")
    inlined = inline_css(placed, functools.partial(page.absolute, of_site=True))
    with config.naming("newsletter", "images"):
        way = way_of(page, config.newsletter.images)
        inlined, pictures = embed(inlined, page, way, address.rpartition("@")[2])
    html = slots.cut_html(placed, inlined)

    reach("its plain text")
    text_template = f"{layout}.txt" if templates.has(f"{layout}.txt") else _TEXT_TEMPLATE
    rendering.update(
        post={**about, "title": title, "content": html_to_text(body)},
        digest={"posts": [{**each, "content": html_to_text(each["content"])} for each in several]},
        issue={**issue, "subject": subject},
    )
    text = slots.cut(_normalize_lines(replace_surrogates(rendering.template(text_template))))
    subject = replace_surrogates(subject)
    pieces = (*slots.cut(subject), *html, *text)
    named = {"title": page.site.title, "url": page.site.url}

    return Issue(
        id=id_,
        post=shown_path(post.path, config.root),
        subject=slots.cut(subject),
        preheader=issue["preheader"],
        sender=config.newsletter.author,
        reply_to=config.newsletter.reply_to,
        mail_from=config.smtp.mail_from or address,
        verp=bool(config.smtp.mail_from) and config.smtp.verp,
        list_id=list_id(newsletter["title"], newsletter["url"], address),
        unsubscribe_url=config.unsubscribe.url,
        unsubscribe_mailto=config.unsubscribe.mailto,
        view_url=about["url"],
        language=newsletter["language"],
        html=html,
        text=text,
        pictures=pictures,
        context={
            "post": json_value(about),
            "newsletter": json_value(newsletter),
            "issue": json_value(issue),
            "site": json_value(site if _mention_site(pieces) else named),
            **({"digest": {"posts": without_content(several)}} if several else {}),
        },
    )


def list_id(title: str, url: str, address: str) -> str:
    """`title <host>` for List-Id (RFC 2919): ASCII, and the same for every issue."""
    host = urlsplit(url).hostname or address.rpartition("@")[2]
    host = ascii_domain(host)
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    plain = " ".join(re.sub(r"[^ -~]|[<>]", " ", plain).split())
    return f"{plain} <{host}>" if plain else f"<{host}>"


def _author(config: Config) -> tuple[str, str]:
    if not config.newsletter.author.strip():
        raise NewsletterError(
            'no author, and a mail needs a sender; set [newsletter] author = "Ada Moreau <ada@example.org>"',
            path=config.path,
        )
    if config.newsletter.reply_to:
        with config.naming("newsletter", "reply_to"):
            split_mailbox(config.newsletter.reply_to, "[newsletter] reply_to")
    with config.naming("newsletter", "author"):
        return split_mailbox(config.newsletter.author, "[newsletter] author")


def template_of(page: Page, config: Config) -> Path | None:
    """The file of the template that `compose` renders the post with."""
    templates = Templates(config.root)
    return templates.path(f"{_layout(page, config, templates)}.html")


def _layout(page: Page, config: Config, templates: Templates) -> str:
    """The template's name: the post's layout; where that is its blog's own, as in Jekyll, the newsletter's."""
    post, own = page.post, config.newsletter.layout
    line = _line_of(post, "layout")
    if post.layout and not _LAYOUT.match(post.layout):
        raise NewsletterError(
            f"layout {post.layout[:80]!r} is no template's name; known: {', '.join(templates.layouts())}",
            path=post.path,
            line=line,
        )
    if post.layout and templates.has(f"{post.layout}.html"):
        return post.layout
    if post.layout and page.site.kind == "plain":
        raise NewsletterError(
            f"no template {post.layout!r}; known: {', '.join(templates.layouts())}; or write it in {FOLDER}/",
            path=post.path,
            line=line,
        )
    if not _LAYOUT.match(own) or not templates.has(f"{own}.html"):
        raise NewsletterError(
            f"[newsletter] layout: no template {own[:80]!r}; known: {', '.join(templates.layouts())}",
            **config.where("newsletter", "layout"),
        )
    return own


def _title_and_subject(post: Post, config: Config, rendering: Rendering) -> tuple[str, str]:
    """Title and subject as one line of text each; with `personalize: true` they may hold slots."""
    written = post.text_field("subject")
    title, subject = " ".join(post.title.split()), written or " ".join(post.title.split())
    if post.personalize:
        path = shown_path(post.path, config.root)
        title_line, subject_line = _line_of(post, "title") or 1, _line_of(post, "subject") or 1
        title = rendering.source(title, path, title_line)
        subject = rendering.source(subject, path, subject_line) if written else title
    return title, subject


def _marked(text: str, rendering: Rendering) -> str:
    """Text for a template of HTML; with slots in it, it can only be written out."""
    return TokenMarkup(escape(text)) if rendering.slots.holds(text) else text


def _line_of(post: Post, key: str) -> int | None:
    """The line of the file on which the front matter sets `key`; None where it can't be told."""
    try:
        lines = post.path.read_text(encoding="utf-8-sig", errors="replace").splitlines()[: post.body_line - 1]
    except OSError:
        return None
    pattern = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[:=]")
    return next((number for number, line in enumerate(lines, 1) if pattern.match(line)), None)


def _mention_site(pieces: tuple[Piece, ...]) -> bool:
    return any(re.search(r"\bsite\b", slot.source) for slot in slots_of(pieces))


def _normalize_lines(text: str) -> str:
    """A text part as it is sent: no blanks at line ends but the signature's, at most two empty lines in a row."""
    lines = [line if line == "-- " else line.rstrip() for line in text.splitlines()]
    return re.sub(r"\n{4,}", "\n\n\n", "\n".join(lines)).strip("\n") + "\n"
