"""What can stop the way of a video that is paid for: both errors carry the task id and how to go on."""

from __future__ import annotations

from prefect_seedance.client.errors import SeedanceError, TaskError


class WaitStopped(TaskError):
    """The task could not be watched any longer; it goes on at the vendor and is paid for.

    Attributes:
        cause: What stood in the way.
        advice: How to go on.
    """

    def __init__(self, task_id: str, cause: SeedanceError, advice: str) -> None:
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
