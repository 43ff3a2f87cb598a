"""A real SMTP server (aiosmtpd) in a thread of its own, on a free port of loopback."""

import contextlib
import socket
from typing import Any

from aiosmtpd.controller import Controller


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listen(handler: object, **options: Any) -> Controller:
    """Start a server; another process may be quicker to take the port that was found, so then it is another one."""
    for _ in range(20):
        server = Controller(handler, hostname="127.0.0.1", port=free_port(), **options)
        with contextlib.suppress(OSError):
            server.start()
            return server
    raise AssertionError
