"""Find where raw HTML in Markdown begins and ends, as kramdown and CommonMark have it.

kramdown reads an element up to its closing tag, CommonMark up to a blank line. Pure: lines go in, what stands there
comes out; where it is put is `blocks`'s business. Sources: CommonMark 0.31 section 4.6; kramdown's syntax page.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Dialect = Literal["kramdown", "commonmark"]

_HTML = re.compile(
    r"<(/?)(address|article|aside|blockquote|body|canvas|center|dd|details|dialog|dir|div|dl|dt|fieldset|figcaption|figure"
    r"|footer|form|frameset|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|menu|nav|noscript|object|ol|optgroup|option"
    r"|p|picture|pre|script|section|style|summary|svg|table|tbody|td|template|textarea|tfoot|th|thead|title|tr|track|ul|video"
    r"|audio)(?=[\s/>]|\Z)",
    re.IGNORECASE,
)
_VERBATIM = frozenset({"pre", "script", "style", "textarea", "svg", "iframe", "video", "audio"})
_VOID = frozenset({"hr", "link", "track"})
_MARKDOWN = re.compile(r"\smarkdown\s*=\s*[\"']?(?:1|block|span)[\"']?", re.IGNORECASE)
_FENCE = re.compile(r"`{3,}|~{3,}")


@dataclass(frozen=True, slots=True)
class RawHtml:
    """Raw HTML that stands at a line's start."""

    html: str  # as written; with `inner`, the opening tag; empty for a comment
    end: int  # the line (from 0) that follows, or that `rest` is on
    rest: str = ""  # what stands behind it on its last line
    name: str = ""  # of an element with `inner`
    inner: str | None = None  # Markdown inside an element with markdown="1"
    close: str = ""  # its closing tag
    unclosed: bool = False  # an element that never ends, its opening tag alone


def opens_html(text: str) -> re.Match[str] | None:
    """Whether `text` begins with the tag of a block; groups: the slash of a closing one, the name."""
    return _HTML.match(text)


def read_html(lines: Sequence[str], at: int, text: str, dialect: Dialect, *, look_for_end: bool) -> RawHtml | None:
    """The raw HTML on line `at`, which is `text` without its indentation; None where there is none.

    Without `look_for_end` an element is taken for one that never ends.
    """
    if text.startswith("<!--"):
        return _comment(lines, at)
    match = _HTML.match(text)
    if match is None:
        return None
    name = match[2].lower()
    if match[1] or name in _VOID:
        tag = re.match(r"<[^>]*>", text)
        return _until(lines, at, text, tag[0], tag.end()) if tag else None
    if dialect == "commonmark" and name not in _VERBATIM:
        end = at
        while end < len(lines) and lines[end].strip():
            if end > at and lines[end - 1].rstrip().endswith(">") and _FENCE.match(lines[end]):
                break  # older Hugo ended the block with the tag
            end += 1
        return RawHtml("\n".join(lines[at:end]), end)
    source = "\n".join([text, *lines[at + 1 :]])
    opening = re.match(r"<(?:\"[^\"]*\"|'[^']*'|[^>\"'])*>", source)
    if opening is None:
        return None
    stop = _closing(source, name) if look_for_end else None
    if stop is None:
        return replace(_until(lines, at, source, opening[0], opening.end()), unclosed=True)
    if _MARKDOWN.search(opening[0]):
        close = source.rindex("<", 0, stop)
        found = _until(lines, at, source, _MARKDOWN.sub("", opening[0]), stop)
        return replace(found, name=name, inner=source[opening.end() : close], close=source[close:stop])
    return _until(lines, at, source, source[:stop], stop)


def _until(lines: Sequence[str], at: int, source: str, html: str, stop: int) -> RawHtml:
    """`html`, which ends at offset `stop` of `source`, the text from line `at` on."""
    end = at + source.count("\n", 0, stop)
    rest = source[stop:].partition("\n")[0].lstrip()
    return RawHtml(html, end, rest) if rest.strip() else RawHtml(html, end + 1)


def _comment(lines: Sequence[str], at: int) -> RawHtml | None:
    end = next((number for number in range(at, len(lines)) if "-->" in lines[number]), None)
    if end is None:
        return None
    after = lines[end][lines[end].index("-->") + 3 :].strip()
    return RawHtml("", end, after) if after else RawHtml("", end + 1)


def _closing(source: str, name: str) -> int | None:
    """Where the element that `source` starts with ends: behind its closing tag; None where it is never closed."""
    depth = 0
    if name == "p":  # may be closed by what follows
        match = re.search(r"</p\s*>|\n[ \t]*\n", source, re.IGNORECASE)
        return (match.end() if match[0].startswith("<") else match.start()) if match else len(source)
    for match in re.finditer(rf"<(/?){name}(?=[\s/>])[^>]*>", source, re.IGNORECASE):
        if match[0].endswith("/>"):
            continue
        depth += -1 if match[1] else 1
        if depth == 0:
            return match.end()
        if name in {"script", "style", "textarea"}:
            depth = 1
    return None
