"""Fourth step: the video into the store, whole, with its poster and where it came from."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from prefect import task

from prefect_seedance.asides import words_of
from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.commands import how_to_go_on
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.errors import VideoNotStored, telling_of_the_task
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.runs.cancellation import ENDED
from prefect_seedance.runs.context.current_run import current_run
from prefect_seedance.runs.events import run_observer
from prefect_seedance.runs.logs import log
from prefect_seedance.runs.retry_conditions import worth_repeating
from prefect_seedance.runs.run_names import step_name

if TYPE_CHECKING:
    from prefect_seedance.client.models import VideoTask
    from prefect_seedance.journal.record import Run
    from prefect_seedance.journal.submit.pointer import SubmittedVideo


@task(
    name="store-video",
    task_run_name=step_name("store-video"),
    persist_result=False,
    retries=3,
    retry_delay_seconds=[2, 10, 30],
    retry_condition_fn=worth_repeating,
)
async def store_video(
    completed: VideoTask,
    submitted: SubmittedVideo,
    request: VideoRequest,
    credentials: SeedanceCredentials,
    store: VideoStore,
) -> StoredVideo:
    """Relay the finished video into the store, in constant memory, and write its provenance and poster beside it.

    Repeating this is free and safe: a video that is already there is compared, not overwritten.

    Args:
        completed: What ``wait_for_video`` returned.
        submitted: What ``create_video`` returned.
        request: What was asked for; the task run is named after it.
        credentials: Whose task it is; asked for a fresh link when one is dead.
        store: Where the video goes.

    Returns:
        Where the video is and what it is.

    Raises:
        VideoFailed: The record has the vendor's verdict by now.
        VideoNotStored: Anything else; carries the task id, what stood in the way and how to go on.
    """
    from prefect_seedance.pipeline.steps import deliver

    cancelled = threading.Event()
    try:
        with telling_of_the_task(VideoNotStored, submitted, store.store_option, completed.task_id):
            stored = await threads.run(
                threads.RELAYS,
                deliver,
                completed,
                submitted,
                credentials.vendor_account(),
                store.destination(),
                run=await _this_run(),
                observer=run_observer("store"),
                cancelled=cancelled,
            )
    except ENDED:
        cancelled.set()
        log(
            "store",
            f"The run was cancelled. Task {completed.task_id} is made and paid for, and can be stored within 3 days of "
            f"its completion. {how_to_go_on(submitted['scope'])}",
            level=logging.WARNING,
        )
        raise
    log("store", f"Stored at {stored.uri}, {stored.bytes} bytes.", task_id=stored.task_id, uri=stored.uri)
    return stored


async def _this_run() -> Run:
    """Return which run stores the video. It stands in the provenance only, so the video does not wait for it."""
    try:
        return (await current_run()).run
    except Exception as error:
        from prefect_seedance.journal.record import Run

        log("store", f"Prefect does not say which run this is: {words_of(error)}", level=logging.WARNING)
        return Run()
