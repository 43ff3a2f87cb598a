"""One conversation with a relay: messages in, replies out, pipelined.

An asyncio protocol without coroutines: what arrives decides what is written next. It takes an open, authenticated
transport (smtp.relay) and asks a `Handler` for messages; what replies mean, how fast to go and what to record is
the handler's business.

With PIPELINING (RFC 2920) one write holds the end of message n and MAIL, RCPT, DATA of n+1, and one read brings the
four replies. Without it, each command waits for its reply. Either way

- no byte of a body leaves before the handler has recorded the intent to send it (`Handler.may_go`), which it is asked
  for when the relay is ready for the body, so a crash leaves at most one message in doubt;
- no body goes to a recipient who was refused: where DATA is answered 354 all the same, only the final dot is sent;
- a connection lost before the final dot was handed over loses nothing (`Handler.again`); after it, the message is in
  doubt (`Handler.in_doubt`).
"""

import asyncio
import re
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from newsletter.smtp.connect import Session
from newsletter.smtp.reply import Reply, parse_reply
from newsletter.smtp.transaction import Transaction

MAX_LINE = 8192
MAX_LINES = 200
_COMMANDS = ("MAIL", "RCPT", "DATA")
_OPENING = frozenset(_COMMANDS[:2])
_USUAL = deque([".", *_COMMANDS])
_all_taken = re.compile(rb"(2\d\d[ \r][^\n]*)\n(?:2\d\d[ \r][^\n]*\n){2}354[ \r][^\n]*\n").fullmatch
"""The usual answer to the end of a message and the commands of the next: both are taken."""


Commands = tuple[tuple[str, ...], bytes]
"""Their names, and the lines that say them."""
_NOTHING: Commands = ((), b"")
_GOODBYE: Commands = (("QUIT",), b"QUIT\r\n")


class Handler(Protocol):
    """Where a connection gets its messages from and brings the replies to."""

    def next(self, connection: "Connection") -> Transaction | None:
        """The next message, its envelope written; None: nothing now, `wake()` follows."""

    def may_go(self, connection: "Connection", transaction: Transaction) -> bool:
        """Whether the body may go now; else it was withdrawn, or is asked about again after `Connection.decided`."""

    def withdrawn(self, connection: "Connection", transaction: Transaction) -> None:
        """The message was taken back before its body went."""

    def settle(self, connection: "Connection", transaction: Transaction, reply: Reply) -> None:
        """The relay has answered for good."""

    def again(self, connection: "Connection", transaction: Transaction) -> None:
        """Not handed over, for no fault of the message; another connection may have it."""

    def in_doubt(self, connection: "Connection", transaction: Transaction, reason: str) -> None:
        """Handed over to the final dot, and no answer came."""

    def closed(self, connection: "Connection", reply: Reply | None) -> None:
        """The connection is gone; `reply` is what the relay said unasked (421), if anything."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait: for replies (RFC 5321 section 4.5.3.2), and before a relay that is away is asked again."""

    connect: float = 30.0
    command: float = 300.0
    data: float = 120.0
    dot: float = 600.0
    quit: float = 5.0
    back_off: float = 0.5  # doubles up to a minute


