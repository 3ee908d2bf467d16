"""One row of a batch: a task run that shows what becomes of its video."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from prefect_seedance.batch.models import GOOD, RowResult, outcome_words
from prefect_seedance.plain_text import one_line
from prefect_seedance.runs.logs import leave_out_ends_of

_NAME = "generate-row"
leave_out_ends_of(_NAME)


# No tags: a tagged task asks Prefect's server for a slot, and waits until it gets one. No retries, cache or persisted
# result either: the journal is all of these, and no row waits for Prefect.
@task(
    name=_NAME,
    task_run_name="generate: {label}",
    retries=0,
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def generate_row(label: str, make: Callable[[], Awaitable[RowResult]]) -> State[None]:
    """Make the video of a row, and end in a state that is named after its outcome.

    Args:
        label: What the row is called.
        make: Makes the video. What becomes of it is told by its result, never by an error.
    """
    return _state_of(await make())


def _state_of(result: RowResult) -> State[None]:
    name = outcome_words(result.outcome).capitalize()
    if result.outcome in GOOD:
        return Completed(name=name, message=one_line(result.uri or f"Task {result.task_id}. {result.advice}"))
    return Failed(name=name, message=one_line(f"{result.reason} {result.advice}".strip()))
