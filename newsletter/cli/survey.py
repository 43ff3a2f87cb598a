"""The newsletter's posts beside its issues: what is due and unsent, for `send --new` and `status --posts`."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo
from typing import TYPE_CHECKING

from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.compose.composer import Composer
    from newsletter.config.settings import Config
    from newsletter.delivery.ledger.posts import PostIssue
    from newsletter.site.publication import Candidate

FIRST_RUN = "new"
"""The mark of the first run of `send --new`."""


@dataclass(frozen=True, slots=True)
class SurveyedPost:
    """A post, and the newest issue that it is in."""

    candidate: "Candidate"
    path: str  # as the ledger knows it
    issue: "PostIssue | None"
    is_due: bool  # `send --new` would send it


@dataclass(frozen=True, slots=True)
class Survey:
    """All posts, the oldest first, and all issues, the newest first."""

    posts: list[SurveyedPost]
    issues: "list[PostIssue]"
    broken: list[NewsletterError]  # posts that can't be read
    is_first: bool  # `send --new` has not run yet
    began: datetime  # the day of the first run, or of this one
    since: datetime  # nothing older is due


def survey(
    composer: "Composer", config: "Config", now: datetime, zone: tzinfo | None, since: datetime | None
) -> Survey:
    """Look through the posts of `composer` and the ledger of `config`; `since` stands for the day of the first run.

    Nothing is written. Raises NewsletterError.
    """
    from newsletter.delivery.ledger.posts import post_issues
    from newsletter.site.discover import find_posts
    from newsletter.site.paths import shown_path
    from newsletter.site.publication import candidates
    from newsletter.state import database_of
    from newsletter.state.questions import read_mark

    pages, broken = [], []
    for path in find_posts(composer.config, composer.site):
        try:
            pages.append(composer.read(path))
        except NewsletterError as error:
            broken.append(error)
    state = database_of(config)
    issues = post_issues(state) if state.exists() else []
    first = read_mark(state, FIRST_RUN)
    began = midnight(datetime.fromtimestamp(first, UTC).astimezone(zone) if first is not None else since or now)
    bound = since or began
    root, posts = composer.config.root, []
    for each in candidates(pages, now, zone):
        shown = shown_path(each.page.post.path, root)
        issue = next((one for one in issues if one.holds(shown, each.page.post.slug, root)), None)
        is_due = issue is None and not each.why_not and each.since is not None and each.since >= bound
        posts.append(SurveyedPost(each, shown, issue, is_due))
    return Survey(posts, issues, broken, first is None, began, bound)


def midnight(moment: datetime) -> datetime:
    """When the day of `moment` began."""
    return datetime.combine(moment.date(), time(), moment.tzinfo)
