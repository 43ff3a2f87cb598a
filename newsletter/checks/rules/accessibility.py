"""Reading it: language, structure, contrast and size, for eyes of all kinds and for screen readers."""

import math
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice

from newsletter.checks.finding import Severity
from newsletter.checks.rule import Check, Violation, count, place_of_text, shorten
from newsletter.checks.sample import Sample, TextRun, element_text, squeeze
from newsletter.css.colour import Colour, contrast_ratio
from newsletter.css.computed import ComputedStyle
from newsletter.css.parse import Element

SMALLEST = 14
CONTRAST = 4.5
CONTRAST_LARGE = 3.0
_Pair = tuple[Colour, Colour]
_RIGHT_TO_LEFT = {"ar", "arc", "ckb", "dv", "fa", "he", "iw", "ps", "sd", "syr", "ug", "ur", "yi"}
_TOP = {f"h{level}": level for level in range(1, 7)}


def language(sample: Sample) -> Iterator[Violation]:
    if sample.tree is None:
        return
    html = next(sample.all("html"), sample.tree)
    bare = [name for name in ("lang", "dir") if not (html.get(name) or "").strip()]
    inside = [name for name in ("lang", "dir") if not _wrapper(sample, name)]
    leftward = _is_right_to_left(sample)
    if bare:
        also = ", nor has an element around the body's text" if inside else ""
        what = f"<html> has no {' and no '.join(bare)}{also}: {_harm(bare)}"
        grave = "lang" in bare or leftward
        yield Violation("error" if grave else "warning", what, _place_of_tag(sample, "<html"), html)
    elif inside:
        what = (
            f"no element around the body's text has {' and '.join(inside)}: webmail drops what <html> says, and "
            + _harm(inside)
        )
        body = next(sample.all("body"), None)
        yield Violation("error" if leftward else "warning", what, _place_of_tag(sample, "<body"), body)
    title = next(sample.all("title"), None)
    if title is None or not squeeze(title.text or ""):
        what = "there is no <title>: screen readers and browser tabs name the message by its address"
        yield Violation(
            "warning",
            what,
            _place_of_tag(sample, "<head"),
            None,
            "Put <title>{{ issue.subject }}</title> into the head.",
        )


def _is_right_to_left(sample: Sample) -> bool:
    """Whether the message says that it is in a language written from right to left, or shows mostly letters of one."""
    tags = [(element.get("lang") or "").lower().partition("-")[0] for element in sample.all("html", "body", "div")]
    if any(tag in _RIGHT_TO_LEFT for tag in tags):
        return True
    letters = [unicodedata.bidirectional(one) for words in sample.shown[:200] for one in words.text[:500]]
    return sum(kind in {"R", "AL"} for kind in letters) > letters.count("L")


def table_role(sample: Sample) -> Iterator[Violation]:
    layout: list[Element] = []
    for table in sample.all("table"):
        if sample.hidden(table):
            continue
        silent = (table.get("role") or "").strip().lower() in {"presentation", "none"}
        headed = any(_own(table, cell) for cell in table.iter("th", "caption", "thead") if cell.tag != "thead") or any(
            _own(table, cell) for cell in table.iter("td") if cell.get("scope") or cell.get("headers")
        )
        if silent and headed:
            what = "a table with header cells has role=presentation: a screen reader leaves its headings out"
            place = place_of_text(sample, element_text(table)[:80], table)
            yield Violation("warning", what, place, table, "Take role=presentation off this table.")
        elif not silent and not headed and table.get("role") not in {"table", "grid"}:
            if _is_data(table):
                what = "a table has no header cells: a screen reader reads its cells without saying what they are"
                place = place_of_text(sample, element_text(table)[:80], table)
                yield Violation("warning", what, place, table, "Make the cells of its first row <th>.")
            else:
                layout.append(table)
    if layout:
        what = (
            f"{count(len(layout), 'layout table')} without role=presentation: a screen reader counts rows and columns"
        )
        yield Violation("warning", what, None, layout[0])


def heading_order(sample: Sample) -> Iterator[Violation]:
    before = 0
    top: list[Element] = []
    for heading in sample.all(*_TOP):
        text = element_text(heading)
        if sample.hidden(heading) or not text:
            continue
        level = _TOP[str(heading.tag)]
        if level == 1:
            top.append(heading)
        if before and level > before + 1:
            what = f"{shorten(text)!r} is an h{level} straight after an h{before}: who jumps by headings misses a step"
            yield Violation("warning", what, place_of_text(sample, text, heading), heading)
        before = level
    if len(top) > 1:
        text = element_text(top[1])
        more = f" and {len(top) - 2} more" if len(top) > 2 else ""
        what = f"{shorten(text)!r}{more} is one more h1: a screen reader takes it for another message"
        place = place_of_text(sample, text, top[1])
        yield Violation("warning", what, place, top[1], "Begin the post's headings at ##.")


def contrast(sample: Sample) -> Iterator[Violation]:
    in_light = _weak(sample, sample.computed_styles)
    yield from _contrast_violations(sample, in_light, "error", "")
    if sample.dark_styles is not None:
        in_dark = _weak(sample, sample.dark_styles)
        fresh = {pair: found for pair, found in in_dark.items() if in_light.get(pair) != found}
        yield from _contrast_violations(sample, fresh, "warning", " in dark mode")


