"""A plan: what a batch would make and cost, for free."""

# No `from __future__ import annotations` here: `flow.serve` pickles the function, and its annotations must be objects.
from prefect import flow

from prefect_seedance.batch.models import BatchPlan
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.flows.form import with_titles
from prefect_seedance.flows.generate_videos import batch_run_name
from prefect_seedance.flows.sync_flow import run_to_end


@with_titles
@flow(name="plan-videos", flow_run_name=batch_run_name, persist_result=True)
def plan_videos(
    manifest: str,
    credentials: SeedanceCredentials,
    store: VideoStore,
    requests: list[VideoRequest] = [],
    options: BatchOptions = BatchOptions(),
) -> BatchPlan:
    """Plan a batch for free: what it would make and cost, what is there already, and every problem of every row.

    Args:
        manifest: Where the table of videos is: a path on the machine of the run, s3://bucket/key, or a link that begins
            with https://. It may be CSV, JSON, JSONL, Excel or Parquet.
        credentials: The saved credentials that would pay. A plan itself costs nothing.
        store: The saved store that the videos would go to.
        requests: The requests themselves, for callers in Python, who then leave the manifest empty. Prefect takes 512
            kB of parameters in all, which is about 1,000 requests, so write a manifest for more.
        options: How the batch would behave.

    Returns:
        What the batch would do with each row, and the totals.

    Raises:
        UnusableManifest: The manifest as a whole cannot be read.
        JournalError: What is there already cannot be read.
        StorageError: The store cannot be opened.

    Examples:
        With saved blocks, in a script or in a flow of your own:
        ```python
        from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore, plan_videos

        plan = plan_videos(
            "",
            SeedanceCredentials.load("studio"),
            VideoStore.load("catalogue"),
            requests=[VideoRequest(prompt="A paper boat", model="seedance2.0-mini", resolution="480p", duration=4)],
        )
        print(plan.total)
        ```
    """
    from prefect_seedance.flows.bodies.planning import plan

    return run_to_end(lambda: plan(manifest, credentials, store, requests, options))
