"""`status --posts`: every post, whether it is due, and what became of it."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from newsletter.cli.console import fail, iso, say, say_json, short_path, table
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.cli.survey import SurveyedPost
    from newsletter.compose.composer import Composer
    from newsletter.config.settings import Config


def show_posts(config: "Config", *, as_json: bool) -> int:
    """Print them; the exit code. What can't be read is told on stderr."""
    from newsletter.cli.survey import survey
    from newsletter.compose.composer import Composer
    from newsletter.site.load import newsletter_zone

    zone = newsletter_zone(config)
    composer = Composer(config)
    found = survey(composer, config, datetime.now(UTC).astimezone(zone), zone, None)
    rows = [_row(each, composer) for each in reversed(found.posts)]
    if as_json:
        say_json(rows)
    elif not rows:
        say("there is no post yet; `newsletter new TITLE` makes one")
    else:
        shown = [
            [
                (row["date"] or "")[:10],
                row["post"],
                row["issue"] or "",
                f"{row['sent']:,}" if row["issue"] else "",
                _word(row),
            ]
            for row in rows
        ]
        say(table(shown, ["date", "post", "issue", "sent", "state"], right=[3]))
    for error in found.broken:
        error.path = short_path(error.path) if error.path else None
        fail(str(error), error.exit_code)
    return 2 if found.broken else 0


def _row(each: "SurveyedPost", composer: "Composer") -> dict[str, Any]:
    page, issue = each.candidate.page, each.issue
    return {
        "post": each.path,
        "issue": issue.id if issue else None,
        "title": page.post.title,
        "date": each.candidate.since.isoformat() if each.candidate.since else None,
        "draft": page.post.draft,
        "due": each.is_due,
        "withheld": each.candidate.why_not or None,
        "sent": issue.sent if issue else 0,
        "pending": issue.pending if issue else 0,
        "last": iso(issue.last) if issue and issue.last else None,
        "changed": _has_changed(each, composer),
        "commit": issue.commit if issue else None,
        "state": issue.state if issue else None,
    }


def _has_changed(each: "SurveyedPost", composer: "Composer") -> bool | None:
    """Whether the issue would be another one today; None where there is none, or where it can't be told."""
    issue = each.issue
    if issue is None or issue.digest_day is not None:
        return None
    try:
        again = None if issue.id == each.candidate.page.post.slug else issue.id
        return composer.compose(each.candidate.page, again).issue.hash != issue.hash
    except NewsletterError:
        return True


def _word(row: dict[str, Any]) -> str:
    if row["issue"]:
        told = f"{row['pending']:,} to go" if row["pending"] else "sent"
        if row["state"] in ("paused", "scheduled", "cancelled"):
            told = str(row["state"]) + (f", {told}" if row["state"] == "paused" else "")
        return told + (", changed since" if row["changed"] else "")
    if row["due"]:
        return "due"
    return str(row["withheld"] or "older than the first run")
