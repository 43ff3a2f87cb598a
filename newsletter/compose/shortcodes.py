"""Hugo's shortcodes, with what they mean in mail.

Hugo's own and the usual ones of themes are known; a site's own in layouts/shortcodes is evaluated when it only puts its
arguments and its content in their places, because Go's templates are another program's language. Any other is an error
with its line. Sources: Hugo's embedded shortcodes and its documentation of them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TypeAlias

from newsletter.compose import hugo
from newsletter.compose.jekyll import MARKDOWN
from newsletter.compose.liquid_tags import fence
from newsletter.compose.paths import inside, is_inside
from newsletter.compose.post import Post, read_post, read_text
from newsletter.compose.site import Site
from newsletter.compose.tidy import video_link
from newsletter.errors import NewsletterError

DEEPEST = 16
"""Shortcodes inside one another at most."""

_CODE = re.compile(
    r"\{\{(?P<mark>[<%])(?P<comment>/\*)?\s*(?P<close>/)?\s*(?P<name>[\w./-]*)"
    r"(?P<rest>(?:\"(?:\\.|[^\"\\])*\"|`[^`]*`|(?!(?:\*/)?\s*[>%]\}\}).)*)(?:\*/)?\s*[>%]\}\}",
    re.DOTALL,
)
_ARGUMENT = re.compile(r"(?:([\w-]+)=)?(?:\"((?:\\.|[^\"\\])*)\"|`([^`]*)`|([^\s\"`]+))")
_PLACE = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
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
_OWN = ("email_templates/shortcodes", "layouts/shortcodes")
"""Where a site's own shortcodes are: written for mail, then for the web."""
_NOTHING = frozenset({"toc", "comments", "clear", "mathjax", "katex-load", "scroll"})


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


def render_shortcodes(source: str, post: Post, site: Site) -> str:
    """`source`, the post's body from its start, with its shortcodes as Markdown or HTML.

    Raises NewsletterError with the line for one that isn't known, isn't closed, or names what isn't there.
    """
    return _Reader(source, post, site).run()


class _Reader:
    def __init__(self, source: str, post: Post, site: Site) -> None:
        self.source, self.post, self.site = source, post, site
        self.marks = list(_CODE.finditer(source))

    def run(self) -> str:
        text, rest = self._until(0, 0, "", 0)
        assert rest == len(self.marks)
        return text

    def _until(self, index: int, start: int, closing: str, depth: int) -> tuple[str, int]:
        """The text from offset `start` on, to the closing mark of `closing` or the end; the index of that mark."""
        out: list[str] = []
        while index < len(self.marks):
            mark = self.marks[index]
            out.append(self.source[start : mark.start()])
            start = mark.end()
            if mark["comment"]:
                out.append(re.sub(r"(?<=\{\{[<%])/\*|\*/(?=\s*[>%]\}\}\Z)", "", mark[0]))
                index += 1
                continue
            if mark["close"]:
                if mark["name"] == closing:
                    return "".join(out), index
                raise self._error(mark, f"{{{{< /{mark['name']} >}}}} closes nothing; take it out")
            call = self._call(mark)
            if not mark["rest"].rstrip().endswith("/") and self._is_closed(index):
                if depth >= DEEPEST:
                    raise self._error(mark, "shortcodes inside one another too deep; write it flatter")
                call.inner, index = self._until(index + 1, start, call.name, depth + 1)
                start = self.marks[index].end()
            out.append(self._render(call, mark))
            index += 1
        out.append(self.source[start:])
        return "".join(out), index

    def _is_closed(self, index: int) -> bool:
        """Whether the shortcode at `index` has a closing mark of its own."""
        name, depth = self.marks[index]["name"], 1
        for mark in self.marks[index + 1 :]:
            if mark["name"] == name and not mark["comment"]:
                if mark["close"]:
                    depth -= 1
                    if depth == 0:
                        return True
                elif name not in _EMPTY:
                    depth += 1
        return False

    def _call(self, mark: re.Match[str]) -> Call:
        call = Call(mark["name"], self._line(mark))
        for name, quoted, raw, bare in _ARGUMENT.findall(mark["rest"].rstrip().removesuffix("/")):
            value = quoted.replace('\\"', '"').replace("\\\\", "\\") or raw or bare
            if name:
                call.named[name] = value
            else:
                call.positional.append(value)
        return call

    def _render(self, call: Call, mark: re.Match[str]) -> str:
        name = call.name.removesuffix(".html")
        try:
            for folder in _OWN:
                own = self.site.root / folder / f"{name}.html"
                if own.is_file() and is_inside(self.site.root, own):
                    filled = _fill(read_text(own), call)
                    if filled is not None:
                        return filled
            if name in _NOTHING:
                return ""
            if name in _CALLOUTS or name in _BLOCK_KINDS:
                return _callout(name, call)
            if name in _KNOWN:
                return _KNOWN[name](call, self.post, self.site)
        except NewsletterError as error:
            raise self._error(mark, error.what) from None
        shown = f"{{{{</* {name} */>}}}}"
        raise self._error(
            mark,
            f"unknown shortcode {name!r}; take it out, write what it is in mail into {_OWN[0]}/{name}.html, or write "
            f"{shown} to show it as text",
        )

    def _line(self, mark: re.Match[str]) -> int:
        return self.post.body_line + self.source.count("\n", 0, mark.start())

    def _error(self, mark: re.Match[str], what: str) -> NewsletterError:
        return NewsletterError(what, path=self.post.path, line=self._line(mark))


