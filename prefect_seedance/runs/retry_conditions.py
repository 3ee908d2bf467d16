"""What Prefect is told about retries: plain functions, never callable objects, which Prefect 3.8 takes for "never"."""

from __future__ import annotations

from prefect.client.schemas.objects import State

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


def failure_of(state: State[object]) -> object:
    """Return what a failed task run raised.

    Read from ``state.data``: for async tasks ``state.result()`` is a coroutine, which is not awaited here.
    """
    return getattr(state.data, "exception", state.data)


def may_pass(state: State[object]) -> bool:
    """Tell whether a step that failed after the payment is worth repeating: not after a verdict or a lasting fault.

    An error that only tells of the task is judged by its cause: what stood in the way.
    """
    failure = failure_of(state)
    if isinstance(failure, WaitStopped | VideoNotStored) and failure.__cause__ is not None:
        failure = failure.__cause__
    return not isinstance(failure, _LASTING)
