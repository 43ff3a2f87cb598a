"""The plan: what a run would do with an issue and its audience, and when it must not.

Pure but for the ledger, which reads the list, compares and counts (`Ledger.read_audience`, `standing`) and writes the
plan down (`freeze`). What was planned stays as it was: a name or column changed in the list later does not reach a
frozen recipient. Newcomers join on the next run; who has left the list and was not mailed yet is skipped, because who
was taken off a list must not be mailed, and joins again if put back.
"""

import difflib
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from newsletter.audience.address import address_key
from newsletter.audience.csv.reader import LeftOut, Row
from newsletter.audience.subscriber import Subscriber
from newsletter.compose.issue import Issue, Piece
from newsletter.delivery.ledger.ledger import Ledger
from newsletter.errors import NewsletterError

NAMED = 5
"""So many newcomers, leavers and bad rows are named; the rest is counted."""
LEFT = "no longer on the list"
_DIFF_LINES = 12

Listed = tuple[str, str, str, str, bool]
"""A row of the list for the ledger: key, email, name, further columns as JSON, whether it is chosen."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an issue stands to the list that was read; counts are of recipients."""

    total: int  # of the issue, or to be when it is frozen
    ready: int  # may be sent to now
    states: dict[str, int]  # of those who are planned
    suppressed: int  # on the list, but must not be mailed
    newcomers: int = 0  # on the list, not planned yet
    newcomer_names: tuple[str, ...] = ()
    leavers: int = 0  # not mailed yet, and no longer on the list
    leaver_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do; counts are of recipients."""

    issue: Issue
    is_new: bool  # nothing was frozen before
    recipients: int  # of the issue, in whatever state, after freezing
    to_send: int  # in this run
    already_sent: int
    failed: int
    unknown: int
    suppressed: int  # on the list, but must not be mailed
    bad_rows: int  # rows of the list that can't be mailed
    problems: tuple[tuple[int, str], ...]  # (line, what): the first few of them
    newcomers: int  # since the issue was frozen; 0 for a new one
    newcomer_names: tuple[str, ...]
    leavers: int  # not mailed yet and no longer on the list: skipped
    leaver_names: tuple[str, ...]
    limit: int | None
    list_hash: str = field(repr=False)
    listed: bool  # there is a list; else the frozen audience is finished as it is
    resend_unknown: bool
    retry_failed: bool


class Audience:
    """The list as it was read; the rows themselves are in the ledger."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.bad = 0
        self.left_out = 0  # on the list, but left by a column of theirs, or outside the standing segment
        self.problems: list[tuple[int, str]] = []  # (line, what): the first few

    def values(self, rows: Iterable[Row], where: Callable[[Subscriber], bool] | None) -> Iterator[Listed]:
        """The rows that can be mailed, as the ledger takes them; the others are counted."""
        dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
        for line, row in rows:
            if isinstance(row, LeftOut):
                self.left_out += 1
                continue
            if not isinstance(row, Subscriber):
                self.bad += 1
                if len(self.problems) < NAMED:
                    self.problems.append((line, row.what))
                continue
            columns = dumps(dict(row.columns)) if row.columns else "{}"
            key = address_key(row.email)
            self.hash.update(f"{key}\0{row.name}\0{columns}\n".encode())
            yield key, row.email, row.name, columns, where is None or where(row)


def make_plan(
    ledger: Ledger,
    issue: Issue,
    audience: Audience | None,
    *,
    limit: int | None = None,
    resend_unknown: bool = False,
    retry_failed: bool = False,
) -> Plan:
    """What sending `issue` to `audience` (None: to the frozen one) would do. Changes nothing.

    The ledger must hold the issue. Raises NewsletterError when the issue was frozen with another content.
    """
    frozen = ledger.frozen(issue.id)
    if frozen is not None and ledger.frozen_hash(issue.id) != issue.hash_as(frozen.format):
        raise NewsletterError(_edited(frozen, issue))
    again = ("pending", "deferred", *["unknown"] * resend_unknown, *["failed"] * retry_failed)
    found = ledger.standing(audience, again)
    read = audience or Audience()
    return Plan(
        issue=frozen or issue,
        is_new=frozen is None,
        recipients=found.total + found.newcomers,
        to_send=found.ready if limit is None else min(found.ready, limit),
        already_sent=found.states.get("sent", 0),
        failed=found.states.get("failed", 0),
        unknown=found.states.get("unknown", 0),
        suppressed=found.suppressed,
        bad_rows=read.bad,
        problems=tuple(read.problems),
        newcomers=found.newcomers,
        newcomer_names=found.newcomer_names,
        leavers=found.leavers,
        leaver_names=found.leaver_names,
        limit=limit,
        list_hash=read.hash.hexdigest(),
        listed=audience is not None,
        resend_unknown=resend_unknown,
        retry_failed=retry_failed,
    )


def as_text(parts: Iterable[Piece]) -> str:
    """Parts as a reader of lists may see them: slots stand for themselves."""
    return "".join(part if isinstance(part, str) else part.source for part in parts)


def _edited(frozen: Issue, issue: Issue) -> str:
    """Say what has changed since the issue was frozen, and the ways on."""
    before = [f"Subject: {as_text(frozen.subject)}", "", *as_text(frozen.text).splitlines()]
    after = [f"Subject: {as_text(issue.subject)}", "", *as_text(issue.text).splitlines()]
    diff = itertools.islice(difflib.unified_diff(before, after, lineterm="", n=0), 2, None)  # without its header
    lines = [line for line in diff if not line.startswith("@@")]
    shown = "\n".join(f"    {line[:120]}" for line in itertools.islice(lines, _DIFF_LINES))
    if len(lines) > _DIFF_LINES:
        shown += f"\n    … {len(lines) - _DIFF_LINES} more lines"
    what = f":\n{shown}\n" if lines else " (its template, the configuration or the site, not its words); "
    return (
        f"{issue.post} has changed since issue {issue.id!r} was begun{what}"
        f"restore the post; or give `--as-begun` to finish it as it was begun; "
        f"or make a new issue with `--again NAME`"
    )
