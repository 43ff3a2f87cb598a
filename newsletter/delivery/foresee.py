"""What a live send would make of an issue, for a rehearsal: the live ledger is only looked at, and may be older."""

from pathlib import Path

from newsletter.compose.issue import Issue
from newsletter.delivery.ledger.recognize import find_resemblance, refuse_cancelled, refuse_changed
from newsletter.errors import NewsletterError
from newsletter.state.database import Database
from newsletter.state.questions import is_cancelled, read_frozen, read_sent


def foresee_refusal(live: Database, issue: Issue, *, second: bool, root: Path) -> NewsletterError | None:
    """Why the ledger at `live` would refuse the issue: as `plan.make_plan` does; None where it would not."""
    found = read_frozen(live, issue.id)
    try:
        if is_cancelled(live, issue.id):
            raise refuse_cancelled(issue.id)
        if found is not None:
            frozen, stored_hash = found
            before = Issue.loads(frozen, live.name)
            if not issue.is_still(before, stored_hash):
                raise refuse_changed(issue, before, root)
        elif not second:
            find_resemblance(issue, (Issue.loads(frozen, live.name) for frozen in read_sent(live)), root)
    except NewsletterError as refusal:
        return refusal
    return None
