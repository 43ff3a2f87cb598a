"""Size and form: what mailbox providers cut off, drop or refuse because of how the message is built."""

import re
from collections.abc import Iterator

from newsletter.checks.rule import Check, Place, Violation, place_of
from newsletter.checks.sample import Body, Sample
from newsletter.css.parse import declarations, urls

GMAIL_CLIP = 102 * 1024
"""Gmail shows this many bytes of the HTML part, and a link to the rest."""
GMAIL_NEAR = 90 * 1024
STYLE_MOST = 16_384
STYLE_NEAR = 8_192
_C1 = re.compile("[\u0080-\u009f]")
_META_CHARSET = re.compile(r"charset\s*=[\s\"']*([\w.:-]+)", re.IGNORECASE)
_LINKED = {"iframe", "video", "audio"}
_ACTIVE = re.compile(
    r"<(script|style|form|button|select|textarea|canvas|svg|object|embed|applet|iframe|video|audio)\b(?![^<>]*\bjson\b)",
    re.IGNORECASE,
)
_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})")
_CODE_SPAN = re.compile("`[^`\n]*`")
_UTF8 = {"utf-8", "utf8", "us-ascii", "ascii", "unicode-1-1-utf-8", ""}


def gmail_clip(sample: Sample) -> Iterator[Violation]:
    size = sample.html.size if sample.html else 0
    if size > GMAIL_NEAR:
        clipped = size > GMAIL_CLIP
        harm = "and the footer's unsubscribe link with it" if clipped else "and link tracking makes it longer"
        what = f"the HTML is {size / 1024:.1f} KB: Gmail cuts it at 102 KB, {harm}"
        yield Violation("error" if clipped else "warning", what)


def style_size(sample: Sample) -> Iterator[Violation]:
    size = sum(style.size for style in sample.styles)
    if size > STYLE_NEAR:
        over = size > STYLE_MOST
        last = sample.styles[-1].before + 1
        what = (
            f"the <style> elements hold {size:,} bytes: Gmail drops what exceeds {STYLE_MOST:,}, and the design with it"
        )
        yield Violation("error" if over else "warning", what, None, last)


def nested_at_rule(sample: Sample) -> Iterator[Violation]:
    for style in sample.styles:
        for rule in style.sheet.at_rules:
            if rule.around:
                name = f"@{rule.name}"
                place = sample.sources.literal(f"{name} {rule.prelude}".strip())
                what = f"{name} stands inside another at-rule: Gmail drops the whole <style> element"
                yield Violation("error", what, place, style.before + rule.line)


def inline_background_image(sample: Sample) -> Iterator[Violation]:
    for element in sample.elements:
        style = element.get("style") or ""
        if "url" not in style.lower():
            continue
        for item in declarations(style):
            if item.name in {"background", "background-image"} and (found := urls(item.tokens)):
                what = "a background image in a style attribute: some versions of Gmail drop the whole attribute"
                yield Violation("warning", what, sample.sources.address(found[0]), element)
                break


def charset(sample: Sample) -> Iterator[Violation]:
    for name, part in (("HTML", sample.html), ("text", sample.text)):
        if part is None:
            continue
        if part.charset not in _UTF8:
            yield Violation(
                "error", f"the {name} part is in {part.charset}: letters outside it arrive as question marks"
            )
        elif part.mislabelled:
            yield Violation("error", f"the {name} part has bytes that are not UTF-8: readers see � in their place")
    if sample.html is not None and sample.tree is not None:
        for meta in sample.all("meta"):
            said = meta.get("charset") or ""
            if (meta.get("http-equiv") or "").lower() == "content-type":
                match = _META_CHARSET.search(meta.get("content") or "")
                said = match[1] if match else ""
            if said.strip().lower() not in _UTF8:
                what = f"the HTML says that it is in {said.strip()}: clients that believe it show wrong letters"
                yield Violation("error", what, sample.sources.literal(said.strip()), meta)
    for name, text in _texts(sample):
        if match := _C1.search(text):
            line = text.count("\n", 0, match.start()) + 1
            what = f"a control character (U+{ord(match[0]):04X}) in the {name}: text was read in a wrong encoding"
            yield Violation("error", what, _c1_place(sample, match[0]), line if name == "HTML" else None)


def _texts(sample: Sample) -> Iterator[tuple[str, str]]:
    def text(part: Body | None) -> str:
        return part.text if part and not part.mislabelled else ""

    yield "subject", sample.subject or ""
    yield "HTML", text(sample.html)
    yield "text", text(sample.text)


def _c1_place(sample: Sample, character: str) -> Place:
    for source in (sample.sources.post, sample.sources.front_matter, *sample.sources.templates):
        if source is not None and character in source.text:
            return source.name, source.line_at(source.text.index(character))
    return None


