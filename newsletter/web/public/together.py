"""What many requests ask for at the same time, done together: one transaction, and one wait for the disk, serves all.

Hundreds of mail programs may press one-click in a second, while a sender writes to the same state. What fails for one
takes no other with it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

T = TypeVar("T")
_MOST = 200


class Together(Generic[T]):
    """Collects what comes while the last lot is being done; `work` does a lot, whole or not at all, in a thread."""

    def __init__(self, work: Callable[[Sequence[T]], None]) -> None:
        self._do = work
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def do(self, one: T) -> None:
        """Have it done; durable once this returns. Raises what the work raises."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((one, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        await done

    async def _run(self) -> None:
        while self._waiting:
            lot, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            failures = await run_in_threadpool(self._try, [one for one, _ in lot])
            for (_, done), failure in zip(lot, failures, strict=True):
                if done.done():  # whoever asked is gone
                    continue
                if failure is None:
                    done.set_result(None)
                else:
                    done.set_exception(failure)

    def _try(self, lot: Sequence[T]) -> list[Exception | None]:
        """What became of each; where a lot fails, each is tried by itself."""
        try:
            self._do(lot)
        except Exception as error:
            return [error] if len(lot) == 1 else [failure for one in lot for failure in self._try([one])]
        return [None] * len(lot)
