"""Whether the site publishes a post at a moment, as its generator decides it, and which key of which file says no.

Words count whatever the site's settings are (a preview's `buildDrafts` is no promise); dates count unless the site says
`future` (Jekyll) or `buildFuture` and `buildExpired` (Hugo). In a plain folder no `date` keeps a post back: nothing is
known of a site. Sources: Jekyll's publisher.rb and draft_reader; Hugo's "draft, future and expired content", "build".

`candidates` puts posts in the order in which they became due, for `send --new`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo
from pathlib import Path
from typing import Any

from newsletter.site import hugo
from newsletter.site.dates import as_date
from newsletter.site.front_matter import line_of_key
from newsletter.site.page import Page

_NO = frozenset({"false", "no", "off"})
_YES = frozenset({"true", "yes", "on"})
_DATES = ("publishDate", "pubdate", "published", "date")  # Hugo's order
_EXPIRY = ("expiryDate", "unpublishdate")

LATER, UNDATED, WITHHELD = "its date is yet to come", "has no date", "is not on the site"
"""Why a post is not due, in words."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """Why a post is not on its site."""

    reason: str  # for the post's file: "`draft: true` keeps it off the site"
    mend: str  # the next step
    path: Path  # the file that says so
    line: int | None
    until: datetime | None = None  # where it is a matter of time


@dataclass(frozen=True, slots=True)
class Candidate:
    """A post and what may keep it back."""

    page: Page
    since: datetime | None  # when it came, or comes, on the site
    why_not: str = ""  # empty: it is due


@dataclass(frozen=True, slots=True)
class _Entry:
    """A key of the front matter, or of what stands in for it, as somebody wrote it."""

    key: str
    value: Any
    path: Path

    def shown(self) -> str:
        value = str(self.value).lower() if isinstance(self.value, bool) else str(self.value)
        return f"`{self.key}: {value[:60]}`"


def why_withheld(page: Page, now: datetime) -> Withheld | None:
    """What keeps the post off its site at `now` (aware); None where it is there, or nothing is known."""
    return next(_reasons(page, now), None)


def published_since(page: Page) -> datetime | None:
    """Since when the post is on its site, or is to be: what its front matter or its name says; None where nothing does.

    Hugo's `publishDate` and its like go before the date, in every kind of site but Jekyll, which knows none.
    """
    for name in () if page.site.kind == "jekyll" else _DATES:
        found = _find(page, name)
        start = _date(found, page) if found else None
        if start is not None:
            return start
    return page.post.date


def candidates(pages: Iterable[Page], now: datetime, zone: tzinfo | None) -> list[Candidate]:
    """Each post, the oldest first and the undated last; `zone` (None: the machine's) is where a bare date begins."""
    found = [_candidate(page, now, zone) for page in pages]
    latest = datetime.max.replace(tzinfo=UTC)
    return sorted(found, key=lambda each: (each.since or latest, str(each.page.file)))


def _candidate(page: Page, now: datetime, zone: tzinfo | None) -> Candidate:
    since = published_since(page)
    if since is not None:
        since = _of_day(since, page, zone)
    if withheld := why_withheld(page, now):
        return Candidate(page, since, LATER if withheld.until else f"{WITHHELD}: {withheld.reason}")
    if since is None:
        return Candidate(page, None, UNDATED)
    return Candidate(page, since, LATER if since > now else "")


def _of_day(moment: datetime, page: Page, zone: tzinfo | None) -> datetime:
    """A bare date in a folder that is no site, which knows no timezone, begins where the newsletter is."""
    if page.site.kind == "plain" and moment.tzinfo is UTC and moment.time() == time():
        return moment.replace(tzinfo=zone) if zone is not None else moment.replace(tzinfo=None).astimezone()
    return moment


def _reasons(page: Page, now: datetime) -> Iterator[Withheld]:
    post = page.post
    if (entry := _find(page, "draft")) and _is(entry.value, _YES):
        yield _by_word(page, entry, "keeps {it} off the site", "take it out")
    if (entry := _find(page, "published")) and _is(entry.value, _NO):
        yield _by_word(page, entry, "keeps {it} off the site", "take it out")
    if post.path.parent.name == "_drafts":
        yield Withheld("stands in _drafts, which the site leaves out", "move it to _posts", post.path, None)
    if page.site.kind == "hugo":
        yield from _build_options(page)
    yield from _dates(page, now)


def _build_options(page: Page) -> Iterator[Withheld]:
    """`build: {list: never}`, `{render: never}`, and headless bundles: pages that nobody finds."""
    for name in ("build", "_build"):
        if (entry := _find(page, name)) is None:
            continue
        for option in ("render", "list"):
            value = hugo.setting(entry.value, option, default="")
            if str(value).lower() in {"never", "false"}:
                what = (
                    "leaves {it} without a page" if option == "render" else "keeps {it} out of every list of the site"
                )
                shown = _Entry(f"{name}.{option}", value, entry.path)
                yield _by_word(page, shown, what, "take it out", line=line_of_key(entry.path, option))
    if (entry := _find(page, "headless")) and _is(entry.value, _YES):
        yield _by_word(page, entry, "leaves {it} without a page", "take it out")


def _dates(page: Page, now: datetime) -> Iterator[Withheld]:
    config, kind = page.site.config, page.site.kind
    if kind == "jekyll":
        if page.post.date and page.post.date > now and config.get("future") is not True:
            if entry := _find(page, "date"):
                yield _by_date(page, entry, page.post.date)
            else:
                what = (
                    f"the date in its file's name, {page.post.date:%Y-%m-%d}, is yet to come: until then it is not on"
                )
                yield Withheld(f"{what} the site", "wait, or rename it", page.post.path, None, page.post.date)
        return
    names = _DATES if kind == "hugo" else _DATES[:1]
    for name in names:
        found = _find(page, name)
        start = _date(found, page) if found else None
        if found and start:  # the first that is there decides
            if start > now and hugo.setting(config, "buildFuture", default=False) is not True:
                yield _by_date(page, found, start)
            break
    for name in _EXPIRY:
        over = _find(page, name)
        end = _date(over, page) if over else None
        if over and end and end <= now and hugo.setting(config, "buildExpired", default=False) is not True:
            yield _by_word(page, over, "has passed: {it} is no longer on the site", "change it")


def _find(page: Page, key: str) -> _Entry | None:
    """Who says something of `key`, the post itself before its site; keys have no case but in Jekyll."""
    cased = page.site.kind == "jekyll"
    for layer in ((page.post.front_matter, page.post.path), *reversed(page.layers)):
        values, path = layer
        for name, value in values.items():
            if value is not None and (name == key or (not cased and name.lower() == key.lower())):
                return _Entry(name, value, path)
    return None


def _is(value: Any, words: frozenset[str]) -> bool:
    return str(value).lower() in words


def _date(entry: _Entry, page: Page) -> datetime | None:
    try:
        return as_date(entry.value, page.site.timezone)
    except (ValueError, OverflowError):
        return None


def _by_word(page: Page, entry: _Entry, what: str, mend: str, line: int | None = None) -> Withheld:
    what = what.format(it="it" if entry.path == page.post.path else page.file)
    return Withheld(f"{entry.shown()} {what}", mend, entry.path, line or line_of_key(entry.path, entry.key))


def _by_date(page: Page, entry: _Entry, start: datetime) -> Withheld:
    found = _by_word(page, entry, "is yet to come: until then {it} is not on the site", "wait, or change it")
    return Withheld(found.reason, found.mend, found.path, found.line, start)
