"""Step between checking and paying: references made ready for the route. Free, so Prefect retries it."""

from __future__ import annotations

import threading

from prefect import task

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.options import RunOptions
from prefect_seedance.pipeline.order import Order
from prefect_seedance.runs.cancellation import ENDED
from prefect_seedance.runs.context.current_run import current_run
from prefect_seedance.runs.events import run_observer
from prefect_seedance.runs.logs import log
from prefect_seedance.runs.retry_conditions import worth_repeating
from prefect_seedance.runs.run_names import step_name


@task(
    name="prepare-media",
    task_run_name=step_name("prepare-media"),
    persist_result=False,
    retries=2,
    retry_delay_seconds=10,
    retry_condition_fn=worth_repeating,
)
async def prepare_media(
    request: VideoRequest,
    credentials: SeedanceCredentials,
    store: VideoStore,
    options: RunOptions,
    order: Order,
) -> None:
    """Check the references of a video, and sign, upload or audit what its route cannot take as it is.

    The journal is read first: for a video that is stored or has a task, nothing is looked at. What is made is
    remembered by its content, and looked at once more right before the submission is claimed.

    Args:
        request: The video.
        credentials: Whose uploads and assets they become.
        store: Where the journal is; its credentials read ``s3://`` references.
        options: Whether they are measured, and how long links have to live.
        order: What the flow has worked out about the request.

    Raises:
        InvalidRequest: With everything that is wrong with any of them. Nothing was paid.
        SeedanceError: The vendor could not be reached. Nothing was paid.
        StorageError, JournalError: The store does not answer. Nothing was paid.
    """
    from prefect_seedance.pipeline.steps import follower_of, prepare_ahead

    current, cancelled = await current_run(), threading.Event()
    try:
        prepared = await threads.run(
            threads.REFERENCES,
            lambda: prepare_ahead(
                order,
                credentials.vendor_account(),
                store.destination(),
                follower_of(run_observer("prepare"), cancelled),
                preflight=options.preflight,
                wait_seconds=options.wait_seconds(request.duration),
                max_submissions=options.max_submissions,
                state=current.state,
            ),
        )
    except ENDED:
        cancelled.set()  # every wait ends, and every call under way is cut
        raise
    if prepared is None:
        words = "The video was submitted before: its references are not looked at again."
    else:
        count = len(request.references())
        words = f"{count} {'reference is' if count == 1 else 'references are'} ready for {request.model_name}."
    log("prepare", words, progress=100)
