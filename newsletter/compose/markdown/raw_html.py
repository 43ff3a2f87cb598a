"""Find where raw HTML in Markdown begins and ends, as CommonMark and kramdown have it.

CommonMark reads a block up to a blank line, kramdown an element up to its closing tag. Pure: lines go in, what stands
there comes out. Sources: CommonMark 0.31 section 4.6; kramdown's parser/kramdown/html.rb and parser/html.rb.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

BLOCKS = (
    "address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|dialog|dir|div|dl|dt"
    "|fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|menu"
    "|menuitem|nav|noframes|ol|optgroup|option|p|param|search|section|source|summary|table|tbody|td|tfoot|th|thead|title"
    "|tr|track|ul"
)
ATTRIBUTE = r"\s+[A-Za-z_:][\w.:-]*(?:\s*=\s*(?:[^\s\"'=<>`]+|'[^']*'|\"[^\"]*\"))?"
OPEN_TAG = rf"<[A-Za-z][A-Za-z0-9-]*(?:{ATTRIBUTE})*\s*/?>"
CLOSE_TAG = r"</[A-Za-z][A-Za-z0-9-]*\s*>"

_RAW = "script|pre|style|textarea"
_STARTS: tuple[tuple[re.Pattern[str], re.Pattern[str] | None], ...] = (
    (re.compile(rf"<(?:{_RAW})(?:[\s>]|\Z)", re.I), re.compile(rf"</(?:{_RAW})>", re.I)),
    (re.compile(r"<!--"), re.compile(r"-->")),
    (re.compile(r"<\?"), re.compile(r"\?>")),
    (re.compile(r"<![A-Za-z]"), re.compile(r">")),
    (re.compile(r"<!\[CDATA\["), re.compile(r"\]\]>")),
    (re.compile(rf"</?(?:{BLOCKS})(?:\s|/?>|\Z)", re.I), None),
)  # fmt: skip
_ALONE = re.compile(rf"(?:{OPEN_TAG}|{CLOSE_TAG})[ \t]*\Z")

_SPANS = frozenset({
    "a", "abbr", "acronym", "b", "big", "bdo", "br", "button", "cite", "code", "del", "dfn", "em", "i", "img",
    "input", "ins", "kbd", "label", "mark", "option", "q", "rb", "rbc", "rp", "rt", "rtc", "ruby", "samp", "select",
    "small", "span", "strong", "sub", "sup", "tt", "u", "var",
})  # fmt: skip
_VOID = frozenset({
    "area", "base", "br", "col", "command", "embed", "hr", "img", "input", "keygen", "link", "meta", "param",
    "source", "track", "wbr",
})  # fmt: skip
_SPAN_CONTENT = re.compile(r"p|h[1-6]|dt|td|th|summary|legend|figcaption|caption|label|button|address")
_BLOCK_CONTENT = frozenset({
    "address", "applet", "article", "aside", "blockquote", "body", "dd", "details", "div", "dl", "fieldset", "figure",
    "figcaption", "footer", "form", "header", "hgroup", "iframe", "li", "main", "map", "menu", "nav", "noscript",
    "object", "section", "summary", "td",
})  # fmt: skip
_INLINE_CONTENT = frozenset({
    "a", "abbr", "acronym", "b", "bdo", "big", "button", "cite", "caption", "del", "dfn", "dt", "em", "h1", "h2", "h3",
    "h4", "h5", "h6", "i", "ins", "label", "legend", "optgroup", "p", "q", "rb", "rbc", "rp", "rt", "rtc", "ruby",
    "select", "small", "span", "strong", "sub", "sup", "th", "tt",
})  # fmt: skip
_TAG = re.compile(r"<(/?)([A-Za-z_][\w:.-]*)")
_TAGS = re.compile(r"<[A-Za-z][^<>]*>")
_MARKDOWN = re.compile(r"\smarkdown\s*=\s*[\"']?(?:1|block|span)[\"']?", re.IGNORECASE)


def markdown_tags(html: str, start: int) -> Iterator[int]:
    """Where in `html` elements begin, from `start` on, that say markdown="1"."""
    if "markdown" in html:
        yield from (tag.start() for tag in _TAGS.finditer(html, start) if _MARKDOWN.search(tag[0]))


def html_block(lines: Sequence[str], at: int, text: str, *, in_paragraph: bool = False) -> int:
    """The line after the raw HTML that `text`, line `at` without its blanks, begins; 0 where it begins none."""
    for start, end in _STARTS:
        if start.match(text):
            if end is None:
                return _blank(lines, at)
            return next((n + 1 for n in range(at, len(lines)) if end.search(lines[n])), len(lines))
    if not in_paragraph and _ALONE.match(text):
        return _blank(lines, at)
    return 0


def _blank(lines: Sequence[str], at: int) -> int:
    while at < len(lines) and lines[at].strip(" \t"):
        at += 1
    return at


@dataclass(frozen=True, slots=True)
class RawElement:
    """An element of raw HTML at a line's start, in kramdown."""

    html: str  # as written; with `inner`, the opening tag; empty for a comment
    end: int  # the line (from 0) that follows, or that `rest` is on
    rest: str = ""  # what stands behind it on its last line
    inner: str | None = None  # Markdown inside an element with markdown="1"
    spans: bool = False  # whether that is a line's Markdown, not blocks
    close: str = ""  # its closing tag
    unclosed: bool = False  # an element that never ends, its opening tag alone
    blank: bool = False  # whether its line's end is a blank line to kramdown


