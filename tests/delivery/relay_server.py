"""A scripted SMTP server: refuses, delays, drops and limits on order, and keeps a log of what it accepted."""

import asyncio
import base64
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

CLOSE = "close"  # an answer: close without a word
ABORT = "abort"  # reset the connection
SWALLOW = "swallow"  # say nothing, keep the connection
DRIP = "drip"  # say a byte now and then, and never a whole line
Answer = str | None
Script = Callable[["Talk", str, str], Answer]
"""(conversation, "connect" | verb | ".", argument) -> the reply line(s), one of the words above, or None: as usual."""


@dataclass
class Talk:
    """One connection, as a script sees it."""

    number: int
    messages: int = 0
    mail_from: str = ""
    mail_ok: bool = False
    rcpt_to: str = ""
    rcpt_ok: bool = False
    tls: bool = False
    authenticated: bool = False


@dataclass
class RelayServer:
    """What stands behind the port: the script, and what came of it."""

    script: Script | None = None
    extensions: tuple[str, ...] = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
    starttls: ssl.SSLContext | None = None
    tls: ssl.SSLContext | None = None
    password: str | None = None  # accepted with any user
    auth: str = "PLAIN LOGIN"  # what is offered, where there is a password
    after_accept: Callable[[Talk], Answer] | None = None
    on_message: Callable[[int], None] | None = None
    late: asyncio.Event | None = None  # DATA is answered when it is set
    drop_body_after: int | None = None  # close in the middle of a body, after so many bytes
    accepted: list[tuple[str, bytes]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    bodies: int = 0  # final dots seen, empty messages included
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def quiet(self) -> None:
        """Until no connection is open: the log is complete."""
        while self.open_now:  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    @property
    def counts(self) -> Counter[str]:
        return Counter(address for address, _ in self.accepted)

    @property
    def addresses(self) -> set[str]:
        return set(self.counts)


@asynccontextmanager
async def serving(server: RelayServer, host: str = "127.0.0.1") -> AsyncIterator[RelayServer]:
    """Serve on a free loopback port while the block runs."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        server.connections += 1
        server.open_now += 1
        server.most_open = max(server.most_open, server.open_now)
        try:
            await _converse(server, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            server.open_now -= 1
            tasks.discard(task)
            writer.close()

    listener = await asyncio.start_server(handle, host, server.port, ssl=server.tls, limit=2**22)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.sleep(0.01)


async def _converse(server: RelayServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    talk = Talk(server.connections, tls=server.tls is not None)

    async def answer(what: str, argument: str, usual: str) -> str:
        text = server.script(talk, what, argument) if server.script and what != "decided" else None
        text = usual if text is None else text
        if text == CLOSE:
            raise ConnectionError
        if text == ABORT:
            writer.transport.abort()
            raise ConnectionError
        if text == SWALLOW:
            await asyncio.Event().wait()
        while text == DRIP:
            writer.write(b"2")
            await asyncio.sleep(0.05)
        writer.write("".join(f"{line}\r\n" for line in text.split("\n")).encode())
        if text.startswith("421"):
            await writer.drain()
            raise ConnectionError
        return text

    greeting = await answer("connect", "", "220 relay.example.net ESMTP")
    if greeting[0] != "2":
        return
    while True:
        line = (await reader.readuntil(b"\n")).decode(errors="replace").rstrip("\r\n")
        verb, _, argument = line.partition(" ")
        verb = verb.upper()
        server.commands.append(line)
        if verb in ("EHLO", "HELO"):
            offers = list(server.extensions) if verb == "EHLO" else []
            if server.starttls and not talk.tls and verb == "EHLO":
                offers.append("STARTTLS")
            if server.password is not None and verb == "EHLO":
                offers.append(f"AUTH {server.auth}")
            lines = ["relay.example.net", *offers]
            text = "\n".join(f"250-{each}" for each in lines[:-1]) + ("\n" if offers else "") + f"250 {lines[-1]}"
            await answer(verb, argument, text)
        elif verb == "STARTTLS":
            assert server.starttls is not None
            if (await answer(verb, "", "220 2.0.0 go ahead")).startswith("220"):
                await writer.start_tls(server.starttls)
                talk.tls = True
        elif verb == "AUTH":
            given = base64.b64decode(argument.split()[-1]).split(b"\0")[-1].decode()
            talk.authenticated = given == server.password
            good = "235 2.7.0 welcome" if talk.authenticated else "535 5.7.8 authentication credentials invalid"
            await answer(verb, argument, good)
        elif verb == "MAIL":
            talk.mail_from, talk.rcpt_ok = argument, False
            talk.mail_ok = (await answer("MAIL", argument, "250 2.1.0 ok")).startswith("250")
        elif verb == "RCPT":
            talk.rcpt_to = argument[argument.index("<") + 1 : argument.index(">")]
            usual = "250 2.1.5 ok" if talk.mail_ok else "503 5.5.1 MAIL first"
            talk.rcpt_ok = (await answer("RCPT", talk.rcpt_to, usual)).startswith("250")
        elif verb == "DATA":
            if server.late is not None:
                await server.late.wait()
            usual = "354 go on" if talk.rcpt_ok else "554 5.5.1 no valid recipients"
            if (await answer("DATA", talk.rcpt_to, usual)).startswith("354"):
                if server.drop_body_after is not None:
                    await reader.readexactly(server.drop_body_after)
                    raise ConnectionError
                body = b""
                while body != b".\r\n" and not body.endswith(b"\r\n.\r\n"):
                    body += await reader.readuntil(b"\n")
                await _accept(server, talk, body[:-3], answer)
        elif verb == "RSET":
            await answer("RSET", "", "250 2.0.0 ok")
        elif verb == "QUIT":
            await answer("QUIT", "", "221 2.0.0 bye")
            return
        else:
            await answer(verb, argument, "500 5.5.2 what?")
        await writer.drain()


async def _accept(server: RelayServer, talk: Talk, body: bytes, answer: Callable[..., object]) -> None:
    server.bodies += 1
    if not talk.rcpt_ok:
        await answer("empty", "", "554 5.5.1 no valid recipients")  # type: ignore[misc]
        return
    # What is accepted is logged before the reply, as a real server commits before it answers.
    text = server.script(talk, ".", talk.rcpt_to) if server.script else None
    if text is None or text[:1] == "2":
        server.accepted.append((talk.rcpt_to, body))
        talk.messages += 1
        if server.on_message:
            server.on_message(len(server.accepted))
        after = server.after_accept(talk) if server.after_accept else None
        if after is not None:
            text = after
    await answer("decided", "", text or "250 2.0.0 ok: queued")  # type: ignore[misc]


def once(what: str, reply: str, *, per: str = "recipient") -> Script:
    """A script that answers `what` with `reply` the first time for each recipient or connection."""
    seen = set()

    def script(talk: Talk, command: str, _argument: str) -> str | None:
        key = talk.rcpt_to if per == "recipient" else talk.number
        if command != what or key in seen:
            return None
        seen.add(key)
        return reply

    return script
