"""Send a few messages through the same conversation as `deliver`, and record nothing: `send --to`."""

import asyncio
from collections import deque
from collections.abc import Sequence

from newsletter.compose.message import Envelope
from newsletter.delivery.connection import Connection, Job, Timeouts
from newsletter.delivery.relay import Relay, RelayTrouble, connect, tls_context
from newsletter.delivery.reply import Reply
from newsletter.errors import NewsletterError


async def send_direct(
    envelopes: Sequence[Envelope], relays: Sequence[Relay], *, timeouts: Timeouts | None = None
) -> list[tuple[str, Reply]]:
    """Send each once, in turn, over one connection; (address, reply) in the same order, code 0 where none came.

    The first relay that can be reached is used. Raises NewsletterError where none can.
    """
    limits = timeouts or Timeouts()
    trouble: RelayTrouble | None = None
    for relay in relays:
        try:
            session = await connect(relay, tls_context(relay), limits.connect)
        except RelayTrouble as error:
            trouble = error
            continue
        feed = _Direct(envelopes)
        connection = Connection(feed, session.extensions, limits)
        connection.attach(session.transport)
        connection.wake()
        await connection.lost
        return [(envelope.rcpt_to, feed.reply(at)) for at, envelope in enumerate(envelopes)]
    raise NewsletterError(str(trouble) if trouble else "no relay is configured; set [smtp] url")


class _Direct:
    """The feed of one connection that has no ledger."""

    def __init__(self, envelopes: Sequence[Envelope]) -> None:
        self._left = deque(
            Job(at, envelope.rcpt_to, "", "{}", envelope=envelope, intended=True)
            for at, envelope in enumerate(envelopes)
        )
        self._replies: dict[int, Reply] = {}
        self._end = Reply(0, "", "not sent: the relay closed the connection", "")

    def reply(self, at: int) -> Reply:
        return self._replies.get(at, self._end)

    def next(self, connection: Connection) -> Job | None:
        while self._left:
            job = self._left.popleft()
            if job.email.isascii() or connection.smtputf8:
                return job
            self._replies[job.id] = Reply(0, "", "the relay offers no SMTPUTF8 for a non-ASCII address", "")
        asyncio.get_running_loop().call_soon(connection.quit)
        return None

    def settle(self, connection: Connection, job: Job, reply: Reply) -> None:
        self._replies[job.id] = reply

    def again(self, connection: Connection, job: Job) -> None:
        self._replies[job.id] = self._end

    def in_doubt(self, connection: Connection, job: Job, reason: str) -> None:
        self._replies[job.id] = Reply(0, "", f"perhaps sent; {reason}", ".")

    def closed(self, connection: Connection, reply: Reply | None) -> None:
        if reply is not None:
            self._end = reply
