"""Let a draft's pictures show before the site is published: the site's own addresses, answered from its folder.

Only pictures that lie inside the site's folder are served, symbolic links followed before the question is asked. The
studio and the test inbox both show them.
"""

import mimetypes
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from newsletter.errors import NewsletterError
from newsletter.site.page import Page
from newsletter.site.paths import inside
from newsletter.site.site import Site

ROUTE = "/site/"
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".svg", ".bmp", ".ico", ".apng"})


def mapper(page: Page) -> Callable[[str], str]:
    """A function from an image's address to our own route, where the site's folder has the file; else unchanged."""
    site = page.site

    def map_url(url: str) -> str:
        path = path_under(url, site.url)
        if path is None:
            return url
        candidates = [path]
        if page.url and url.startswith(page.url):  # beside the post: it is not there until the site is built
            candidates.append(_relative(page.post.path.parent, site.root, path_under(url, page.url) or ""))
        for candidate in candidates:
            if find_file(site, candidate) is not None:
                return ROUTE + quote(candidate)
        return url

    return map_url


def find_file(site: Site, path: str) -> Path | None:
    """The picture at `path` (decoded, relative) of the site, or None."""
    if Path(path).suffix.lower() not in PICTURES:
        return None
    for folder in ("", "static", "assets") if site.kind == "hugo" else ("",):
        try:
            found = inside(site.root, site.root / folder / path.lstrip("/"))
            if found.is_file() and not _hidden(found, site.root):
                return found
        except (NewsletterError, OSError, ValueError):
            continue
    return None


def answer(request: Request, site: Site, path: str) -> Response:
    """The picture at `path`, or 404. Its policy keeps an SVG from running anything."""
    found = find_file(site, path)
    if found is None:
        return PlainTextResponse("There is no such picture in the site's folder.\n", 404)
    stat = found.stat()
    tag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
    headers = {
        "ETag": tag,
        "Cache-Control": "no-cache",
        "Cross-Origin-Resource-Policy": "cross-origin",  # a sandboxed frame has an origin of its own
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    }
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    kind = mimetypes.guess_type(found.name)[0] or "application/octet-stream"
    return FileResponse(found, media_type=kind, headers=headers)


def path_under(url: str, base: str) -> str | None:
    """The decoded path of `url` below `base`, without query and fragment; None if it is elsewhere."""
    start = base.rstrip("/") + "/"
    if not base or not url.startswith(start):
        return None
    return unquote(urlsplit(url[len(start) :].lstrip("/")).path)


def _relative(folder: Path, root: Path, path: str) -> str:
    try:
        return (folder / path).resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return ""


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root.resolve()).parts)
