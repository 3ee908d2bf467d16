"""Which failed steps Prefect repeats.

A condition is a plain function, never a callable object, which Prefect 3.8 takes for "never".
"""

from __future__ import annotations

from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from prefect_seedance.client.errors import (
    AuthenticationFailed,
    ConfigurationError,
    InvalidRequest,
    TaskError,
    TaskNotFound,
)
from prefect_seedance.journal.errors import RecordDamaged, RecordTooNew, SubmissionStopped
from prefect_seedance.pipeline.errors import VideoNotStored, WaitStopped
from prefect_seedance.storage.errors import (
    AlreadyExists,
    BadKey,
    BadLocation,
    ForbiddenSource,
    LinkExpired,
    NoSpace,
    NotAVideo,
    NotWritable,
    RelayCancelled,
    SourceChanged,
    SourceTooLarge,
)

#: Faults that a retry within seconds does not cure; what is not listed may pass, and repeating costs nothing.
_LASTING = (
    AlreadyExists,
    AuthenticationFailed,
    BadKey,
    BadLocation,
    ConfigurationError,
    ForbiddenSource,
    InvalidRequest,
    LinkExpired,
    NoSpace,
    NotAVideo,
    NotWritable,
    RecordDamaged,
    RecordTooNew,
    RelayCancelled,
    SourceChanged,  # by then it was started over three times
    SourceTooLarge,
    SubmissionStopped,
    TaskError,
    TaskNotFound,
)


def worth_repeating(task: Task[..., object], run: TaskRun, state: State[object]) -> bool:
    """Return whether a failed step is worth repeating: not after a verdict, the limit of the wait or a lasting fault.

    An error that only tells of the task is judged by its cause: what stood in the way.

    Args:
        task: The step, as Prefect hands it over.
        run: Its task run, likewise.
        state: How that ended.
    """
    # Not state.result(): for async tasks that is a coroutine.
    failure: object = getattr(state.data, "exception", state.data)
    if isinstance(failure, WaitStopped | VideoNotStored) and failure.__cause__ is not None:
        failure = failure.__cause__
    return not isinstance(failure, _LASTING)
