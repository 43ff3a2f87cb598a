"""The ledger: who is to get an issue, who may have it, and what became of it. This is what any ledger can do.

ledger.sqlite keeps it in the state file, ledger.postgres in a database of PostgreSQL's. One sender at a time holds an
issue. A lease says who; its *epoch*, counted up whenever the issue changes hands, fences every write: whoever was taken
over writes nothing more. Failures come as NewsletterError; TryAgainLater where another sender holds the issue, or has
taken it over.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from newsletter.audience.listing import RowBlock
from newsletter.compose.issue import Issue
from newsletter.delivery.ledger.batch import Asked, Batch

if TYPE_CHECKING:
    from newsletter.audience.segment import Segment
    from newsletter.delivery.ledger.log import Log
    from newsletter.delivery.ledger.plan import Audience, Plan, Queueing, Standing
    from newsletter.delivery.limits.share import LimitStore
    from newsletter.smtp.rate import Rate


class Ledger(Protocol):
    """The ledger as one sender uses it. While a run's journal is open, its thread alone may call it."""

    clock: Callable[[], float]
    queueing: "Queueing"  # set before `freeze`, where other workers are to help

    @property
    def note(self) -> str:
        """What a user should know about the database now; mostly nothing."""

    def close(self) -> None:
        """Give the issue back."""

    # Before a run

    def frozen(self, issue_id: str) -> Issue | None:
        """The issue as it was frozen, if it was."""

    def frozen_hash(self, issue_id: str) -> str | None:
        """The hash that the issue was given when it was frozen, in the format of that day."""

    def asked(self) -> Asked:
        """What is asked of the issue that is held."""

    def hold(self, issue_id: str) -> None:
        """Become the one sender of an issue, and settle what a dead one left."""

    def sent(self) -> Iterator[Issue]:
        """The issues that somebody was sent, or may have, as they were frozen; the newest first."""

    def has_sent(self) -> bool:
        """Is there any such issue?"""

    def read_audience(
        self, blocks: Iterable[RowBlock], where: "Segment | None" = None, excepted: str = ""
    ) -> "Audience":
        """Read the list; `where` says who of it is chosen. The issue must be held.

        Whoever has, or may have, the issue `excepted` is left out. Raises NewsletterError where there is no such issue.
        """

    def standing(self, audience: "Audience | None", again: tuple[str, ...]) -> "Standing":
        """How the issue that is held stands to the list that was read; `again`: states that are to be sent to."""

    def freeze(self, plan: "Plan", *, git_commit: str | None = None) -> None:
        """Write the plan down and make it the ledger's: one row a recipient. All or nothing."""

    def forget(self) -> bool:
        """Take back an issue that nobody was sent and nobody may have. Whether it was so."""

    # During a run

    def begin(self, longest_wait: float) -> dict[str, int]:
        """Start claiming from the first recipient; no retry is further off than `longest_wait`. The counts."""

    def open_log(self) -> "Log | None":
        """The log that takes the run's intents and replies before the rows do; None: the rows take them at once."""

    def counts(self) -> dict[str, int]:
        """How many recipients of the issue are in which state."""

    def used(self, relay: str, rate: "Rate", now: float) -> list[tuple[float, int]]:
        """What earlier runs took of an hourly or daily rate, as (moment, messages); `now`: monotonic."""

    def sent_by_day(self, relay: str) -> dict[int, int]:
        """How many messages the relay was given on which day of UTC (since 1970), over all issues."""

    def limits(self) -> "LimitStore | None":
        """Where this sender's limits are shared with others; None: they are its own."""

    def stop_waiting(self) -> None:
        """The run is to end: wait for a database that is away a moment longer, no more."""

    def end_within(self, seconds: float) -> None:
        """Whatever a database has not answered by then fails, from whichever thread it is asked."""

    def commit(self, batch: Batch) -> None:
        """One transaction: the batch's words, if the issue is still ours."""

    def catch_up(self, batch: Batch) -> None:
        """Fill in what another process has changed since the last look or commit; cheap where there is nothing."""

    def beat(self) -> None:
        """Say that we live."""
