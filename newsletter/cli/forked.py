"""Work in a process of its own, forked before there are threads and event loops; what it tells comes through a pipe.

An error there is raised here. The process ends with us, whatever becomes of it: Ctrl-C is ours to take.
"""

import contextlib
import multiprocessing
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from newsletter.errors import NewsletterError


class Forked:
    """A call of `work(send_back, asked, *args)` in a process of its own.

    `send_back` hands a value to `receive` here; `asked` waits there for what `ask` is given, None where we are gone.
    """

    def __init__(self, work: Callable[..., None], *args: Any) -> None:
        processes = multiprocessing.get_context("fork")
        self._ours, theirs = processes.Pipe()
        self._process = processes.Process(target=_run, args=(self._ours, theirs, work, args), daemon=True)
        self._process.start()
        theirs.close()

    def receive(self, silent: str) -> Any:
        """What it tells next. Raises NewsletterError: its own, or `silent` where it ended without a word."""
        try:
            kind, value = self._ours.recv()
        except (EOFError, OSError):
            raise NewsletterError(silent) from None
        if kind == "error":
            what, path, line = value
            raise NewsletterError(what, path=path, line=line)
        if kind == "mishap":
            raise value
        return value

    def ask(self, value: Any = None) -> None:
        """What it waits for has come. It may be gone already."""
        with contextlib.suppress(OSError):
            self._ours.send(value)

    def close(self) -> None:
        """Let it end, which it may take a moment for."""
        self._ours.close()
        self._process.join(10)


def _run(ours: Connection, pipe: Connection, work: Callable[..., None], args: tuple[Any, ...]) -> None:
    ours.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever waits for us is stopped, and ends us

    def send_back(value: Any) -> None:
        pipe.send(("value", value))

    def asked() -> Any:
        try:
            return pipe.recv()
        except (EOFError, ConnectionResetError):  # the latter if it left what we sent back unread
            return None

    try:
        work(send_back, asked, *args)
    except NewsletterError as error:
        pipe.send(("error", (error.what, error.path, error.line)))
    except BrokenPipeError:
        sys.exit(0)  # nobody waits any more
    except OSError as error:
        pipe.send(("mishap", error))
