"""Which clients lose what: the features that a message uses, weighed by what their lack does to the reader.

A client that lacks rounded corners shows square ones, and nobody is harmed; one that lacks `display: grid` shows one
column over another. The data says only that both are not supported. So each use is weighed by what is lost without it:

    lost    content, or the layout that carries it      not supported: error     in part: warning
    worse   something that the reader notices           not supported: warning   in part: info
    fine    an ornament, or what has a fallback         not supported: info

A use is fine, whatever the feature, where it waits for a condition (`@media`, `@supports`, `:hover`), where an earlier
declaration in the same block stands in for it, or where the element is hidden anyway.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from newsletter.checks.caniemail import CLIENTS, Support, features, support
from newsletter.checks.css import Declaration, Element, declarations, functions
from newsletter.checks.features import Use, uses
from newsletter.checks.finding import Severity
from newsletter.checks.look import NOT_SHOWN, plain_colour
from newsletter.checks.rule import Check, Fault, Place, place_of
from newsletter.checks.sample import Sample

Cost = Literal["lost", "worse", "fine"]
_RANK: dict[str, int] = {"lost": 0, "worse": 1, "fine": 2}

_LOST = {
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
_WORSE = {
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
_HINTS = {
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
_OTHERS = {"html-form", "html-object", "html-audio", "html-video", "html-script"}
"""What `active-content` speaks of."""
_COLOURS = {"css-rgba", "css-modern-color", "css-function-light-dark"}
_SIZES = {"css-unit-calc", "css-function-clamp", "css-function-min", "css-function-max"} | {
    f"css-unit-{unit}" for unit in ("rem", "vh", "vw", "vmin", "vmax", "ch")
}
_WEIGHTY = re.compile(r"color|background(-color)?|border.*|width|height|font|font-size|line-height|(padding|margin).*")
"""Properties whose loss shows: a shadow's colour or size does not."""
_BOX = ("padding", "background", "border", "width", "margin", "text-align")


@dataclass(frozen=True, slots=True)
class Row:
    """A feature that the message uses, and each client's support of it."""

    slug: str
    title: str
    url: str
    times: int
    line: int | None  # of the HTML part, where it is used first
    cost: Cost
    support: dict[str, Support]  # by our client names


def client_support(sample: Sample, clients: Iterable[str] | None = None) -> list[Row]:
    """What the message uses and a client does not support in full, the costliest first."""
    names = tuple(clients if clients is not None else sample.clients)
    rows = []
    for slug, found in _by_slug(sample).items():
        support_by = {name: support(slug, name) for name in names}
        if all(one.level in {"yes", "unknown"} for one in support_by.values()):
            continue
        cost, use = min(((_cost(sample, use), use) for use in found), key=lambda pair: _RANK[pair[0]])
        feature = features()[slug]
        rows.append(Row(slug, feature.title, feature.url, len(found), use.line, cost, support_by))
    return sorted(rows, key=lambda row: (_RANK[row.cost], row.slug))


def client_support_findings(sample: Sample) -> Iterator[Fault]:
    harmless: list[str] = []
    for slug, found in _by_slug(sample).items():
        by = {name: support(slug, name) for name in sample.clients}
        without = [_named(name, one) for name, one in by.items() if one.level == "no"]
        partly = [_named(name, one) for name, one in by.items() if one.level == "partly"]
        if slug in _OTHERS or not (without or partly):
            continue
        cost, use = min(((_cost(sample, use), use) for use in found), key=lambda pair: _RANK[pair[0]])
        feature = features()[slug]
        severity = _severity(cost, bool(without), slug)
        if severity is None:
            if without:
                harmless.append(feature.title.removesuffix(" property"))
            continue
        who = [f"not supported by {_list(without)}"] if without else []
        who += [f"supported in part by {_list(partly)}"] if partly else []
        harm = {**_LOST, **_WORSE}[slug]
        what = f"{feature.title}: {', '.join(who)}; {harm}"
        yield Fault(severity, what, _place(sample, use), use.line, f"{_HINTS.get(slug, '')} See {feature.url}".strip())
    if harmless:
        what = f"not supported by every chosen client, and nothing is lost without it: {', '.join(harmless)}"
        yield Fault("info", what, None, None, "Nothing to do.")


