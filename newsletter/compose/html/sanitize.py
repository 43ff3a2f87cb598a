"""Make an HTML fragment fit for mail: nothing that runs, nothing relative, nothing left open.

Scripts, forms and frames go; a frame or player becomes a link to what it would have shown; event attributes and
addresses that run are dropped; addresses become absolute. Tags are balanced, so that a post can't break the template
around it. Text and everything else stays as it was written. What an address means is the caller's business.
"""

import re
from collections.abc import Callable
from html import escape
from html.entities import html5
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

from newsletter.errors import NewsletterError

VOID = frozenset(
    {"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)
_DROPPED = frozenset(
    {"script", "style", "template", "svg", "canvas", "button", "select", "textarea", "title", "datalist"}
)
_UNWRAPPED = frozenset({
    "html", "head", "body", "noscript", "form", "picture", "link", "meta", "base", "source", "track", "param", "embed",
    "frameset", "frame", "applet", "object", "fieldset", "label",
})  # fmt: skip
_PLAYERS = frozenset({"iframe", "video", "audio"})
_ADDRESSES = frozenset({"href", "src", "background", "cite", "poster", "longdesc"})
_LAZY = ("data-src", "data-original", "data-lazy-src")
_GONE = frozenset({
    "srcset", "sizes", "loading", "decoding", "integrity", "crossorigin", "target", "ping", "formaction",
    "contenteditable",
    "autofocus", "tabindex", "fetchpriority", "referrerpolicy", "markdown", "xmlns", *_LAZY,
})  # fmt: skip
_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "center", "details", "div", "dl", "figure", "footer", "h1", "h2", "h3",
    "h4", "h5", "h6", "header", "hr", "main", "nav", "ol", "p", "pre", "section", "table", "ul",
})  # fmt: skip
_SIBLINGS = {"li": {"li"}, "dt": {"dt", "dd"}, "dd": {"dt", "dd"}, "tr": {"tr", "td", "th"}, "td": {"td", "th"},
             "th": {"td", "th"}, "option": {"option"}}  # fmt: skip
_SCOPES = frozenset({"ul", "ol", "dl", "table", "tbody", "thead", "tfoot", "blockquote", "div"})
_RUNS = re.compile(
    r"[\x00-\x20]*(?:javascript|vbscript|livescript|file|data(?!:image/(?:png|jpe?g|gif|webp)\b))[\x00-\x20]*:",
    re.IGNORECASE,
)
_AMPERSAND = re.compile(r"&([A-Za-z][A-Za-z0-9]*)(;|=?)")
_ELEMENT = re.compile(r"[a-z][a-z0-9-]*\Z")
_NAMESPACED = re.compile(r"[a-z][\w.-]*:[a-z]")  # Word's `<o:p>`, Facebook's `<fb:like>`
_NAME = re.compile(r"[A-Za-z_][\w:.-]*\Z")
_VIDEO = re.compile(r"(?:youtube(?:-nocookie)?\.com/(?:embed|v|shorts)/|youtu\.be/)([\w-]{6,})")
_GENERIC = {"youtube video player", "youtube video", "vimeo video player", "vimeo video", "video", "iframe"}
"""What players call themselves, which says nothing of what they show."""
_VIMEO = re.compile(r"player\.vimeo\.com/video/(\d+)")


_OPEN_COMMENTS = 100
DEEPEST = 2000
"""Elements open at once; libxml2 reads 2,048, those of the template among them."""

Sized = Callable[[str, dict[str, str]], dict[str, str]]
"""Takes a picture's absolute address and its attributes, gives its width, height and style."""


def sanitize(html: str, absolute: Callable[[str], str], sized: Sized | None = None) -> str:
    """`html` for mail; `absolute` makes an address absolute, or returns it as it is; `sized` sizes pictures.

    Raises NewsletterError for elements that stand too deep in one another.
    """
    parser = _Sanitizer(absolute, sized)
    parser.feed(_AMPERSAND.sub(_escaped, _no_open_tags(_few_open_comments(html))))
    parser.close()
    return parser.result()


def _few_open_comments(html: str) -> str:
    """Comments that never end are text, as the parser has them: it looks for the end of each through all the rest."""
    rest = html.rfind("-->") + 1
    if html.count("<!--", rest) <= _OPEN_COMMENTS:
        return html
    return html[:rest] + html[rest:].replace("<!--", "&lt;!--")


def _no_open_tags(html: str) -> str:
    """Behind the last `>` no tag ends, and none is looked for."""
    rest = html.rfind(">") + 1
    return html[:rest] + html[rest:].replace("<", "&lt;")


def _escaped(found: re.Match[str]) -> str:
    """An ampersand that begins no character's name (`AT&T`, `?a=1&copy=2`) as `&amp;`, any other as it is."""
    name, end = found[1], found[2]
    known = end != "=" and (name + end in html5 or name in html5)
    return found[0] if known else f"&amp;{name}{end}"


