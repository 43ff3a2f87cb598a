"""How large mail shows a picture: what the post says, else the size in the picture's own file.

Outlook on Windows goes by the width attribute alone, so every picture gets one in whole pixels, no wider than the text.
Reads nothing but the head of files inside the site; imagesize makes out what is in it.
"""

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from newsletter.css.computed import pixels
from newsletter.css.parse import Element, declarations
from newsletter.site.page import Page
from newsletter.site.paths import is_inside

WIDEST = 536
"""Pixels of a picture at most: 600 for the page, less the margins of `post`."""

_WANTED = "data-wanted-width"
"""The attribute that says, until the template is known, how wide a picture that was made narrower would be."""
_NARROWEST = 120  # pixels; what is narrower is no column of text
_CELLS = {"td", "th"}
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
    wider = {_WANTED: str(width)} if width > shown else {}
    return {"width": str(shown), **tall, **style, **wider}


def fit_to_columns(root: Element) -> None:
    """Make pictures as wide as they are, but no wider than the column that the template puts them in, by its declared
    widths and paddings."""
    for image in root.iter("img"):
        wanted, width, height = (image.get(name) or "" for name in (_WANTED, "width", "height"))
        image.attrib.pop(_WANTED, "")
        column = _column(image) if width.isdecimal() and int(width) else None
        if column is None:
            continue
        shown = min(int(wanted) if wanted.isdecimal() else int(width), column)
        if shown == int(width):
            continue
        image.set("width", str(shown))
        if height.isdecimal():
            image.set("height", str(max(1, round(int(height) * shown / int(width)))))


def _column(image: Element) -> int | None:
    """Pixels across in which an element stands; None where nothing says so. Cells grow, so their widths say nothing."""
    room: float | None = None
    for node in reversed(list(image.iterancestors())):
        style = {item.name: item.value for item in declarations(node.get("style") or "")}
        widths = [pixels(style[name]) for name in ("max-width", "width") if name in style and node.tag not in _CELLS]
        if node.tag == "table" and (node.get("width") or "").isdecimal():
            widths.append(float(node.get("width") or 0))
        known = [one for one in widths if one]
        if known:
            room = min([*known, *([] if room is None else [room])])
        if room is not None and (not known or node.tag == "table" or style.get("box-sizing") == "border-box"):
            room -= _padding(style)
    return int(room) if room is not None and room >= _NARROWEST else None


def _padding(style: Mapping[str, str]) -> float:
    """Left and right together, in pixels; what is no length is none."""
    sides = style.get("padding", "").split()
    left = right = sides[1] if len(sides) > 1 else sides[0] if sides else "0"
    left = sides[3] if len(sides) > 3 else left
    found = (style.get("padding-left", left), style.get("padding-right", right))
    return sum(pixels(one) or 0 for one in found if not one.endswith("%"))


def natural_size(address: str, page: Page) -> Size | None:
    """The size of the picture that an absolute `address` will have on the web, if its file is in the site's folder."""
    return next((size for path in files_of(address, page) if (size := size_of(path))), None)


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


def files_of(address: str, page: Page) -> Iterator[Path]:
    """Where the file of an absolute `address` may be: beside the post, for what is under its page; in the site."""
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
