"""Recipients' domains that gave trouble: slowed when they ask for patience, paused when they refuse our mail.

Pure: the clock is an argument (`now`, monotonic seconds). Only domains that gave trouble are remembered, so the usual
message costs one failed dict lookup.
"""

from collections import deque
from dataclasses import dataclass, field

from newsletter.delivery.limits.windows import Spacing
from newsletter.delivery.pace import IN_A_ROW, RECOVERY, SETTLE, SLOWEST
from newsletter.smtp.reply import Verdict

START = 5.0
"""Messages a second for a domain when it first asks for patience; above four times that it is free again."""
PAUSE = 3600.0
LAST = 50
REFUSED_SHARE = 0.2


@dataclass(slots=True)
class _Domain:
    slow_row: int = 0
    refused_row: int = 0
    last: deque[bool] = field(default_factory=lambda: deque(maxlen=LAST))  # refused by policy?
    spacing: Spacing | None = None
    slowed: float = 0.0
    changed: float = 0.0
    paused_until: float = 0.0
    held: int = 0


class Domains:
    """Recipients' domains that gave trouble: slowed when they ask for patience, paused when they refuse our mail."""

    def __init__(self) -> None:
        self.known: dict[str, _Domain] = {}
        self.notes: dict[str, str] = {}  # domain: what was done and why, for the report

    def hold(self, domain: str, now: float) -> float:
        """Seconds to put a message to `domain` aside; 0: send it now, and count it."""
        found = self.known.get(domain)
        if found is None:
            return 0.0
        if found.paused_until > now:
            return found.paused_until - now
        if found.spacing is None:
            return 0.0
        if found.spacing.wait(now) > 0:
            found.held += 1
            return min(found.spacing.wait(now) + found.held / found.slowed, PAUSE)
        found.held = max(0, found.held - 1)
        found.spacing.take(now)
        return 0.0

    def answered(self, domain: str, meaning: Verdict, text: str, now: float) -> None:
        """Take note of a reply about a recipient at `domain`."""
        found = self.known.get(domain)
        if found is None:
            if not (meaning.slow or meaning.policy):
                return
            found = self.known[domain] = _Domain()
        found.last.append(meaning.policy)
        found.refused_row = found.refused_row + 1 if meaning.policy else 0
        found.slow_row = found.slow_row + 1 if meaning.slow else 0
        if found.paused_until <= now and (
            found.refused_row >= IN_A_ROW
            or (len(found.last) == LAST and sum(found.last) >= LAST * REFUSED_SHARE)
        ):  # fmt: skip
            found.paused_until = now + PAUSE
            found.last.clear()
            found.refused_row = IN_A_ROW - 1  # after the pause, one more refusal is enough
            self.notes[domain] = f"paused: {text}"
        if found.slow_row >= IN_A_ROW and now - found.changed >= SETTLE:
            found.slowed = max(found.slowed / 2, SLOWEST) if found.spacing else START
            found.spacing = Spacing(found.slowed, now)
            found.changed = now
            found.slow_row = 0
            self.notes[domain] = f"slowed to {found.slowed:.3g}/s: {text}"

    def recover(self, now: float) -> None:
        """Grow again after a quiet time; called now and then."""
        for found in self.known.values():
            if found.spacing is not None and now - found.changed >= RECOVERY:
                found.changed = now
                found.slowed *= 1.25
                found.spacing = Spacing(found.slowed, now) if found.slowed < 4 * START else None
