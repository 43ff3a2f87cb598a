"""Read a page with libxml2 as browsers nest it, where libxml2 keeps to HTML 4.

Its parser ends `<a>` before a table and `<b>` before a paragraph, so that a button lost its link; HTML 5 lets these
elements hold anything (section 13.2.6.4, formatting elements). They go through the parser under names that it does not
know.
"""

import re

from lxml import etree

from newsletter.css.selectors import Element

_UNKNOWN = "newsletter-"
_NAMES = "a|b|big|font|i|s|small|span|strike|tt|u"
_ATTRIBUTES = r"""(?:=\s*(?:"[^"]*"|'[^']*')|[^<>])*+"""  # quotes count behind `=` alone
_TOKEN = re.compile(
    rf"""<!--(?:.*?-->|.*) | <(style|script|title|textarea)\b(?:.*?</\1\s*>|.*)  # holds no elements
    | <(/?)({_NAMES})(?=[\s/>])({_ATTRIBUTES}>) | </?[a-z]{_ATTRIBUTES}>""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)


def parse_page(source: str, parser: etree.HTMLParser) -> Element | None:
    """The root of a page, None where there is nothing; with elements that hold each other as in a browser."""
    root = etree.fromstring(_TOKEN.sub(_renamed, source).encode("utf-8", "replace"), parser)
    if root is None:
        return None
    for element in root.iter(etree.Element):
        if element.tag.startswith(_UNKNOWN):
            element.tag = element.tag.removeprefix(_UNKNOWN)
    return root


def _renamed(token: re.Match[str]) -> str:
    return f"<{token[2]}{_UNKNOWN}{token[3]}{token[4]}" if token[3] else token[0]
