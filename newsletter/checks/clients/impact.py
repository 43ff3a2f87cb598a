"""What the lack of a feature costs the reader, weighed by how the message uses it.

    lost    content, or the layout that carries it
    worse   something that the reader notices
    fine    an ornament, or what has a fallback

A use is fine, whatever the feature, where it waits for a condition (`@media`, `@supports`, `:hover`), where an earlier
declaration in the same block stands in for it, or where the element is hidden anyway.
"""

import re
from collections.abc import Sequence
from typing import Literal

from newsletter.checks.clients.features import Use
from newsletter.checks.sample import Sample
from newsletter.css.computed import NOT_SHOWN, pixels, plain_colour
from newsletter.css.parse import Declaration, Element, declarations, functions

Impact = Literal["lost", "worse", "fine"]
RANK: dict[str, int] = {"lost": 0, "worse": 1, "fine": 2}

LOST = {
    "css-display-flex": "columns stand below each other or run together",
    "css-display-grid": "columns stand below each other or run together",
    "css-position": "what is placed over something stands elsewhere",
    "css-variables": "the declaration is dropped: colours and sizes are lost",
    "css-flex-direction": "what is stacked stands side by side",
    "css-grid-template": "columns stand below each other",
    "html-svg": "the drawing is not there",
    "html-picture": "the picture may not be there",
    "html-link": "the stylesheet is not read",
    "html-dialog": "what it holds is shown out of place, or not at all",
    **dict.fromkeys(
        ("image-webp", "image-svg", "image-avif", "image-base64", "image-heif", "image-hdr", "image-tiff", "image-ico",
         "image-mp4", "image-apng"), "the picture is not there"),
}  # fmt: skip
WORSE = {
    "css-at-import": "the imported styles are not read",
    "css-nesting": "the nested rules are dropped",
    "css-float": "text does not flow around it",
    "css-background-image": "the ground is without its picture",
    "css-linear-gradient": "the ground is without colour",
    "css-radial-gradient": "the ground is without colour",
    "css-conic-gradient": "the ground is without colour",
    "css-rgba": "the colour is dropped",
    "css-modern-color": "the colour is dropped",
    "css-function-light-dark": "the colour is dropped",
    "css-opacity": "what is faint or hidden shows in full",
    "css-visibility": "what is hidden shows",
    "css-display-none": "what is hidden shows",
    "html-hidden": "what is hidden shows",
    "css-transform": "it stands straight, and in its first place",
    "css-clip-path": "it shows uncut",
    "css-mask-image": "it shows uncut",
    "css-object-fit": "the picture is stretched",
    "css-aspect-ratio": "the picture's proportions are lost",
    "css-filter": "it shows unfiltered",
    "css-mix-blend-mode": "it shows unblended",
    "css-column-count": "there is one column",
    "css-writing-mode": "the text runs the usual way",
    "css-flex-wrap": "columns run out of the page",
    "css-gap": "columns touch each other",
    "css-pseudo-element-before": "the words in `content` are not there",
    "css-pseudo-element-after": "the words in `content` are not there",
    "html-semantics": "its padding, ground and border are lost",
    "html-marquee": "it stands still, or is not there",
    "html-progress": "it is not there",
    "html-meter": "it is not there",
    "html-base": "relative links lead nowhere",
    **dict.fromkeys(
        ("css-unit-calc", "css-function-clamp", "css-function-min", "css-function-max", "css-unit-rem", "css-unit-vh",
         "css-unit-vw", "css-unit-vmin", "css-unit-vmax", "css-unit-ch"), "the size is dropped"),
    **dict.fromkeys(
        ("css-margin-inline-block", "css-margin-inline-start-end", "css-margin-block-start-end",
         "css-padding-inline-block", "css-padding-inline-start-end", "css-padding-block-start-end",
         "css-block-inline-size", "css-inset", "css-max-inline-size", "css-border-inline-block",
         "css-border-inline-block-individual", "css-border-inline-block-longhand"), "the space or line is not there"),
    **dict.fromkeys(
        ("css-pseudo-class-first-child", "css-pseudo-class-last-child", "css-pseudo-class-only-child",
         "css-pseudo-class-not"), "the rule is dropped"),
    **dict.fromkeys(
        ("html-select", "html-textarea", "html-input-text", "html-input-checkbox", "html-input-radio",
         "html-input-submit", "html-input-reset", "html-button-submit", "html-button-reset"), "it does nothing"),
}  # fmt: skip
HINTS = {
    "css-display-flex": "Lay it out with a table.", "css-display-grid": "Lay it out with a table.",
    "css-position": "Put it into the flow, or into the picture.",
    "css-variables": "Write the value itself.", "html-svg": "Use a PNG.", "html-link": "Put the rules into <style>.",
    "html-picture": "Put an <img> into it.", "css-float": "Add an align attribute.",
    "css-background-image": "Add a background colour on which the text can be read.",
    "css-rgba": "Declare a plain colour before it.", "html-semantics": "Use a <div> or a table cell.",
    **dict.fromkeys(("css-linear-gradient", "css-radial-gradient", "css-conic-gradient"),
                    "Declare a background-color before it."),
    **dict.fromkeys(("image-webp", "image-avif", "image-svg", "image-heif", "image-tiff", "image-base64"),
                    "Use a PNG or a JPEG with an address."),
    **dict.fromkeys(("css-unit-rem", "css-unit-vw", "css-unit-vh", "css-unit-calc"), "Declare it in px before."),
}  # fmt: skip
_COLOURS = {"css-rgba", "css-modern-color", "css-function-light-dark"}
_SIZES = {"css-unit-calc", "css-function-clamp", "css-function-min", "css-function-max"} | {
    f"css-unit-{unit}" for unit in ("rem", "vh", "vw", "vmin", "vmax", "ch")
}
_WEIGHTY = re.compile(r"color|background(-color)?|border.*|width|height|font|font-size|line-height|(padding|margin).*")
"""Properties whose loss shows: a shadow's colour or size does not."""
_BOX = re.compile(r"background.*|border(?!-(radius|collapse|spacing)).*|(min-|max-)?width|text-align")
_PADDING_SEEN = 8  # px; less is not missed