class Connection(asyncio.Protocol):
    """The conversation. `careful`: hold each final dot back so long (seconds), to learn of a loss before it."""

    def __init__(self, handler: Handler, session: Session, timeouts: Timeouts, careful: float = 0.0) -> None:
        extensions = session.extensions
        self.smtputf8 = "smtputf8" in extensions
        self.useful = False  # it has taken a message
        self._handler = handler
        self._timeouts = timeouts
        self.careful = careful
        self._pipelining = "pipelining" in extensions
        self._headers = [session.headers] if session.headers else []
        self._secrets = session.secrets if session.secrets.forms else None
        self._dsn = "dsn" in extensions  # a report says whose mail came back, and holds no copy of it (RFC 3461)
        self._expected: deque[str] = deque()  # the commands whose replies are to come
        self._unsent: deque[tuple[str, bytes]] = deque()  # without PIPELINING: commands that wait for a reply first
        self._opening: Transaction | None = None  # MAIL, RCPT, DATA are out or waiting
        self._ready = False  # DATA was answered 354, the body waits until it may go
        self._handed: Transaction | None = None  # the final dot is out
        self._partial = b""
        self._lines: list[bytes] = []
        self._closing = False  # no further message
        self.dismissed = False  # we have said goodbye: that it closes is no fault of the relay
        self.aborted = False  # we have closed without a word
        self._over = False  # nothing more is read
        self._halted = False  # no body any more
        self._paused = False
        self.last_reply: Reply | None = None  # why the relay, or the watchdog, closed the connection
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()  # since when the next reply is waited for
        self._watchdog: asyncio.TimerHandle | None = None
        self._transport = session.transport
        self.lost: asyncio.Future[None] = self._loop.create_future()

    def attach(self) -> None:
        """Take over the conversation."""
        self._transport.set_protocol(self)
        if self._transport.is_closing():
            self._loop.call_soon(self.connection_lost, None)
        self._watch()

    @property
    def busy(self) -> bool:
        """Whether a message is under way."""
        return self._opening is not None or self._handed is not None

    @property
    def opening(self) -> Transaction | None:
        """The message whose body is still to go, if it may."""
        return self._opening if self._opening is not None and self._opening.refused is None else None

    # What the handler calls

    def wake(self) -> None:
        """Ask the handler for a message, if this connection can take one."""
        if self._opening is None and not self._closing and (self._pipelining or not self._expected):
            self._write(self._next_commands())

    def decided(self, transaction: Transaction) -> None:
        """The handler knows by now whether the body may go."""
        if transaction is self._opening and self._ready and not self._over:
            self._go(transaction)

    def quit(self) -> None:
        """Say goodbye once what is under way has been answered."""
        if self._closing:
            return
        self._closing = self.dismissed = True
        if self._opening is None:
            self._write(_GOODBYE)

    def halt(self) -> None:
        """No body any more: what has been handed over may be answered, what has not is given back."""
        self._halted = self._closing = True
        if self._ready or not self.busy:
            self._close()

    def abort(self) -> None:
        """Close at once; a message whose final dot is out is in doubt."""
        self.dismissed = self.aborted = True
        self._abort()

    def _abort(self) -> None:
        self._closing = self._over = True
        self._transport.abort()

    def _close(self) -> None:
        self._closing = self._over = True
        self._transport.close()

    # Writing

    def _next_commands(self) -> Commands:
        """MAIL, RCPT and DATA of the next message, if there is one and we are to go on."""
        if self._closing:
            return _GOODBYE
        transaction = self._handler.next(self)
        if transaction is None:
            return _NOTHING
        self._opening = transaction
        envelope = transaction.envelope
        assert envelope is not None
        sender, recipient = envelope.mail_from, envelope.rcpt_to
        of_mail = of_rcpt = ""
        if self._dsn:
            of_mail, of_rcpt = f" RET=HDRS ENVID={envelope.envid}", " NOTIFY=FAILURE"
        if not (recipient.isascii() and sender.isascii()):
            of_mail += " SMTPUTF8"
        return _COMMANDS, f"MAIL FROM:<{sender}>{of_mail}\r\nRCPT TO:<{recipient}>{of_rcpt}\r\nDATA\r\n".encode()

    def _write(self, commands: Commands, first: list[bytes] | None = None) -> None:
        """Write `first`, whose reply is expected already, and the commands: all at once, or one a reply."""
        names, lines = commands
        if len(self._expected) <= bool(first):  # nothing was waited for: the time begins now
            self._since = self._loop.time()
        if self._pipelining:
            self._expected += names
        else:
            self._unsent.extend(zip(names, lines.splitlines(keepends=True), strict=True))
            lines = b""
            if self._unsent and not self._expected:
                command, lines = self._unsent.popleft()
                self._expected.append(command)
        pieces = first or []
        if lines:
            pieces.append(lines)
        if pieces:
            self._transport.writelines(pieces)

    def _go(self, transaction: Transaction) -> None:
        """Send the body, if it may go. Where it must not, MAIL and RCPT are out, so only closing can take them back."""
        if self._handler.may_go(self, transaction):
            self._hand_over(transaction)
        elif transaction.withdrawn:
            self._close()
        else:
            self._ready = True

    def _hand_over(self, transaction: Transaction) -> None:
        """Send the body with its final dot, and what follows."""
        assert transaction.envelope is not None
        message, transaction.envelope = [*self._headers, *transaction.envelope.pieces], None
        self._ready = False
        if self.careful:
            self._transport.writelines(message)
            self._loop.call_later(self.careful, self._finish, transaction, [b".\r\n"])
        else:
            message.append(b".\r\n")
            self._finish(transaction, message)

    def _finish(self, transaction: Transaction, end: list[bytes]) -> None:
        if self.lost.done():
            return
        self._opening, self._handed = None, transaction
        self._expected.append(".")
        self._write(self._next_commands(), end)

    # Reading

    def data_received(self, data: bytes) -> None:
        """Take each complete reply in turn; only that is a sign of life, not each byte."""
        if self._expected == _USUAL and not (self._partial or self._lines) and (usual := _all_taken(data)):
            self._answered_as_usual(usual[1])
            return
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            if self._over:
                return
            if self._lines or line[3:4] == b"-":
                self._lines.append(line)
                if line[3:4] != b"-":
                    reply, self._lines = self._lines, []
                    self._since = self._loop.time()
                    self._answered(reply)
                continue
            self._since = self._loop.time()
            if self._pipelining and line[:1] == b"2" and self._expected and self._expected[0] in _OPENING:
                self._expected.popleft()  # the usual case: taken, and the answer to DATA follows
            else:
                self._answered([line])
        if len(self._partial) > MAX_LINE or len(self._lines) > MAX_LINES:
            self._abort()

    def _answered_as_usual(self, line: bytes) -> None:
        """A message was taken, and the next one's body may follow; with nearly every message it comes to this."""
        if self._over:
            return
        self._expected.clear()
        transaction, self._handed = self._handed, None
        assert transaction is not None
        self._handler.settle(self, transaction, self._reply([line], "."))
        if not self._over:
            self._data_answered(b"354", [])

    def _answered(self, lines: list[bytes]) -> None:
        code = lines[-1][:3]
        command = self._expected.popleft() if self._expected else ""
        if command == ".":
            transaction, self._handed = self._handed, None
            assert transaction is not None
            self._handler.settle(self, transaction, self._reply(lines, "."))
        if code == b"421" or not command:  # nothing but 421 comes unasked
            self.last_reply = self._reply(lines, command)
            return self._close()
        if command == "DATA":
            self._data_answered(code, lines)
        elif command in _OPENING and code[:1] != b"2":
            self._refused(command, lines)
        elif command == "QUIT":
            return self._close()
        if not self._expected:
            if self._unsent:
                self._write(_NOTHING)
            elif self._opening is None:
                self._write(self._next_commands())
        return None

    def _refused(self, command: str, lines: list[bytes]) -> None:
        """MAIL or RCPT was refused. With PIPELINING the answer to DATA is still to come."""
        assert self._opening is not None
        self._opening.refused = self._opening.refused or self._reply(lines, command)
        if not self._pipelining:
            self._unsent.clear()
            self._give_up(reset=command == "RCPT")

    def _data_answered(self, code: bytes, lines: list[bytes]) -> None:
        transaction = self._opening
        assert transaction is not None
        if code != b"354":
            transaction.refused = transaction.refused or self._reply(lines, "DATA")
            self._give_up(reset=True)
        elif transaction.refused is not None:
            self._expected.append("empty")
            self._give_up([b".\r\n"], reset=False)
        elif self._halted:
            self._close()
        else:
            self._go(transaction)

    def _give_up(self, end: list[bytes] | None = None, *, reset: bool) -> None:
        """The message was refused before its body: say so, and go on with the next."""
        transaction, self._opening = self._opening, None
        assert transaction is not None
        assert transaction.refused is not None
        self._handler.settle(self, transaction, transaction.refused)
        names, lines = self._next_commands()
        self._write((("RSET", *names), b"RSET\r\n" + lines) if reset else (names, lines), end)

    # The end

    def pause_writing(self) -> None:
        """The transport holds more than it can send."""
        self._paused = True

    def resume_writing(self) -> None:
        """The transport has sent nearly all of it."""
        self._paused = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Give back what was under way, telling apart what may have arrived from what can't have."""
        if self.lost.done():
            return
        self.lost.set_result(None)
        self._closing = self._over = True
        if self._watchdog is not None:
            self._watchdog.cancel()
        handed, self._handed = self._handed, None
        opening, self._opening = self._opening, None
        if handed is not None:
            if self._paused:  # the end of the message never left this machine
                self._handler.again(self, handed)
            else:
                self._handler.in_doubt(self, handed, self._why_in_doubt(exc))
        if opening is not None and opening.refused is not None:
            self._handler.settle(self, opening, opening.refused)
        elif opening is not None and opening.withdrawn:
            self._handler.withdrawn(self, opening)
        elif opening is not None:
            self._handler.again(self, opening)
        self._handler.closed(self, self.last_reply)

    def _why_in_doubt(self, error: Exception | None) -> str:
        if self.aborted:
            return "we stopped before the relay had answered the final dot"
        why = self.last_reply.text if self.last_reply else str(error or "closed by the relay")
        return f"connection lost after the final dot: {why}"

    def _watch(self) -> None:
        """Close when a reply is overdue; one timer a connection, whatever the number of commands."""
        limits = self._timeouts
        if self._expected:
            command = self._expected[0]
            limit = {".": limits.dot, "DATA": limits.data, "QUIT": limits.quit}.get(command, limits.command)
            if self._loop.time() - self._since > limit:
                self.last_reply = Reply(0, "", f"no reply to {command} within {limit:g} s", command)
                return self._abort()
        shortest = min(limits.command, limits.data, limits.dot, limits.quit)
        self._watchdog = self._loop.call_later(min(shortest / 4, 15.0), self._watch)
        return None

    def _reply(self, lines: list[bytes], command: str) -> Reply:
        texts = [line.decode("utf-8", "replace").rstrip("\r") for line in lines]
        if self._secrets is not None:
            texts = [self._secrets.hide(text) for text in texts]
        return parse_reply(texts, command)
