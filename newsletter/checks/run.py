"""Check a message: every rule, in one tuple."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from newsletter.checks.finding import Finding
from newsletter.checks.rule import Check
from newsletter.checks.rules.accessibility import ACCESSIBILITY
from newsletter.checks.rules.alignment import ALIGNMENT
from newsletter.checks.rules.client_support import CLIENT_SUPPORT
from newsletter.checks.rules.front_matter import FRONT_MATTER
from newsletter.checks.rules.images import IMAGES
from newsletter.checks.rules.inbox_preview import INBOX_PREVIEW
from newsletter.checks.rules.layout import LAYOUT
from newsletter.checks.rules.leftover import LEFTOVER
from newsletter.checks.rules.link_status import LINK_DEAD
from newsletter.checks.rules.links import LINKS
from newsletter.checks.rules.size import SIZE
from newsletter.checks.rules.spam import SPAM
from newsletter.checks.rules.unsubscribe_answer import UNSUBSCRIBE_ANSWER
from newsletter.checks.sample import Sample
from newsletter.errors import NewsletterError

CHECKS: tuple[Check, ...] = (
    *SIZE, CLIENT_SUPPORT, *IMAGES, *LINKS, *ACCESSIBILITY, *LAYOUT, LEFTOVER, *INBOX_PREVIEW, *FRONT_MATTER,
    ALIGNMENT,
)  # fmt: skip
"""The rules that need the message alone."""

ASKING: tuple[Check, ...] = (LINK_DEAD, UNSUBSCRIBE_ANSWER, SPAM)
"""The rules that ask others: `check_links`, `check_unsubscribe`, `check_spam`."""

_ORDER = {"error": 0, "warning": 1, "info": 2}


def check_message(sample: Sample, ignore: Iterable[str] = (), clients: Iterable[str] | None = None) -> list[Finding]:
    """What every rule finds, in order.

    Rules named in `ignore`, in `[checks] ignore` or in the post's `checks: {ignore: …}` stay silent; an unknown
    name is a NewsletterError. `clients` replaces the sample's, for `client-support`.
    """
    _refuse_odd(sample)
    silent = frozenset(ignore) | sample.ignore
    _refuse_unknown(silent, sample)
    if clients is not None:
        sample = replace(sample, clients=tuple(clients))
    found = (finding for check in CHECKS if check.name not in silent for finding in check.findings(sample))
    return in_order(found, sample.sources.post_name)


def in_order(findings: Iterable[Finding], post: str = "") -> list[Finding]:
    """Errors first, by file and line, the post before a template; what no file says comes behind all that."""

    def key(one: Finding) -> tuple[bool, int, bool, str, int, str]:
        return not one.source, _ORDER[one.severity], one.source != post, one.source, one.line or 0, one.rule

    return sorted(findings, key=key)


def _refuse_odd(sample: Sample) -> None:
    """Whatever else a post's `checks` may hold would silence nothing, and nobody would know."""
    given = sample.post.front_matter.get("checks") if sample.post is not None else None
    if given is None or sample.post is None:
        return
    names = given.get("ignore") if isinstance(given, Mapping) and set(given) == {"ignore"} else 0
    if names is not None and not isinstance(names, str | list):
        found = sample.sources.key("checks")
        what = "checks: is not understood; write it like checks: {ignore: [small-text]}"
        raise NewsletterError(what, path=sample.post.path, line=found[1] if found else None)


def _refuse_unknown(names: Iterable[str], sample: Sample) -> None:
    known = [*(check.name for check in CHECKS), *(check.name for check in ASKING)]
    for name in names:
        if name in known:
            continue
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
        path: Path | str | None = None
        line = None
        if sample.config is not None and name in sample.config.checks.ignore:
            place = sample.config.where("checks", "ignore")
            path, line = place["path"], place["line"]
        elif sample.post is not None and name in sample.ignore:
            path = sample.post.path
            found = sample.sources.key("checks")
            line = found[1] if found else None
        raise NewsletterError(f"there is no check named {name!r} to ignore; {hint}", path=path, line=line)
