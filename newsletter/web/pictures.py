"""Put pictures into a shown message: those that it carries, and those of the newsletter's own site, from its folder.

A framed message reaches nothing, so they become `data:` addresses (RFC 2397), while there is room.
"""

import base64
import mimetypes
from collections.abc import Callable
from urllib.parse import unquote

from newsletter.mime.message import Message
from newsletter.site.site import Site
from newsletter.web import site_files

MOST = 20_000_000
"""Characters of all the pictures of a message."""


def embedder(message: Message, site: Site | None) -> Callable[[str], str]:
    """A function from a picture's address to the picture itself, where it is known; else unchanged."""
    carried = {part.content_id: part for part in message.parts if part.content_id}
    made: dict[str, str] = {}
    room = MOST

    def picture(url: str) -> str:
        if url[:4].lower() == "cid:":
            part = carried.get(unquote(url[4:]))
            if part is not None and part.content_type.startswith("image/"):
                return _data(part.content_type, part.content())
        elif site is not None and (path := site_files.path_under(url, site.url)) is not None:
            found = site_files.find_file(site, path)
            if found is not None and found.stat().st_size <= MOST:
                return _data(mimetypes.guess_type(found.name)[0] or "", found.read_bytes())
        return ""

    def embed(url: str) -> str:
        nonlocal room
        if url not in made:
            made[url] = picture(url)
        room -= len(made[url])
        return made[url] if made[url] and room >= 0 else url

    return embed


def _data(content_type: str, content: bytes) -> str:
    return f"data:{content_type};base64,{base64.b64encode(content).decode('ascii')}"