def small_text(sample: Sample) -> Iterator[Violation]:
    sizes: Counter[float] = Counter()
    first: dict[float, TextRun] = {}
    for words in sample.shown:
        size = round(sample.computed_styles[words.element].size, 1)
        if size < SMALLEST and _readable(words.text) and not _raised(words.element):
            sizes[size] += len(words.text.split())
            first.setdefault(size, words)
    if sizes:
        smallest = min(sizes)
        words = first[smallest]
        number = count(sizes.total(), "word")
        what = (
            f"{number} under {SMALLEST} px: {smallest:g} px in {shorten(words.text, 40)!r} is hard to read on a phone"
        )
        yield Violation("warning", what, place_of_text(sample, squeeze(words.text), words.element), words.element)


def _harm(missing: list[str]) -> str:
    if "lang" in missing:
        return "screen readers guess, and read with the wrong voice"
    return "words of right-to-left languages stand in the wrong order"


def _weak(sample: Sample, computed_styles: Mapping[Element, ComputedStyle]) -> dict[_Pair, list[TextRun]]:
    """The words that are hard to read, by their two colours, so that one wrong rule is one finding."""
    found: dict[_Pair, list[TextRun]] = {}
    for words in sample.words:
        style = computed_styles[words.element]
        if style.hidden or not sample.shows(words) or not _readable(words.text):
            continue
        if style.colour is None or style.ground is None:
            continue
        shown = style.colour.faded(style.opacity).over(style.ground)
        large = style.size >= 24 or (style.bold and style.size >= 18.66)
        if contrast_ratio(shown, style.ground) < (CONTRAST_LARGE if large else CONTRAST):
            found.setdefault((shown, style.ground), []).append(words)
    return found


def _contrast_violations(
    sample: Sample, weak: Mapping[_Pair, list[TextRun]], severity: Severity, when: str
) -> Iterator[Violation]:
    for (shown, ground), places in weak.items():
        words = places[0]
        more = f" and {len(places) - 1} more" if len(places) > 1 else ""
        ratio = math.floor(contrast_ratio(shown, ground) * 10) / 10
        text = squeeze(words.text)
        what = f"{shorten(text, 40)!r}{more}: {shown} on {ground} has a contrast of {ratio}:1{when}, hard to read"
        yield Violation(severity, what, place_of_text(sample, text, words.element), words.element)


def _readable(text: str) -> bool:
    return any(letter.isalnum() for letter in text)


def _raised(element: Element) -> bool:
    """Whether it is a superscript or subscript, which are small by nature."""
    return any(node.tag in {"sup", "sub"} for node in (element, *element.iterancestors()))


def _own(table: Element, cell: Element) -> bool:
    """Whether a cell belongs to this table and not to one inside it."""
    return next((node for node in cell.iterancestors("table")), None) is table


def _is_data(table: Element) -> bool:
    """Rows of short text in columns, nothing else: what nobody lays out a page with."""
    rows = [row for row in table.iter("tr") if _own(table, row)]
    cells = [[cell for cell in row if cell.tag == "td"] for row in rows]
    widths = {len(row) for row in cells}
    if (
        len(rows) < 3
        or len(widths) != 1
        or max(widths) < 2
        or next(table.iterdescendants("table", "img"), None) is not None
    ):
        return False
    texts = [element_text(cell) for row in cells for cell in row]
    return all(0 < len(text) <= 60 for text in texts)


def _wrapper(sample: Sample, attribute: str) -> bool:
    """Whether an element inside the body that has the attribute holds at least half of what is read."""
    whole = sum(len(words.text) for words in sample.shown)
    within = (node for node in sample.elements if node.tag not in {"html", "head", "body"})
    for element in islice((node for node in within if (node.get(attribute) or "").strip()), 20):
        inside = set(element.iter())
        if sum(len(words.text) for words in sample.shown if words.element in inside) * 2 >= whole:
            return True
    return whole == 0


def _place_of_tag(sample: Sample, tag: str) -> tuple[str, int] | None:
    for source in sample.sources.templates[:1]:
        if tag in source.text:
            return source.name, source.line_at(source.text.index(tag))
    return None


ACCESSIBILITY = (
    Check(
        "language", language,
        {"error": "`lang` or `dir` missing on html, or on a wrapper in the body", "warning": "no `<title>`"},
        "A screen reader reads French with an English voice; right-to-left text stands wrong.",
        "Write lang and dir on <html> and on the element around everything in <body>.",
        "https://www.emailmarkup.org/en/reports/accessibility/2025/",
    ),
    Check(
        "table-role", table_role,
        {"warning": "a layout table without role=presentation; a data table with it, or without header cells"},
        "A screen reader says “table with 3 rows” before every block, or reads numbers without their headings.",
        "Add role=\"presentation\" to tables that only lay out; give tables of data a header row.",
        "https://www.w3.org/WAI/tutorials/tables/",
    ),
    Check(
        "heading-order", heading_order,
        {"warning": "a level skipped; several h1"},
        "Readers who jump from heading to heading lose their way.",
        "Use the next level down: ## after #, ### after ##.",
        "https://www.w3.org/WAI/tutorials/page-structure/headings/",
    ),
    Check(
        "contrast", contrast,
        {
            "error": "under 4.5:1, or 3:1 for text of 24 px, or of 18.66 px and bold",
            "warning": "the same in dark mode, for a message with dark styles or `color-scheme: dark`",
        },
        "Weak eyes, cheap screens and sunlight: the words can't be read.",
        "Darken the text or lighten the ground, in the template or by [newsletter] color and background.",
        "https://www.w3.org/WAI/WCAG22/Understanding/contrast-minimum",
    ),
    Check(
        "small-text", small_text,
        {"warning": "under 14 px, superscripts and subscripts aside"},
        "On a phone it can't be read without zooming; iOS enlarges it and breaks the layout.",
        "Set the font size to 14 px or more.",
        "https://www.emailmarkup.org/en/reports/accessibility/2025/",
    ),
)  # fmt: skip
