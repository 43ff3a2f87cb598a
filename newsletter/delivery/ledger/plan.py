"""The plan: what a run would do with an issue and its audience, and when it must not.

Pure but for the ledger, which reads the list, compares and counts (`Ledger.read_audience`, `standing`) and writes the
plan down (`freeze`). What was planned stays as it was: a name or column changed in the list later does not reach a
frozen recipient. Newcomers join on the next run; who has left the list and was not mailed yet is skipped, because who
was taken off a list must not be mailed, and joins again if put back.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.audience.listing import RowBlock
from newsletter.audience.opt_out import StatusColumn, StatusTally
from newsletter.compose.issue import Issue
from newsletter.delivery.ledger.batch import Asked
from newsletter.delivery.ledger.ledger import Ledger
from newsletter.delivery.ledger.recognize import Resemblance, find_resemblance, refuse_cancelled, refuse_changed

if TYPE_CHECKING:
    from newsletter.audience.segment import Segment  # with Jinja2, which most sends do without

NAMED = 5
"""So many newcomers and leavers are named; the rest is counted."""
REJECTED = 10_000
"""So many rows that can't be mailed are kept, for programs; the rest is counted."""
LEFT = "no longer on the list"
_LEFT_OUT = {"left": "who left", "paused": "who paused", "asked": "who asked to be erased"}
"""Why somebody is left out, as it is counted, by how it begins."""

Listed = tuple[Sequence[str], Sequence[str], Sequence[str], Sequence[str], Sequence[int]]
"""Rows of the list for the ledger, column by column: key, email, name, further columns as JSON, 1 for who is chosen."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an issue stands to the list that was read; counts are of recipients."""

    total: int  # of the issue, or to be when it is frozen
    ready: int  # may be sent to now
    states: dict[str, int]  # of those who are planned
    suppressed: int  # on the list, but must not be mailed
    has_other: int = 0  # on the list, and not mailed because they have the issue that is excepted
    newcomers: int = 0  # on the list, not planned yet
    newcomer_names: tuple[str, ...] = ()
    leavers: int = 0  # not mailed yet, and no longer on the list
    leaver_names: tuple[str, ...] = ()
    unknown_names: tuple[str, ...] = ()  # the first of those who may have it


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do; counts are of recipients."""

    issue: Issue
    is_new: bool  # nothing was frozen before
    is_first: bool  # no issue was sent before
    resembles: Resemblance | None  # an issue that was sent says much the same
    recipients: int  # of the issue, in whatever state, after freezing
    to_send: int  # in this run
    waiting: int  # beyond the limit of this run
    already_sent: int
    failed: int
    unknown: int
    unknown_names: tuple[str, ...]  # the first of them
    suppressed: int  # on the list, but must not be mailed
    left_out: dict[str, int]  # on the list and not mailed: how many, by why
    status: tuple[StatusColumn, ...]  # the columns that may say so, with what stands in them
    has_other: int  # have the issue that is excepted
    bad_rows: int  # rows of the list that can't be mailed
    rejected: tuple[tuple[int, str, str], ...]  # (line, email, what): the first of them
    newcomers: int  # since the issue was frozen; 0 for a new one
    newcomer_names: tuple[str, ...]
    leavers: int  # not mailed yet and no longer on the list: skipped
    leaver_names: tuple[str, ...]
    limit: int | None
    list_hash: str = field(repr=False)
    asked: Asked  # of the issue: whether, from when and until when
    listed: bool  # there is a list; else the frozen audience is finished as it is
    chosen: int  # on the list, of those who may be mailed by it and by --where
    excepted: str  # whoever has this issue is left out; or empty
    resend_unknown: bool
    retry_failed: bool
    moments: Mapping[str, float | None] | None = None
    """When to send to whom, by the list's `timezone`; None there: at once. None instead: as it was planned before."""

    @property
    def is_paused(self) -> bool:
        """Whether it waits for `newsletter resume`."""
        return self.asked.state == "paused"


