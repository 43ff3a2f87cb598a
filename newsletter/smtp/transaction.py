"""One recipient's way through a relay: what is known of it, and how far it has come (RFC 5321 section 3.3)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from newsletter.compose.message.envelope import Envelope
    from newsletter.smtp.reply import Reply


@dataclass(slots=True)
class Transaction:
    """One recipient under way. The ledger's facts first, then how far it has come."""

    id: int
    email: str
    name: str
    columns: str  # JSON
    attempts: int = 0
    first_attempt: float | None = None
    deferred: bool = False  # tried before, in this run or an earlier one
    moment: float | None = None  # not before that, in its own zone: it stays so until it is settled
    claim: int = 0  # the ledger's claim it belongs to
    drops: int = 0  # connections lost under it in this run
    envelope: "Envelope | None" = None
    intended: bool = False  # the intent is recorded
    ahead: bool = False  # the intent may be recorded, though no connection has it yet
    withdrawn: str = ""  # why the body must not go after all: suppressed since it was claimed
    refused: "Reply | None" = None  # by MAIL, RCPT or DATA

    @property
    def domain(self) -> str:
        """What stands after the @."""
        return self.email.rpartition("@")[2]
