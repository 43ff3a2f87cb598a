"""The beginning of a post: what goes out of one that says `excerpt: true`, and what Jekyll calls a post's excerpt."""

import re

from newsletter.compose.markdown.convert import render_markdown
from newsletter.site.page import Page
from newsletter.site.post import Post

_MORE = re.compile(r"^[ \t]*<!--[ \t]*more[ \t]*-->[ \t]*$", re.MULTILINE | re.IGNORECASE)
_DEFINITION = re.compile(r"^ {0,3}\[[^\]\n]+\]:[^\n]*(?:\n(?: {4}|\t)[^\n]*)*", re.MULTILINE)


def excerpt(post: Post, source: str | None = None) -> str:
    """The body up to `<!--more-->`, with the definitions of links and footnotes that stand after it.

    The whole body where there is no such line, or where the front matter doesn't say `excerpt: true`. `source` stands
    for the body where it was worked on before.
    """
    body = post.body if source is None else source
    if not post.excerpt:
        return body
    separator = post.front_matter.get("excerpt_separator")
    mark = re.compile(re.escape(separator)) if isinstance(separator, str) and separator.strip() else _MORE
    match = mark.search(body)
    if match is None:
        return body
    definitions = _DEFINITION.findall(body, match.end())
    return body[: match.start()].rstrip() + "\n" + ("\n" + "\n".join(definitions) + "\n" if definitions else "")


def excerpt_of(page: Page) -> str:
    """The first paragraph, or what stands before `<!--more-->`, as HTML: what Jekyll calls a post's excerpt."""
    body = page.post.body
    more = _MORE.search(body)
    text = body[: more.start()] if more else body.strip().split("\n\n", 1)[0]
    return render_markdown(re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", text), page)
