"""Inline a page's CSS, once an issue: `css/inlining` decides, premailer 3.10 does it, with its traps disarmed.

Mail clients honour style attributes everywhere and `<style>` in places. premailer counts attribute selectors and
pseudo-classes as nothing, knows one value a property and rewrites values, so it gets one rule for each style attribute
that was decided on, by a mark on the elements, with a number for the declarations; marks and numbers come off again. A
`<style data-premailer="ignore">` stays byte for byte; of a `<style data-unused="drop">` what matches nothing is left
out. Nothing is fetched, from the network or from disk. The page comes back as libxml2 writes it: not pretty-printed,
doctype first, in UTF-8.
"""

import functools
import importlib.util
import re
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from lxml import etree

from newsletter.compose.html.images import fit_to_columns
from newsletter.compose.html.stylesheet import comment_css, head_css, is_untouched, promoted_css
from newsletter.css.inlining import Inlining, decide
from newsletter.css.nesting import parse_page
from newsletter.css.parse import Declaration, Sheet, declarations, parse_sheet
from newsletter.css.properties import holds_everywhere
from newsletter.css.selectors import Element
from newsletter.errors import NewsletterError


class _Deferred(ModuleType):
    """A module that is loaded when something of it is used; importlib's LazyLoader does so when it is imported."""

    def __getattr__(self, name: str) -> Any:
        spec = self.__spec__
        self.__class__ = ModuleType  # type: ignore[assignment]
        assert spec is not None
        assert spec.loader is not None
        spec.loader.exec_module(self)
        return getattr(self, name)


def _import_when_used(name: str) -> None:
    """Let what `import name` loads wait until something of the module is used; it need not be installed."""
    if name in sys.modules:
        return
    spec = importlib.util.find_spec(name)
    module = sys.modules[name] = ModuleType(name) if spec is None else importlib.util.module_from_spec(spec)
    if spec is not None:
        module.__class__ = _Deferred


_import_when_used("requests")  # premailer fetches with it; nothing is fetched here, and it weighs 7 MB and 70 ms
import premailer.merge_style  # noqa: E402 (see above)
import premailer.premailer  # noqa: E402
from premailer import Premailer  # noqa: E402

# premailer's cache holds 128 selectors and styles together: fewer than a mail has, so that a save would read most anew.
_CACHED = functools.lru_cache(maxsize=2048)
_pairs = _CACHED(premailer.merge_style.csstext_to_pairs)
premailer.merge_style.csstext_to_pairs = premailer.premailer.csstext_to_pairs = _pairs
premailer.premailer._create_cssselector = _CACHED(premailer.premailer._create_cssselector)

_DOCTYPE = re.compile(r"<!doctype[^>]*>", re.IGNORECASE)
_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_SVG_CASE = {
    name.lower(): name
    for name in (
        "baseFrequency", "clipPath", "clipPathUnits", "foreignObject", "gradientTransform", "gradientUnits",
        "lengthAdjust", "linearGradient", "markerHeight", "markerWidth", "maskUnits", "numOctaves", "patternTransform",
        "patternUnits", "preserveAspectRatio", "radialGradient", "refX", "refY", "spreadMethod", "startOffset",
        "stdDeviation", "textLength", "textPath", "viewBox",
    )
}  # fmt: skip


_MARK = "data-newsletter-style"
_NUMBER = "-newsletter-style"
_STEPS = 500_000  # of matching; the largest template seen takes some 20,000
_ROW_GROUPS = {"thead", "tbody", "tfoot", "caption", "colgroup"}
_KEY = re.compile(r"""\b(class|id)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))""", re.IGNORECASE)
_CONDITIONAL = re.compile(r"\s*\[if\b")
_ADDRESSES = ("href", "src", "background", "poster")
_ADDRESS = re.compile(rf"""(\b(?:{"|".join(_ADDRESSES)})\s*=\s*["']?)(/(?!/)[^\s"'<>]*)""", re.IGNORECASE)
_URL = re.compile(r"""(\burl\(\s*["']?)(/(?!/)[^\s"'()]*)""", re.IGNORECASE)
_SCREENS = ("", "all", "screen")
_ATTRIBUTES = {
    "text-align": ("align", {"td", "th", "tr", "p", "div", "h1", "h2", "h3", "h4", "h5", "h6"}),
    "vertical-align": ("valign", {"td", "th", "tr"}),
    "background-color": ("bgcolor", {"body", "table", "tr", "td", "th"}),
}
"""Attributes that say what a property says; `align` of a table or a picture makes it float."""
_WITH_ATTRIBUTES = {tag for _, tags in _ATTRIBUTES.values() for tag in tags}


