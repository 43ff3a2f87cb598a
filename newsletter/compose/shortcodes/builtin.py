"""What Hugo's own shortcodes, and the usual ones of themes, mean in mail: text, pictures and links.

Each takes a use of a shortcode, and gives Markdown or HTML. How they are found in a post is in `render`. Sources:
Hugo's embedded shortcodes and its documentation of them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TypeAlias

from markupsafe import Markup

from newsletter.compose.html.sanitize import video_link
from newsletter.compose.markdown.convert import render_markdown
from newsletter.compose.markdown.highlight import fence
from newsletter.compose.shortcodes.go_template import unwrapped
from newsletter.errors import NewsletterError
from newsletter.site import hugo
from newsletter.site.jekyll import MARKDOWN
from newsletter.site.page import Page, read_page
from newsletter.site.paths import inside, is_inside

_CALLOUTS = frozenset(
    {"note", "tip", "info", "warning", "danger", "important", "caution", "success", "error", "question"}
)
_BLOCK_KINDS = {
    "alert": "note",
    "notice": "note",
    "admonition": "note",
    "callout": "note",
    "hint": "note",
    "box": "note",
}
_NOTHING = frozenset({"toc", "comments", "clear", "mathjax", "katex-load", "scroll", "load-photoswipe"})
_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp"})


@dataclass(slots=True)
class Call:
    """One use of a shortcode."""

    name: str
    line: int  # of the post
    positional: list[str] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)
    inner: str = ""

    def get(self, name: str, position: int = 0) -> str:
        """An argument by its name, else by its position, else empty."""
        if name in self.named:
            return self.named[name]
        return self.positional[position] if position < len(self.positional) else ""


def render_builtin(call: Call, page: Page) -> str | None:
    """What the use of a shortcode comes to; None for one that nobody here knows."""
    name = call.name.removesuffix(".html")
    if name in _NOTHING:
        return ""
    if name in _CALLOUTS or name in _BLOCK_KINDS:
        return _callout(name, call)
    return _KNOWN[name](call, page) if name in _KNOWN else None


def _callout(name: str, call: Call) -> str:
    """Notes and warnings, under whatever name: an admonition."""
    kind = name if name in _CALLOUTS else call.get("type") or call.get("level") or _BLOCK_KINDS[name]
    kind = re.sub(r"[^\w-]", "", kind.lower()) or "note"
    title = call.get("title", 1)
    text = call.inner.strip() or call.get("text") or (call.get("content") if name not in _CALLOUTS else call.get("", 0))
    lines = "\n".join(f"    {line}" if line.strip() else "" for line in text.split("\n"))
    quoted = ' "' + title.replace('"', "”") + '"' if title else ""
    return f"\n!!! {kind}{quoted}\n{lines}\n"


def _line(text: str, page: Page) -> str:
    """The HTML of a line of Markdown."""
    return unwrapped(render_markdown(text, page)) if text else ""


def _figure(call: Call, page: Page) -> str:
    words = _line(call.named.get("caption", ""), page)
    alt = escape(call.named.get("alt") or Markup(words).striptags() or call.named.get("title") or "")  # noqa: S704
    size = "".join(f' {name}="{escape(call.named[name])}"' for name in ("width", "height") if call.named.get(name))
    image = f'<img src="{escape(call.get("src"))}" alt="{alt}"{size}>'
    if call.named.get("link"):
        image = f'<a href="{escape(call.named["link"])}">{image}</a>'
    parts = [f"<strong>{escape(call.named['title'])}</strong>" if call.named.get("title") else ""]
    parts += [words]
    if attribution := _line(call.named.get("attr", ""), page):
        link = call.named.get("attrlink")
        parts.append(f'<a href="{escape(link)}">{attribution}</a>' if link else attribution)
    caption = " ".join(part for part in parts if part)
    return f"<figure>{image}{f'<figcaption>{caption}</figcaption>' if caption else ''}</figure>"


def _imgproc(call: Call, page: Page) -> str:
    """Docsy's: a picture beside the post, by a part of its name; a line of content is its caption, more is text."""
    wanted = call.get("name")
    beside = sorted(page.post.path.parent.iterdir())
    found = next((path for path in beside if wanted in path.name and path != page.post.path), None)
    if not wanted or found is None:
        raise NewsletterError(f"{call.name}: no picture {wanted!r} beside the post; check the name")
    text = call.inner.strip()
    caption = {} if "\n" in text else {"caption": text}
    figure = _figure(Call(call.name, call.line, [], {"src": found.name, **caption}), page)
    return figure if caption else f"{figure}\n\n{text}\n"


def _highlight(call: Call, page: Page) -> str:
    return "\n" + fence(call.get("lang"), call.inner)


def _ref(call: Call, page: Page) -> str:
    path, _, fragment = call.get("path").partition("#")
    mark = f"#{fragment}" if fragment else ""
    if not path:
        return mark or page.url
    file = _file_of(path, page)
    if file is None:
        raise NewsletterError(f"{call.name}: no page {path!r} in the site; check the path")
    target = read_page(file, page.site)
    return (target.url or target.path) + mark