def worst_impact(sample: Sample, uses: Sequence[Use]) -> tuple[Impact, Use]:
    """The use of one feature whose lack costs most, and what; the first of them."""
    found: tuple[Impact, Use] | None = None
    for use in uses:
        impact = impact_of(sample, use)
        if found is None or RANK[impact] < RANK[found[0]]:
            found = impact, use
        if impact == _worst(use.slug):
            break
    assert found is not None
    return found


def impact_of(sample: Sample, use: Use) -> Impact:
    """What its lack costs the reader, here."""
    impact = _worst(use.slug)
    if impact == "fine" or use.conditional:
        return "fine"
    element, item = use.element, use.declaration
    if use.slug == "css-display-none":
        return impact if element is not None and _only_by_display(element) else "fine"
    if element is not None and element.tag not in NOT_SHOWN and sample.hidden(element) and use.slug != "html-hidden":
        return "fine"
    if item is not None and _has_fallback(use, item):
        return "fine"
    return impact if _matters(sample, use, element, item) else "fine"


def _worst(slug: str) -> Impact:
    return "lost" if slug in LOST else "worse" if slug in WORSE else "fine"


def _matters(sample: Sample, use: Use, element: Element | None, item: Declaration | None) -> bool:
    value = item.value.strip().lower() if item is not None else ""
    if use.slug in _COLOURS | _SIZES and item is not None and not _WEIGHTY.fullmatch(item.name):
        return False
    match use.slug:
        case "css-position":
            return value in {"absolute", "fixed", "sticky"}
        case "css-float":
            beside = element is None or (element.get("align") is None and _followed(element))
            return value in {"left", "right"} and beside
        case "css-flex-direction":
            return value.startswith("column")
        case "css-flex-wrap":
            return value.startswith("wrap")
        case "css-visibility":
            return value in {"hidden", "collapse"}
        case "css-opacity":
            number = value.removesuffix("%")
            return number.replace(".", "", 1).isdecimal() and float(number) / (100 if value.endswith("%") else 1) < 0.5
        case "css-transform" | "css-clip-path" | "css-filter" | "css-mask-image":
            return value not in {"none", "translatez(0)", "translate3d(0,0,0)", "translate3d(0, 0, 0)"}
        case "css-background-image" | "css-linear-gradient" | "css-radial-gradient" | "css-conic-gradient":
            return not (_coloured(sample, element) or sample.drawn_for_outlook)
        case "css-variables":
            return item is not None and not item.name.startswith("--")
        case "css-at-import":
            return "font" not in _import(sample, use)
        case "html-link":
            rel = (element.get("rel") or "").lower() if element is not None else ""
            return "stylesheet" in rel and element is not None and "font" not in (element.get("href") or "").lower()
        case "html-picture":
            return element is not None and element.find(".//img") is None
        case "html-svg":
            return element is not None and element.get("aria-hidden") != "true"
        case "html-semantics":
            return element is not None and any(map(_boxes, declarations(element.get("style") or "")))
    return True


def _boxes(item: Declaration) -> bool:
    """Whether it makes a box that the reader sees."""
    if item.name.startswith("padding"):
        return any((pixels(word) or 0) > _PADDING_SEEN for word in item.value.split())
    return bool(_BOX.fullmatch(item.name)) and item.value.lower() not in {"none", "0", "transparent", "auto", "start"}


def _followed(element: Element) -> bool:
    """Whether there is something behind it that may flow around it."""
    return bool((element.tail or "").strip()) or element.getnext() is not None


def _has_fallback(use: Use, item: Declaration) -> bool:
    """Whether an earlier declaration of the same block says the same thing without the feature."""
    new = functions(item.tokens)
    for earlier in use.beside:
        if use.slug == "css-background-image":
            continue
        same = earlier.name == item.name
        ground = item.name in {"background", "background-image"} and earlier.name in {"background", "background-color"}
        if (same or ground) and not (functions(earlier.tokens) - {"rgb", "url"}) & new and earlier.value != item.value:
            return True
    return False


def _only_by_display(element: Element) -> bool:
    """Whether nothing but `display: none` hides it."""
    style = (element.get("style") or "").lower().replace(" ", "")
    return not any(
        word in style for word in ("max-height:0", "height:0", "font-size:0", "font-size:1px", "visibility:hidden")
    )


def _coloured(sample: Sample, element: Element | None) -> bool:
    """Whether the element has a plain colour under its picture, or no text to read on it."""
    if element is None:
        return False
    if element.get("bgcolor"):
        return True
    found = declarations(element.get("style") or "")
    if any(item.name in {"background-color", "background"} and plain_colour(item) for item in found):
        return True
    return element not in sample.read


def _import(sample: Sample, use: Use) -> str:
    for style in sample.styles:
        for rule in style.sheet.at_rules:
            if rule.name == "import" and style.before + rule.line == use.line:
                return rule.prelude
    return ""
