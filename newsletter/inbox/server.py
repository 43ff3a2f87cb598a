"""The test inbox's SMTP server: it takes every message from anybody on this machine, and delivers none.

aiosmtpd speaks the protocol (RFC 5321); this room gives it a store, faster reading of message bodies, PIPELINING,
a login that any password passes, parameters that real relays take (DSN), and faults on order. It runs in the caller's
event loop. What is kept and for how long is the store's.
"""

import asyncio
import contextlib
import ipaddress
import re
from collections import defaultdict
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from newsletter.errors import NewsletterError
from newsletter.inbox.faults import Fault, Faults
from newsletter.inbox.store import Store

MAX_SIZE = 25_000_000
"""Bytes of a message; more is refused with 552, as large providers do."""
MAX_UNFINISHED = 100_000_000
"""Bytes of all messages that are under way; a message that would need more is refused with 452, and may come again."""
MAX_CONNECTIONS = 500
"""More are turned away with 421: each holds a buffer and a file descriptor."""
QUIET = 0.05
"""Seconds without a new message before the waiting ones are indexed."""
AT_LEAST_EVERY = 1.0
"""Seconds after which some are indexed even while more keep coming."""
_WHILE_BUSY = 25
MOST_WAITING = 300
"""Messages that wait for the index at most; while there are more, those that come get their 250 later. So whoever asks
finds all that were accepted, and waits for no more than these."""

_DSN_PARAMETERS = frozenset({"RET", "ENVID", "NOTIFY", "ORCPT"})
MAX_RECIPIENTS = 1_000


class InboxServer:
    """An SMTP server in front of `store`; use as an async context manager.

        async with InboxServer(store) as server:
            print(server.url)  # smtp://127.0.0.1:49152

    `port` 0 takes a free one. A `host` that other machines can reach is refused unless `public` is true: anybody there
    could then fill the disk and read nothing back. Raises NewsletterError where the port is taken.
    """

    def __init__(
        self, store: Store, host: str = "127.0.0.1", port: int = 0, *, faults: Faults | None = None,
        public: bool = False, max_size: int = MAX_SIZE, max_unfinished: int = MAX_UNFINISHED,
        max_connections: int = MAX_CONNECTIONS, most_waiting: int = MOST_WAITING,
    ) -> None:  # fmt: skip
        host = "127.0.0.1" if host == "localhost" else host  # two addresses could not share port 0
        if not public and not _is_loopback(host):
            raise NewsletterError(f"{host} can be reached from other machines; use 127.0.0.1, or say that it is meant")
        self.store, self.host, self.port = store, host, port
        self.faults = faults if faults is not None else Faults()
        self.max_size, self.max_unfinished, self.max_connections = max_size, max_unfinished, max_connections
        self.most_waiting = most_waiting
        self.unfinished = 0  # bytes held of messages under way
        self.accepted = 0  # messages
        self.refused = 0  # logins, senders, recipients and messages that were refused or cut off
        self.largest = 0  # bytes, of those accepted
        self._server: asyncio.Server | None = None
        self._indexer: asyncio.Task[None] | None = None
        self._arrived = asyncio.Event()
        self._connections: set[_Connection] = set()
        self._room = asyncio.Event()  # few enough wait for the index
        self._room.set()
        self._alone = asyncio.Event()  # no connections
        self._alone.set()

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"smtp://{host}:{self.port}"

    async def __aenter__(self) -> "InboxServer":
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Connection(self, loop), self.host, self.port, backlog=1024)
        except OSError as error:
            raise NewsletterError(
                f"the inbox can't listen on {self.host}:{self.port} ({error.strerror}); name another port"
            ) from None
        self.port = self._server.sockets[0].getsockname()[1]
        self._indexer = asyncio.create_task(self._index(), name="inbox indexer")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._indexer is not None
        self._server.close()
        for connection in tuple(self._connections):
            connection.end()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._alone.wait(), 5)
        self._indexer.cancel()
        await asyncio.gather(self._indexer, return_exceptions=True)
        await asyncio.to_thread(self.store.flush)

    async def received(self, size: int) -> None:
        """Count a message that the store has; returns when few enough wait for the index."""
        self.accepted += 1
        self.largest = max(self.largest, size)
        if self.store.waiting > self.most_waiting:
            self._room.clear()
        self._arrived.set()
        await self._room.wait()

    async def _index(self) -> None:
        """Index what has arrived when it is quiet, and a little now and then while it is not."""
        loop = asyncio.get_running_loop()
        while True:
            if not self.store.waiting:
                await self._arrived.wait()
            due = loop.time() + AT_LEAST_EVERY
            quiet = False
            while not quiet and loop.time() < due and self._room.is_set():
                self._arrived.clear()
                try:
                    async with asyncio.timeout(QUIET):
                        await self._arrived.wait()
                except TimeoutError:
                    quiet = True
            busy = not quiet and self._room.is_set()
            try:
                await asyncio.to_thread(self.store.flush, _WHILE_BUSY if busy else 500)
            except Exception:  # a full disk; the messages wait, and are tried again
                self._room.set()  # they are files already, and nobody should wait for a disk to be cleared
                await asyncio.sleep(AT_LEAST_EVERY)
            if self.store.waiting <= self.most_waiting:
                self._room.set()
            if not self.store.waiting:
                self._arrived.clear()


