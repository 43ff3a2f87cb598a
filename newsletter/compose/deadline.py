"""How long composing a post may take, and how much memory, whatever it is made of: Markdown, Liquid, templates, CSS.

Each stage has bounds of its own kind (depth, turns, output); this one holds where those do not reach, such as a pattern
that a lexer matches badly, and says which stage it was. How it is bounded is `bounds`' business.
"""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from newsletter.bounds import Overtime, bounded
from newsletter.errors import NewsletterError
from newsletter.site.post import Post

SECONDS = 7.0
"""Of processor time, for a whole post: with start and end of the command, under ten by the clock of a quiet machine."""


@dataclass
class _Reached:
    """What is being worked on, for the words that end it."""

    what: str = "its text"
    line: int | None = None  # of the post


_NOW = threading.local()


def reach(what: str, line: int | None = None) -> None:
    """Say what is worked on from here on: `its Markdown`, `the template post.html`; and the post's line, if known."""
    stage: _Reached | None = getattr(_NOW, "stage", None)
    if stage is not None:
        stage.what, stage.line = what, line


@contextlib.contextmanager
def deadline(post: Post) -> Iterator[None]:
    """Raise NewsletterError, with the post and the stage, where the block takes more; nothing inside another one."""
    seconds = SECONDS
    if getattr(_NOW, "stage", None) is not None:
        yield
        return
    stage = _NOW.stage = _Reached(line=post.body_line)
    try:
        with bounded(seconds):
            yield
    except Overtime:
        what = f"{stage.what} takes too long, over {seconds:g} seconds; write it simpler, or shorter"
        raise NewsletterError(what, path=post.path, line=stage.line) from None
    except MemoryError:
        what = f"{stage.what} takes too much memory; write it simpler, or shorter"
        raise NewsletterError(what, path=post.path, line=stage.line) from None
    finally:
        _NOW.stage = None
