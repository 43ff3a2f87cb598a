"""How large mail shows a picture: what the post says, else the size in the picture's own file.

Outlook on Windows goes by the width attribute alone, so every picture gets one in whole pixels, no wider than the text.
Reads nothing but the head of files inside the site; imagesize makes out what is in it.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from newsletter.site.page import Page
from newsletter.site.paths import is_inside

WIDEST = 536
"""Pixels of a picture at most: 600 for the page, less the margins of `post`."""

_HEAD = 256 * 1024  # bytes; a photograph's thumbnail stands before its size
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
    """The size of the picture in the file, as it is shown; None for what has none in pixels."""
    import imagesize  # few posts have pictures of their own

    try:
        with path.open("rb") as file:
            width, height = imagesize.get(io.BytesIO(file.read(_HEAD)))  # turned as Exif says
    except OSError:
        return None
    in_pixels = isinstance(width, int) and isinstance(height, int)  # an SVG's are units of any kind
    return (width, height) if in_pixels and width > 0 and height > 0 else None


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
