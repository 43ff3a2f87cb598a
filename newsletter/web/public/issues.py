"""Past issues, as the archive shows them: what was frozen and sent, newest first, but for `archive: false`.

The author may take an issue out of the archive later, by the post's front matter; its word there counts.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, exists, select

from newsletter.compose.issue import Issue
from newsletter.compose.neutral import neutral_subject
from newsletter.errors import NewsletterError
from newsletter.state.schema import deliveries, issues

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document can hold, escaped or not (XML 1.0 section 2.2)."""


@dataclass(frozen=True, slots=True)
class PastIssue:
    """One of the archive's; `canonical` is where the post itself stands on the web, or empty."""

    id: str
    title: str
    summary: str
    date: datetime
    canonical: str
    issue: Issue


def past_issues(engine: Engine, root: Path) -> list[PastIssue]:
    """The issues that somebody was sent and the author lets be seen, newest first."""
    sent = exists().where(deliveries.c.issue == issues.c.number, deliveries.c.state == "sent")
    query = select(issues.c.frozen, issues.c.created).where(sent).order_by(issues.c.created.desc())
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    found = []
    for frozen, created in rows:
        issue = Issue.loads(frozen)
        post = issue.context.get("post", {})
        if _is_kept_back(post, root / issue.post):
            continue
        found.append(
            PastIssue(
                id=issue.id,
                title=feed_text(neutral_subject(issue)),
                summary=feed_text(str(post.get("summary") or issue.preheader)),
                date=_date(post.get("date"), datetime.fromtimestamp(created, UTC)),
                canonical=issue.view_url,
                issue=issue,
            )
        )
    return found


def _is_kept_back(frozen: dict[str, Any], path: Path) -> bool:
    if frozen.get("archive") is False:
        return True
    from newsletter.site.post import read_post

    try:
        return read_post(path).front_matter.get("archive") is False
    except (NewsletterError, OSError):
        return False  # the post is gone or broken; what was frozen counts


def feed_text(text: str) -> str:
    """On one line, and without what a feed can't hold."""
    return " ".join(_NOT_XML.sub("", text).split())


def _date(text: object, sent: datetime) -> datetime:
    """The post's date; the moment it was sent where it has none, or one to come: it is out."""
    try:
        date = datetime.fromisoformat(str(text))
    except ValueError:
        return sent
    return min(date if date.tzinfo else date.replace(tzinfo=UTC), sent)
