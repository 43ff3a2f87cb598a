"""A person at a terminal for the tests of the question: `python asking.py TRIES`, a process without threads to fork.

Each try forks a child that asks in a terminal of its own, and presses Ctrl-C a random moment after the question is
read. Prints how the children ended, as JSON: {exit code: count}; "hung" is one that was still there after ten seconds.
"""

import json
import os
import pty
import random
import select
import signal
import sys
import time
from collections import Counter

from newsletter.cli.console import confirm

CHANCE = random.Random(int(os.environ.get("SEED", "1")))
PATIENCE = 10.0
LATEST = 0.0003
"""Seconds after the question at which Ctrl-C is pressed at the latest; the read begins well before."""


def interrupted() -> int | str:
    """The exit code of a child whose person presses Ctrl-C; "hung" where it goes on asking."""
    child, terminal = pty.fork()
    if child == 0:
        try:
            os._exit(confirm("Send?"))
        except KeyboardInterrupt:
            os._exit(130)
    said = b""
    while b"[y/N]" not in said:
        said += os.read(terminal, 1024)
    pressed = time.perf_counter() + CHANCE.uniform(0, LATEST)
    while time.perf_counter() < pressed:
        pass
    os.write(terminal, b"\x03")
    ended = os.pidfd_open(child)
    hung = not select.select([ended], [], [], PATIENCE)[0]
    if hung:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(ended)
    os.close(terminal)
    return "hung" if hung else os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    print(json.dumps(Counter(str(interrupted()) for _ in range(int(sys.argv[1])))))
