"""Print for people and for programs: lines, JSON, tables, errors, progress.

What a program reads goes to stdout; what a person reads beside it (progress, warnings, errors) to stderr.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import sys
import termios
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

INTERRUPTED = 130
"""The exit code of what Ctrl-C stopped."""

_NAMES = 13
"""Columns that the names of such a table take."""

LINE_EVERY = 5.0
LONGEST = 300.0
"""Seconds between two progress lines where there is no terminal; more, up to the longest, while nothing moves."""


def say(text: str = "") -> None:
    """A line for people, on stdout."""
    print(text)  # noqa: T201


def say_row(name: str, value: str) -> None:
    """A line of a table with two columns; on a terminal the value goes on below itself, and no word is broken."""
    lines = [value]
    if sys.stdout.isatty():
        width = max(20, shutil.get_terminal_size().columns - _NAMES)
        lines = textwrap.wrap(value, width, break_long_words=False, break_on_hyphens=False) or [""]
    for line in lines:
        say(f"{name:<{_NAMES}}{line}")
        name = ""


def note(text: str) -> None:
    """A line beside the output, on stderr."""
    print(text, file=sys.stderr)  # noqa: T201


def fail(text: str, code: int) -> int:
    """One line on stderr that says what went wrong; returns `code`."""
    if code == INTERRUPTED and sys.stderr.isatty():
        note("")  # below the terminal's ^C
    with contextlib.suppress(OSError):  # nobody reads; the code still tells
        note(f"newsletter: {text}")
    return code


def short_path(path: str) -> str:
    """`path` as it is typed from here, where that is shorter."""
    if not os.path.isabs(path):
        return path
    with contextlib.suppress(OSError):  # the working directory may be gone
        return min(os.path.relpath(path), path, key=len)
    return path


def say_json(value: Any) -> None:
    """`value` as JSON, on stdout; in ASCII where that can't take every letter."""
    is_utf8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
    say(json.dumps(value, ensure_ascii=not is_utf8, indent=2))


def table(rows: Sequence[Sequence[str]], header: Sequence[str], right: Sequence[int] = ()) -> str:
    """Aligned columns under `header`; the columns whose numbers are in `right` are aligned to the right."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join(lines)


def is_interactive() -> bool:
    """Is there a person who can answer?"""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


def confirm(question: str) -> bool:
    """Ask the person at the terminal for yes or no; anything but yes is no, and so is nobody.

    What was typed before the question stood there is no answer. Ctrl-C or SIGTERM raises KeyboardInterrupt whenever it
    comes: `input()` loses one that arrives between its prompt and its read.
    """
    if not is_interactive():
        return False
    terminal = sys.stdin.fileno()
    with _signals() as signals:
        termios.tcflush(terminal, termios.TCIFLUSH)
        print(f"{question} [y/N] ", end="", flush=True)  # noqa: T201
        answer = b""
        while not answer.endswith(b"\n"):
            if terminal in select.select([terminal, signals], [], [])[0]:  # a signal raises here
                typed = os.read(terminal, 1024)
                if not typed:  # Ctrl-D
                    say()
                    return False
                answer += typed
    return answer.decode(errors="replace").strip().lower() in {"y", "yes"}


@contextmanager
def _signals() -> Iterator[int]:
    """SIGINT and SIGTERM raise KeyboardInterrupt; yields a descriptor that is readable once one has come."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    earlier_descriptor = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    earlier = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield readable
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(earlier_descriptor)
        os.close(readable)
        os.close(writable)


def plural(count: int, noun: str) -> str:
    """`1 error`, `2,000 errors`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def human_size(size: int) -> str:
    """Bytes as people write them: 31 KB, 1.2 MB."""
    for unit in ("bytes", "KB", "MB"):
        if size < 1000 or unit == "MB":
            return f"{size} {unit}" if unit == "bytes" else f"{size:.1f} {unit}".replace(".0 ", " ")
        size_f = size / 1000
        size = int(size_f) if size_f >= 100 else size_f  # type: ignore[assignment]
    raise AssertionError


def human_seconds(seconds: float) -> str:
    """A duration as people say it: 0.4 s, 12 s, 3 min, 2 h 5 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def iso(moment: float) -> str:
    """Unix seconds as ISO 8601 in UTC, as JSON has times."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def taken(asked: int, got: int | None) -> str:
    """What is said beside an address whose port is not the one asked for."""
    return f"  (port {asked} is taken)" if asked and got != asked else ""


@contextmanager
def progress(total: int, quiet: bool) -> Iterator[Callable[[int, str], None]]:
    """Show how far a long piece of work is: a bar on a terminal, a line every few seconds elsewhere, or nothing.

    Yields a function that takes the number done so far and a short text.
    """
    if quiet:
        yield lambda done, text: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("sending"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        text = TextColumn("{task.description}")
        with Progress(*columns, text, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=total)
            yield lambda done, text: bar.update(task, completed=done, description=text)
    else:
        last, shown, wait = time.monotonic(), -1, LINE_EVERY

        def line(done: int, text: str) -> None:
            nonlocal last, shown, wait
            if time.monotonic() - last >= wait:
                wait = LINE_EVERY if done != shown else min(wait * 2, LONGEST)
                last, shown = time.monotonic(), done
                note(f"{done:,} of {total:,}" + (f": {text}" if text else ""))

        yield line
