"""Which clients lose what: the features that a message uses, weighed by what their lack does to the reader.

A client that lacks rounded corners shows square ones, and nobody is harmed; one that lacks `display: grid` shows one
column over another. The data says only that both are not supported. So each use is weighed by what is lost without it:

    lost    content, or the layout that carries it      not supported: error     in part: warning
    worse   something that the reader notices           not supported: warning   in part: info
    fine    an ornament, or what has a fallback         not supported: info

How bad that is here, is left to `impact`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from newsletter.checks.clients.caniemail import CLIENTS, Support, features, support
from newsletter.checks.clients.features import Use, uses
from newsletter.checks.clients.impact import HINTS, LOST, RANK, WORSE, Impact, worst_impact
from newsletter.checks.finding import Severity
from newsletter.checks.rule import Check, Place, Violation, place_of
from newsletter.checks.sample import Sample
from newsletter.css.computed import NOT_SHOWN

_OTHERS = {"html-form", "html-object", "html-audio", "html-video", "html-script"}
"""What `active-content` speaks of."""


@dataclass(frozen=True, slots=True)
class FeatureSupport:
    """A feature that the message uses, and each client's support of it."""

    slug: str
    title: str
    url: str
    times: int
    line: int | None  # of the HTML part, where it is used first
    impact: Impact
    support: dict[str, Support]  # by our client names


def client_support(sample: Sample, clients: Iterable[str] | None = None) -> list[FeatureSupport]:
    """What the message uses and a client does not support in full, the worst first."""
    names = tuple(clients if clients is not None else sample.clients)
    rows = []
    for slug, found in _by_slug(sample).items():
        support_by = {name: support(slug, name) for name in names}
        if all(one.level in {"yes", "unknown"} for one in support_by.values()):
            continue
        impact, use = worst_impact(sample, found)
        feature = features()[slug]
        rows.append(FeatureSupport(slug, feature.title, feature.url, len(found), use.line, impact, support_by))
    return sorted(rows, key=lambda row: (RANK[row.impact], row.slug))


def client_support_findings(sample: Sample) -> Iterator[Violation]:
    harmless: list[str] = []
    for slug, found in _by_slug(sample).items():
        by = {name: support(slug, name) for name in sample.clients}
        without = [_named(name, one) for name, one in by.items() if one.level == "no"]
        partly = [_named(name, one) for name, one in by.items() if one.level == "partly"]
        if slug in _OTHERS or not (without or partly):
            continue
        impact, use = worst_impact(sample, found)
        feature = features()[slug]
        severity = _severity(impact, bool(without), slug)
        if severity is None:
            if without:
                harmless.append(feature.title.removesuffix(" property"))
            continue
        who = [f"not supported by {_list(without)}"] if without else []
        who += [f"supported in part by {_list(partly)}"] if partly else []
        harm = {**LOST, **WORSE}[slug]
        what = f"{feature.title}: {', '.join(who)}; {harm}"
        yield Violation(
            severity, what, _place(sample, use), use.line, f"{HINTS.get(slug, '')} See {feature.url}".strip()
        )
    if harmless:
        what = f"not supported by every chosen client, and nothing is lost without it: {', '.join(harmless)}"
        yield Violation("info", what, None, None, "Nothing to do.")


def _severity(impact: Impact, unsupported: bool, slug: str) -> Severity | None:
    if impact == "lost":
        # Where a picture's type is supported in part, the client converts it.
        return "error" if unsupported else "info" if slug.startswith("image-") else "warning"
    if impact == "worse":
        return "warning" if unsupported else "info"
    return None


def _by_slug(sample: Sample) -> dict[str, list[Use]]:
    known = features()
    found: dict[str, list[Use]] = {}
    for use in uses(sample):
        if use.slug in known:
            found.setdefault(use.slug, []).append(use)
    return found


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
