"""How far a run has come, what it did, and whether it is to end: what its parts share and the command line shows."""

from collections import Counter, deque
from collections.abc import Collection
from dataclasses import dataclass

from newsletter.delivery.ledger.batch import Record
from newsletter.errors import NewsletterError

NAMED = 100
"""So many unknown recipients are named in the report; `deliveries --state unknown` has them all."""
KINDS = 500
"""So many different replies are counted apart; further ones as "other replies"."""
LATELY = 8
"""Ticks over which the rate is taken."""


@dataclass(slots=True)
class Progress:
    """How far a run has come; given to `on_progress` four times a second."""

    total: int  # recipients to settle in this run
    sent: int = 0
    deferred: int = 0  # and not tried again yet
    retried: int = 0  # were deferred before
    failed: int = 0
    unknown: int = 0
    skipped: int = 0
    rate: float = 0.0  # messages a second, lately
    state: str = "running"  # or "paused": no further message until somebody resumes the issue
    next_retry: float | None = None  # seconds until somebody is tried again, while nothing else is to do
    notes: tuple[str, ...] = ()  # "relay:587 slowed to 3/s", "example.com paused: …"


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did; counts are of recipients and of this run, but for `deferred` and `pending`."""

    sent: int
    deferred: int  # to be tried again; in the ledger now
    failed: int
    unknown: int
    pending: int  # still waiting; in the ledger now
    skipped: int
    seconds: float
    rate: float
    replies: tuple[tuple[str, int], ...]  # what was said when it was not a success, the most frequent first
    notes: tuple[str, ...]
    unknown_names: tuple[str, ...]  # the addresses, the first hundred
    stopped: NewsletterError | None  # the issue was stopped: what the relay said, what to fix
    interrupted: bool
    paused: float = 0.0  # of those seconds, when nobody was sent to because the issue was paused
    state: str = "running"  # what is asked of the issue: "running", "paused", "cancelled"


class Ending:
    """Whether a run is to end, and why. `changed` is set whenever there may be something to do."""

    def __init__(self) -> None:
        import asyncio  # not for whoever only counts

        self.changed = asyncio.Event()
        self.asked = False  # no further message
        self.error: NewsletterError | None = None  # what stopped the issue: the first that was said

    def ask(self, error: NewsletterError | None = None) -> None:
        """No further message; what is under way is finished."""
        self.asked = True
        self.error = self.error or error
        self.changed.set()


class Tally:
    """The counts of a run, by state."""

    def __init__(self, total: int, now: float, *, deferred: int = 0) -> None:
        self.progress = Progress(total)
        self.count = Counter(deferred=deferred)
        self.replies = Counter[str]()
        self.unknown_names: list[str] = []
        self._began = now
        self.paused = 0.0  # seconds
        self._ticked = now
        self._lately: deque[tuple[float, int]] = deque([(now, 0)], maxlen=LATELY + 1)

    def settled(self, state: str, email: str, said: str) -> None:
        """Somebody is settled for this run, and not sent; `said`: the reply, or the reason."""
        self.count[state] += 1
        self.count_reply(said)
        if state == "unknown" and len(self.unknown_names) < NAMED:
            self.unknown_names.append(email)

    def count_reply(self, text: str) -> None:
        """Count what was said."""
        self.replies[text if text in self.replies or len(self.replies) < KINDS else "other replies"] += 1

    def lose(self, records: Collection[Record], sending: int | None) -> None:
        """These could not be recorded; the ledger holds `sending` intents without a reply (None: that is not known).

        The next run finds those, and takes them for unknown.
        """
        final = [state for _id, state, *_ in records if state in ("sent", "failed", "unknown", "skipped")]
        for state in final:
            self.count[state] -= 1
        self.count["unknown"] += len(final) if sending is None else sending

    def tick(self, now: float, every: float) -> Progress:
        """The progress at `now`; called about each `every` seconds."""
        progress, count = self.progress, self.count
        if progress.state == "paused":
            self.paused += now - self._ticked
        self._ticked = now
        if now - self._lately[-1][0] >= every:
            self._lately.append((now, count["sent"]))
        since, before = self._lately[0]
        progress.rate = (count["sent"] - before) / max(now - since, every)
        progress.sent, progress.failed, progress.skipped = count["sent"], count["failed"], count["skipped"]
        progress.retried, progress.unknown = count["retried"], count["unknown"]
        progress.deferred = count["deferred"] - count["retried"]
        return progress

    def report(
        self,
        now: float,
        states: dict[str, int],
        notes: tuple[str, ...],
        stopped: NewsletterError | None,
        interrupted: bool,
        state: str = "running",
    ) -> Report:
        """What the run did; `states`: how many are in which state in the ledger."""
        seconds, sent = now - self._began, self.count["sent"]
        return Report(
            sent=sent,
            deferred=states.get("deferred", 0),
            failed=self.count["failed"],
            unknown=self.count["unknown"],
            pending=states.get("pending", 0),
            skipped=self.count["skipped"],
            seconds=seconds,
            rate=sent / (seconds - self.paused) if seconds > self.paused else 0.0,
            replies=tuple(self.replies.most_common(20)),
            notes=notes,
            unknown_names=tuple(self.unknown_names),
            stopped=stopped,
            interrupted=interrupted,
            state=state,
            paused=self.paused,
        )