def _fill(template: str, call: Call) -> str | None:
    """A shortcode's own template with arguments and content in their places; None where it does more than that."""

    def value(action: str) -> str | None:
        expression, *pipes = (part.strip() for part in action.split("|"))
        if not set(pipes) <= {"markdownify", "safeHTML", "htmlUnescape", "$.Page.RenderString", ".Page.RenderString"}:
            return None
        if action.startswith("/*"):
            return ""
        if expression in {".Inner", "$.Inner"}:
            return call.inner
        if match := re.fullmatch(r"\$?\.Get\s+(?:(\d+)|[\"`]([\w-]+)[\"`])", expression):
            return escape(call.get(match[2] or "", int(match[1] or 0)) if match[1] else call.named.get(match[2], ""))
        return None

    values = [value(action) for action in _PLACE.findall(template)]
    if any(found is None for found in values):
        return None
    texts = iter(str(found) for found in values)
    return _PLACE.sub(lambda match: next(texts), template).strip("\n")


def _callout(name: str, call: Call) -> str:
    """Notes and warnings, under whatever name: an admonition."""
    kind = name if name in _CALLOUTS else call.get("type") or call.get("level") or _BLOCK_KINDS[name]
    kind = re.sub(r"[^\w-]", "", kind.lower()) or "note"
    title = call.get("title", 1)
    text = call.inner.strip() or call.get("text") or (call.get("content") if name not in _CALLOUTS else call.get("", 0))
    lines = "\n".join(f"    {line}" if line.strip() else "" for line in text.split("\n"))
    quoted = ' "' + title.replace('"', "”") + '"' if title else ""
    return f"\n!!! {kind}{quoted}\n{lines}\n"


def _figure(call: Call, post: Post, site: Site) -> str:
    alt = escape(call.named.get("alt") or call.named.get("caption") or call.named.get("title") or "")
    size = "".join(f' {name}="{escape(call.named[name])}"' for name in ("width", "height") if call.named.get(name))
    image = f'<img src="{escape(call.get("src"))}" alt="{alt}"{size}>'
    if call.named.get("link"):
        image = f'<a href="{escape(call.named["link"])}">{image}</a>'
    parts = [f"<strong>{escape(call.named['title'])}</strong>" if call.named.get("title") else ""]
    parts += [escape(call.named.get("caption", ""))]
    if attribution := escape(call.named.get("attr", "")):
        link = call.named.get("attrlink")
        parts.append(f'<a href="{escape(link)}">{attribution}</a>' if link else attribution)
    caption = " ".join(part for part in parts if part)
    return f"<figure>{image}{f'<figcaption>{caption}</figcaption>' if caption else ''}</figure>"


