"""The test inbox of a dry run, in a process of its own: so the sender has a processor to itself, as in a live send."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from newsletter.cli.forked import Forked

if TYPE_CHECKING:
    from newsletter.config.settings import Config
    from newsletter.smtp.relay import Relay

HEADERS_SHOWN = 20
_SILENT = "the test inbox ended without a word; `newsletter inbox` shows whether it can be started"


@dataclass(frozen=True, slots=True)
class Arrived:
    """What came into our own test inbox."""

    refused: int
    largest: int  # bytes
    headers: tuple[tuple[str, str], ...]  # the first ones of the last message; empty where none came


class Rehearsal:
    """Where a dry run goes: `url` is the test inbox's, `place` what people know it by."""

    def __init__(self, url: str, place: str, inbox: Forked | None = None) -> None:
        self.url, self.place = url, place
        self._inbox = inbox

    @property
    def is_ours(self) -> bool:
        """Is it the one that was started for this run?"""
        return self._inbox is not None

    def relay(self, config: "Config", connections: int) -> "Relay":
        """As the engine knows it."""
        from newsletter.smtp.relay import header_lines, parse_relay

        relay = parse_relay(self.url, connections=min(connections, 10))
        return replace(relay, headers=header_lines(config.smtp.headers), is_rehearsal=True)

    def end(self) -> Arrived | None:
        """Close our own test inbox; what came into it. None of another. Raises NewsletterError."""
        if self._inbox is None:
            return None
        self._inbox.ask()
        arrived = self._inbox.receive(_SILENT)
        assert isinstance(arrived, Arrived)
        return arrived


@contextlib.contextmanager
def rehearsing(config: "Config") -> Iterator[Callable[[], Rehearsal]]:
    """The test inbox that [inbox] url names, or our own, once it is asked for: it makes ready meanwhile.

    To be entered before threads and event loops.
    """
    if config.inbox.url:
        yield lambda: Rehearsal(config.inbox.url, config.inbox.url)
        return
    folder = config.state_dir / "inbox"
    from newsletter.state.private import state_folder

    inbox = Forked(_take_mail, folder)

    def begin() -> Rehearsal:
        state_folder(config.state_dir)
        inbox.ask("begin")
        return Rehearsal(inbox.receive(_SILENT), str(folder), inbox)

    try:
        yield begin
    finally:
        inbox.close()


def _take_mail(send_back: Callable[[Any], None], asked: Callable[[], Any], folder: Path) -> None:
    """In the process of its own: when asked, send the URL back and take mail until asked again; send back what has
    arrived."""
    from newsletter.cli.loop import run_async
    from newsletter.inbox.rehearsal import RehearsalStore
    from newsletter.inbox.server import InboxServer
    from newsletter.mime.message import read_message

    if asked() is None:
        return

    async def serve(store: RehearsalStore) -> Arrived:
        async with InboxServer(store) as server:
            send_back(server.url)
            await asyncio.to_thread(asked)
        newest = store.newest()
        headers = read_message(newest).headers[:HEADERS_SHOWN] if newest is not None else ()
        return Arrived(server.refused, server.largest, tuple(headers))

    with contextlib.closing(RehearsalStore(folder)) as store:
        arrived = run_async(serve(store))
    send_back(arrived)
