"""What of an HTML tree a reader sees, and what of it makes a block: for the plain-text part."""

import re

from lxml import etree

from newsletter.compose.templating.tokens import TOKEN

Node = etree._Element
Item = str | Node

# fmt: off
BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "dir",
    "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6",
    "header", "hgroup", "hr", "html", "legend", "li", "main", "menu", "nav", "ol", "p", "pre", "search", "section",
    "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
))
SKIPPED = frozenset((
    "audio", "base", "canvas", "col", "colgroup", "datalist", "embed", "frame", "frameset", "head", "iframe",
    "link", "map", "meta", "noframes", "noscript", "object", "param", "rp", "script", "select", "source", "style",
    "svg", "template", "textarea", "title", "track", "video",
))
# fmt: on
_NOT_READ = frozenset(("preheader", "linenos", "lineno"))
_HIDDEN = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|opacity\s*:\s*0(?:\.0*)?\s*(?:;|!|$)"
    r"|(?:font-size|max-height)\s*:\s*0(?:px|em|pt|%)?\s*(?:;|!|$))",
    re.IGNORECASE,
)


def contents(element: Node) -> list[Item]:
    """Text and children of `element`, in order."""
    items: list[Item] = [element.text] if element.text and isinstance(element.tag, str) else []
    for child in element:
        items.append(child)
        if child.tail:
            items.append(child.tail)
    return items


def is_comment(item: Item) -> bool:
    """Whether this is a comment or a processing instruction."""
    return not isinstance(item, str) and not isinstance(item.tag, str)


def is_hidden(element: Node) -> bool:
    """Whether a reader doesn't see it: preheaders, what is for Outlook or screen readers' eyes only, scripts."""
    if element.tag in SKIPPED or element.get("hidden") is not None or element.get("aria-hidden") == "true":
        return True
    style = element.get("style")
    return bool(style and _HIDDEN.search(style)) or not _NOT_READ.isdisjoint(element.get("class", "").split())


def has_block(item: Item) -> bool:
    """Whether this is a block, or an inline element around one (`<a><table>…`)."""
    if isinstance(item, str) or not isinstance(item.tag, str):
        return False
    return item.tag in BLOCKS or (len(item) > 0 and any(child.tag in BLOCKS for child in item.iterdescendants()))


def token_of(comment: Node) -> str:
    """The slot's token that a comment holds, if it is one; all else that is no element says nothing."""
    if not isinstance(comment, etree._Comment):
        return ""
    text = (comment.text or "").strip()
    return text if TOKEN.fullmatch(text) else ""


def tag_of(node: Node | None) -> str:
    return str(node.tag) if node is not None else ""


def integer(text: str | None, default: int) -> int:
    return int(text) if text and re.fullmatch(r"\s*-?[0-9]{1,9}\s*", text) else default
