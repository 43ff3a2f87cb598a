"""Print for people and for programs: lines, JSON, tables, errors, progress.

What a program reads goes to stdout; what a person reads beside it (progress, warnings, errors) to stderr.
"""

import contextlib
import json
import logging
import os
import re
import select
import shutil
import signal
import sys
import termios
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

EVENTS = logging.getLogger("newsletter.events")
"""Takes what is told on stderr, where programs read it (cli.log)."""
INTERRUPTED = 130
"""The exit code of what Ctrl-C stopped."""

_NAMES = 13
"""Columns that the names take in a table of two columns."""
LEAST = 20
"""Columns that words need at least, to be folded into them."""


_COLOURS = {"red": "31", "green": "32", "yellow": "33", "dim": "2", "bold": "1"}
_WORD = re.compile(r" *(?:[^ `]*`[^`]{1,60}`[^ `]*|[^ ]+)")
"""A word with the blanks before it, which align what they stand in; a command that is to be typed is one."""
_PAINT = re.compile(r"\x1b\[[\d;]*m")


def say(text: str = "", hang: int = 0) -> None:
    """A line for people, on stdout, at once, also into the log of a service that runs for days; `folded` has `hang`."""
    print(folded(text, sys.stdout, hang), flush=True)  # noqa: T201


def say_row(name: str, value: str) -> None:
    """A line of a table with two columns; on a terminal the value goes on below itself."""
    say(f"{name:<{_NAMES}}{value}", hang=_NAMES)


def note(text: str, hang: int = 0) -> None:
    """A line beside the output, on stderr."""
    if EVENTS.handlers:  # --log-format json
        if text.strip():
            EVENTS.info("%s", text.strip())
        return
    print(folded(text, sys.stderr, hang), file=sys.stderr)  # noqa: T201


def paint(text: str, colour: str, stream: TextIO | None = None) -> str:
    """`text` in a colour, or bold or dim, where a person looks: on a terminal, and not with NO_COLOR (no-color.org)."""
    if (
        not text
        or not (stream or sys.stdout).isatty()
        or os.environ.get("NO_COLOR")
        or os.environ.get("TERM") == "dumb"
    ):
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def folded(text: str, stream: TextIO, hang: int = 0) -> str:
    """`text` as the terminal shows it without breaking a word; further lines begin under column `hang`, or the first.

    Where nobody looks it stays one line, for programs that read lines.
    """
    if not stream.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(part for line in text.split("\n") for part in _fold(line, width, hang))


def _fold(line: str, width: int, hang: int) -> list[str]:
    if _width(line) <= width:
        return [line]
    blank = " " * (hang or len(line) - len(line.lstrip(" ")))
    lines, current = [], ""
    for word in _WORD.findall(line):
        if current.strip() and _width(current) + _width(word) > width:
            lines.append(current)
            current = blank + word.lstrip(" ")
        else:
            current += word
    return [*lines, current]


def _width(text: str) -> int:
    """The columns that `text` takes in a terminal."""
    from wcwidth import wcswidth

    plain = _PAINT.sub("", text)
    return len(plain) if plain.isascii() else max(wcswidth(plain), 0) or len(plain)


def fail(text: str, code: int) -> int:
    """One line on stderr that says what went wrong; returns `code`."""
    if code == INTERRUPTED and sys.stderr.isatty():
        note("")  # below the terminal's ^C
    if EVENTS.handlers:
        EVENTS.error("%s", text, extra={"event": "error", "fields": {"code": code}})
        return code
    with contextlib.suppress(OSError):  # nobody reads; the code still tells
        note(f"{paint('newsletter:', 'red', sys.stderr)} {text}", hang=2)
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
    print(json_text(value, indent=2))  # noqa: T201


def say_json_list(texts: Iterable[str]) -> None:
    """A list of values that are JSON already, a line each: long ones are never whole in memory."""
    between = "[\n"
    for text in texts:
        print(between, text, sep="", end="")  # noqa: T201
        between = ",\n"
    print("[]" if between == "[\n" else "\n]")  # noqa: T201


def json_text(value: Any, indent: int | None = None) -> str:
    """`value` as JSON, as stdout can take it."""
    is_utf8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
    return json.dumps(value, ensure_ascii=not is_utf8, indent=indent)


def table(rows: Sequence[Sequence[str]], header: Sequence[str], right: Sequence[int] = ()) -> str:
    """Aligned columns under `header`; the columns whose numbers are in `right` are aligned to the right.

    On a terminal the last column is folded into what the others leave of the line.
    """
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(_width(row[column]) for row in cells) for column in range(len(header))]
    last, before = len(header) - 1, sum(widths[:-1]) + 2 * (len(widths) - 1)
    room = shutil.get_terminal_size().columns - before if sys.stdout.isatty() and last not in right else 0
    lines = []
    for row in cells:
        folds = _fold(row[last], room, 0) if room >= LEAST else [row[last]]
        padded = []
        for column, cell in enumerate([*row[:last], folds[0]]):
            blank = " " * (widths[column] - _width(cell))
            padded.append(blank + cell if column in right else cell + blank)
        lines += ["  ".join(padded).rstrip(), *(" " * before + fold for fold in folds[1:])]
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


def plural(count: int, noun: str, nouns: str = "") -> str:
    """`1 error`, `2,000 errors`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {nouns or noun + 's'}"


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
