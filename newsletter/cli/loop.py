"""The one place that starts an event loop, and listens for the signals that stop one."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import TypeVar

from newsletter.cli.console import note

T = TypeVar("T")
MOST = 29.0
"""Seconds after a signal at which a command that has promised so is left as it stands: some thread of it still waits
for an answer that nothing can cut short, such as that of a dead name server."""
_leaving: list[threading.Timer] = []


def run_async(main: Coroutine[None, None, T]) -> T:
    """Run `main` to its end, on uvloop where it exists."""
    try:
        import uvloop
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main)
    finally:
        while _leaving:
            _leaving.pop().cancel()


@contextmanager
def stop_on_signals(said: str = "", code: int | None = None) -> Iterator[tuple[asyncio.Event, asyncio.Event]]:
    """The first SIGINT or SIGTERM sets the first event (finish what is under way), a second one the other (end now).

    `said`, if anything, is told at the first one. `code`: what the process ends with MOST seconds later, at the latest.
    """
    stop, abort = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def received() -> None:
        if stop.is_set():
            abort.set()
        else:
            stop.set()
            if code is not None:
                timer = threading.Timer(MOST, os._exit, (code,))
                timer.daemon = True
                timer.start()
                _leaving.append(timer)
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
