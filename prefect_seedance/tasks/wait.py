"""Third step: wait for the vendor. One task run, however often it asks."""

from __future__ import annotations

import asyncio
import logging
import time
from uuid import UUID

from prefect import task
from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.client.errors import SeedanceError, TaskError, WaitTimedOut
from prefect_seedance.client.models import VideoTask
from prefect_seedance.tasks import polling
from prefect_seedance.tasks.logs import log, run_logger
from prefect_seedance.tasks.models import SubmittedVideo


def repeat_is_useful(task: Task[..., object], run: TaskRun, state: State[object]) -> bool:
    """Tell Prefect whether a failed wait is worth repeating: not when the vendor or our patience has spoken.

    A plain function that reads ``state.data``: callable objects silently never retry on Prefect 3.8, and for async
    tasks ``state.result()`` is a coroutine.
    """
    failure = getattr(state.data, "exception", state.data)
    return not isinstance(failure, TaskError)


@task(
    name="wait-for-video",
    task_run_name="wait-for-video",
    retries=2,
    retry_delay_seconds=10,
    retry_condition_fn=repeat_is_useful,
)
async def wait_for_video(
    submitted: SubmittedVideo, credentials: SeedanceCredentials, limit_seconds: float
) -> VideoTask:
    """Wait until the vendor has made the video. Asking is free, so this step is retried.

    Args:
        submitted: What ``create_video`` returned.
        credentials: Whose task it is.
        limit_seconds: How long to wait, in seconds of a clock that nobody sets.

    Returns:
        The completed task, with a link that lives about three days.

    Raises:
        WaitTimedOut: Not a failure: the task goes on, and its id is in the error.
        VideoFailed: The vendor's own verdict.
        TaskError: It could not be watched any longer.
    """
    task_id = submitted["task_id"]
    gap = polling.LOCAL_POLL_SECONDS if credentials.settings.is_local else polling.POLL_SECONDS
    started, patience, shown = time.monotonic(), polling.Patience(), Shown(task_id)
    async with credentials.get_async_client() as client:
        try:
            while True:
                try:
                    answer = await client.get_video(task_id)
                    following = polling.after_answer(answer, patience, gap)
                    await shown.update(answer, time.monotonic() - started)
                    if following.kind == "done":
                        return answer
                except TaskError:
                    raise
                except SeedanceError as error:
                    following = polling.after_fault(error, task_id, patience, gap)
                if following.note and following.patience != patience:
                    log("wait", f"Task {task_id}: {following.note}.", level=logging.DEBUG, task_id=task_id)
                patience = following.patience
                left = limit_seconds - (time.monotonic() - started)
                if left <= 0:
                    raise WaitTimedOut(task_id, time.monotonic() - started)
                await asyncio.sleep(min(following.gap_seconds, left))
        except asyncio.CancelledError:
            log(
                "wait",
                f"The run was cancelled. Task {task_id} goes on at the vendor and is paid for: run the same request "
                "again to take it up. Nothing can cancel it there.",
                level=logging.WARNING,
                task_id=task_id,
            )
            raise


class Shown:
    """What the reader of the run has been shown: a log line when the status changes, an artifact in place."""

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        self.status: str = ""
        self.progress: float = -1.0
        self.artifact: UUID | None = None

    async def update(self, answer: VideoTask, waited_seconds: float) -> None:
        """Show a change. What cannot be shown is logged and never stops the wait."""
        progress = 100.0 if answer.state == "completed" else float(answer.progress or 0)
        if answer.status != self.status:
            log(
                "wait",
                f"Task {self.task_id} is {answer.status} after {waited_seconds:.0f} s.",
                task_id=self.task_id,
                status=answer.status,
                progress=progress,
            )
        elif progress != self.progress:
            log("wait", f"{progress:.0f} %", level=logging.DEBUG, task_id=self.task_id, progress=progress)
        if (answer.status, progress) == (self.status, self.progress):
            return
        self.status, self.progress = answer.status, progress
        try:
            await self._draw(progress, f"{answer.status}, task {self.task_id}")
        except Exception as error:
            run_logger().debug("The progress artifact was not written: %s", error)

    async def _draw(self, progress: float, description: str) -> None:
        if self.artifact is None:
            key = "seedance-" + "".join(each if each.isalnum() else "-" for each in self.task_id.lower())
            self.artifact = await acreate_progress_artifact(progress, key=key, description=description)
        else:
            await aupdate_progress_artifact(self.artifact, progress, description=description)
