"""How large mail shows a picture: what the post says, else the size in the picture's own file.

Outlook on Windows goes by the width attribute alone, so every picture gets one in whole pixels, no wider than the text.
Reads nothing but the head of files inside the site. PNG (RFC 2083), JPEG (ITU T.81), GIF89a, WebP (RFC 9649).
"""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from newsletter.site.page import Page
from newsletter.site.paths import is_inside

WIDEST = 536
"""Pixels of a picture at most: 600 for the page, less the margins of `post`."""

_HEAD = 256 * 1024  # bytes; a photograph's thumbnail stands before its size
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_PIXELS = re.compile(r"\s*(\d{1,5})(?:\.\d+)?(?:px)?\s*\Z", re.IGNORECASE)
_SHARE = re.compile(r"\s*(\d{1,3})(?:\.\d+)?%\s*\Z")
_STYLE_WIDTH = re.compile(r"(?:\A|;)\s*width\s*:\s*([\d.]+(?:px|%))", re.IGNORECASE)

Size = tuple[int, int]
"""Width and height in pixels."""


def fit(attributes: dict[str, str], natural: Size | None) -> dict[str, str]:
    """The attributes `width`, `height` and `style` that an image gets in the place of those it has.

    A share (`50%`) is of the text's width, and stays one in its style; a height stays in proportion, and goes where it
    can't be known.
    """
    written = attributes.get("width", "")
    if styled := _STYLE_WIDTH.search(attributes.get("style", "")):
        written = styled[1]
    height = int(found[1]) if (found := _PIXELS.match(attributes.get("height", ""))) else 0
    style = {"style": attributes["style"]} if attributes.get("style") else {}
    if share := _SHARE.match(written):
        percent = min(int(share[1]), 100)
        if not styled:
            style = {"style": f"width: {percent}%; {attributes.get('style', '')}".strip().rstrip(";")}
        return {"width": str(max(1, round(WIDEST * percent / 100))), **style}
    if pixels := _PIXELS.match(written):
        width = int(pixels[1])
    elif natural is None:
        return {name: attributes[name] for name in ("width", "height", "style") if attributes.get(name)}
    else:
        width = round(natural[0] * height / natural[1]) if height else natural[0]
    shown = min(width, WIDEST)
    tall = {"height": str(round(height * shown / width))} if height and width else {}
    return {"width": str(shown), **tall, **style}


def natural_size(address: str, page: Page) -> Size | None:
    """The size of the picture that an absolute `address` will have on the web, if its file is in the site's folder."""
    return next((size for path in _files(address, page) if (size := size_of(path))), None)


def size_of(path: Path) -> Size | None:
    """The size of the picture in the file; None for what isn't one of the four kinds."""
    try:
        with path.open("rb") as file:
            size = _read(file.read(_HEAD))
    except OSError:
        return None
    return size if size and all(size) else None


def _files(address: str, page: Page) -> Iterator[Path]:
    """Where the file of `address` may be: beside the post, for what is under its page; in the site's folders."""
    site, beside = page.site, page.post.path.parent
    folders = [site.root, site.root / "static", site.root / "assets"] if site.kind == "hugo" else [site.root]
    places = [(page.url, [beside]), (site.url, folders)] if site.url else [("", [beside, *folders])]
    for base, candidates in places:
        start = base.rstrip("/") + "/" if base else ""
        if not address.startswith(start) or (not base and "://" in address):
            continue
        rest = unquote(urlsplit(address[len(start) :].lstrip("/")).path)
        for folder in candidates:
            path = folder / rest
            if rest and "\0" not in rest and _may_read(path, page) and path.is_file():
                yield path


def _may_read(path: Path, page: Page) -> bool:
    """Whether `path` is in the site, or beside the post, whose folder may be a link out of it."""
    return is_inside(page.site.root, path) or is_inside(page.post.path.parent, path)


def _read(head: bytes) -> Size | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR":
        return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    if head.startswith((b"GIF87a", b"GIF89a")):
        return int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    if head.startswith(b"\xff\xd8"):
        return _read_jpeg(head)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP" and len(head) >= 30:
        return _read_webp(head)
    return None


def _read_jpeg(head: bytes) -> Size | None:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        kind = head[at + 1]
        if kind == 0xFF:  # a filling byte
            at += 1
        elif kind in _FRAMES:
            return int.from_bytes(head[at + 7 : at + 9], "big"), int.from_bytes(head[at + 5 : at + 7], "big")
        else:
            at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None


def _read_webp(head: bytes) -> Size | None:
    kind = head[12:16]
    if kind == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if kind == b"VP8L" and head[20] == 0x2F:
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    return None
