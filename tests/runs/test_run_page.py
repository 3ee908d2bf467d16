"""What a run shows on its page must not change how it ends."""

from __future__ import annotations

import asyncio

import pytest

from prefect_seedance.runs.run_page import _shown


async def test_a_cancellation_in_the_moment_when_the_page_is_written_ends_the_run() -> None:
    begun, answered = asyncio.Event(), asyncio.Event()

    async def show() -> None:
        begun.set()
        await answered.wait()

    async def run() -> None:
        await _shown(show)
        await asyncio.sleep(3600)

    running = asyncio.create_task(run())
    await begun.wait()
    answered.set()
    await asyncio.sleep(0)  # the page is written, and the run has not heard of it yet
    running.cancel()
    _, pending = await asyncio.wait([running], timeout=10)
    assert not pending
    with pytest.raises(asyncio.CancelledError):
        running.result()
