"""What the journal hands to the ledger at once: the words of one transaction, and what the ledger found.

Plain values, the same for every kind of ledger.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from newsletter.smtp.transaction import Transaction

Told = Callable[["Transaction"], None]
"""Takes word that the ledger has been asked whether a message may go."""

Record = tuple[int, str, int | None, str | None, str | None, str | None, str | None, float | None, float, int]
"""id, state, code, status, text, command, relay, not_before, updated, and attempts that the rows have not counted."""


def merge(records: dict[int, Record], record: Record) -> None:
    """Add a later word about a recipient: it counts, and so do the attempts of both."""
    id_ = record[0]
    if id_ in records and records[id_][-1]:
        record = (*record[:-1], record[-1] + records[id_][-1])
    records[id_] = record


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of an issue: whether it is to run, from when, and until when."""

    state: str = "running"  # or "paused", "cancelled"
    starts: float | None = None  # None: at once
    send_before: float | None = None

    def in_one_word(self, left: int, now: float) -> str:
        """The issue's state for people and programs; `left`: how many of its recipients are still to be settled."""
        if self.state == "cancelled":
            return self.state
        if not left:
            return "done"
        if self.state == "paused":
            return self.state
        return "scheduled" if self.starts is not None and self.starts > now else "running"


@dataclass(frozen=True, slots=True)
class Claimed:
    """Recipients that are now ours; where there are none, when the first deferred one is to be tried again."""

    transactions: "list[Transaction]"
    skipped: "list[Transaction]"  # suppressed since they were planned; `withdrawn` says why
    due: float | None = None


@dataclass(slots=True)
class Batch:
    """What one transaction records. The ledger fills in `claimed`, `suppressed` and `state`."""

    records: dict[int, Record] = field(default_factory=dict)  # by recipient: intents and replies, the last word
    suppress: list[tuple[int, str, bool]] = field(default_factory=list)  # id, reason, only if it stays full
    done_claims: list[int] = field(default_factory=list)  # their numbers: all recipients are settled
    asked: "list[tuple[Transaction, Told]]" = field(default_factory=list)  # is the issue ours still?
    ahead: "list[Transaction]" = field(default_factory=list)  # who come next, and may be intended with those
    claim: int | None = None  # so many recipients are wanted
    mark: int | None = None  # of the log: it holds all of this before it
    release: int | None = None  # nobody is under way: so many that were never tried are given back, and all claims
    last: bool = False  # of the run: nothing stays claimed

    claimed: Claimed | None = None
    suppressed: dict[int, str] | None = None  # of all who are claimed, with the reason; None: as before
    state: str | None = None  # what is asked of the issue: running, paused, cancelled; None: as before
    answer: "asyncio.Future[Claimed] | None" = None  # where whoever asked waits for it

    @property
    def is_durable(self) -> bool:
        """Whether it must be on the disk before anything follows from it."""
        return self.claim is not None or self.last
