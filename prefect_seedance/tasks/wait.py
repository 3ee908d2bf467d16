"""Third step: wait for the vendor. One task run, however often it asks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from prefect import task

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.commands import how_to_go_on
from prefect_seedance.pipeline.errors import WaitStopped, telling_of_the_task
from prefect_seedance.pipeline.options import RunOptions
from prefect_seedance.pipeline.submit.headway import Headway
from prefect_seedance.runs.cancellation import ENDED
from prefect_seedance.runs.events import run_observer
from prefect_seedance.runs.logs import log
from prefect_seedance.runs.notifications.messages import expected_price
from prefect_seedance.runs.pages.progress import ProgressArtifact
from prefect_seedance.runs.retry_conditions import worth_repeating
from prefect_seedance.runs.run_names import step_name

if TYPE_CHECKING:
    from prefect_seedance.client.models import VideoTask
    from prefect_seedance.journal.submit.pointer import SubmittedVideo


@task(
    name="wait-for-video",
    task_run_name=step_name("wait-for-video"),
    persist_result=False,
    retries=2,
    retry_delay_seconds=10,
    retry_condition_fn=worth_repeating,
)
async def wait_for_video(
    submitted: SubmittedVideo,
    request: VideoRequest,
    credentials: SeedanceCredentials,
    store: VideoStore,
    options: RunOptions = RunOptions(),
    headway: Headway | None = None,
) -> VideoTask:
    """Wait until the vendor has made the video. Asking is free, so this step is retried.

    The journal's record is looked at first, and wins: it may know of a later attempt, or that the video is stored.

    Args:
        submitted: What ``create_video`` returned.
        request: What was asked for.
        credentials: Whose task it is.
        store: Where the journal is.
        options: How long to wait in all, however long a single answer takes.
        headway: Is told how often the vendor was asked, how long it took and how late that was seen.

    Returns:
        The completed task, with a link that lives about three days; without one if the video is stored already.

    Raises:
        WaitTimedOut: Not a failure: the task goes on, and its id is in the error.
        VideoFailed: The vendor's own verdict.
        TaskError: It could not be watched any longer, whatever stood in the way; carries the task id and how to go on.
        SubmissionStopped: The record has the verdict already, and the policy allows no further submission.
        TaskNotRecorded: The journal does not have the task, and cannot be written; carries the task id.
    """
    from prefect_seedance.pipeline.steps import watch

    try:
        with telling_of_the_task(WaitStopped, submitted, store.store_option):
            return await watch(
                submitted,
                credentials.vendor_account(),
                store.destination(),
                limit_seconds=options.wait_seconds(request.duration),
                max_submissions=options.max_submissions,
                observer=run_observer("wait"),
                on_answer=ProgressArtifact(request, expected_price(submitted)).update,
                headway=headway,
            )
    except ENDED:
        log(
            "wait",
            f"The run was cancelled. Task {submitted['task_id']} goes on at the vendor and is paid for; nothing can "
            f"cancel it there. {how_to_go_on(submitted['scope'])}",
            level=logging.WARNING,
            task_id=submitted["task_id"],
        )
        raise