def _file_of(path: str, page: Page) -> Path | None:
    """The file of a page that `ref` names: beside the post, from the content folder, or by its name alone."""
    root = page.site.root
    content = hugo.content_folder(root, page.site.config)
    places = [content / path.lstrip("/")]
    if not path.startswith("/"):
        places.insert(0, page.post.path.parent / path)
    for place in places:
        for candidate in (place, place.with_name(place.name + ".md"), place / "index.md", place / "_index.md"):
            if candidate.is_file() and is_inside(root, candidate):
                return inside(root, candidate)
    name = Path(path).name.removesuffix(".md")
    for candidate in sorted(content.rglob("*")):
        if candidate.suffix in MARKDOWN and name in (
            candidate.stem,
            candidate.parent.name if candidate.stem == "index" else "",
        ):
            return candidate if is_inside(root, candidate) else None
    return None


def _youtube(call: Call, page: Page) -> str:
    return video_link(f"https://www.youtube.com/embed/{call.get('id')}", call.named.get("title", ""))


def _vimeo(call: Call, page: Page) -> str:
    return video_link(f"https://player.vimeo.com/video/{call.get('id')}", call.named.get("title", ""))


def _gist(call: Call, page: Page) -> str:
    address = "https://gist.github.com/" + "/".join(call.positional[:2])
    return f'<p><a href="{escape(address)}">See the code on GitHub</a></p>'


def _tweet(call: Call, page: Page) -> str:
    address = f"https://x.com/{call.get('user') or 'i'}/status/{call.get('id', len(call.positional) - 1)}"
    return f'<p><a href="{escape(address)}">See the post on X</a></p>'


def _instagram(call: Call, page: Page) -> str:
    return f'<p><a href="https://www.instagram.com/p/{escape(call.get("id"))}/">See the picture on Instagram</a></p>'


def _slides(call: Call, page: Page) -> str:
    return (
        f'<p><a href="https://www.slideshare.net/slideshow/embed_code/{escape(call.get("id"))}">See the slides</a></p>'
    )


def _param(call: Call, page: Page) -> str:
    name = call.get("name")
    value: object = page.post.front_matter
    for place in (page.post.front_matter, hugo.params_of(page.site.config)):
        value = place
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            return str(value)
    raise NewsletterError(f"param: neither the post nor the site has {name!r}; set it in the front matter")


def _details(call: Call, page: Page) -> str:
    title = escape(call.get("summary") or call.get("title") or "Details")
    return f"\n<p><strong>{title}</strong></p>\n\n{call.inner.strip()}\n"


def _button(call: Call, page: Page) -> str:
    address = call.named.get("href") or call.named.get("link") or call.named.get("url") or call.named.get("relref", "")
    text = call.inner.strip() or call.named.get("text", "") or address
    return f"[{text}]({address})" if address else text


def _gallery(call: Call, page: Page) -> str:
    """A theme's gallery: the pictures in it, or those that `match`, `dir` or `src` name."""
    if call.inner.strip():
        return call.inner
    pattern = call.named.get("match") or call.named.get("images") or call.get("dir") or call.named.get("src", "")
    site, beside = page.site, page.post.path.parent
    root = site.root / "static" if pattern.startswith("/") else beside
    pattern = pattern.strip("/")
    folder = root / pattern if pattern else beside
    found = sorted(folder.iterdir() if folder.is_dir() else root.glob(pattern)) if ".." not in pattern else []
    pictures = [path for path in found if path.suffix.lower() in _PICTURES and is_inside(root, path)]
    if not pictures:
        raise NewsletterError(f"{call.name}: no pictures {pattern!r}; check where they are")
    start = "/" if root != beside else ""
    return "\n\n".join(
        f'<p><img src="{escape(start + path.relative_to(root).as_posix())}" alt=""></p>' for path in pictures
    )


def _inner(call: Call, page: Page) -> str:
    return call.inner


EMPTY = frozenset(
    {"figure", "ref", "relref", "youtube", "vimeo", "gist", "tweet", "x", "twitter", "instagram", "param"}
)
Render: TypeAlias = Callable[[Call, Page], str]
_KNOWN: dict[str, Render] = {
    "figure": _figure,
    "img": _figure,
    "image": _figure,
    "imgproc": _imgproc,
    "highlight": _highlight,
    "code": _highlight,
    "ref": _ref,
    "relref": _ref,
    "youtube": _youtube,
    "vimeo": _vimeo,
    "gist": _gist,
    "tweet": _tweet,
    "twitter": _tweet,
    "x": _tweet,
    "instagram": _instagram,
    "slideshare": _slides,
    "param": _param,
    "details": _details,
    "expand": _details,
    "button": _button,
    "pageinfo": _inner,
    "gallery": _gallery,
    "photo-gallery": _gallery,
    "image-gallery": _gallery,
    "rawhtml": _inner,
    "raw": _inner,
    "katex": _inner,
    "math": _inner,
    "center": _inner,
    "lead": _inner,
    "columns": _inner,
    "column": _inner,
    "tabs": _inner,
    "tab": _inner,
}
