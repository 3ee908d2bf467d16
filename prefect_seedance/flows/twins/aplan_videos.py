"""A plan, for asynchronous callers: the twin of ``plan_videos``, under the same flow name.

A module of its own, so that importing the one flow does not make Prefect work out the form of the other.
"""

# No `from __future__ import annotations` here: `flow.serve` pickles the function, and its annotations must be objects.
from prefect import flow

from prefect_seedance.batch.models import BatchPlan
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.flows.form import with_titles
from prefect_seedance.flows.generate_videos import batch_run_name
from prefect_seedance.runs.ends.state import told_in_state


@with_titles
@flow(name="plan-videos", flow_run_name=batch_run_name)
async def aplan_videos(
    manifest: str,
    credentials: SeedanceCredentials,
    store: VideoStore,
    requests: list[VideoRequest] = [],
    options: BatchOptions = BatchOptions(),
) -> BatchPlan:
    """Plan a batch for free: `plan_videos` for asynchronous callers.

    Args:
        manifest: A table of videos, CSV, JSON, JSONL, Excel or Parquet: a path, s3://bucket/key or an https link.
            Empty where requests are given.
        credentials: The saved credentials that would pay.
        store: The saved store that the videos would go to.
        requests: In Python, the videos themselves in place of a manifest.
        options: How the batch would behave.

    Returns:
        What the batch would do with each row, and the totals.

    Raises:
        SeedanceError, StorageError: As `plan_videos` does.

    Examples:
        ```python
        import asyncio

        from prefect import flow
        from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore, aplan_videos


        @flow
        async def price_of(prompt: str) -> float:
            credentials = await SeedanceCredentials.aload("studio")
            store = await VideoStore.aload("catalogue")
            asked = VideoRequest(prompt=prompt, model="seedance2.0-mini", resolution="480p", duration=4)
            return (await aplan_videos("", credentials, store, requests=[asked])).total


        print(asyncio.run(price_of("A paper boat")))
        ```
    """
    from prefect_seedance.flows.bodies.planning import plan

    return await told_in_state(plan(manifest, credentials, store, requests, options))