_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_USUAL_ADDRESS = re.compile(rf" ?<({_ATOM}(?:\.{_ATOM})*@[A-Za-z0-9-]{{1,63}}(?:\.[A-Za-z0-9-]{{1,63}})*)>(.*)\Z", re.S)


class _Connection(SMTP):
    """One client's conversation; it is its own handler."""

    line_length_limit = 65_536
    """The step in which a body is read, in bytes."""
    command_size_limits = defaultdict(lambda: 4096)  # noqa: RUF012 (declared so by aiosmtpd)

    def __init__(self, inbox: InboxServer, loop: asyncio.AbstractEventLoop) -> None:
        self._inbox = inbox
        super().__init__(
            self, data_size_limit=inbox.max_size, enable_SMTPUTF8=True, hostname="localhost",
            ident="newsletter test inbox", auth_require_tls=False, loop=loop,
            authenticator=lambda *rest: AuthResult(success=True, auth_data=rest[-1]),
        )  # fmt: skip

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._inbox._connections.add(self)
        self._inbox._alone.clear()
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._inbox._connections.discard(self)
        if not self._inbox._connections:
            self._inbox._alone.set()
        super().connection_lost(error)

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """An address as it usually stands, without the parser for all of RFC 5322: that is half of the time."""
        if usual := _USUAL_ADDRESS.match(arg):
            return usual[1], usual[2]
        return super()._getaddr(arg)

    def end(self) -> None:
        if self.transport is not None:
            self.transport.close()

    async def _fault(self, step: str, *names: str) -> Fault | None:
        """Wait as ordered; the refusal or drop that is due, or None."""
        for fault in self._inbox.faults.at(step, names):
            if not fault.delay:
                return fault
            await asyncio.sleep(fault.delay)
        return None

    async def _refuse(self, reply: str) -> None:
        self._inbox.refused += 1
        await self.push(reply)

    def _cut(self) -> None:
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()

    async def _handle_client(self) -> None:
        with contextlib.suppress(ConnectionError):  # the client went away in the middle
            if len(self._inbox._connections) > self._inbox.max_connections and self.transport is not None:
                await self._refuse("421 4.3.2 too many connections; close some")
                self.transport.close()
                return
            if fault := await self._fault("connect"):
                if fault.code and self.transport is not None:
                    await self._refuse(fault.reply)
                    self.transport.close()
                else:
                    self._cut()
                return
            await super()._handle_client()

    async def handle_exception(self, error: Exception) -> str:
        self._inbox.refused += 1
        if isinstance(error, OSError):
            return f"452 4.3.1 the message can't be kept: {error.strerror}"
        return f"451 4.3.0 the inbox has failed at this: {type(error).__name__}"

    async def handle_EHLO(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", "250-ENHANCEDSTATUSCODES", "250-DSN", responses[-1]]

    async def auth_PLAIN(self, server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802
        return await self._admit(await super().auth_PLAIN(server, args))

    async def auth_LOGIN(self, server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802
        return await self._admit(await super().auth_LOGIN(server, args))

    async def _admit(self, result: AuthResult) -> AuthResult:
        """Any password will do, unless a fault says otherwise."""
        if not result.success or not isinstance(result.auth_data, LoginPassword):
            return result
        fault = await self._fault("auth", result.auth_data.login.decode("utf-8", "replace"))
        if fault is None:
            return result
        if fault.drop:
            self._cut()
            return AuthResult(success=False, handled=True)
        self._inbox.refused += 1
        return AuthResult(success=False, handled=False, message=fault.reply)

    def _getparams(self, params: Sequence[str]) -> dict[str, str | bool] | None:
        """Parameters of MAIL and RCPT, without those for delivery reports (RFC 3461), which are taken and ignored."""
        known: dict[str, str | bool] | None = super()._getparams(params)
        return known and {name: value for name, value in known.items() if name not in _DSN_PARAMETERS}

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if fault := await self._fault("mail", address):
            return self._answer(fault)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if fault := await self._fault("rcpt", address):
            return self._answer(fault)
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 too many recipients"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    def _answer(self, fault: Fault) -> str:
        self._inbox.refused += 1
        if fault.drop:
            self._cut()
        return fault.reply

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802
        if await self.check_helo_needed():
            return
        envelope = self.envelope
        assert envelope is not None
        if not envelope.rcpt_tos:
            await self.push("503 5.5.1 Error: need RCPT command")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        recipients: list[str] = list(envelope.rcpt_tos)
        fault = await self._fault("data", *recipients)
        if fault and fault.code:
            await self._refuse(fault.reply)
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        if fault:
            await self._reader.read(1)
            self._inbox.refused += 1
            self._cut()
            return
        message = await self._body()
        self._set_post_data_state()  # type: ignore[no-untyped-call]
        if isinstance(message, str):
            await self._refuse(message)
            return
        fault = await self._fault("dot", *recipients)
        if fault and fault.code:
            await self._refuse(fault.reply)
            return
        sender = "" if envelope.mail_from in {None, "<>"} else str(envelope.mail_from)
        entry = self._inbox.store.add(sender, recipients, message)
        await self._inbox.received(len(message))
        if fault:
            self._cut()
            return
        await self.push(f"250 2.0.0 OK kept as {entry.key}")

    async def _body(self) -> bytes | str:
        """The message, its dots unstuffed (RFC 5321 section 4.5.2); the reply that refuses it where it is too large.

        Read in steps that end with a dot and a line end, of which a message has few, instead of line by line.
        """
        inbox, refusal = self._inbox, ""
        pieces: list[bytes] = []
        size = held = 0
        tail = b"\r\n"
        try:
            while tail != b"\r\n.\r\n":
                try:
                    piece: bytes = await self._reader.readuntil(b".\r\n")
                except asyncio.LimitOverrunError as long:
                    piece = await self._reader.read(max(1, long.consumed))
                size += len(piece)
                tail = (tail + piece)[-5:]
                if size > inbox.max_size + 3:
                    refusal = f"552 5.3.4 the message is larger than {inbox.max_size} bytes"
                elif inbox.unfinished + len(piece) > inbox.max_unfinished:
                    refusal = "452 4.3.1 too many unfinished messages; try again when they are over"
                if refusal:
                    inbox.unfinished -= held
                    held = 0
                    pieces.clear()
                else:
                    inbox.unfinished += len(piece)
                    held += len(piece)
                    pieces.append(piece)
        finally:
            inbox.unfinished -= held
        if refusal:
            return refusal
        message = b"".join(pieces)[:-3].replace(b"\r\n.", b"\r\n")
        return message[1:] if message.startswith(b".") else message


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