def video_link(address: str, title: str = "") -> str:
    """A paragraph that links to the page of what a frame or player would have shown; empty without an address."""
    if not address or _RUNS.match(address):
        return ""
    if title.lower() in _GENERIC:
        title = ""
    host = (urlsplit(address).hostname or "").removeprefix("www.")
    what = f"Open {title or host or 'the embedded page'}"
    if found := _VIDEO.search(address):
        address, what = f"https://www.youtube.com/watch?v={found[1]}", f"Watch {title or 'the video'} on YouTube"
    elif "youtube.com/embed" in address and (lists := parse_qs(urlsplit(address).query).get("list")):
        address, what = f"https://www.youtube.com/playlist?list={lists[0]}", "Watch the playlist on YouTube"
    elif found := _VIMEO.search(address):
        address, what = f"https://vimeo.com/{found[1]}", f"Watch {title or 'the video'} on Vimeo"
    return f'<p class="video"><a href="{escape(address)}">{escape(what)}</a></p>'


class _Sanitizer(HTMLParser):
    def __init__(self, absolute: Callable[[str], str], sized: Sized | None) -> None:
        super().__init__(convert_charrefs=False)
        self.absolute = absolute
        self.sized = sized
        self.out: list[str] = []
        self.open: list[str] = []
        self.skipping = ""
        self.skipped = 0

    def result(self) -> str:
        self._close_to(0)
        return re.sub(r"<p>\s*</p>\n?", "", "".join(self.out))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.skipping:
            self.skipped += tag == self.skipping
            return
        values = {name: value or "" for name, value in reversed(attrs)}
        if tag in _PLAYERS:
            self._player(tag, values)
            return
        if tag in _DROPPED:
            if tag in {"svg", "textarea", "button"} or tag not in VOID:
                self.skipping, self.skipped = tag, 1
            return
        if tag == "input":
            if values.get("type", "").lower() == "checkbox":
                self.out.append("☑ " if "checked" in values else "☐ ")
            return
        if tag in _UNWRAPPED or _NAMESPACED.match(tag):
            return
        if not _ELEMENT.match(tag):  # `<a:>` is no element: text
            self.out.append(escape(self.get_starttag_text() or "", quote=False))
            return
        self._make_room(tag)
        self.out.append(self._tag(tag, attrs, values))
        if tag not in VOID:
            self.open.append(tag)
            if len(self.open) > DEEPEST:
                raise NewsletterError(f"its HTML has elements more than {DEEPEST:,} deep in one another; close some")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.skipping or tag in _DROPPED:
            return
        self.handle_starttag(tag, attrs)
        if tag not in VOID and not self.skipping and self.open and self.open[-1] == tag:
            self.handle_endtag(tag)
        elif tag in _PLAYERS:
            self.skipping = ""

    def handle_endtag(self, tag: str) -> None:
        if self.skipping:
            if tag == self.skipping:
                self.skipped -= 1
                if not self.skipped:
                    self.skipping = ""
            return
        if tag in self.open and tag not in _UNWRAPPED:
            self._close_to(len(self.open) - 1 - self.open[::-1].index(tag))

    def handle_data(self, data: str) -> None:
        if not self.skipping:
            self.out.append(data.replace("<", "&lt;"))

    def handle_entityref(self, name: str) -> None:
        if not self.skipping:
            self.out.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        if not self.skipping:
            self.out.append(f"&#{name};")

    def _make_room(self, tag: str) -> None:
        """Close what HTML says that this tag closes."""
        if tag in _BLOCKS and "p" in self.open:
            at = len(self.open) - 1 - self.open[::-1].index("p")
            if not any(name in _SCOPES or name in _SIBLINGS for name in self.open[at:]):
                self._close_to(at)
        for index in range(len(self.open) - 1, -1, -1):
            if self.open[index] in _SIBLINGS.get(tag, ()):
                self._close_to(index)
            elif self.open[index] in _SCOPES:
                break

    def _close_to(self, length: int) -> None:
        while len(self.open) > length:
            self.out.append(f"</{self.open.pop()}>")

    def _player(self, tag: str, values: dict[str, str]) -> None:
        address = values.get("src") or next((values[name] for name in _LAZY if values.get(name)), "")
        if address:
            self.out.append(video_link(self.absolute(address), values.get("title", "")))
        if tag == "iframe" or address:
            self.skipping, self.skipped = tag, 1
        # A player whose source stands inside it: its fallback text and links remain.

    def _tag(self, tag: str, attrs: list[tuple[str, str | None]], values: dict[str, str]) -> str:
        parts = [tag]
        if tag == "img" and not values.get("src"):
            lazy = next((values[name] for name in _LAZY if values.get(name)), "")
            attrs = [*(pair for pair in attrs if pair[0] != "src"), ("src", lazy)]
            values["src"] = lazy
        if tag == "img" and self.sized and values.get("src"):
            size = self.sized(self.absolute(values["src"]), values)
            attrs = [*(pair for pair in attrs if pair[0] not in {"width", "height", "style"}), *size.items()]
        seen = set()
        for name, value in attrs:
            if name in seen or name in _GONE or name.startswith("on") or not _NAME.match(name):
                continue
            seen.add(name)
            if value is None:
                parts.append(name)
                continue
            if name in _ADDRESSES:
                if _RUNS.match(value) or not value.strip():
                    continue
                value = self.absolute(value)
            elif name == "style" and re.search(r"expression\s*\(|javascript:|@import", value, re.IGNORECASE):
                continue
            parts.append(f'{name}="{escape(value)}"')
        return f"<{' '.join(parts)}>"