def inline_css(html: str, absolute: Callable[[str], str] | None = None) -> str:
    """`html`, a whole page, with the rules of its `<style>` elements in style attributes.

    `absolute` makes addresses of the site (`/images/x.png`) absolute, in attributes, CSS and conditional comments.
    Empty input comes back empty; a fragment comes back as a page.
    """
    html = _XML_DECLARATION.sub("", html.lstrip("\ufeff")).replace("\0", "")
    doctype = _DOCTYPE.search(html)
    if doctype:
        html = html[: doctype.start()] + html[doctype.end() :]
    if not html.strip():
        return ""
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True)
    root = parse_page(html.strip(), parser)
    if root is None:
        return html
    if absolute is not None:
        _make_absolute(root, absolute)
    _inline(root)
    _restore_svg(root)
    page: str = etree.tostring(root.getroottree(), method="html", encoding="unicode", doctype="<!DOCTYPE html>")
    if doctype and doctype[0].lower() != "<!doctype html>":
        page = doctype[0] + page.removeprefix("<!DOCTYPE html>")
    return page


def _make_absolute(root: Element, absolute: Callable[[str], str]) -> None:
    def replaced(match: re.Match[str]) -> str:
        return match[1] + absolute(match[2])

    for element in root.iter(etree.Element):
        for name in _ADDRESSES:
            value = (element.get(name) or "").strip()
            if value.startswith("/") and not value.startswith("//"):
                element.set(name, absolute(value))
        if "url(" in (style := element.get("style") or ""):
            element.set("style", _URL.sub(replaced, style))
        if element.tag == "style" and element.text:
            element.text = _URL.sub(replaced, element.text)
    for comment in root.iter(etree.Comment):
        if _CONDITIONAL.match(comment.text or ""):
            comment.text = _URL.sub(replaced, _ADDRESS.sub(replaced, comment.text or ""))


def _inline(root: Element) -> None:
    styles = [style for style in root.iter("style") if style.get("data-premailer") != "ignore"]
    # A sheet for screens is for all, unless another one is for print.
    printed = any("print" in f"{style.text or ''} {style.get('media') or ''}".lower() for style in styles)
    everywhere = _SCREENS[:2] if printed else _SCREENS
    sheets = {style: _read(style, everywhere) for style in styles}
    implied = _add_bodies(root)
    elements = list(root.iter(etree.Element))
    complete = [sheet for style, sheet in sheets.items() if style.attrib.pop("data-unused", "") == "drop"]
    decision = decide(elements, list(sheets.values()), _STEPS, complete)
    for body in implied:
        if body not in decision.styles and body not in decision.classes:
            _unwrap(body)
    if decision.exhausted:
        raise NewsletterError("the style sheets hold too many selectors for a page of this size; shorten them")
    in_comments = _keys_in_comments(root)
    for style, sheet in sheets.items():
        _replace(style, sheet, decision, comment_css(sheet, in_comments), everywhere)
    if decision.promoted:
        besides, last = etree.Element("style"), list(root.iter("style"))[-1]
        besides.text = promoted_css(decision.promoted)
        besides.set("data-premailer", "ignore")
        besides.tail, last.tail = last.tail, None
        last.addnext(besides)
    for element, names in decision.classes.items():
        element.set("class", names)
    texts = list(dict.fromkeys(decision.styles.values()))
    numbers = {text: str(number) for number, text in enumerate(texts)}
    for element, text in decision.styles.items():
        element.set(_MARK, numbers[text])
        element.attrib.pop("style", "")
    _Premailer(len(texts)).transform(root)
    for style in root.iter("style"):
        style.attrib.pop("data-premailer", "")
    for element in decision.styles:
        element.set("style", texts[int(element.attrib.pop(_MARK))])
        _set_attributes(element)
    fit_to_columns(root)


