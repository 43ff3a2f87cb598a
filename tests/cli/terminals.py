"""Real terminals, for what is shown to a person and asked of one."""

import contextlib
import os
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NEWSLETTER = str(Path(sys.executable).parent / "newsletter")
IN_A_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)

Until = Callable[[str], str]


@contextmanager
def terminal(
    folder: Path, *command: str, columns: int = 80, **environment: str
) -> "Iterator[tuple[subprocess.Popen[bytes], int, Until]]":
    """`command` in a terminal of its own: the process, the keyboard, and a reader of the screen until some words."""
    surroundings = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
    keyboard, screen = os.openpty()
    termios.tcsetwinsize(screen, (40, columns))
    process = subprocess.Popen(
        [sys.executable, "-c", IN_A_TERMINAL, *command],
        cwd=folder, env={**surroundings, "TERM": "xterm", **environment},
        stdin=screen, stdout=screen, stderr=screen, start_new_session=True,
    )  # fmt: skip
    os.close(screen)
    shown = b""

    def until(words: str) -> str:
        nonlocal shown
        with contextlib.suppress(OSError):  # the other side is closed
            while words.encode() not in shown and (more := os.read(keyboard, 1024)):
                shown += more
        return shown.decode()

    try:
        yield process, keyboard, until
    finally:
        process.kill()
        process.wait()
        os.close(keyboard)
