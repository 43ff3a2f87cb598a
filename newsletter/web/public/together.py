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
    """Collects what comes while the last lot is being done; `work` does a lot, whole or not at all, in a thread.

    It asks for the lot when it can do it, in its transaction: whoever comes while it waits for that goes with it.
    """

    def __init__(self, work: Callable[[Callable[[], Sequence[T]]], None]) -> None:
        self._do = work
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._lot: list[tuple[T, asyncio.Future[None]]] = []
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
            failures = await run_in_threadpool(self._try)
            for (_, done), failure in zip(self._lot, failures, strict=True):
                if done.done():  # whoever asked is gone
                    continue
                if failure is None:
                    done.set_result(None)
                else:
                    done.set_exception(failure)

    def _take(self) -> list[T]:
        """The next lot; what comes at the same time is in it, or behind it."""
        self._lot = self._waiting[:_MOST]
        del self._waiting[: len(self._lot)]
        return [one for one, _ in self._lot]

    def _try(self) -> list[Exception | None]:
        """What became of each of a lot; where it fails, each is tried by itself."""
        self._lot = []
        try:
            self._do(self._take)
        except Exception as error:
            if not self._lot:  # it was not even begun
                return [error] * len(self._take())
            return [error] if len(self._lot) == 1 else [self._try_one(one) for one, _ in self._lot]
        return [None] * len(self._lot)

    def _try_one(self, one: T) -> Exception | None:
        try:
            self._do(lambda: [one])
        except Exception as error:
            return error
        return None
