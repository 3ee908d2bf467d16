"""A batch, submitted, for asynchronous callers: the twin of ``submit_videos``, under the same flow name.

A module of its own, so that importing the one flow does not make Prefect work out the form of the other.
"""

# No `from __future__ import annotations` here: `flow.serve` pickles the function, and its annotations must be objects.
from prefect import flow

from prefect_seedance.batch.models import BatchReport
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.flows.form import with_titles
from prefect_seedance.flows.generate_videos import batch_run_name
from prefect_seedance.runs.ends.state import told_in_state


@with_titles
@flow(name="submit-videos", flow_run_name=batch_run_name)
async def asubmit_videos(
    manifest: str,
    credentials: SeedanceCredentials,
    store: VideoStore,
    requests: list[VideoRequest] = [],
    options: BatchOptions = BatchOptions(),
    notify: list[str] = [],
) -> BatchReport:
    """Submit the videos of a manifest, and end: `submit_videos` for asynchronous callers.

    Args:
        manifest: A table: a path, s3://... or https://...; "" where requests are passed.
        credentials: The saved credentials that pay.
        store: The saved store that the videos and the report go to.
        requests: The requests themselves, in place of a manifest.
        options: How this batch behaves.
        notify: Names of saved notification blocks, for example slack-webhook/team; told at the end what was submitted,
            and of each video when it is stored.

    Returns:
        What became of each row.

    Raises:
        SeedanceError, StorageError: As `submit_videos` does.

    Examples:
        Two requests, in a flow of your own:
        ```python
        import asyncio

        from prefect import flow
        from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore, asubmit_videos


        @flow
        async def boats() -> str:
            requests = [VideoRequest(prompt=f"A {colour} boat") for colour in ("red", "blue")]
            credentials = await SeedanceCredentials.aload("studio")
            store = await VideoStore.aload("catalogue")
            report = await asubmit_videos("", credentials, store, requests=requests)
            return report.summary


        print(asyncio.run(boats()))
        ```
    """
    from prefect_seedance.flows.bodies.many_videos import submit

    return await told_in_state(submit(manifest, credentials, store, requests, notify, options))
