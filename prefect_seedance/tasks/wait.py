"""Third step: wait for the vendor. One task run, however often it asks."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from uuid import UUID

from prefect import task
from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey
from prefect.client.schemas.objects import State, TaskRun
from prefect.client.schemas.sorting import ArtifactSort
from prefect.runtime import flow_run
from prefect.tasks import Task

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.errors import SeedanceError, TaskError, VideoFailed, WaitTimedOut
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.request import VideoRequest
from prefect_seedance.journal.decision import SubmissionPolicy
from prefect_seedance.journal.errors import SubmissionStopped
from prefect_seedance.journal.identity import how_to_go_on
from prefect_seedance.points import reached
from prefect_seedance.tasks import polling
from prefect_seedance.tasks.ending import ENDED
from prefect_seedance.tasks.events import emit
from prefect_seedance.tasks.logs import log, note
from prefect_seedance.tasks.models import SubmittedVideo
from prefect_seedance.tasks.options import RunOptions
from prefect_seedance.tasks.retrying import failure_of
from prefect_seedance.tasks.taking_up import stored_video, take_up


def repeat_is_useful(task: Task[..., object], run: TaskRun, state: State[object]) -> bool:
    """Tell Prefect whether a failed wait is worth repeating: not when vendor, patience or record have spoken."""
    return not isinstance(failure_of(state), TaskError | SubmissionStopped)


@task(
    name="wait-for-video",
    task_run_name="wait-for-video: {request.model_name}",
    retries=2,
    retry_delay_seconds=10,
    retry_condition_fn=repeat_is_useful,
)
async def wait_for_video(
    submitted: SubmittedVideo,
    request: VideoRequest,
    credentials: SeedanceCredentials,
    store: VideoStore,
    options: RunOptions = RunOptions(),
) -> VideoTask:
    """Wait until the vendor has made the video. Asking is free, so this step is retried.

    The journal's record is read first, and wins: it may know of a later attempt, or that the video is stored.

    Args:
        submitted: What ``create_video`` returned.
        request: What was asked for.
        credentials: Whose task it is.
        store: Where the journal is.
        options: How long to wait, by a clock that nobody sets.

    Returns:
        The completed task, with a link that lives about three days; without one if the video is stored already.

    Raises:
        WaitTimedOut: Not a failure: the task goes on, and its id is in the error.
        VideoFailed: The vendor's own verdict.
        TaskError: It could not be watched any longer.
        SubmissionStopped: The record has the verdict already, and the policy allows no further submission.
        JournalError: The journal cannot be used; carries the task id where it is new.
    """
    journal = store.journal()
    policy = SubmissionPolicy(max_submissions=options.max_submissions)
    record = await asyncio.to_thread(take_up, journal, submitted, request, credentials.account, policy)
    if await asyncio.to_thread(stored_video, store, record):
        return VideoTask(task_id=record.task_id, status="completed", progress=100, model=record.model)
    intent, task_id = record.intent, record.task_id
    advice = how_to_go_on(submitted["scope"])
    try:
        completed = await _poll(task_id, credentials, options.wait_seconds(request.duration), advice)
    except VideoFailed as failed:
        await asyncio.to_thread(journal.record_failed, intent, task_id, failed.failure, failed.error_message)
        emit("failed", intent, task_id=task_id, failure=failed.failure, message=failed.error_message[:500])
        raise
    except ENDED:
        log(
            "wait",
            f"The run was cancelled. Task {task_id} goes on at the vendor and is paid for; nothing can cancel it "
            f"there. {advice}",
            level=logging.WARNING,
            task_id=task_id,
        )
        raise
    await asyncio.to_thread(journal.record_completed, intent, completed)
    emit("completed", intent, task_id=task_id, model=completed.model)
    return completed


async def _poll(task_id: str, credentials: SeedanceCredentials, limit_seconds: float, advice: str) -> VideoTask:
    gap = polling.LOCAL_POLL_SECONDS if credentials.settings.is_local else polling.POLL_SECONDS
    started, patience, shown = time.monotonic(), polling.Patience(), Shown(task_id)
    async with credentials.get_async_client() as client:
        while True:
            try:
                reached("poll.before")
                answer = await client.get_video(task_id)
                reached("poll.after")
                following = polling.after_answer(answer, patience, gap, advice)
                await shown.update(answer, time.monotonic() - started)
                if following.kind == "done":
                    return answer
            except TaskError:
                raise
            except SeedanceError as error:
                following = polling.after_fault(error, task_id, patience, gap, advice)
            if following.note and following.patience != patience:
                log("wait", f"Task {task_id}: {following.note}.", level=logging.DEBUG, task_id=task_id)
            patience = following.patience
            left = limit_seconds - (time.monotonic() - started)
            if left <= 0:
                raise WaitTimedOut(task_id, time.monotonic() - started, advice)
            await asyncio.sleep(min(following.gap_seconds, left))


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
            note(f"The progress artifact was not written: {error}", level=logging.DEBUG)

    async def _draw(self, progress: float, description: str) -> None:
        self.artifact = self.artifact or await self._drawn_before()
        if self.artifact is None:
            self.artifact = await acreate_progress_artifact(
                progress, key=progress_key(self.task_id), description=description
            )
        else:
            await aupdate_progress_artifact(self.artifact, progress, description=description)

    async def _drawn_before(self) -> UUID | None:
        """Find the artifact of an earlier try of this flow run: its page shows one, and it goes on in place."""
        run_id: str | None = flow_run.get_id()
        if run_id is None:
            return None
        ours = ArtifactFilter(
            key=ArtifactFilterKey(any_=[progress_key(self.task_id)]),
            flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run_id)]),
        )
        async with get_client() as client:
            found = await client.read_artifacts(artifact_filter=ours, sort=ArtifactSort.UPDATED_DESC, limit=1)
        return found[0].id if found else None


def progress_key(task_id: str) -> str:
    """Give the artifact a key of its own that fits on its card, whatever the vendor's ids look like.

    Example:
        >>> progress_key("videos_1") == progress_key("Videos-1")
        False
    """
    return f"seedance-progress-{hashlib.sha256(task_id.encode()).hexdigest()[:12]}"
