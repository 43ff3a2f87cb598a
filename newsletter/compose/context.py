"""What a template may mention about the post, its site and the newsletter: plain values, computed once an issue.

The names are those of docs/explanation/architecture.md. Links and images are absolute, texts are text, `content` alone
is HTML.
"""

import math
import re
from collections.abc import Mapping
from datetime import date
from pathlib import PurePath
from typing import Any

from newsletter.compose.long_date import long_date
from newsletter.compose.text.words import first_words, reading_minutes, words_of
from newsletter.config.settings import Config
from newsletter.errors import NewsletterError
from newsletter.site.page import Page
from newsletter.site.post import Post
from newsletter.site.site import Site

_RIGHT_TO_LEFT = frozenset(
    {"ar", "arc", "ckb", "dv", "fa", "he", "iw", "ks", "ku", "nqo", "ps", "sd", "syr", "ug", "ur", "yi"}
)
_COLOUR = re.compile(r"#[0-9A-Fa-f]{3}(?:[0-9A-Fa-f]{3})?\Z")


def post_context(page: Page) -> dict[str, Any]:
    """`post` in templates, but for `content` and `body_context`. Other front matter is there as written."""
    post = page.post
    return {
        **{str(key): value for key, value in post.front_matter.items()},
        "title": post.title,
        "subtitle": post.subtitle,
        "date": post.date,
        "date_text": long_date(post.date, page.language) if post.date else "",
        "author": {"name": page.author.name, "picture": page.author.picture},
        "image": page.image,
        "image_alt": _image_alt(post),
        "url": page.url,
        "categories": list(post.categories),
        "tags": list(post.tags),
        "slug": post.slug,
    }


def body_context(post: Post, body: str) -> dict[str, Any]:
    """What `post` in templates has of its body, which is HTML: `summary` and `reading_minutes`."""
    summary = post.text_field("description", "summary") or post.subtitle or first_words(words_of(body, headings=False))
    return {"summary": summary, "reading_minutes": reading_minutes(words_of(body))}


def preheader_of_post(post: Post, body: str) -> str:
    """What inboxes show behind the subject: the author's words for it, else the post's first ones."""
    return post.text_field("preheader", "description") or post.subtitle or first_words(words_of(body, headings=False))


def newsletter_context(page: Page, config: Config, name: str) -> dict[str, Any]:
    """`newsletter` in templates; the post's front matter may set color, background, logo and font for its issue.

    `name` is the author's. Raises NewsletterError for a colour that is none.
    """
    own = config.newsletter
    style = {key: page.post.text_field(key) or getattr(own, key) for key in ("color", "background", "logo", "font")}
    for key in ("color", "background"):
        if not _COLOUR.match(style[key]):
            raise NewsletterError(f"{key}: {style[key][:40]!r} is not a colour such as #0b5cad", path=page.post.path)
    return {
        "title": page.site.title or own.title or name,
        "author": own.author,
        "author_name": name,
        "url": page.site.url,
        "postal_address": own.postal_address,
        "language": page.language,
        "dir": "rtl" if re.split("[-_]", page.language.lower())[0] in _RIGHT_TO_LEFT else "ltr",
        "reason": own.reason,
        "extra": own.extra,
        **style,
        "logo": page.absolute(style["logo"], of_site=True) if style["logo"] else "",
        "unsubscribe": bool(config.unsubscribe.url or config.unsubscribe.mailto),
        "preferences": bool(config.unsubscribe.url),
    }


def site_context(site: Site) -> dict[str, Any]:
    """`site` in templates: what its own configuration says, and its title and address."""
    return {**{str(key): value for key, value in site.config.items()}, "title": site.title, "url": site.url}


def replace_surrogates(text: str) -> str:
    """`text` as UTF-8 can have it: lone surrogates, which YAML's escapes can make, become question marks."""
    return text.encode("utf-8", "replace").decode()


def json_value(value: Any, depth: int = 8) -> Any:
    """`value` as JSON has it: dates as ISO 8601, what has no form in JSON left out."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return replace_surrogates(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, PurePath):
        return value.as_posix()
    if isinstance(value, Mapping):
        return {str(key): json_value(item, depth - 1) for key, item in value.items()} if depth else {}
    if isinstance(value, (list, tuple)):
        return [json_value(item, depth - 1) for item in value] if depth else []
    return None


def _image_alt(post: Post) -> str:
    image = post.front_matter.get("image")
    if isinstance(image, Mapping) and isinstance(image.get("alt"), str):
        return " ".join(image["alt"].split())
    return post.text_field("image_alt", "image-alt", "alt")
