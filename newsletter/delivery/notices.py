"""Send the mails that are owed to one person, until a relay took them: whoever has made some, and `serve` all the time.

Claim, send, settle: a notice is marked as under way, durably, before its first byte. A relay that is away loses
nothing. What a reply means: 2xx sent, 5xx failed, everything else again later.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from newsletter.audience.notices import Notice, forget_notices, next_due, recover, settle, take, waiting
from newsletter.audience.signup import forget_unconfirmed
from newsletter.compose.message.envelope import Envelope
from newsletter.delivery.direct import send_direct
from newsletter.errors import NewsletterError, TryAgainLater
from newsletter.smtp.relay import Relay
from newsletter.smtp.reply import Reply

FIRST_RETRY, LONGEST_RETRY, GIVE_UP = 30.0, 900.0, 7 * 86_400.0
LOOK_EVERY = 30.0
"""Seconds between two looks, where nobody says that a mail is owed: another process may have made one."""
LONGEST_AT_WORK = 3600.0
"""Seconds after which a mail that is being sent is nobody's: its process has died (RFC 5321 allows 40 minutes)."""
KEPT, TIDY_EVERY = 30 * 86_400.0, 3600.0
"""For how long who never confirmed, and a mail that went, are remembered; and how often that is looked after."""


@dataclass(slots=True)
class NoticeOutcome:
    """What became of the notices that were due."""

    sent: int = 0
    failed: int = 0
    waiting: int = 0
    trouble: str = ""  # what kept the last one from going


Write = Callable[[Notice], Envelope]


async def send_due(
    engine: Engine, relays: Sequence[Relay], write: Write, clock: Callable[[], float] = time.time
) -> NoticeOutcome:
    """Send what is due now, one after the other; stops at a relay that can't be reached."""
    outcome = NoticeOutcome()
    recover(engine, clock() - LONGEST_AT_WORK)
    while (notice := next_due(engine, clock())) is not None:
        if not take(engine, notice, clock()):
            continue
        try:
            if not relays:
                raise NewsletterError("no relay is configured; set [smtp] url")
            envelope = await asyncio.to_thread(write, notice)
            ((_, reply),) = await send_direct([envelope], relays)
        except NewsletterError as error:
            outcome.trouble = str(error)
            settle(engine, notice, "pending", str(error), clock() + delay(notice.attempts))
            break
        except asyncio.CancelledError:
            settle(engine, notice, "pending" if notice.kind == "confirm" else "unknown", "stopped while it was sent")
            raise
        state = state_after(notice, reply, clock())
        later = clock() + delay(notice.attempts) if state == "pending" else None
        settle(engine, notice, state, str(reply), later)
        if state == "sent":
            outcome.sent += 1
        else:
            outcome.failed += state == "failed"
            outcome.trouble = str(reply)
    outcome.waiting = waiting(engine)
    return outcome


async def keep_sending(
    engine: Engine,
    relays: Sequence[Relay],
    write: Write,
    owed: asyncio.Event,
    on_trouble: Callable[[str], None],
    clock: Callable[[], float] = time.time,
) -> None:
    """Send whatever becomes due, until cancelled; `owed` is set when there may be something."""
    begun, told, tidied = False, "", 0.0
    while True:
        owed.clear()
        try:
            if not begun:
                recover(engine, clock())  # one server runs at a time
                begun = True
            if clock() - tidied > TIDY_EVERY:
                forget_notices(engine, clock() - KEPT)
                forget_unconfirmed(engine, clock() - KEPT)
                tidied = clock()
            trouble = (await send_due(engine, relays, write, clock)).trouble
        except TryAgainLater as error:  # the state is away
            trouble = str(error)
        if trouble and trouble != told:
            on_trouble(trouble)
        told = trouble
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(owed.wait(), LOOK_EVERY)


def state_after(notice: Notice, reply: Reply, now: float) -> str:
    """The state that a reply leaves a notice in."""
    if reply.code // 100 == 2:
        return "sent"
    if reply.code // 100 == 5 or now - notice.created > GIVE_UP:
        return "failed"
    if reply.code == 0 and reply.command == "." and notice.kind != "confirm":
        return "unknown"  # it may have arrived
    return "pending"


def delay(attempts: int) -> float:
    """Seconds until the next attempt, after so many."""
    return min(FIRST_RETRY * 2.0 ** min(attempts, 10), LONGEST_RETRY)
