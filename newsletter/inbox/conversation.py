"""One client's conversation with the test inbox: SMTP (RFC 5321), STARTTLS (RFC 3207) and logins (RFC 4954).

Any password logs in, unless the server knows one that must be given. What is kept and for how long is the store's;
which faults are due, `faults`'s; lines, replies and waiting, `connection`'s.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from newsletter.inbox.connection import MAX_LINE, ClientConnection
from newsletter.inbox.faults import Fault
from newsletter.inbox.incoming_body import IncomingBody
from newsletter.inbox.login import LoginStep, begin_login
from newsletter.inbox.smtp_path import read_path

if TYPE_CHECKING:
    from newsletter.inbox.server import InboxServer

MAX_RECIPIENTS = 1_000
Awaited = Coroutine[Any, Any, None] | None
"""What a command has to wait for; None where it is answered already."""


class Conversation(ClientConnection):
    """The conversation over one connection of `inbox`."""

    def __init__(self, inbox: "InboxServer") -> None:
        super().__init__(inbox)
        self._next: Callable[[bytes], Awaited] | None = None  # takes the next line, in a login
        self._body: IncomingBody | None = None  # while one is under way
        self._drops = False  # cut as soon as some of the body has come
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._greeted = False
        self._logged_in = False

    def connection_lost(self, error: Exception | None) -> None:
        if self._body is not None:
            self._body.give_back()
        super().connection_lost(error)

    def _take(self) -> bool:
        waiting: Awaited
        if self._body is not None:
            if self._drops and self._buffer:
                self._inbox.refused += 1
                self._cut()
                return False
            if (message := self._body.take(self._buffer)) is None:
                return False
            waiting = self._over(message)
        elif (line := self._line()) is not None:
            waiting = self._answer(line)
        else:
            return False
        if waiting is not None:
            self._wait(waiting)
        return True

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
        """Answer a line."""
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
        self._forget()
        self._greeted = True
        offered = [
            "localhost", f"SIZE {self._inbox.max_size}", "8BITMIME", "SMTPUTF8", "PIPELINING", "ENHANCEDSTATUSCODES",
            "DSN", "HELP",
        ]  # fmt: skip
        if self._inbox.tls.context is not None and not self._is_secure:
            offered.insert(1, "STARTTLS")
        if not self._lacks_tls:
            offered.insert(1, "AUTH LOGIN PLAIN")
        for word in offered[:-1]:
            self._say(f"250-{word}")
        self._say(f"250 {offered[-1]}")
        return None

    def _helo(self, argument: str) -> Awaited:
        self._forget()
        self._greeted = True
        self._say("250 localhost")
        return None

    def _forget(self) -> None:
        """Begin anew: no message is under way."""
        self._sender, self._recipients = None, []

    def _reset(self, argument: str) -> Awaited:
        self._forget()
        self._say("250 2.0.0 OK")
        return None

    def _noop(self, argument: str) -> Awaited:
        self._say("250 2.0.0 OK")
        return None

    def _help(self, argument: str) -> Awaited:
        self._say("250 2.0.0 EHLO HELO STARTTLS AUTH MAIL RCPT DATA RSET NOOP VRFY QUIT")
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
        if self._lacks_tls:
            self._refuse("530 5.7.0 say STARTTLS first")
            return None
        if self._inbox.login and not self._logged_in:
            self._refuse("530 5.7.0 log in first")
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

    @property
    def _lacks_tls(self) -> bool:
        """Is TLS demanded, and not there?"""
        return self._inbox.tls.is_required and not self._is_secure

    def _starttls(self, argument: str) -> Awaited:
        context = self._inbox.tls.context
        if context is None:
            self._say("502 5.5.1 no TLS here; start the inbox with --tls")
        elif argument:
            self._say("501 5.5.4 Syntax: STARTTLS")
        elif self._is_secure:
            self._say("503 5.5.1 Error: TLS is there already")
        else:
            self._forget()
            self._greeted = self._logged_in = False
            self._say("220 2.0.0 go ahead")
            return self._secure(context)
        return None

    def _auth(self, argument: str) -> Awaited:
        if self._lacks_tls:
            self._refuse("530 5.7.0 say STARTTLS first")
            return None
        return self._log_in(begin_login(argument))

    def _log_in(self, step: LoginStep) -> Awaited:
        """Any password will do where the inbox knows none; a fault may say otherwise."""
        if step.user is not None:
            if self._inbox.login and f"{step.user}:{step.password}" != self._inbox.login:
                self._refuse("535 5.7.8 wrong user or password")
                return None
            return self._try("auth", step.user, self._let_in)
        self._say(step.reply)
        if step.then is not None:
            then = step.then
            self._next = lambda line: self._log_in(then(line))
        return None

    def _let_in(self) -> None:
        self._logged_in = True
        self._say("235 2.7.0 Authentication successful")

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
        self._forget()
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
    "STARTTLS": Conversation._starttls,
}  # fmt: skip


def _unkept(error: OSError) -> str:
    return f"452 4.3.1 the message can't be kept: {error.strerror}"
