"""Show how far a long piece of work is, on stderr: a bar on a terminal, a line every few seconds elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from newsletter.cli.console import note
from newsletter.cli.log import event, is_structured

if TYPE_CHECKING:
    from newsletter.cli.progress_bar import Show

LINE_EVERY = 5.0
LONGEST = 300.0
"""Seconds between two progress lines where there is no terminal; more, up to the longest, while nothing moves."""


@contextmanager
def progress(total: int, quiet: bool) -> "Iterator[Show]":
    """Show how far a long piece of work is: a bar and what is left on a terminal, a line every few seconds elsewhere.

    `quiet`: nothing is shown.
    """
    if quiet:
        yield lambda done, text, *, at_once=False: None
    elif sys.stderr.isatty() and not is_structured():
        from newsletter.cli.progress_bar import bar

        with bar(total) as show:
            yield show
    else:
        last, shown, wait = time.monotonic(), -1, LINE_EVERY

        def line(done: int, text: str, *, at_once: bool = False) -> None:
            nonlocal last, shown, wait
            if at_once or time.monotonic() - last >= wait:
                wait = LINE_EVERY if done != shown else min(wait * 2, LONGEST)
                last, shown = time.monotonic(), done
                event("progress", done=done, total=total, message=text)
                if is_structured():
                    return
                left = f", {total - done:,} left" if done < total else ""
                note(f"{done:,} of {total:,}{left}" + (f": {text}" if text else ""))

        yield line
