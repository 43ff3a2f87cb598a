"""Bounds on what somebody else's words may take of this machine: processor time of a thread, memory of the process.

Expressions, templates, Markdown and patterns have bounds of their own kind where they run (depth, turns, output); these
hold where those do not reach. Time is the processor's, so that a busy machine refuses nothing: in the main thread a
signal ends even a running pattern, in others an exception is put into the thread as soon as it runs Python. Memory is
the address space beyond what the process has already (RLIMIT_AS), where the system knows such a limit; past it, Python
raises MemoryError.
"""

import contextlib
import resource
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

MEMORY = 1024 * 1024 * 1024
"""Bytes that may be taken beyond what the process has; an ordinary post takes some twenty million."""
_REFRESH = 1.0
"""Seconds for which the size of the process is not asked again."""


class Overtime(BaseException):
    """The time is over; no `except Exception` on the way may keep it."""


@contextlib.contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """A block that ends after `seconds` of processor time in Overtime, and past MEMORY in MemoryError.

    Not to stand inside another one.
    """
    in_main = threading.current_thread() is threading.main_thread()
    with _MEMORY, _by_signal(seconds) if in_main else _by_watch(seconds):
        yield


class _Memory:
    """The limit on memory, set by the first of the threads that ask for it, taken back by the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        self._most = 0
        self._asked = -_REFRESH

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._before = resource.getrlimit(resource.RLIMIT_AS)
                _limit_memory(self._wanted(), self._before[1])

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                _limit_memory(*self._before)

    def _wanted(self) -> int:
        """The size of the process and MEMORY, or what the limit is already, where that is less."""
        if (now := time.monotonic()) - self._asked >= _REFRESH:
            self._asked, self._most = now, _size() + MEMORY
        soft = self._before[0]
        return self._most if soft == resource.RLIM_INFINITY else min(soft, self._most)


_MEMORY = _Memory()


def _size() -> int:
    """Bytes of address space that the process has; what it ever held in memory where the system does not say."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return 4 * MEMORY


def _limit_memory(soft: int, hard: int) -> None:
    with contextlib.suppress(OSError, ValueError):  # a system that knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


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

    threading.Thread(target=watch, name="processor time", daemon=True).start()
    try:
        yield
    finally:
        with lock:
            ended.set()
            _raise_in(mine, None)  # what was put there and has not come yet


def _raise_in(thread: int, kind: type[BaseException] | None) -> None:
    import ctypes  # not for a send, which works in its main thread

    what = None if kind is None else ctypes.py_object(kind)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), what)