class _Premailer(Premailer):  # type: ignore[misc]
    """premailer with rules of ours: one for each of the style attributes that were decided on."""

    def __init__(self, count: int) -> None:
        super().__init__(
            strip_important=False, disable_validation=True, disable_leftover_css=True, align_floating_images=False,
            remove_unset_properties=False, allow_network=False, allow_loading_external_files=False, session=object(),
            css_text=["of ours"] if count else None,
        )  # fmt: skip
        self._count = count

    def _parse_style_rules(self, css_body: str, ruleset_index: int) -> tuple[list[Any], list[Any]]:
        numbers = range(self._count)
        return [((0, 0, 1, 0, 0, n), f'[{_MARK}="{n}"]', f"{_NUMBER}:{n}") for n in numbers], []

    def _style_to_basic_html_attributes(self, element: Any, style_content: str, force: bool = False) -> None:
        """Which attributes say the same is seen to later, from the true style."""


def _read(style: Element, everywhere: Sequence[str]) -> Sheet:
    """The rules of a style element; those of one with another `media` than these are taken for rules of that medium."""
    text, medium = style.text or "", _medium(style)
    return parse_sheet(text if medium in everywhere else f"@media {medium} {{{text}\n}}")


def _medium(style: Element) -> str:
    return " ".join((style.get("media") or "").lower().split())


def _replace(
    style: Element, sheet: Sheet, decision: Inlining, for_comments: str, everywhere: Sequence[str]
) -> None:  # fmt: skip
    """Leave what stays in place of a style element."""
    kept = head_css(sheet, decision.kept, inside_media=_medium(style) not in everywhere)
    if for_comments:
        comment = etree.Comment(f"[if mso]><style>{for_comments}</style><![endif]")
        comment.tail, style.tail = style.tail, None
        style.addnext(comment)
    if kept:
        style.text = style.text if is_untouched(sheet, decision.kept) else kept
        style.set("data-premailer", "ignore")
    elif (parent := style.getparent()) is not None and parent.tag != "head":
        style.text = ""  # it counts among its siblings
        style.set("data-premailer", "ignore")
    else:
        _remove(style)


def _remove(element: Element) -> None:
    """Take an element out, and leave the text behind it."""
    parent, before = element.getparent(), element.getprevious()
    if parent is None:
        return
    if element.tail:
        if before is not None:
            before.tail = (before.tail or "") + element.tail
        else:
            parent.text = (parent.text or "") + element.tail
    parent.remove(element)


def _add_bodies(root: Element) -> list[Element]:
    """Put the `<tbody>` in that browsers see around rows and libxml2 does not, so that selectors mean the same."""
    added = []
    for table in list(root.iter("table")):
        body: Element | None = None
        for child in list(table):
            if child.tag == "tr":
                if body is None:
                    body = etree.Element("tbody")
                    child.addprevious(body)
                    added.append(body)
                body.append(child)
            elif child.tag in _ROW_GROUPS:
                body = None
            elif body is not None:
                body.append(child)
    return added


def _unwrap(body: Element) -> None:
    for child in list(body):
        body.addprevious(child)
    _remove(body)


def _keys_in_comments(root: Element) -> frozenset[str]:
    """The classes and ids of elements in conditional comments, which only some clients see."""
    found = set()
    for comment in root.iter(etree.Comment):
        if _CONDITIONAL.match(comment.text or ""):
            for name, *values in _KEY.findall(comment.text or ""):
                found |= {("." if name.lower() == "class" else "#") + word for word in "".join(values).split()}
    return frozenset(found)


def _set_attributes(element: Element) -> None:
    """What old clients take from attributes alone: a cell's alignment, and a plain ground."""
    tag = str(element.tag)
    if tag not in _WITH_ATTRIBUTES:
        return
    last: dict[str, Declaration] = {}
    for item in declarations(element.get("style") or ""):
        if item.name not in last or item.important or not last[item.name].important:
            last[item.name] = item
    for name, (attribute, tags) in _ATTRIBUTES.items():
        if name not in last or tag not in tags:
            continue
        item = last[name]
        plain = item.value.lower() not in {"inherit", "initial", "transparent"}
        if plain and holds_everywhere(name, item.value, item) is True:
            element.set(attribute, item.value)


def _restore_svg(root: Any) -> None:
    """SVG's names have capitals, which parsers of HTML make small."""
    for svg in root.iter("svg"):
        for element in svg.iter(etree.Element):
            element.tag = _SVG_CASE.get(element.tag, element.tag)
            for name in [name for name in element.attrib if name in _SVG_CASE]:
                element.set(_SVG_CASE[name], element.attrib.pop(name))