@dataclass(frozen=True, slots=True)
class Queueing:
    """How an issue is shared with other workers, where the ledger can do that."""

    rate: float | None = None  # messages a second that all relays take together; None: as fast as it goes
    secret: str = ""  # a keyed digest of the secret: a worker's must be the same
    waits: bool = False  # the sender waits first, and begins by queueing; else it is queued with the plan


class Audience:
    """The list as it was read; the rows themselves are in the ledger."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.bad = 0
        self.chosen = 0
        self.left_out: Counter[str] = Counter()
        self.rejected: list[tuple[int, str, str]] = []  # (line, email, what): the first of them
        self.status: tuple[StatusColumn, ...] = ()
        self.excepted = ""  # whoever has this issue is left out

    def chosen_of(self, blocks: Iterable[RowBlock], where: "Segment | None") -> Iterator[Listed]:
        """Those of each block who can be mailed, as the ledger takes them; the others are counted."""
        tally: StatusTally | None = None
        for block in blocks:
            tally = tally or StatusTally(block.cells)
            tally.add(block.cells)
            self.bad += len(block.problems)
            kept = block.problems[: max(REJECTED - len(self.rejected), 0)]
            self.rejected += [(line, problem.email, problem.what) for line, problem in kept]
            for _, (what, _) in sorted(block.left_out.items()):
                self.left_out[next((why for word, why in _LEFT_OUT.items() if what.startswith(word)), what)] += 1
            keys, emails, names, columns = map(block.mailed, (block.keys, block.emails, block.names, block.columns))
            if not keys:
                continue
            told = map("\0".join, zip(keys, names, columns, strict=True))
            self.hash.update(("\n".join(told) + "\n").encode())
            chosen = [1] * len(keys) if where is None else list(map(int, where.of(block)))
            self.chosen += sum(chosen)
            yield keys, emails, names, columns, chosen
        self.status = tally.columns() if tally is not None else ()


def make_plan(
    ledger: Ledger,
    issue: Issue,
    audience: Audience | None,
    *,
    limit: int | None = None,
    resend_unknown: bool = False,
    retry_failed: bool = False,
    second: bool = False,
    root: Path | None = None,
) -> Plan:
    """What sending `issue` to `audience` (None: to the frozen one) would do. Changes nothing.

    The ledger must hold the issue. `second`: a second issue of the same post is meant. `root` is the folder in which
    posts are looked for. Raises NewsletterError when the issue was frozen with another content, and when it is new and
    says what another one said.
    """
    asked = ledger.asked()
    if asked.state == "cancelled":
        raise refuse_cancelled(issue.id)
    frozen = ledger.frozen(issue.id)
    if frozen is not None and not issue.is_still(frozen, ledger.frozen_hash(issue.id) or ""):
        raise refuse_changed(issue, frozen, root)
    resembles = find_resemblance(issue, ledger.sent(), root) if frozen is None and not second else None
    again = ("pending", "deferred", *["unknown"] * resend_unknown, *["failed"] * retry_failed)
    found = ledger.standing(audience, again)
    read = audience or Audience()
    return Plan(
        issue=frozen or issue,
        is_new=frozen is None,
        is_first=not ledger.has_sent(),
        resembles=resembles,
        recipients=found.total + found.newcomers,
        to_send=found.ready if limit is None else min(found.ready, limit),
        waiting=0 if limit is None else max(found.ready - limit, 0),
        already_sent=found.states.get("sent", 0),
        failed=found.states.get("failed", 0),
        unknown=found.states.get("unknown", 0),
        unknown_names=found.unknown_names,
        suppressed=found.suppressed,
        left_out=dict(read.left_out),
        status=read.status,
        has_other=found.has_other,
        bad_rows=read.bad,
        rejected=tuple(read.rejected),
        newcomers=found.newcomers,
        newcomer_names=found.newcomer_names,
        leavers=found.leavers,
        leaver_names=found.leaver_names,
        limit=limit,
        list_hash=read.hash.hexdigest(),
        asked=asked,
        listed=audience is not None,
        chosen=read.chosen,
        excepted=read.excepted,
        resend_unknown=resend_unknown,
        retry_failed=retry_failed,
    )
