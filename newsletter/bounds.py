"""Bounds on what somebody else's words may take of this machine: processor time of a thread, memory of the process.

Expressions, templates, Markdown and patterns have bounds of their own kind where they run (depth, turns, output); these
hold where those do not reach. Time is the processor's, so that a busy machine refuses nothing: in the main thread a
signal ends even a running pattern, in others an exception is put into the thread as soon as it runs Python. Memory is
the address space beyond what the process has already (RLIMIT_AS), where the system knows such a limit; past it, Python
raises MemoryError. What is evaluated once a reader, and makes nothing long, goes without (`needs_bounds`).
"""

import contextlib
import resource
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from jinja2 import nodes

MEMORY = 1024 * 1024 * 1024
"""Bytes that may be taken beyond what the process has; an ordinary post takes some twenty million."""
_AGAIN = 1.0
"""Seconds after which Overtime is raised again, should a callback have kept it (of the garbage collector, say)."""
_LAST_TURNS = 100
"""Turns in which Overtime that was put into a thread has come, unless somebody kept it."""
_REFRESH = 1.0
"""Seconds for which the size of the process is not asked again."""


class Overtime(BaseException):
    """The time is over; no `except Exception` on the way may keep it."""


_SMALL = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.And, nodes.Or, nodes.Not, nodes.Compare,
    nodes.Operand, nodes.CondExpr, nodes.Test, nodes.Name, nodes.Const, nodes.Tuple, nodes.List, nodes.Neg, nodes.Pos,
    nodes.Concat, nodes.Filter, nodes.Getattr,
)  # fmt: skip
_SMALL_FILTERS = {
    "abs", "capitalize", "count", "d", "default", "e", "escape", "first", "float", "int", "last", "length", "lower",
    "round", "safe", "string", "title", "trim", "upper", "urlencode", "wordcount",
}  # fmt: skip
_SMALL_METHODS = {"startswith", "endswith", "lower", "upper", "strip", "casefold", "title", "capitalize"}


def needs_bounds(node: nodes.Node) -> bool:
    """Whether this of Jinja2 may make much of little: all but what passes over the values that it names."""
    match node:
        case nodes.Filter(name=name) if name not in _SMALL_FILTERS:
            return True
        case nodes.Call(node=nodes.Getattr(attr=attr)) if attr in _SMALL_METHODS:
            return any(map(needs_bounds, (node.node, *node.args)))
        case _ if isinstance(node, _SMALL):
            return any(map(needs_bounds, node.iter_child_nodes()))
        case _:
            return True


class bounded:  # noqa: N801 (a context manager, named as a function is; written out, it takes a fifth of the time)
    """A block that ends after `seconds` of processor time in Overtime, and past MEMORY in MemoryError.

    Not to stand inside another one.
    """

    __slots__ = ("_seconds", "_watch")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._watch: contextlib.AbstractContextManager[None] | None = None

    def __enter__(self) -> None:
        _MEMORY.enter()
        if threading.get_ident() == threading.main_thread().ident:
            _ALARM.start(self._seconds)
        else:
            self._watch = _by_watch(self._seconds)
            self._watch.__enter__()

    def __exit__(self, *error: Any) -> None:
        if self._watch is None:
            _ALARM.stop()
        else:
            self._watch.__exit__(*error)
        _MEMORY.exit()


class _Memory:
    """The limit on memory, set by the first of the threads that ask for it, taken back by the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        self._most = 0
        self._asked = -_REFRESH

    def enter(self) -> None:
        """One more block."""
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._before = resource.getrlimit(resource.RLIMIT_AS)
                _limit_memory(self._wanted(), self._before[1])

    def exit(self) -> None:
        """One block less."""
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
    try:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    except (OSError, ValueError):  # a system that knows no such limit
        return


class _Alarm:
    """Overtime in the main thread, by a signal whose handler stays: to set it takes longer than the rest."""

    def __init__(self) -> None:
        self._is_set = False
        self._runs = False

    def start(self, seconds: float) -> None:
        if not self._is_set:
            signal.signal(signal.SIGPROF, self._over)
            self._is_set = True
        self._runs = True
        signal.setitimer(signal.ITIMER_PROF, seconds, _AGAIN)

    def stop(self) -> None:
        self._runs = False
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _over(self, _number: int, _frame: FrameType | None) -> None:
        if self._runs:  # else it was on its way when it was stopped
            raise Overtime


_ALARM = _Alarm()


@contextlib.contextmanager
def _by_watch(seconds: float) -> Iterator[None]:
    mine = threading.get_ident()
    clock = time.pthread_getcpuclockid(mine)
    until = time.clock_gettime(clock) + seconds
    ended, on_its_way, lock = threading.Event(), threading.Event(), threading.Lock()

    def watch() -> None:
        left = seconds
        while not ended.wait(max(left, 0.01)):
            with lock:
                if ended.is_set():  # and so is the thread, perhaps
                    return
                left = until - time.clock_gettime(clock)
                if left <= 0:
                    on_its_way.set()
                    _raise_overtime_in(mine)
                    return

    threading.Thread(target=watch, name="processor time", daemon=True).start()
    try:
        yield
    except Overtime:
        on_its_way.clear()
        raise
    finally:
        with lock:
            ended.set()
        for _ in range(_LAST_TURNS):  # it is to come here, not later
            if not on_its_way.is_set():
                break
            time.sleep(0.001)


def _raise_overtime_in(thread: int) -> None:
    """Never taken back: CPython 3.11 goes on looking for what was, and under a tracer never gets past that."""
    import ctypes  # not for a send, which works in its main thread

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Overtime))
