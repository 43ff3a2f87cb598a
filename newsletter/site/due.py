"""Which posts are due at a moment: on the site, with a date that has come, and not older than a day that is named.

What keeps a post off its site is `publication`'s to say, and who was sent what the ledger's. Here is only the order:
the oldest first, and for each post that is not due the reason, in words.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo

from newsletter.site.page import Page
from newsletter.site.publication import published_since, why_withheld

LATER, UNDATED, WITHHELD = "its date is yet to come", "has no date", "is not on the site"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A post and what may keep it back."""

    page: Page
    since: datetime | None  # when it came, or comes, on the site
    why_not: str = ""  # empty: it is due


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
