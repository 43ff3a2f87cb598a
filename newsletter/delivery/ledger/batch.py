"""What the journal hands to the ledger at once: the words of one transaction, and what the ledger found.

Plain values, the same for every kind of ledger.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from newsletter.smtp.transaction import Transaction

Told = Callable[[Transaction], None]
"""Takes word that an intent is recorded, or (`Transaction.withdrawn`) that the message must not go."""

Record = tuple[int, str, int | None, str | None, str | None, str | None, str | None, float | None, float, int]
"""id, state, code, status, text, command, relay, not_before, updated, and attempts that no intent has counted."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """Recipients that are now ours; where there are none, when the first deferred one is to be tried again."""

    transactions: list[Transaction]
    skipped: list[Transaction]  # suppressed since they were planned; `withdrawn` says why
    due: float | None = None


@dataclass(slots=True)
class Batch:
    """What one transaction records. The ledger fills in `claimed`, and `withdrawn` of intents that it refuses."""

    intents: list[tuple[Transaction, Told]] = field(default_factory=list)
    confirm: list[tuple[Transaction, Told]] = field(default_factory=list)  # recorded a while ago: may it still go?
    records: dict[int, Record] = field(default_factory=dict)  # by recipient: the last word counts
    suppress: list[tuple[int, str, bool]] = field(default_factory=list)  # id, reason, only if it stays full
    done_claims: list[int] = field(default_factory=list)  # their numbers: all recipients are settled
    claim: int | None = None  # so many recipients are wanted
    last: bool = False  # of the run: nothing stays claimed

    claimed: Claimed | None = None
    answer: "asyncio.Future[Claimed] | None" = None  # where whoever asked waits for it

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write or to ask."""
        words = self.intents or self.confirm or self.records or self.done_claims
        return not words and self.claim is None and not self.last

    @property
    def is_durable(self) -> bool:
        """Whether it must be on the disk before anything follows from it."""
        return self.claim is not None or self.last
