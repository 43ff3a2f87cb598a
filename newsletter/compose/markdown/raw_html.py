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
_SPAN_CONTENT = re.compile(r"p|h[1-6]|dt|th|legend|caption|label|button")
_ON_ONE_LINE = {"td", "summary", "figcaption", "address"}  # hold blocks, and spans where they begin on the tag's line
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
_WHOLE_TAG = re.compile(r"<[^>\n]*>")
_OPENING = re.compile(rf"<[A-Za-z_][\w:.-]*(?:{ATTRIBUTE})*\s*(/?)>")
_PARAGRAPHS_END = re.compile(r"</p\s*>|\n[ \t]*\n", re.IGNORECASE)
_FIRST_LINES = 8  # in which an element's end is looked for, before it is in all
_MARKDOWN = re.compile(r"\smarkdown\s*=\s*[\"']?(1|block|span)\b[\"']?", re.IGNORECASE)


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
    stop: int = 0  # where it ends in the text that it was found in
    end: int = 0  # the line (from 0) that follows, or that `rest` is on
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
    lines: Sequence[str], at: int, text: str, *, look_for_end: bool, markdown_inside: bool = False
) -> RawElement | None:
    """The raw HTML on line `at`, which is `text` without its indentation; None where there is none.

    Without `look_for_end` an element is taken for one that never ends. With `markdown_inside` there is Markdown in all
    that may hold some.
    """
    if text.startswith("<!--"):
        return _comment(lines, at)
    match = _TAG.match(text)
    if match is None or match[2].lower() in _SPANS:
        return None
    count = _FIRST_LINES
    while True:  # most elements are short, and a post may hold thousands
        source = "\n".join([text, *lines[at + 1 : at + count]])
        found = element_at(source, 0, look_for_end=look_for_end, markdown_inside=markdown_inside)
        settled = found is not None and found.stop < len(source) and not (found.unclosed and look_for_end)
        if settled or at + count >= len(lines):
            break
        count *= 8
    if found is None:
        return None
    end = at + source.count("\n", 0, found.stop)
    rest = source[found.stop :].partition("\n")[0].lstrip()
    return replace(found, end=end, rest=rest) if rest.strip(" \t") else replace(found, end=end + 1)


def element_at(source: str, start: int, *, look_for_end: bool, markdown_inside: bool = False) -> RawElement | None:
    """The element that begins in `source` at `start`, whatever its name; see `html_element`."""
    match = _TAG.match(source, start)
    if match is None:
        return None
    name = match[2].lower()
    if match[1] or name in _VOID:
        tag = _WHOLE_TAG.match(source, start)
        return RawElement(tag[0], tag.end(), blank=not match[1]) if tag else None
    opening = _OPENING.match(source, start)
    if opening is None:
        return None
    if opening[1]:
        return RawElement(opening[0], opening.end(), blank=True)
    stop = _closing(source, start, name) if look_for_end else None
    if stop is None:
        return RawElement(opening[0], opening.end(), unclosed=True)
    told = _MARKDOWN.search(opening[0])
    if told or (markdown_inside and (name in _BLOCK_CONTENT or name in _INLINE_CONTENT)):
        close = source.rindex("<", start, stop)
        html, inner = _MARKDOWN.sub("", opening[0]), source[opening.end() : close]
        spans = name in _SPANS or _SPAN_CONTENT.fullmatch(name) is not None
        spans = spans or (name in _ON_ONE_LINE and not inner.lstrip(" \t").startswith("\n"))
        if told and told[1] != "1":
            spans = told[1].lower() == "span"
        return RawElement(html, stop, inner=inner, spans=spans, close=source[close:stop])
    return RawElement(source[start:stop], stop, blank=name in {"script", "style"})


def _comment(lines: Sequence[str], at: int) -> RawElement | None:
    end = next((number for number in range(at, len(lines)) if "-->" in lines[number]), None)
    if end is None:
        return None
    after = lines[end][lines[end].index("-->") + 3 :].strip(" \t")
    return RawElement("", end=end, rest=after) if after else RawElement("", end=end + 1)


def _closing(source: str, start: int, name: str) -> int | None:
    """Where the element that begins at `start` ends: behind its closing tag; None where it is never closed."""
    depth = 0
    if name == "p":  # may be closed by what follows
        match = _PARAGRAPHS_END.search(source, start)
        return (match.end() if match[0].startswith("<") else match.start()) if match else len(source)
    for match in re.compile(rf"<(/?){re.escape(name)}(?=[\s/>])[^>]*>", re.IGNORECASE).finditer(source, start):
        if match[0].endswith("/>"):
            continue
        depth += -1 if match[1] else 1
        if depth == 0:
            return match.end()
        if name in {"script", "style", "textarea"}:
            depth = 1
    return None
