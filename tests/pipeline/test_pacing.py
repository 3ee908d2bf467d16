"""Pacing: only so many submissions work at once, in their order, and what only waits stands in nobody's way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from prefect_seedance.pipeline.submit.pacing import Pacing


async def test_places_go_to_those_who_came_first_and_to_no_more_at_a_time() -> None:
    pacing, begun, inside, most = Pacing(3), list[int](), 0, 0

    async def work(number: int) -> None:
        nonlocal inside, most
        async with pacing.place():
            begun.append(number)
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001 * (number % 4))
            inside -= 1

    await asyncio.gather(*map(work, range(20)))
    assert begun == [*range(20)] and most == 3


async def test_who_waits_gives_its_place_to_the_next_one_from_its_thread_and_only_once() -> None:
    pacing = Pacing(1)
    entered = [asyncio.Event() for _ in range(3)]
    go_on = asyncio.Event()

    async def second_and_third(number: int) -> None:
        async with pacing.place():
            entered[number].set()
            await go_on.wait()

    async with pacing.place() as give_up:
        others = [asyncio.ensure_future(second_and_third(number)) for number in (1, 2)]
        for _ in range(2):
            await asyncio.to_thread(give_up)
        await asyncio.wait_for(entered[1].wait(), 10)
        await asyncio.sleep(0.01)
        assert not entered[2].is_set(), "one place was given up, and not two"
    await asyncio.sleep(0.01)
    assert not entered[2].is_set(), "a place that was given up is not free once more in the end"
    go_on.set()
    await asyncio.gather(*others)
    assert entered[2].is_set()


async def test_whoever_is_cancelled_in_line_or_at_work_leaves_the_place_to_others() -> None:
    pacing = Pacing(1)

    async def hold() -> None:
        async with pacing.place():
            await asyncio.sleep(60)

    at_work, in_line = asyncio.ensure_future(hold()), asyncio.ensure_future(hold())
    await asyncio.sleep(0.01)
    for task in (in_line, at_work):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with asyncio.timeout(10), pacing.place():
        pass


def test_a_thread_that_outlives_its_run_gives_its_place_up_without_an_error() -> None:
    kept = list[Callable[[], None]]()

    async def run() -> None:
        async with Pacing(1).place() as give_up:
            kept.append(give_up)

    asyncio.run(run())
    failed = list[BaseException]()

    def later() -> None:
        try:
            kept[0]()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=later)
    thread.start()
    thread.join(10)
    assert not failed and not thread.is_alive()
