"""A bar on a terminal: how much is done, how much is left and for how long, and below it what there is to say."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, Task, TextColumn
from rich.text import Text

from newsletter.cli.console import human_seconds


class Show(Protocol):
    """Takes the number done so far and a short text; `at_once`: which is news, and said without delay."""

    def __call__(self, done: int, text: str, *, at_once: bool = False) -> None: ...


class _Bar(Progress):
    """rich's bar, with a line of words of its own, so that neither is cut by the other."""

    words = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        if self.words:
            yield Text(self.words, style="dim")


@contextmanager
def bar(total: int) -> Iterator[Show]:
    """Show a bar; yields a function that takes the number done so far and a short text."""
    columns = (
        TextColumn("sending"),
        BarColumn(bar_width=30, complete_style="green", finished_style="green"),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
    )
    with _Bar(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=total)
        shown.words = _left(None, total)

        def show(done: int, text: str, *, at_once: bool = False) -> None:
            shown.update(task, completed=done)
            moving = None if text.startswith("paused") else shown.tasks[0]
            shown.words = ", ".join(filter(None, (_left(moving, total - done), text)))

        yield show


def _left(task: Task | None, count: int) -> str:
    """What is left, and for how long at the speed of late."""
    if not count:
        return ""
    seconds = task.time_remaining if task else None
    return f"{count:,} left" + (f", about {human_seconds(seconds)}" if seconds else "")
