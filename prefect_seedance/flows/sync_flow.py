"""One async body behind a sync and an async flow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from anyio.from_thread import start_blocking_portal

from prefect_seedance.runs.ends.state import told_in_state

Result = TypeVar("Result")


def run_to_end(body: Callable[[], Awaitable[Result]]) -> Result:
    """Run the body of a flow to its end from synchronous code, whether or not a loop already runs in this thread.

    An error of ours becomes the flow's state, see `told_in_state`.

    In a thread without a loop this is ``asyncio.run``. Where one runs (Jupyter, an async caller), the body gets a
    loop in a thread of its own. Both keep the context of the Prefect run, its logs and its cancellation.
    """

    async def main() -> Result:
        return await told_in_state(body())

    if not _a_loop_runs():
        return asyncio.run(main())
    with start_blocking_portal() as portal:
        return portal.call(main)


def _a_loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
