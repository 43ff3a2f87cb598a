"""One client's conversation with the test inbox: SMTP (RFC 5321), as a protocol of asyncio.

Commands are answered as they come, those of one write (PIPELINING, RFC 2920) in one write. What waits (a fault's delay,
the index) waits in a task, and what comes meanwhile is kept. Any password logs in. What is kept and for how long is the
store's; which faults are due, `faults`'s.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from newsletter.inbox.faults import Fault
from newsletter.inbox.incoming_body import IncomingBody
from newsletter.inbox.login import LoginStep, begin_login
from newsletter.inbox.smtp_path import read_path

if TYPE_CHECKING:
    from newsletter.inbox.server import InboxServer

MAX_LINE = 4_096
"""Bytes of a command; more than the 512 of RFC 5321, since parameters and tokens may be long."""
MAX_RECIPIENTS = 1_000
MAX_KEPT = 1_000_000
"""Bytes that are read ahead while something is waited for."""
IDLE = 300.0
"""Seconds without a byte after which a connection is closed (RFC 5321 section 4.5.3.2)."""
Awaited = Coroutine[Any, Any, None] | None
"""What a command has to wait for; None where it is answered already."""


class Conversation(asyncio.Protocol):
    """The conversation over one connection of `inbox`."""

    def __init__(self, inbox: "InboxServer") -> None:
        self._inbox = inbox
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._replies: list[bytes] = []
        self._waiting: asyncio.Task[None] | None = None
        self._next: Callable[[bytes], Awaited] | None = None  # takes the next line, in a login
        self._body: IncomingBody | None = None  # while one is under way
        self._drops = False  # cut as soon as some of the body has come
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._greeted = False
        self._closing = False
        self._heard = self._loop.time()
        self._clock: asyncio.TimerHandle | None = None

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]
        self._clock = self._loop.call_later(IDLE, self._look)
        if not self._inbox.enters(self):
            self._refuse("421 4.3.2 too many connections; close some")
            self._leave()
            return
        self._wait(self._greet())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._heard = self._loop.time()
        if self._waiting is None:
            self._go_on()
        elif len(self._buffer) > MAX_KEPT and self._transport is not None:
            self._transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._closing = True
        if self._body is not None:
            self._body.give_back()
        if self._waiting is not None:
            self._waiting.cancel()
        if self._clock is not None:
            self._clock.cancel()
        self._inbox.leaves(self)

    def end(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def _look(self) -> None:
        """Close what has been silent for too long."""
        left = self._heard + IDLE - self._loop.time()
        if left > 0 or self._waiting is not None:
            self._clock = self._loop.call_later(max(left, 1.0), self._look)
        else:
            self.end()

    # Going on

    def _go_on(self) -> None:
        """Awaited what has come, until something is to be waited for or more has to come."""
        while not self._closing:
            waiting: Awaited
            if self._body is not None:
                if self._drops and self._buffer:
                    self._inbox.refused += 1
                    self._cut()
                    break
                if (message := self._body.take(self._buffer)) is None:
                    break
                waiting = self._over(message)
            else:
                at = self._buffer.find(b"\n")
                if at < 0:
                    if len(self._buffer) > MAX_LINE:
                        self._refuse("500 5.5.2 the line is too long")
                        self._leave()
                    break
                line = bytes(self._buffer[: at + 1])
                del self._buffer[: at + 1]
                waiting = self._answer(line)
            if waiting is not None:
                self._wait(waiting)
                break
        self._write()

    def _wait(self, what: Coroutine[Any, Any, None]) -> None:
        self._write()
        self._waiting = self._loop.create_task(self._waited(what))

    async def _waited(self, what: Coroutine[Any, Any, None]) -> None:
        try:
            await what
        except Exception as error:  # whatever the store or a fault does, the client gets an answer
            self._refuse(f"451 4.3.0 the inbox has failed at this: {type(error).__name__}")
        self._waiting = None
        if self._transport is not None and not self._closing:
            with contextlib.suppress(RuntimeError):  # it was not paused
                self._transport.resume_reading()
            self._go_on()

    def _say(self, reply: str) -> None:
        self._replies.append(reply.encode("utf-8", "surrogateescape") + b"\r\n")

    def _refuse(self, reply: str) -> None:
        self._inbox.refused += 1
        self._say(reply)

    def _write(self) -> None:
        if self._replies and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._replies))
        self._replies.clear()

    def _leave(self) -> None:
        """Say goodbye, and close."""
        self._write()
        self._closing = True
        self.end()

    def _cut(self) -> None:
        self._replies.clear()
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    # Faults

    async def _fault(self, step: str, names: tuple[str, ...] = ()) -> Fault | None:
        """Wait as ordered; the refusal or drop that is due, or None."""
        for fault in self._inbox.faults.at(step, names):
            if not fault.delay:
                return fault
            await asyncio.sleep(fault.delay)
        return None

    async def _unless(self, step: str, names: tuple[str, ...], then: Callable[[], None]) -> None:
        """`then`, unless a fault comes first."""
        fault = await self._fault(step, names)
        if fault is None:
            then()
        elif fault.drop:
            self._inbox.refused += 1
            self._cut()
        else:
            self._refuse(fault.reply)

    async def _greet(self) -> None:
        fault = await self._fault("connect")
        if fault is None:
            self._say("220 localhost newsletter test inbox")
        elif fault.code:
            self._refuse(fault.reply)
            self._leave()
        else:
            self._cut()

    def _try(self, step: str, name: str, then: Callable[[], None]) -> Awaited:
        """`then` at once where no faults are ordered."""
        if not self._inbox.faults.faults:
            then()
            return None
        return self._unless(step, (name,), then)

    # Commands

    def _answer(self, line: bytes) -> Awaited:
        """Awaited a line."""
        if len(line) > MAX_LINE:
            self._refuse("500 5.5.2 the line is too long")
            return None
        if self._next is not None:
            take, self._next = self._next, None
            return take(line.strip())
        text = line.decode("utf-8", "surrogateescape").strip("\r\n")
        verb, _, argument = text.partition(" ")
        command = _COMMANDS.get(verb.upper())
        if command is None:
            self._say(f'500 5.5.1 Error: command "{verb[:80]}" not recognized')
            return None
        return command(self, argument.strip())

    def _ehlo(self, argument: str) -> Awaited:
        self._reset("")
        self._replies.pop()
        self._greeted = True
        offered = (
            "localhost", f"SIZE {self._inbox.max_size}", "8BITMIME", "SMTPUTF8", "AUTH LOGIN PLAIN", "PIPELINING",
            "ENHANCEDSTATUSCODES", "DSN", "HELP",
        )  # fmt: skip
        for word in offered[:-1]:
            self._say(f"250-{word}")
        self._say(f"250 {offered[-1]}")
        return None

    def _helo(self, argument: str) -> Awaited:
        self._reset("")
        self._replies.pop()
        self._greeted = True
        self._say("250 localhost")
        return None

    def _reset(self, argument: str) -> Awaited:
        self._sender, self._recipients = None, []
        self._say("250 2.0.0 OK")
        return None

    def _noop(self, argument: str) -> Awaited:
        self._say("250 2.0.0 OK")
        return None

    def _help(self, argument: str) -> Awaited:
        self._say("250 2.0.0 EHLO HELO MAIL RCPT DATA RSET NOOP VRFY AUTH QUIT")
        return None

    def _verify(self, argument: str) -> Awaited:
        self._say("252 2.0.0 cannot verify, but will take mail for it")
        return None

    def _quit(self, argument: str) -> Awaited:
        self._say("221 2.0.0 Bye")
        self._leave()
        return None

    def _mail(self, argument: str) -> Awaited:
        if not self._greeted:
            self._say("503 5.5.1 Error: send HELO first")
            return None
        if self._sender is not None:
            self._say("503 5.5.1 Error: nested MAIL command")
            return None
        path = read_path(argument, "FROM", self._inbox.max_size)
        if isinstance(path, str):
            self._refuse(path)
            return None
        address = path.address

        def take() -> None:
            self._sender = address
            self._say("250 2.1.0 OK")

        return self._try("mail", address, take)

    def _rcpt(self, argument: str) -> Awaited:
        if self._sender is None:
            self._say("503 5.5.1 Error: need MAIL command")
            return None
        path = read_path(argument, "TO", self._inbox.max_size)
        if isinstance(path, str):
            self._refuse(path)
            return None
        address = path.address

        def take() -> None:
            if len(self._recipients) >= MAX_RECIPIENTS:
                self._say("452 4.5.3 too many recipients")
                return
            self._recipients.append(address)
            self._say("250 2.1.5 OK")

        return self._try("rcpt", address, take)

    def _auth(self, argument: str) -> Awaited:
        return self._log_in(begin_login(argument))

    def _log_in(self, step: LoginStep) -> Awaited:
        """Any password will do, unless a fault says otherwise."""
        if step.user is not None:
            return self._try("auth", step.user, lambda: self._say("235 2.7.0 Authentication successful"))
        self._say(step.reply)
        if step.then is not None:
            then = step.then
            self._next = lambda line: self._log_in(then(line))
        return None

    # A message

    def _data(self, argument: str) -> Awaited:
        if not self._recipients:
            self._say("503 5.5.1 Error: need RCPT command")
        elif argument:
            self._say("501 5.5.4 Syntax: DATA")
        elif self._inbox.faults.faults:
            return self._begin_or_fail()
        else:
            self._begin()
        return None

    def _begin(self) -> None:
        self._body = IncomingBody(self._inbox)
        self._say("354 End data with <CR><LF>.<CR><LF>")

    async def _begin_or_fail(self) -> None:
        fault = await self._fault("data", tuple(self._recipients))
        if fault is not None and fault.code:
            self._refuse(fault.reply)
            return
        self._begin()
        self._drops = fault is not None

    def _over(self, message: bytes | str) -> Awaited:
        """A body has come to its end: the message, or the reply that refuses it."""
        self._body = None
        sender, recipients = self._sender or "", self._recipients
        self._sender, self._recipients = None, []
        if isinstance(message, str):
            self._refuse(message)
            return None
        if self._inbox.faults.faults:
            return self._keep_or_fail(sender, recipients, message)
        try:
            key = self._keep(sender, recipients, message)
        except OSError as error:
            self._refuse(_unkept(error))
            return None
        if self._inbox.has_room:
            self._say(f"250 2.0.0 OK kept as {key}")
            return None
        return self._answer_later(key)

    def _keep(self, sender: str, recipients: list[str], message: bytes) -> str:
        key = self._inbox.store.add(sender, recipients, message).key
        self._inbox.received(len(message))
        return key

    async def _answer_later(self, key: str) -> None:
        """The 250 comes when few enough wait for the index."""
        await self._inbox.room()
        self._say(f"250 2.0.0 OK kept as {key}")

    async def _keep_or_fail(self, sender: str, recipients: list[str], message: bytes) -> None:
        fault = await self._fault("dot", tuple(recipients))
        if fault is not None and fault.code:
            self._refuse(fault.reply)
            return
        try:
            key = self._keep(sender, recipients, message)
        except OSError as error:
            self._refuse(_unkept(error))
            return
        await self._inbox.room()
        if fault is not None:
            self._cut()
        else:
            self._say(f"250 2.0.0 OK kept as {key}")


_COMMANDS: dict[str, Callable[[Conversation, str], Awaited]] = {
    "EHLO": Conversation._ehlo, "HELO": Conversation._helo, "MAIL": Conversation._mail, "RCPT": Conversation._rcpt,
    "DATA": Conversation._data, "RSET": Conversation._reset, "NOOP": Conversation._noop, "QUIT": Conversation._quit,
    "AUTH": Conversation._auth, "VRFY": Conversation._verify, "HELP": Conversation._help,
}  # fmt: skip


def _unkept(error: OSError) -> str:
    return f"452 4.3.1 the message can't be kept: {error.strerror}"
