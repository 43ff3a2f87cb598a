"""What many ask for at the same time, done in lots."""

import asyncio
import threading
from collections.abc import Callable, Sequence

from newsletter.web.public.together import Together

Waiting = Callable[[], Sequence[str]]


async def test_what_fails_for_one_takes_no_other_with_it() -> None:
    done: list[Sequence[str]] = []

    def work(waiting: Waiting) -> None:
        lot = waiting()
        if "bad" in lot:
            raise ValueError(*lot)
        done.append(lot)

    together = Together(work)
    said = await asyncio.gather(*map(together.do, ("a", "bad", "b")), return_exceptions=True)
    assert [repr(one) for one in said] == ["None", "ValueError('bad')", "None"]
    assert done == [["a"], ["b"]]


async def test_who_comes_while_the_work_waits_to_begin_goes_with_it() -> None:
    asked, free, lots = threading.Event(), threading.Event(), []

    def work(waiting: Waiting) -> None:
        asked.set()
        free.wait(10)
        lots.append(waiting())

    together = Together(work)
    first = asyncio.create_task(together.do("a"))
    await asyncio.to_thread(asked.wait, 10)
    second = asyncio.create_task(together.do("b"))
    await asyncio.sleep(0)
    free.set()
    await asyncio.gather(first, second)
    assert lots == [["a", "b"]]


async def test_where_it_can_not_even_begin_all_who_wait_are_told_at_once() -> None:
    tries = []

    def work(_waiting: Waiting) -> None:
        tries.append(1)
        raise OSError("busy")

    together = Together(work)
    said = await asyncio.gather(*map(together.do, "abc"), return_exceptions=True)
    assert [str(one) for one in said] == ["busy"] * 3
    assert len(tries) == 1
