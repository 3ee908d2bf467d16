"""What can stop the way of a video that is paid for, and what keeps stored clips from becoming one film.

Once the vendor has the task, nothing reaches a user raw: `telling_of_the_task` is put round each step, and makes one
of these errors of whatever the client, the store, the journal or a fault of this package raises.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prefect_seedance.client.errors import NOTHING_SENT, SeedanceError, TaskError, VideoFailed
from prefect_seedance.journal.commands import how_to_bring_in, how_to_go_on
from prefect_seedance.journal.errors import SubmissionStopped, TaskNotRecorded
from prefect_seedance.plain_text import Money
from prefect_seedance.redaction import clean_text, hide_in_error
from prefect_seedance.storage.errors import NOT_LOST, StorageError

if TYPE_CHECKING:
    from prefect_seedance.journal.submit.pointer import SubmittedVideo


class WaitStopped(TaskError):
    """The task could not be watched any longer; it goes on at the vendor and is paid for.

    What to do:
        Settle `cause`, then run the same request again, or run ``collect_videos``: both take up the task and pay
        nothing for it.

    Attributes:
        cause: What stood in the way.
        advice: How to go on.
    """

    def __init__(self, task_id: str, cause: Exception | str, advice: str) -> None:
        self.cause, self.advice = _once_paid(str(cause)), advice
        super().__init__(
            task_id,
            f"it could not be watched any longer: {self.cause} The task goes on at the vendor and is paid for. Once "
            f"this is settled: {advice}",
        )


class VideoNotStored(SeedanceError):
    """The video is made and paid for, and could not be brought into the store.

    What to do:
        Settle `reason`, then run the same request again within 3 days of the video's completion: it stores the same
        video and pays nothing.

    Attributes:
        task_id: The vendor's task id.
        reason: What stood in the way.
        advice: How to go on.
    """

    money = Money.KEPT

    def __init__(self, task_id: str, reason: str, advice: str) -> None:
        self.task_id, self.reason, self.advice = task_id, reason, advice
        super().__init__(
            f"Task {task_id}: the video is made and paid for, but it is not in the store: {reason} Once this is "
            f"settled, within 3 days of its completion: {advice}"
        )


class CannotJoin(SeedanceError):
    """Clips cannot be joined on this machine, or this time; the clips are untouched.

    What to do:
        Do what the message says, then run again. The clips stay in the store as they are.
    """

    money = Money.NOTHING


class ClipsDoNotFit(SeedanceError):
    """Some clips cannot be joined to the first one without encoding them again; the clips are untouched.

    What to do:
        Leave out the clips that `differences` names, or join them with a program that encodes. To generate one anew
        is paid for.

    Attributes:
        differences: For each clip that does not fit, by its number from 1: why.
    """

    money = Money.NOTHING

    def __init__(self, differences: dict[int, list[str]]) -> None:
        super().__init__(differences)
        self.differences = differences

    def __str__(self) -> str:
        named = "; ".join(f"clip {number}: {', '.join(words)}" for number, words in self.differences.items())
        return (
            f"The clips cannot be joined without encoding them again: {named}. They stay in the store as they are. "
            "Leave out what does not fit, or join them with a program that encodes, such as ffmpeg. Clips of one "
            "model, resolution and ratio fit each other; to generate one anew is paid for."
        )


#: What tells of the task already, and of what becomes of it.
_TELLING: dict[type[SeedanceError], tuple[type[SeedanceError], ...]] = {
    WaitStopped: (TaskError, TaskNotRecorded, SubmissionStopped),
    VideoNotStored: (VideoFailed, VideoNotStored),
}


def ways_on(scope: str, intent: str, store_option: str, attempt: str) -> str:
    """Return how to get a video that is paid for: by a repeat, and by hand where no repeat can cure what happened.

    Args:
        scope: What the video is shared within.
        intent: Identity of the video.
        store_option: What ``--store`` of the command line takes for the store.
        attempt: Whose video it is, see `Attempt.name`.
    """
    return f"{how_to_go_on(scope)} {how_to_bring_in(intent, store_option, attempt)}"


@contextmanager
def telling_of_the_task(
    kind: type[WaitStopped] | type[VideoNotStored], submitted: SubmittedVideo, store_option: str, task_id: str = ""
) -> Generator[None]:
    """Turn whatever is raised inside into an error that carries the task id and how to go on, with its cause.

    What tells of the task already passes, and so does what ends the run: a cancellation is not an `Exception`.

    Args:
        kind: Which error.
        submitted: Points to the task and its attempt.
        store_option: What ``--store`` of the command line takes for the store.
        task_id: The task, if it is another one than the pointer says.

    Raises:
        WaitStopped, VideoNotStored: As asked for.
    """
    try:
        yield
    except Exception as error:
        hide_in_error(error)  # what a media host or a library said, in it or in what led to it
        if isinstance(error, _TELLING[kind]):
            raise
        other = task_id not in ("", submitted["task_id"])
        attempt = "" if other else f"{submitted['attempt']}-{submitted['nonce'][:8]}"
        advice = ways_on(submitted["scope"], submitted["intent"], store_option, attempt)
        raise kind(task_id or submitted["task_id"], _reason(error), advice) from error


def _reason(error: Exception) -> str:
    """Return in words what stood in the way: of an error that is not ours, only what is known to hold no secret."""
    if isinstance(error, SeedanceError | StorageError):
        return _once_paid(str(error))
    words = ""
    if isinstance(error, OSError) and error.strerror:
        where = f" ({clean_text(str(error.filename))})" if error.filename else ""
        words = f", {error.strerror}{where}"
    return f"an unexpected {type(error).__name__}{words}. The run's log has the details."


def _once_paid(words: str) -> str:
    """Return an error's words without what is not true of a paid task, or is said better beside it."""
    return words.replace(f" {NOTHING_SENT}", "").removesuffix(NOT_LOST).rstrip()
