"""Pictures of the site that travel in the message (`images: embed`, `images: resize`), instead of being fetched.

Each file stands once in the message, under a Content-ID of its content (RFC 2392); the HTML keeps its alternative text
and size. What is elsewhere on the web, and what mail programs don't show (SVG), stays a link. On web pages embedded
pictures are links again (`content_id`).
"""

import base64
import hashlib
import html as entities
import re
from pathlib import Path

from newsletter.compose.html.images import files_of, size_of
from newsletter.compose.html.photograph import kind_of, resized, without_place
from newsletter.compose.issue import Picture
from newsletter.errors import NewsletterError
from newsletter.site.page import Page
from newsletter.site.post import PICTURE_WAYS

SHARP = 2
"""Pixels of a screen for one that is shown, at most: more is weight that nobody sees."""
LARGEST = 50_000_000
"""Bytes of a picture's file that are read."""
PIXELS = 250_000_000
"""More than the largest camera's; a small file may claim any number, and whoever opens it runs out of memory."""
_IMG = re.compile(r"<img\b(?:[^>\"']|\"[^\"]*\"|'[^']*')*>", re.IGNORECASE)
_SRC = re.compile(r"(?<=[\s\"'])(src\s*=\s*)(\"[^\"]*\"|'[^']*')", re.IGNORECASE)
_WIDTH = re.compile(r"\bwidth\s*=\s*[\"']?(\d{1,5})\b", re.IGNORECASE)


def way_of(page: Page, configured: str) -> str:
    """`link`, `embed` or `resize`: what the post says, else the newsletter. Raises NewsletterError.

    Hugo has a list of pictures under the same key, which says nothing here.
    """
    written = page.post.front_matter.get("images")
    if not isinstance(written, str) or not written.strip():
        return configured
    way = written.strip().lower()
    if way in PICTURE_WAYS:
        return way
    if re.search(r"[./]", way):
        return configured
    what = f"images: {written[:40]!r} is no way to send pictures; write link, embed or resize"
    raise NewsletterError(what, path=page.post.path)


def embed(html: str, page: Page, way: str, domain: str) -> tuple[str, tuple[Picture, ...]]:
    """`html` with the site's own pictures named by Content-ID, and these, in their order.

    Raises NewsletterError where a picture can't be read, or `resize` lacks Pillow.
    """
    if way == "link":
        return html, ()
    widths: dict[Path, int] = {}
    addresses: dict[Path, str] = {}
    for image in _IMG.finditer(html):
        if (address := _address(image[0])) and (path := next(files_of(address, page), None)):
            shown = _WIDTH.search(image[0])
            widths[path] = max(widths.get(path, 0), int(shown[1]) if shown else 0)
            addresses.setdefault(path, address)
    pictures = {path: _picture(path, way, widths[path], addresses[path], domain) for path in widths}

    def named(image: "re.Match[str]") -> str:
        path = next(files_of(address, page), None) if (address := _address(image[0])) else None
        picture = pictures.get(path) if path is not None else None
        if picture is None:
            return image[0]
        return _SRC.sub(lambda src: f'{src[1]}"cid:{picture.cid}"', image[0], count=1)

    embedded = _IMG.sub(named, html)
    return embedded, tuple({one.cid: one for one in pictures.values() if one is not None}.values())


def _address(image: str) -> str:
    found = _SRC.search(image)
    return entities.unescape(found[2][1:-1]).strip() if found else ""


def _picture(path: Path, way: str, shown: int, address: str, domain: str) -> Picture | None:
    """The file as it travels; None for what mail programs don't show."""
    try:
        with path.open("rb") as file:
            octets = file.read(LARGEST + 1)
    except OSError as error:
        raise NewsletterError(f"the picture can't be read ({error.strerror}); fix it", path=path) from None
    kind = kind_of(octets)
    if not kind:
        return None
    if len(octets) > LARGEST:
        what = f"the picture is over {LARGEST // 1_000_000} MB, and no mail takes it; make it smaller"
        raise NewsletterError(what, path=path)
    width, height = size_of(path) or (0, 0)
    if width * height > PIXELS:
        what = f"the picture claims {width:,} by {height:,} pixels, which no mail program opens; make it smaller"
        raise NewsletterError(what, path=path)
    octets = resized(octets, shown * SHARP) if way == "resize" and shown else without_place(octets)
    kind = kind_of(octets)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-.")[:60] or "picture"
    cid = f"{hashlib.sha256(octets).hexdigest()[:32]}@{domain}"
    data = base64.b64encode(octets).decode("ascii")
    return Picture(cid, address, kind, f"{name}.{kind.rpartition('/')[2].replace('jpeg', 'jpg')}", data)
