"""A bound on how long a post may be composed, whatever it is made of: Markdown, Liquid, code, templates, CSS.

Each stage has bounds of its own kind (depth, turns, output); this one holds where those do not reach, such as a pattern
that a lexer matches badly. It counts processor time, so that a busy machine refuses no post. In the main thread a
signal ends even a running pattern; in others an exception is put into the thread, as soon as it runs Python.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

from newsletter.errors import NewsletterError
from newsletter.site.post import Post

SECONDS = 9.0
"""Of processor time, for a whole post."""


class Overtime(BaseException):
    """The time is over; no `except Exception` on the way may keep it."""


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
    """Raise NewsletterError, with the post and the stage, where the block takes longer; nothing inside another one."""
    seconds = SECONDS
    if getattr(_NOW, "stage", None) is not None:
        yield
        return
    stage = _NOW.stage = _Reached(line=post.body_line)
    try:
        with _by_signal(seconds) if threading.current_thread() is threading.main_thread() else _by_watch(seconds):
            yield
    except Overtime:
        what = f"{stage.what} takes too long, over {seconds:g} seconds; write it simpler, or shorter"
        raise NewsletterError(what, path=post.path, line=stage.line) from None
    finally:
        _NOW.stage = None


@contextlib.contextmanager
def _by_signal(seconds: float) -> Iterator[None]:
    def over(_number: int, _frame: FrameType | None) -> None:
        raise Overtime

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextlib.contextmanager
def _by_watch(seconds: float) -> Iterator[None]:
    mine = threading.get_ident()
    clock = time.pthread_getcpuclockid(mine)
    until = time.clock_gettime(clock) + seconds
    ended, lock = threading.Event(), threading.Lock()

    def watch() -> None:
        while not ended.wait(max(left := until - time.clock_gettime(clock), 0.01)):
            with lock:
                if left <= 0 and not ended.is_set():
                    _raise_in(mine, Overtime)
                    return

    threading.Thread(target=watch, name="composing deadline", daemon=True).start()
    try:
        yield
    finally:
        with lock:
            ended.set()
            _raise_in(mine, None)  # what was put there and has not come yet


def _raise_in(thread: int, kind: type[BaseException] | None) -> None:
    import ctypes  # not for a send, which composes in its main thread

    what = None if kind is None else ctypes.py_object(kind)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), what)
