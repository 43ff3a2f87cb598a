"""A real SMTP server (aiosmtpd) in a thread of its own, on a free port of loopback."""

import errno
import socket
from typing import Any

from aiosmtpd.controller import Controller

PATIENCE = 60.0
"""Seconds that a server has to greet; on a busy machine aiosmtpd's own five were too few."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listen(handler: object, **options: Any) -> Controller:
    """Start a server; another process may be quicker to take the port that was found, so then it is another one."""
    for _ in range(20):
        server = Controller(handler, hostname="127.0.0.1", port=free_port(), ready_timeout=PATIENCE, **options)
        try:
            server.start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return server
    raise AssertionError
