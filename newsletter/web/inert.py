"""Take out of a message's HTML what reaches the network before any policy is asked.

A Content-Security-Policy refuses what is fetched, but a frame's connection is opened before the policy is asked, and
some things are no fetch at all: preconnect, DNS prefetch, a refresh that leads the frame elsewhere. What can do so is
renamed, in the text and not in a tree: an HTML tokenizer begins such an element at these very letters and nowhere else
(HTML Living Standard, section 13.2.5.6), whatever comments, quotes or foreign markup stand around them, so no parser
can see one that was missed here. The rest (pictures, styles, scripts, forms) is left to `security.mail_policy`. Pure.
"""

import re

REACHING = (
    "iframe", "frame", "frameset", "fencedframe", "portal", "webview", "object", "embed", "applet", "link", "base",
)  # fmt: skip
"""Elements that connect, or that decide where others do."""

_REACHING = re.compile(rf"<(?=(?:{'|'.join(REACHING)})(?:[\s/>]|\Z))", re.IGNORECASE)
_META = re.compile(r"<(?=meta(?:[\s/>]|\Z))", re.IGNORECASE)
_HARMLESS_META = re.compile(
    r"""<meta(?:\s+(?:name|content|charset|property)\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>=`]+))*\s*/?>""",
    re.IGNORECASE,
)
"""A meta element that is one to every parser, and says nothing to a browser's network (`http-equiv` may)."""


def inert(html: str) -> str:
    """`html` with every element that connects by itself under a name that means nothing: `<iframe>` is `<x-iframe>`."""
    html = _REACHING.sub("<x-", html)
    return _META.sub(lambda match: "<" if _HARMLESS_META.match(html, match.start()) else "<x-", html)
