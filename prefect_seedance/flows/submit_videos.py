"""A batch, submitted: the vendor makes the videos while nothing waits, and `collect_videos` stores them."""

# No `from __future__ import annotations` here: `flow.serve` pickles the function, and its annotations must be objects.
from prefect import flow

from prefect_seedance.batch.models import BatchReport
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.flows.form import with_titles
from prefect_seedance.flows.generate_videos import batch_run_name
from prefect_seedance.flows.sync_flow import run_to_end


@with_titles
@flow(name="submit-videos", flow_run_name=batch_run_name, persist_result=True)
def submit_videos(
    manifest: str,
    credentials: SeedanceCredentials,
    store: VideoStore,
    requests: list[VideoRequest] = [],
    options: BatchOptions = BatchOptions(),
    notify: list[str] = [],
) -> BatchReport:
    """Submit the videos of a manifest, and end. Videos are stored by `collect_videos`, within about three days.

    Running it again submits only what is missing. Videos that are in the store already are not submitted.

    Args:
        manifest: Where the table of videos is: a path on the machine of the run, s3://bucket/key, or a link that begins
            with https://. It may be CSV, JSON, JSONL, Excel or Parquet.
        credentials: The saved credentials that pay for the videos.
        store: The saved store that the videos and the report go to.
        requests: The requests themselves, for callers in Python, who then leave the manifest empty. Prefect takes 512
            kB of parameters in all, which is about 1,000 requests, so write a manifest for more.
        options: How this batch behaves. The maximum in flight is how many videos are submitted at the same time.
        notify: Saved notification blocks, each by type and name, for example slack-webhook/team. They are told at the
            end what was submitted. The collector tells them of each video that it stores.

    Returns:
        What became of each row: ``submitted`` where the vendor has its task.

    Raises:
        UnusableManifest: It cannot be read as a whole; nothing was paid.
        InvalidRequest: Manifest and requests were both passed, or neither, or a notification block cannot be used.
        StorageError: The store cannot be used; found before anything is sent.
        SeedanceError: Key, host or journal cannot be used; found before anything is sent.
        BatchIncomplete: Rows are neither submitted nor stored, and ``options.require_all`` says that this counts.
            Raised after report and notification; carries the report.

    Examples:
        With saved blocks; the deployment ``collect-videos`` stores them as the vendor finishes them:
        ```python
        from prefect_seedance import SeedanceCredentials, VideoStore, submit_videos

        report = submit_videos(
            "s3://shop/spring.csv", SeedanceCredentials.load("studio"), VideoStore.load("catalogue")
        )
        print(report.summary)
        ```
    """
    from prefect_seedance.flows.bodies.many_videos import submit

    return run_to_end(lambda: submit(manifest, credentials, store, requests, notify, options))
