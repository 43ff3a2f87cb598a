"""Embedded pictures, which a message names by Content-ID (RFC 2392), on a web page."""

import re
from collections.abc import Sequence

from markupsafe import escape

from newsletter.compose.issue import Picture

_CID = re.compile(r"(?<=[\"'])cid:([0-9a-f]{32}@[^\"'\s]+)(?=[\"'])")


def unembed(html: str, pictures: Sequence[Picture]) -> str:
    """`html` as a web page shows it: pictures by their address, or where they have none, in the page itself."""
    if not pictures:
        return html
    known = {
        one.cid: one.address if re.match(r"https?://", one.address) else f"data:{one.content_type};base64,{one.data}"
        for one in pictures
    }
    return _CID.sub(lambda found: str(escape(known[found[1]])) if found[1] in known else found[0], html)
