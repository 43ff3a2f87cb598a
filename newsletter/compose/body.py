"""The body of a post as HTML: excerpt, Liquid or shortcodes, Markdown, in this order.

This is what composing calls. A personalized post's Liquid is Jinja2's, evaluated before by `templating`; it comes here
as `source`, with words in it that stand for a reader's values.
"""

from newsletter.compose.deadline import reach
from newsletter.compose.excerpt import excerpt
from newsletter.compose.markdown.convert import fit_for_mail, render_markdown
from newsletter.errors import NewsletterError
from newsletter.site.page import Page

_HTML = frozenset({".html", ".htm"})
_FOREIGN = {
    ".textile": "Textile",
    ".rst": "reStructuredText",
    ".org": "Org",
    ".adoc": "AsciiDoc",
    ".asciidoc": "AsciiDoc",
}


def render_body(page: Page, source: str | None = None) -> str:
    """The post's body as an HTML fragment for mail.

    `source` stands for the body where it was worked on before (a personalized post); Liquid and shortcodes are then
    left alone. Raises NewsletterError with the post's line for Liquid and shortcodes that can't be shown.
    """
    post, kind = page.post, page.site.kind
    ending = post.path.suffix.lower()
    if ending in _FOREIGN:
        raise NewsletterError(f"is {_FOREIGN[ending]}; a post is Markdown or HTML", path=post.path)
    body = excerpt(post, source)
    places: dict[str, str] = {}
    if source is None and not post.personalize:
        if (
            kind == "jekyll"
            and ("{{" in body or "{%" in body)
            and post.front_matter.get("render_with_liquid") is not False
        ):
            from newsletter.compose.liquid.render import render_liquid  # python-liquid is not needed by most

            reach("its Liquid", post.body_line)
            body = render_liquid(body, page)
        elif kind == "hugo" and ("{{<" in body or "{{%" in body):
            from newsletter.compose.shortcodes.render import render_shortcodes

            reach("a shortcode of its", post.body_line)
            body = render_shortcodes(body, page, places)
        elif page.site.other is not None and page.site.other.name == "zola" and ("{{" in body or "{%" in body):
            from newsletter.compose.shortcodes.zola import render_zola

            reach("a shortcode of its", post.body_line)
            body = render_zola(body, page, places)
    reach("its HTML" if ending in _HTML else "its Markdown", post.body_line)
    return fit_for_mail(body, page) if ending in _HTML else render_markdown(body, page, places)
