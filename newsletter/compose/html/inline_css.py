"""Inline a page's CSS, once an issue: premailer 3.10 with its traps disarmed.

Mail clients honour style attributes everywhere and `<style>` in places. Rules that can't be inlined stay in the head
(`stylesheet` tells which); a `<style data-premailer="ignore">` stays byte for byte. Nothing is fetched, from the
network or from disk. The page comes back as libxml2 writes it: not pretty-printed, doctype first, in UTF-8.
"""

import functools
import importlib.util
import logging
import re
import sys
from types import ModuleType
from typing import Any

import cssutils
from lxml import etree

from newsletter.compose.html.stylesheet import part_stylesheet


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
    """Let what `import name` loads wait until something of the module is used."""
    spec = None if name in sys.modules else importlib.util.find_spec(name)
    if spec is not None:
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
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


def inline_css(html: str) -> str:
    """`html`, a whole page, with the rules of its `<style>` elements in style attributes.

    Empty input comes back empty; a fragment comes back as a page.
    """
    html = _XML_DECLARATION.sub("", html.lstrip("\ufeff")).replace("\0", "")
    doctype = _DOCTYPE.search(html)
    if doctype:
        html = html[: doctype.start()] + html[doctype.end() :]
    if not html.strip():
        return ""
    _tame_cssutils()
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True)
    root = etree.fromstring(html.strip().encode("utf-8", "replace"), parser)
    if root is None:
        return html
    _part_styles(root)
    premailer = _Premailer(
        strip_important=False,
        disable_basic_attributes=["width", "height"],
        disable_validation=True,
        disable_leftover_css=True,
        align_floating_images=False,
        remove_unset_properties=False,
        allow_network=False,
        allow_loading_external_files=False,
        cache_css_parsing=True,
    )
    premailer.transform(root)
    _restore_svg(root)
    page: str = etree.tostring(root.getroottree(), method="html", encoding="unicode", doctype="<!DOCTYPE html>")
    if doctype and doctype[0].lower() != "<!doctype html>":
        page = doctype[0] + page.removeprefix("<!DOCTYPE html>")
    return page


class _Premailer(Premailer):  # type: ignore[misc]
    """premailer that reads a style sheet once a process; it writes each rule out anew for every page otherwise."""

    def _parse_style_rules(self, css_body: str, ruleset_index: int) -> tuple[list[Any], list[Any]]:
        return list(_rules(css_body, ruleset_index)), []


@functools.lru_cache(maxsize=64)
def _rules(css_body: str, index: int) -> tuple[Any, ...]:
    """premailer's form of the rules to inline; what it would leave over, `part_stylesheet` has taken out before."""
    reader = Premailer("", strip_important=False, disable_validation=True, cache_css_parsing=False)
    rules, _ = Premailer._parse_style_rules(reader, css_body, index)
    return tuple(rules)


def _part_styles(root: Any) -> None:
    """Leave in each `<style>` what premailer inlines, and put the rest behind it, marked to be left alone."""
    for style in list(root.iter("style")):
        if style.get("data-premailer") == "ignore" or style.get("media", "all") not in ("all", "screen", ""):
            continue
        inlined, kept = part_stylesheet(style.text or "")
        style.text = inlined
        if kept:
            rest = etree.Element("style")
            rest.text = kept
            rest.set("data-premailer", "ignore")
            rest.tail, style.tail = style.tail, None
            style.addnext(rest)


def _restore_svg(root: Any) -> None:
    """SVG's names have capitals, which parsers of HTML make small."""
    for svg in root.iter("svg"):
        for element in svg.iter(etree.Element):
            element.tag = _SVG_CASE.get(element.tag, element.tag)
            for name in [name for name in element.attrib if name in _SVG_CASE]:
                element.set(_SVG_CASE[name], element.attrib.pop(name))


def _nothing(url: str) -> None:
    """cssutils' fetcher: there is nothing at any address."""


@functools.cache
def _tame_cssutils() -> None:
    """Once a process: cssutils fetches nothing, complains to nobody, and leaves colours as written."""
    cssutils.util._defaultFetcher = _nothing
    cssutils.log.setLevel(logging.CRITICAL)
    cssutils.ser.prefs.minimizeColorHash = False