def _severity(cost: Cost, unsupported: bool, slug: str) -> Severity | None:
    if cost == "lost":
        # Where a picture's type is supported in part, the client converts it.
        return "error" if unsupported else "info" if slug.startswith("image-") else "warning"
    if cost == "worse":
        return "warning" if unsupported else "info"
    return None


def _by_slug(sample: Sample) -> dict[str, list[Use]]:
    known = features()
    found: dict[str, list[Use]] = {}
    for use in uses(sample):
        if use.slug in known:
            found.setdefault(use.slug, []).append(use)
    return found


def _cost(sample: Sample, use: Use) -> Cost:
    """What its lack costs the reader, here."""
    cost: Cost = "lost" if use.slug in _LOST else "worse" if use.slug in _WORSE else "fine"
    if cost == "fine" or use.conditional:
        return "fine"
    element, item = use.element, use.declaration
    if use.slug == "css-display-none":
        return cost if element is not None and _only_by_display(element) else "fine"
    if element is not None and element.tag not in NOT_SHOWN and sample.hidden(element) and use.slug != "html-hidden":
        return "fine"
    if item is not None and _has_fallback(use, item):
        return "fine"
    return cost if _matters(sample, use, element, item) else "fine"


def _matters(sample: Sample, use: Use, element: Element | None, item: Declaration | None) -> bool:
    value = item.value.strip().lower() if item is not None else ""
    if use.slug in _COLOURS | _SIZES and item is not None and not _WEIGHTY.fullmatch(item.name):
        return False
    match use.slug:
        case "css-position":
            return value in {"absolute", "fixed", "sticky"}
        case "css-float":
            return value in {"left", "right"} and (element is None or element.get("align") is None)
        case "css-flex-direction":
            return value.startswith("column")
        case "css-flex-wrap":
            return value.startswith("wrap")
        case "css-visibility":
            return value in {"hidden", "collapse"}
        case "css-opacity":
            number = value.removesuffix("%")
            return number.replace(".", "", 1).isdigit() and float(number) / (100 if value.endswith("%") else 1) < 0.5
        case "css-transform" | "css-clip-path" | "css-filter" | "css-mask-image":
            return value not in {"none", "translatez(0)", "translate3d(0,0,0)", "translate3d(0, 0, 0)"}
        case "css-background-image" | "css-linear-gradient" | "css-radial-gradient" | "css-conic-gradient":
            return not (_coloured(sample, element) or _drawn_for_outlook(sample))
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
            style = element.get("style") or "" if element is not None else ""
            return any(word in style for word in _BOX)
    return True


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
    return not any(words.element is element or element in words.element.iterancestors() for words in sample.shown)


def _drawn_for_outlook(sample: Sample) -> bool:
    return sample.html is not None and ("<v:fill" in sample.html.text or "<v:background" in sample.html.text)


def _import(sample: Sample, use: Use) -> str:
    for style in sample.styles:
        for rule in style.sheet.at_rules:
            if rule.name == "import" and style.before + rule.line == use.line:
                return rule.prelude
    return ""


def _place(sample: Sample, use: Use) -> Place:
    if use.declaration is not None:
        item = use.declaration
        for text in (f"{item.name}: {item.value}", f"{item.name}:{item.value}"):
            if place := sample.sources.literal(text):
                return place
    if use.element is not None and use.element.tag not in NOT_SHOWN:
        return place_of(sample, use.element, "src", "href")
    return None


def _named(name: str, one: Support) -> str:
    return CLIENTS[name].label + (f" ({one.where})" if one.where else "")


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


CLIENT_SUPPORT = Check(
    "client-support", client_support_findings,
    {
        "error": "a chosen client does not support it, and content or its layout is lost",
        "warning": "a chosen client supports that in part, or lacks something that the reader misses",
        "info": "a chosen client does not support it, and nothing is lost",
    },
    "The message looks broken, or something is missing, in the client that is named.",
    "Choose what every client of [checks] clients supports.",
    "https://www.caniemail.com/",
)  # fmt: skip