def active_content(sample: Sample) -> Iterator[Violation]:
    yield from _taken_out(sample)
    for element in sample.elements:
        tag = str(element.tag)
        if tag == "script" and "json" in (element.get("type") or "").lower():
            continue  # structured data that Gmail reads
        if tag in {"script", "form", "iframe", "object", "embed", "frame", "applet"}:
            what = f"<{tag}>: every client removes it, and some call the message dangerous"
            yield Violation("error", what, place_of(sample, element, "src", "action", "data"), element)
        elif tag in {"video", "audio"}:
            what = f"<{tag}>: few clients play it; elsewhere there is what stands inside it, or nothing"
            yield Violation("warning", what, place_of(sample, element, "src", "poster"), element)
        for name in element.keys():  # noqa: SIM118 (an element iterates over its children)
            if isinstance(name, str) and name.startswith("on") and name.isalpha():
                what = f"{name} on <{tag}>: scripts are removed, so nothing happens"
                yield Violation("error", what, sample.sources.literal(f"{name}="), element)


def _taken_out(sample: Sample) -> Iterator[Violation]:
    """What the post has and its message lacks, because composing took it out."""
    source = sample.sources.post
    if source is None or sample.html is None or (sample.post is not None and sample.post.excerpt):
        return
    told: set[str] = set()
    for offset, line in _markup(source.text):
        for match in _ACTIVE.finditer(line):
            tag = match[1].lower()
            shown = sample.html.text.count(f"&lt;{match[1]}")  # as code that is indented
            if tag in told or shown >= source.text.count(f"<{match[1]}"):
                continue
            told.add(tag)
            place = (source.name, source.line_at(offset + match.start()))
            if tag in _LINKED:
                yield Violation("info", f"<{tag}> became a link to what it would have shown", place)
            else:
                what = f"<{tag}> was taken out: no mail client runs it, and filters distrust what carries it"
                yield Violation("warning", what, place)


def _markup(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a post, and where they begin, without fenced code, comments and code spans."""
    offset, fence, comment = 0, "", False
    for line in text.splitlines(keepends=True):
        start, offset = offset, offset + len(line)
        found = _FENCE.match(line)
        if fence:
            fence = "" if found and found[1].startswith(fence) else fence
        elif comment:
            comment = "-->" not in line
        elif found:
            fence = found[1]
        else:
            comment = line.rfind("<!--") > line.rfind("-->")
            yield start, _CODE_SPAN.sub(lambda code: " " * len(code[0]), line.split("<!--")[0])


SIZE = (
    Check(
        "gmail-clip", gmail_clip,
        {"error": "HTML part over 102 KB", "warning": "HTML part over 90 KB"},
        "Gmail cuts the message and shows “[Message clipped]”; the footer with the unsubscribe link is gone.",
        "Shorten the post, or set `excerpt: true` to mail its beginning with a link to the rest.",
        "https://github.com/hteumeuleu/email-bugs/issues/41",
    ),
    Check(
        "style-size", style_size,
        {"error": "`<style>` elements over 16,384 bytes in all", "warning": "over 8,192 bytes"},
        "Gmail drops the style element that crosses its limit: no phone layout, no dark mode.",
        "Take rules out of the template's <style>; what can be inlined is, before sending.",
        "https://developers.google.com/workspace/gmail/design/css",
    ),
    Check(
        "nested-at-rule", nested_at_rule,
        {"error": "an at-rule inside an at-rule"},
        "Gmail drops the whole `<style>` element.",
        "Write the conditions into one @media rule, or put the inner rule beside the outer one.",
        "https://github.com/hteumeuleu/email-bugs/issues/36",
    ),
    Check(
        "inline-background-image", inline_background_image,
        {"warning": "`url()` in a background of a style attribute"},
        "Some versions of Gmail drop the whole style attribute: colours, padding and fonts go with the picture.",
        "Use the background attribute of a table cell, or a rule that stays in <style>.",
        "https://github.com/hteumeuleu/email-bugs/issues/135",
    ),
    Check(
        "active-content", active_content,
        {
            "error": "`script` (JSON aside), `form`, `iframe`, `object`, `embed`, `on…` attributes",
            "warning": "`video`, `audio`; what composing took out of the post: a script, a form, an SVG",
            "info": "a frame or player of the post that became a link",
        },
        "Clients remove it; filters distrust what carries it.",
        "Show a picture that links to the page where it works.",
        "https://www.caniemail.com/search/?s=form",
    ),
    Check(
        "charset", charset,
        {"error": "a part or a meta element that is not UTF-8, bytes that are not, C1 control characters"},
        "Accents, quotes and emoji arrive as other characters.",
        "Save the file as UTF-8 and write the character again.",
        "https://www.rfc-editor.org/rfc/rfc6532",
    ),
)  # fmt: skip