def _highlight(call: Call, post: Post, site: Site) -> str:
    return "\n" + fence(call.get("lang"), call.inner)


def _ref(call: Call, post: Post, site: Site) -> str:
    path, _, fragment = call.get("path").partition("#")
    mark = f"#{fragment}" if fragment else ""
    if not path:
        return mark or site.permalink(post)
    file = _page(path, post, site)
    if file is None:
        raise NewsletterError(f"{call.name}: no page {path!r} in the site; check the path")
    target = read_post(file, site.timezone)
    return (site.permalink(target) or site.path_of(target)) + mark


def _page(path: str, post: Post, site: Site) -> Path | None:
    """The file of a page that `ref` names: beside the post, from the content folder, or by its name alone."""
    content = hugo.content_folder(site.root, site.config)
    places = [content / path.lstrip("/")]
    if not path.startswith("/"):
        places.insert(0, post.path.parent / path)
    for place in places:
        for candidate in (place, place.with_name(place.name + ".md"), place / "index.md", place / "_index.md"):
            if candidate.is_file() and is_inside(site.root, candidate):
                return inside(site.root, candidate)
    name = Path(path).name.removesuffix(".md")
    for candidate in sorted(content.rglob("*")):
        if candidate.suffix in MARKDOWN and name in (
            candidate.stem,
            candidate.parent.name if candidate.stem == "index" else "",
        ):
            return candidate if is_inside(site.root, candidate) else None
    return None


def _youtube(call: Call, post: Post, site: Site) -> str:
    return video_link(f"https://www.youtube.com/embed/{call.get('id')}", call.named.get("title", ""))


def _vimeo(call: Call, post: Post, site: Site) -> str:
    return video_link(f"https://player.vimeo.com/video/{call.get('id')}", call.named.get("title", ""))


def _gist(call: Call, post: Post, site: Site) -> str:
    address = "https://gist.github.com/" + "/".join(call.positional[:2])
    return f'<p><a href="{escape(address)}">See the code on GitHub</a></p>'


def _tweet(call: Call, post: Post, site: Site) -> str:
    address = f"https://x.com/{call.get('user') or 'i'}/status/{call.get('id', len(call.positional) - 1)}"
    return f'<p><a href="{escape(address)}">See the post on X</a></p>'


def _instagram(call: Call, post: Post, site: Site) -> str:
    return f'<p><a href="https://www.instagram.com/p/{escape(call.get("id"))}/">See the picture on Instagram</a></p>'


def _slides(call: Call, post: Post, site: Site) -> str:
    return (
        f'<p><a href="https://www.slideshare.net/slideshow/embed_code/{escape(call.get("id"))}">See the slides</a></p>'
    )


def _param(call: Call, post: Post, site: Site) -> str:
    name = call.get("name")
    value: object = post.front_matter
    for place in (post.front_matter, hugo.params_of(site.config)):
        value = place
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            return str(value)
    raise NewsletterError(f"param: neither the post nor the site has {name!r}; set it in the front matter")


def _details(call: Call, post: Post, site: Site) -> str:
    title = escape(call.get("summary") or call.get("title") or "Details")
    return f"\n<p><strong>{title}</strong></p>\n\n{call.inner.strip()}\n"


def _button(call: Call, post: Post, site: Site) -> str:
    address = call.named.get("href") or call.named.get("link") or call.named.get("url") or call.named.get("relref", "")
    text = call.inner.strip() or call.named.get("text", "") or address
    return f"[{text}]({address})" if address else text


def _inner(call: Call, post: Post, site: Site) -> str:
    return call.inner


_EMPTY = frozenset(
    {"figure", "ref", "relref", "youtube", "vimeo", "gist", "tweet", "x", "twitter", "instagram", "param"}
)
Render: TypeAlias = Callable[[Call, Post, Site], str]
_KNOWN: dict[str, Render] = {
    "figure": _figure,
    "img": _figure,
    "image": _figure,
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
