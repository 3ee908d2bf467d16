"""Whether Prefect's API answers. A flow that ends while it does not dies, and stays Running on the server."""

from __future__ import annotations

import asyncio
import time

from prefect.client.base import ServerType
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.runtime import flow_run

from prefect_seedance.asides import words_of
from prefect_seedance.runs.logs import note

#: Pauses between two questions: the first one, and the longest.
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 15.0
#: Longest that one question may take.
_QUESTION_SECONDS = 10.0


async def wait_for_api(seconds: float = 600.0) -> None:
    """Wait at the end of a run until Prefect's API answers, or the time is over; never raises.

    Returns at once where it answers, outside of a run, and where the run has a server of its own.

    Args:
        seconds: Longest wait.
    """
    if not flow_run.get_id():
        return
    end, pause, told = time.monotonic() + seconds, _FIRST_PAUSE_SECONDS, False
    while why := await _silence():
        left = end - time.monotonic()
        if left <= 0:
            note(f"Prefect's API has not answered for {seconds:g} s, and the run ends without it: {why}")
            return
        if not told:
            note(f"The work is done. The run waits up to {seconds:g} s for Prefect's API, to report it there: {why}")
            told = True
        await asyncio.sleep(min(pause, left))
        pause = min(_LONGEST_PAUSE_SECONDS, pause * 1.5)


async def _silence() -> str:
    """Ask once; return why the API cannot be used now, "" if it can."""
    limit = asyncio.timeout(_QUESTION_SECONDS)
    try:
        async with limit, get_client() as client:
            if client.server_type is ServerType.EPHEMERAL:
                return ""
            error = await client.api_healthcheck()
    except Exception as found:
        error = found
    if limit.expired():
        return f"no answer within {_QUESTION_SECONDS:g} s"
    if isinstance(error, PrefectHTTPStatusError) and error.response.status_code < 500:
        return ""  # something is there that answers
    return words_of(error) if error else ""
