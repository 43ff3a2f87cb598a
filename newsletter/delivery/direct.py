"""Send a few messages through the same conversation as `deliver`, and record nothing.

That is what `send --to`, the studio's "Send me this" and a release from the test inbox do: the real message, to
addresses that need not be subscribers'. As whom each is written to is decided in `audience.source`.
"""

import asyncio
import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

from newsletter.audience.address import normalize_address
from newsletter.audience.listing import Listing
from newsletter.audience.source import addressees
from newsletter.audience.subscriber import Subscriber
from newsletter.compose.composer import Composed
from newsletter.compose.message.envelope import Envelope
from newsletter.errors import NewsletterError
from newsletter.smtp.connect import Connector, RelayTrouble
from newsletter.smtp.connection import Connection, Timeouts
from newsletter.smtp.relay import Relay
from newsletter.smtp.reply import Reply
from newsletter.smtp.transaction import Transaction

_LINE_END = re.compile(rb"\r\n|\r|\n")
_FIRST_DOT = re.compile(rb"^\.", re.MULTILINE)


def envelopes_to(
    composed: Composed,
    rows: Listing | None,
    addresses: Iterable[str],
    *,
    viewed: Subscriber | None = None,
    option: str = "",
) -> list[Envelope]:
    """The issue's real message to each address, as `audience.source.addressees` decides; the same address once.

    Raises NewsletterError for what is no address (`option` says where it was given), and for a slot that can't be
    filled.
    """
    normal = _normal(addresses, option)
    writer = composed.writer(rows.columns if rows is not None else None)
    return [writer.envelope(one) for one in addressees(rows, normal, viewed)]


def envelopes_of(message: bytes, mail_from: str, addresses: Iterable[str]) -> list[Envelope]:
    """A message as it is, to each address; its lines end in CRLF, as SMTP wants them. Raises NewsletterError."""
    lines = _LINE_END.sub(b"\r\n", message)
    stuffed = _FIRST_DOT.sub(b"..", lines if lines.endswith(b"\r\n") else lines + b"\r\n")
    return [Envelope(mail_from, address, (stuffed,), "") for address in _normal(addresses)]


def _normal(addresses: Iterable[str], option: str = "") -> list[str]:
    normal = []
    for address in addresses:
        try:
            normal.append(normalize_address(address))
        except ValueError as error:
            what = f"{error}; give an address such as you@example.org"
            raise NewsletterError(f"{option}: {what}" if option else what) from None
    return list(dict.fromkeys(normal))


async def send_direct(
    envelopes: Sequence[Envelope], relays: Sequence[Relay], *, timeouts: Timeouts | None = None
) -> list[tuple[str, Reply]]:
    """Send each once, in turn, over one connection; (address, reply) in the same order, code 0 where none came.

    The first relay that can be reached is used, one that is bound to domains last. Raises NewsletterError where none
    can: with 75 where that may pass.
    """
    limits = timeouts or Timeouts()
    troubles: list[RelayTrouble] = []
    for relay in sorted(relays, key=lambda relay: bool(relay.domains)):
        try:
            session = await Connector(replace(relay, is_rehearsal=True)).connect(limits.connect)
        except RelayTrouble as error:
            troubles.append(error)
            continue
        handler = _Direct(envelopes)
        connection = Connection(handler, session, limits)
        connection.attach()
        connection.wake()
        await connection.lost
        return [(envelope.rcpt_to, handler.reply(at)) for at, envelope in enumerate(envelopes)]
    if not troubles:
        raise NewsletterError("no relay is configured; set [smtp] url")
    raise next((trouble for trouble in troubles if not trouble.lasting), troubles[0]).error


class _Direct:
    """The handler of one connection that has no ledger."""

    def __init__(self, envelopes: Sequence[Envelope]) -> None:
        self._left = deque(
            Transaction(at, envelope.rcpt_to, "", "{}", envelope=envelope) for at, envelope in enumerate(envelopes)
        )
        self._replies: dict[int, Reply] = {}
        self._end = Reply(0, "", "not sent: the relay closed the connection", "")

    def reply(self, at: int) -> Reply:
        return self._replies.get(at, self._end)

    def next(self, connection: Connection) -> Transaction | None:
        while self._left:
            transaction = self._left.popleft()
            if transaction.email.isascii() or connection.smtputf8:
                return transaction
            self._replies[transaction.id] = Reply(0, "", "the relay offers no SMTPUTF8 for a non-ASCII address", "")
        asyncio.get_running_loop().call_soon(connection.quit)
        return None

    def may_go(self, connection: Connection, transaction: Transaction) -> bool:
        return True

    def withdrawn(self, connection: Connection, transaction: Transaction) -> None:
        """Nobody takes a direct message back."""

    def settle(self, connection: Connection, transaction: Transaction, reply: Reply) -> None:
        self._replies[transaction.id] = reply

    def again(self, connection: Connection, transaction: Transaction) -> None:
        self._replies[transaction.id] = self._end

    def in_doubt(self, connection: Connection, transaction: Transaction, reason: str) -> None:
        self._replies[transaction.id] = Reply(0, "", f"perhaps sent; {reason}", ".")

    def closed(self, connection: Connection, reply: Reply | None) -> None:
        if reply is not None:
            self._end = reply
