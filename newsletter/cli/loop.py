"""The one place that starts an event loop, and listens for the signals that stop one."""

import asyncio
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import TypeVar

from newsletter.cli.console import note

T = TypeVar("T")


def run_async(main: Coroutine[None, None, T]) -> T:
    """Run `main` to its end, on uvloop where it exists."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


@contextmanager
def stop_on_signals(said: str = "") -> Iterator[tuple[asyncio.Event, asyncio.Event]]:
    """The first SIGINT or SIGTERM sets the first event (finish what is under way), a second one the other (end now).

    `said`, if anything, is told at the first one.
    """
    stop, abort = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def received() -> None:
        if stop.is_set():
            abort.set()
        else:
            stop.set()
            if sys.stderr.isatty():
                note("")  # below the terminal's ^C
            if said:
                note(said)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, received)
    try:
        yield stop, abort
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