def ends_paragraph(text: str) -> bool:
    """Whether kramdown takes `text` for HTML that a paragraph gives way to."""
    match = _TAG.match(text)
    return match is not None and match[2].lower() not in _SPANS and match[2].lower() != "script"


def is_raw(name: str) -> bool:
    """Whether kramdown leaves what stands in an element in a line of text as it is written."""
    return name not in _BLOCK_CONTENT and name not in _INLINE_CONTENT and name not in _VOID


def html_element(
    lines: Sequence[str],
    at: int,
    text: str,
    *,
    look_for_end: bool,
    markdown_inside: bool = False,
    in_html: bool = False,
) -> RawElement | None:
    """The raw HTML on line `at`, which is `text` without its indentation; None where there is none.

    Without `look_for_end` an element is taken for one that never ends. With `markdown_inside` there is Markdown in all
    that may hold some. `in_html`, spans are elements like others.
    """
    if text.startswith("<!--"):
        return _comment(lines, at)
    match = _TAG.match(text)
    if match is None or (match[2].lower() in _SPANS and not in_html):
        return None
    name = match[2].lower()
    if match[1] or name in _VOID:
        tag = re.match(r"<[^>]*>", text)
        return replace(_until(lines, at, text, tag[0], tag.end()), blank=not match[1]) if tag else None
    source = "\n".join([text, *lines[at + 1 :]])
    opening = re.match(rf"<[A-Za-z_][\w:.-]*(?:{ATTRIBUTE})*\s*(/?)>", source)
    if opening is None:
        return None
    if opening[1]:
        return replace(_until(lines, at, source, opening[0], opening.end()), blank=True)
    stop = _closing(source, name) if look_for_end else None
    if stop is None:
        return replace(_until(lines, at, source, opening[0], opening.end()), unclosed=True)
    if _MARKDOWN.search(opening[0]) or (markdown_inside and (name in _BLOCK_CONTENT or name in _INLINE_CONTENT)):
        close = source.rindex("<", 0, stop)
        found = _until(lines, at, source, _MARKDOWN.sub("", opening[0]), stop)
        spans = name in _SPANS or _SPAN_CONTENT.fullmatch(name) is not None
        return replace(found, inner=source[opening.end() : close], spans=spans, close=source[close:stop])
    return replace(_until(lines, at, source, source[:stop], stop), blank=name in {"script", "style"})


def _until(lines: Sequence[str], at: int, source: str, html: str, stop: int) -> RawElement:
    """`html`, which ends at offset `stop` of `source`, the text from line `at` on."""
    end = at + source.count("\n", 0, stop)
    rest = source[stop:].partition("\n")[0].lstrip()
    return RawElement(html, end, rest) if rest.strip(" \t") else RawElement(html, end + 1)


def _comment(lines: Sequence[str], at: int) -> RawElement | None:
    end = next((number for number in range(at, len(lines)) if "-->" in lines[number]), None)
    if end is None:
        return None
    after = lines[end][lines[end].index("-->") + 3 :].strip(" \t")
    return RawElement("", end, after) if after else RawElement("", end + 1)


def _closing(source: str, name: str) -> int | None:
    """Where the element that `source` starts with ends: behind its closing tag; None where it is never closed."""
    depth = 0
    if name == "p":  # may be closed by what follows
        match = re.search(r"</p\s*>|\n[ \t]*\n", source, re.IGNORECASE)
        return (match.end() if match[0].startswith("<") else match.start()) if match else len(source)
    for match in re.finditer(rf"<(/?){re.escape(name)}(?=[\s/>])[^>]*>", source, re.IGNORECASE):
        if match[0].endswith("/>"):
            continue
        depth += -1 if match[1] else 1
        if depth == 0:
            return match.end()
        if name in {"script", "style", "textarea"}:
            depth = 1
    return None
