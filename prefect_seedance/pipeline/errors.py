"""What can stop the way of a video that is paid for: both errors carry the task id and how to go on.

Once the vendor has the task, nothing reaches a user raw: `telling_of_the_task` is put round each step, and makes one
of these errors of whatever the client, the store, the journal or a fault of this package raises.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from prefect_seedance.client.errors import AuthenticationFailed, SeedanceError, TaskError, VideoFailed
from prefect_seedance.journal.commands import how_to_go_on
from prefect_seedance.journal.errors import SubmissionStopped, TaskNotRecorded
from prefect_seedance.redaction import clean_text, hide_in_error
from prefect_seedance.storage.errors import StorageError


def is_refused_key(error: object) -> bool:
    """Tell whether the vendor itself refused the key, which asking again does not cure.

    A bare 403, without the vendor's envelope, is the page of a firewall or a proxy in between, and may pass.
    """
    return isinstance(error, AuthenticationFailed) and (bool(error.code) or error.status_code != 403)


class WaitStopped(TaskError):
    """The task could not be watched any longer; it goes on at the vendor and is paid for.

    Attributes:
        cause: What stood in the way.
        advice: How to go on.
    """

    def __init__(self, task_id: str, cause: Exception | str, advice: str) -> None:
        self.cause, self.advice = str(cause), advice
        super().__init__(
            task_id,
            f"it could not be watched any longer: {cause} The task goes on at the vendor and is paid for. Once this is "
            f"settled: {advice}",
        )


class VideoNotStored(SeedanceError):
    """The video is made and paid for, and could not be brought into the store.

    Attributes:
        task_id: The vendor's task id.
        reason: What stood in the way.
        advice: How to go on.
    """

    def __init__(self, task_id: str, reason: str, advice: str) -> None:
        self.task_id, self.reason, self.advice = task_id, reason, advice
        super().__init__(
            f"Task {task_id}: the video is made and paid for, but it is not in the store: {reason} Once this is "
            f"settled, within 3 days of its completion: {advice}"
        )


#: What tells of the task already, and of what becomes of it.
_TELLING: dict[type[SeedanceError], tuple[type[SeedanceError], ...]] = {
    WaitStopped: (TaskError, TaskNotRecorded, SubmissionStopped),
    VideoNotStored: (VideoFailed, VideoNotStored),
}


@contextmanager
def telling_of_the_task(kind: type[WaitStopped] | type[VideoNotStored], task_id: str, scope: str) -> Generator[None]:
    """Turn whatever is raised inside into an error that carries the task id and how to go on, with its cause.

    What tells of the task already passes, and so does what ends the run: a cancellation is not an `Exception`.

    Args:
        kind: Which error.
        task_id: The vendor's task id.
        scope: What the video is shared within; decides the advice.

    Raises:
        WaitStopped, VideoNotStored: As asked for.
    """
    try:
        yield
    except Exception as error:
        hide_in_error(error)  # what a media host or a library said, in it or in what led to it
        if isinstance(error, _TELLING[kind]):
            raise
        raise kind(task_id, _reason(error), how_to_go_on(scope)) from error


def _reason(error: Exception) -> str:
    """Word what stood in the way. Of an error that is not ours only what is known to hold no secret is repeated."""
    if isinstance(error, SeedanceError | StorageError):
        return str(error)
    words = ""
    if isinstance(error, OSError) and error.strerror:
        where = f" ({clean_text(str(error.filename))})" if error.filename else ""
        words = f", {error.strerror}{where}"
    return f"an unexpected {type(error).__name__}{words}. The run's log has the details."
