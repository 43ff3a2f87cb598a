"""The test inbox's SMTP server: it takes every message from anybody on this machine, and delivers none.

It runs in the caller's event loop, bounds what is under way, and brings what came into the index. A conversation is
`conversation`'s; what is kept and for how long is the store's.
"""

import asyncio
import contextlib
import ipaddress
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol

from newsletter.errors import NewsletterError
from newsletter.inbox.connection import ClientConnection
from newsletter.inbox.conversation import Conversation
from newsletter.inbox.faults import Faults
from newsletter.inbox.maildir import Entry
from newsletter.inbox.tls import Tls

MAX_SIZE = 25_000_000
"""Bytes of a message; more is refused with 552, as large providers do."""
MAX_UNFINISHED = 100_000_000
"""Bytes of all messages that are under way; a message that would need more is refused with 452, and may come again."""
MAX_CONNECTIONS = 500
"""More are turned away with 421: each holds a buffer and a file descriptor."""
PAUSE = 0.05
"""Seconds in which messages gather before they are indexed: a commit for each would cost more than they do."""
AT_ONCE = 1_000
"""Messages that are indexed before the oldest are let go."""
QUIET = 0.5
"""Seconds without mail after which what could wait is done."""
FULL_DISK = 1.0
"""Seconds until what could not be indexed is tried again."""
MOST_WAITING = 300
"""Messages that wait for the index at most; while there are more, those that come get their 250 later. So whoever asks
finds all that were accepted, and waits for no more than these."""


class Keeping(Protocol):
    """Where messages are kept: `Store`, or for a rehearsal `RehearsalStore`."""

    @property
    def waiting(self) -> int:
        """Messages that are kept and not yet in the index."""

    def add(self, mail_from: str, rcpt_tos: Sequence[str], message: bytes) -> Entry:
        """Keep a message and its envelope. Raises OSError if it can't be written."""

    def flush(self, limit: int | None = None, progress: Callable[[], None] = lambda: None) -> int:
        """Bring up to `limit` waiting messages into the index; how many. `progress` is called now and then."""

    def compact(self) -> bool:
        """Do some of what may wait for a quiet moment, tens of milliseconds; False where nothing is left to do."""


class InboxServer:
    """An SMTP server in front of `store`; use as an async context manager.

        async with InboxServer(store) as server:
            print(server.url)  # smtp://127.0.0.1:49152

    `port` 0 takes a free one. A `host` that other machines can reach is refused unless `public` is true: anybody there
    could then fill the disk and read nothing back. `login` is the NAME:PASSWORD that must be given;
    empty: none must, and any will do. Raises NewsletterError where the port is taken.
    """

    def __init__(
        self, store: Keeping, host: str = "127.0.0.1", port: int = 0, *, faults: Faults | None = None,
        tls: Tls | None = None, login: str = "", public: bool = False, max_size: int = MAX_SIZE,
        max_unfinished: int = MAX_UNFINISHED, max_connections: int = MAX_CONNECTIONS, most_waiting: int = MOST_WAITING,
    ) -> None:  # fmt: skip
        host = "127.0.0.1" if host == "localhost" else host  # two addresses could not share port 0
        if not public and not _is_loopback(host):
            raise NewsletterError(f"{host} can be reached from other machines; use 127.0.0.1, or say that it is meant")
        self.store, self.host, self.port = store, host, port
        self.faults = faults if faults is not None else Faults()
        self.tls, self.login = tls or Tls(), login
        self.max_size, self.max_unfinished, self.max_connections = max_size, max_unfinished, max_connections
        self.most_waiting = most_waiting
        self.unfinished = 0  # bytes held of messages under way
        self.accepted = 0  # messages
        self.refused = 0  # logins, senders, recipients and messages that were refused or cut off
        self.largest = 0  # bytes, of those accepted
        self._server: asyncio.Server | None = None
        self._indexer: asyncio.Task[None] | None = None
        self._arrived = asyncio.Event()
        self._connections: set[ClientConnection] = set()
        self._room = asyncio.Event()  # few enough wait for the index
        self._room.set()
        self._alone = asyncio.Event()  # no connections
        self._alone.set()

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'smtps' if self.tls.from_start else 'smtp'}://{host}:{self.port}"

    @property
    def is_listening(self) -> bool:
        return self._server is not None and self._server.is_serving()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    async def __aenter__(self) -> "InboxServer":
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: Conversation(self), self.host, self.port, backlog=1024, ssl=self.tls.from_start
            )
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

    def enters(self, connection: ClientConnection) -> bool:
        """Count a connection; False where there are as many as can be held."""
        self._connections.add(connection)
        self._alone.clear()
        return len(self._connections) <= self.max_connections

    def leaves(self, connection: ClientConnection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        if not self._connections:
            self._alone.set()

    def received(self, size: int) -> None:
        """Count a message that the store has."""
        self.accepted += 1
        self.largest = max(self.largest, size)
        if self.store.waiting > self.most_waiting:
            self._room.clear()
        if self.store.waiting:
            self._arrived.set()

    @property
    def has_room(self) -> bool:
        """Do few enough messages wait for the index?"""
        return self._room.is_set()

    async def room(self) -> None:
        """Wait for that."""
        await self._room.wait()

    async def _index(self) -> None:
        """Index what has arrived, a little after it has."""
        loop = asyncio.get_running_loop()

        def progress() -> None:
            loop.call_soon_threadsafe(self._look_for_room)

        while True:
            self._arrived.clear()
            if not self.store.waiting:
                await self._compact()
                await self._arrived.wait()
            if self._room.is_set():
                await asyncio.sleep(PAUSE)
            try:
                await asyncio.to_thread(self.store.flush, AT_ONCE, progress)
            except Exception:  # a full disk; the messages wait, and are tried again
                self._room.set()  # they are files already, and nobody should wait for a disk to be cleared
                await asyncio.sleep(FULL_DISK)
            self._look_for_room()

    async def _compact(self) -> None:
        """Once no mail has come for a moment, do what could wait for that, until some comes."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._arrived.wait(), QUIET)
        with contextlib.suppress(Exception):  # a full disk, or somebody else writes; there is another time
            while not self._arrived.is_set() and await asyncio.to_thread(self.store.compact):
                pass

    def _look_for_room(self) -> None:
        if self.store.waiting <= self.most_waiting:
            self._room.set()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
