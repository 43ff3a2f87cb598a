"""Is a post on the web: does its page answer with the words of its title, and do the message's pictures answer?

The page is asked wherever it is, because its address is the newsletter's own; pictures on other hosts as `link_status`
asks them, at public addresses alone.
"""

import html
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from newsletter.checks.public_address import Address, is_public
from newsletter.checks.rules.link_status import fetch_text, link_status
from newsletter.compose.issue import Issue

_IMAGE = re.compile(r"""<img\b[^>]*?\ssrc=(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_TAG = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_WORD = re.compile(r"\w+")


async def why_not_live(issue: Issue) -> str | None:
    """What is missing, in words; None where the post, or each post of a digest, is on the web as the mail needs it."""
    pages = issue.context.get("digest", {}).get("posts") or [
        {"url": issue.view_url, "title": issue.context["post"]["title"]}
    ]
    own = {urlsplit(page["url"]).hostname for page in pages if page["url"]}
    for page in pages:
        if page["url"] and (why := await _why_no_page(page["url"], page["title"])):
            return why
    for url in _pictures(issue):
        status = await link_status(url, _anywhere if urlsplit(url).hostname in own else is_public)
        if status.code is None or not 200 <= status.code < 300:
            return f"{url} {status.reason or f'answers {status.code}'}"
    return None


async def _why_no_page(url: str, title: str) -> str | None:
    status, text = await fetch_text(url, _anywhere)
    if status.code is None or not 200 <= status.code < 300:
        return f"{url} {status.reason or f'answers {status.code}'}"
    if _words(title) not in _words(html.unescape(_TAG.sub(" ", text))):
        return f"{url} answers, without the title {title!r}"
    return None


def _words(text: str) -> str:
    return f" {' '.join(_WORD.findall(text.casefold()))} "


def _pictures(issue: Issue) -> Iterator[str]:
    text = "".join(piece for piece in issue.html if isinstance(piece, str))
    found = (html.unescape(double or single) for double, single in _IMAGE.findall(text))
    return iter(dict.fromkeys(url for url in found if re.match(r"https?://", url, re.IGNORECASE)))


def _anywhere(_address: Address) -> bool:
    return True
