"""What Prefect is told about retries: plain functions, never callable objects, which Prefect 3.8 takes for "never"."""

from __future__ import annotations

from prefect.client.schemas.objects import State


def failure_of(state: State[object]) -> object:
    """Return what a failed task run raised.

    Read from ``state.data``: for async tasks ``state.result()`` is a coroutine, which is not awaited here.
    """
    return getattr(state.data, "exception", state.data)
