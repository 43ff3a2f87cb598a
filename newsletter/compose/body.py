"""The body of a post as HTML: excerpt, Liquid or shortcodes, Markdown, in this order.

This is what composing calls. A personalized post's Liquid is Jinja2's, evaluated before by `template`; it comes here as
`source`, with words in it that stand for a reader's values.
"""

import re

from newsletter.compose.markdown.convert import fit_for_mail, render_markdown
from newsletter.errors import NewsletterError
from newsletter.site.post import Post
from newsletter.site.site import Site

_MORE = re.compile(r"^[ \t]*<!--[ \t]*more[ \t]*-->[ \t]*$", re.MULTILINE | re.IGNORECASE)
_DEFINITION = re.compile(r"^ {0,3}\[[^\]\n]+\]:[^\n]*(?:\n(?: {4}|\t)[^\n]*)*", re.MULTILINE)
_HTML = frozenset({".html", ".htm"})
_FOREIGN = {
    ".textile": "Textile",
    ".rst": "reStructuredText",
    ".org": "Org",
    ".adoc": "AsciiDoc",
    ".asciidoc": "AsciiDoc",
}


def excerpt(post: Post, source: str | None = None) -> str:
    """The body up to `<!--more-->`, with the definitions of links and footnotes that stand after it.

    The whole body where there is no such line, or where the front matter doesn't say `excerpt: true`.
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


def excerpt_of(post: Post, site: Site) -> str:
    """The first paragraph, or what stands before `<!--more-->`, as HTML: what Jekyll calls a post's excerpt."""
    more = _MORE.search(post.body)
    text = post.body[: more.start()] if more else post.body.strip().split("\n\n", 1)[0]
    return render_markdown(re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", text), post, site)


def render_body(post: Post, site: Site, source: str | None = None) -> str:
    """The post's body as an HTML fragment for mail.

    `source` stands for the body where it was worked on before (a personalized post); Liquid and shortcodes are then
    left alone. Raises NewsletterError with the post's line for Liquid and shortcodes that can't be shown.
    """
    ending = post.path.suffix.lower()
    if ending in _FOREIGN:
        raise NewsletterError(f"is {_FOREIGN[ending]}; a post is Markdown or HTML", path=post.path)
    body = excerpt(post, source)
    if source is None and not post.personalize:
        if (
            site.kind == "jekyll"
            and ("{{" in body or "{%" in body)
            and post.front_matter.get("render_with_liquid") is not False
        ):
            from newsletter.compose.liquid.render import render_liquid

            body = render_liquid(body, post, site)
        elif site.kind == "hugo" and ("{{<" in body or "{{%" in body):
            from newsletter.compose.shortcodes.render import render_shortcodes

            body = render_shortcodes(body, post, site)
    if ending in _HTML:
        return fit_for_mail(body, post, site)
    return render_markdown(body, post, site)
