"""What was sent of each post, when, and to how many: the ledger, read for the list of posts.

Nothing is made or changed: where there is no state, nothing was sent. It is asked again when the state has changed.
"""

from dataclasses import dataclass
from datetime import datetime

from newsletter.config.settings import Config
from newsletter.delivery.ledger.report import frozen_hashes, issue_counts
from newsletter.state import database_of


@dataclass(frozen=True, slots=True)
class SentIssue:
    """An issue of a post."""

    id: str
    post: str  # the file, as the ledger names it: relative to the newsletter
    created: datetime  # aware, local
    sent: int
    recipients: int
    hash: str  # of what was frozen

    @property
    def words(self) -> str:
        """To how many it went, as people say it."""
        if self.sent == self.recipients:
            return f"to {self.sent:,}"
        return f"to {self.sent:,} of {self.recipients:,}"


class SentIssues:
    """The issues of one newsletter, remembered while its state is unchanged."""

    def __init__(self) -> None:
        self._mark: object = None
        self._issues: dict[str, SentIssue] = {}

    def by_post(self, config: Config) -> dict[str, SentIssue]:
        """The newest issue of each post that has one, by the post's file. Raises NewsletterError."""
        state = database_of(config)
        mark = state.name, state.mark()
        if mark[1] is None:
            return {}
        if mark != self._mark:
            engine = state.engine()
            try:
                self._issues = _read(issue_counts(engine), frozen_hashes(engine))
            finally:
                engine.dispose()
            self._mark = mark
        return self._issues


def _read(counts: list[dict[str, object]], hashes: dict[str, str]) -> dict[str, SentIssue]:
    found: dict[str, SentIssue] = {}
    for one in counts:  # the newest first
        issue = SentIssue(
            id=str(one["issue"]),
            post=str(one["post"]),
            created=datetime.fromisoformat(str(one["created"])).astimezone(),
            sent=int(str(one["sent"])),
            recipients=int(str(one["recipients"])),
            hash=hashes.get(str(one["issue"]), ""),
        )
        found.setdefault(issue.post, issue)
    return found
