"""Which posts went out, and in which issues: for `send --new`, and for `status` and `deliveries` by a post's name.

Read-only but for `remember`. A digest is an issue of several posts, which its frozen context names. Without the
toolkit, because `send --new` asks this every hour, mostly in vain.
"""

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from newsletter.delivery.ledger.batch import Asked
from newsletter.errors import NewsletterError
from newsletter.state.database import Database

DIGEST = "digest-"
"""How the id of an issue of several posts begins; its day follows."""
_COUNTS = "SELECT issue, state, count(*), max(updated) FROM deliveries GROUP BY issue, state"
_DIGESTS = "SELECT number, frozen FROM issues WHERE id LIKE 'digest-%'"
_ISSUES = """
SELECT number, id, post, created, hash, git_commit, state, starts, send_before FROM issues ORDER BY number DESC
"""
_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z")


@dataclass(frozen=True, slots=True)
class PostIssue:
    """An issue, and the posts that it was made of."""

    id: str
    post: str  # as the issue names it: a path, relative to the newsletter's root
    posts: tuple[tuple[str, str], ...]  # path and slug of each post of a digest, or of its one post
    created: float
    hash: str
    commit: str | None
    sent: int
    unknown: int
    pending: int  # also deferred ones and those that a sender has in hand
    asked: Asked
    last: float | None  # when somebody's state last changed

    @property
    def state(self) -> str:
        """In one word, as `status` has it."""
        return self.asked.in_one_word(self.pending, time.time())

    @property
    def digest_day(self) -> date | None:
        """The day of a digest, which its id has; None for the issue of one post."""
        written = self.id.removeprefix(DIGEST)[:10]
        return date.fromisoformat(written) if self.post == self.id and _DAY.match(written) else None

    def holds(self, path: str, slug: str, root: Path) -> bool:
        """Whether it was made of the post at `path` (relative to `root`): by that, or by the slug of one that moved."""
        return any(was == path or (own == slug and not (root / was).exists()) for was, own in self.posts)


def post_issues(database: Database) -> list[PostIssue]:
    """Every issue, the newest first. Raises NewsletterError."""
    database.prepare()
    states: dict[int, dict[str, int]] = {}
    last: dict[int, float] = {}
    for number, state, count, updated in database.query(_COUNTS):
        states.setdefault(number, {})[state] = count
        last[number] = max(last.get(number, 0.0), updated or 0.0)
    frozen = dict(database.query(_DIGESTS))
    found = []
    for number, id_, post, created, hash_, commit, state, starts, send_before in database.query(_ISSUES):
        count = states.get(number, {})
        found.append(
            PostIssue(
                id=id_,
                post=post,
                posts=_posts(frozen.get(number)) or ((post, id_),),
                created=created,
                hash=hash_,
                commit=commit,
                sent=count.get("sent", 0),
                unknown=count.get("unknown", 0),
                pending=sum(count.get(state, 0) for state in ("pending", "deferred", "sending")),
                asked=Asked(state, starts, send_before),
                last=last.get(number) or None,
            )
        )
    return found


def issue_of(database: Database, typed: str, paths: Sequence[str] = ()) -> str:
    """The id of the issue that `typed` names: an id, or the post of one, whose possible paths are `paths`.

    Of several issues of one post it is the newest. What names nothing is given back, for others to say so.
    """
    found = post_issues(database)
    if any(issue.id == typed for issue in found):
        return typed
    wanted = {typed, typed.removeprefix("./"), *paths}
    named = (issue.id for issue in found if any({path, slug} & wanted for path, slug in issue.posts))
    return next(named, typed)


def remember(database: Database, name: str, moment: float) -> None:
    """Write down a moment that is to be known later; the first word stays."""
    from newsletter.state.schema import marks
    from newsletter.state.upsert import insert_into

    engine = database.engine()
    with engine.begin() as connection:
        connection.execute(insert_into(connection, marks).values(name=name, moment=moment).on_conflict_do_nothing())
    engine.dispose()


def _posts(frozen: str | None) -> tuple[tuple[str, str], ...]:
    """The posts that a frozen issue names, if it is a digest."""
    if frozen is None:
        return ()
    try:
        named: list[dict[str, Any]] = json.loads(frozen)["facts"].get("digest", {}).get("posts") or []
        return tuple((str(post["path"]), str(post["slug"])) for post in named)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise NewsletterError("the state file holds an issue that can't be read; restore it from a copy") from None
