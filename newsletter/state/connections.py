"""The connections that are open to a server, which are all cut at a moment: whoever waits on one learns of it then.

A server that is frozen, or whose disk is, acknowledges every packet and answers nothing, and no time-out of the
driver's ends that. What was under way on a connection that is cut may have been done.
"""

import contextlib
import os
import socket
import threading
import time
import weakref
from typing import Any


class Connections:
    """Those of one database. Any thread may call it."""

    def __init__(self) -> None:
        self._open: weakref.WeakSet[Any] = weakref.WeakSet()  # of the driver's, with a `fileno`
        self._lock = threading.Lock()
        self._ends: float | None = None

    def left(self) -> float | None:
        """Seconds until all are cut, 0 afterwards; None: they are not."""
        return None if self._ends is None else max(self._ends - time.monotonic(), 0.0)

    def add(self, connection: Any) -> None:
        """This one is open now."""
        with self._lock:
            self._open.add(connection)
        if self.left() == 0:
            self._cut()

    def end_within(self, seconds: float) -> None:
        """Cut all after so many seconds, those included that are opened meanwhile; the sooner of two words counts."""
        if (left := self.left()) is not None and left <= seconds:
            return
        self._ends = time.monotonic() + seconds
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()

    def _cut(self) -> None:
        with self._lock:
            found = list(self._open)
        for connection in found:
            with contextlib.suppress(Exception):  # it is closed already
                wire = socket.socket(fileno=os.dup(connection.fileno()))
                with wire:
                    wire.shutdown(socket.SHUT_RDWR)
