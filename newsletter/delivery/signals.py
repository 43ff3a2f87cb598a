"""Ctrl-C and SIGTERM while a run goes on: the first drains, the second ends at once."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_signals() -> Iterator[tuple[asyncio.Event, asyncio.Event]]:
    """The events `stop` and `abort` for `deliver`, set by the first and the second signal while the block runs."""
    stop, abort = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def note() -> None:
        (abort if stop.is_set() else stop).set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, note)
    try:
        yield stop, abort
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
