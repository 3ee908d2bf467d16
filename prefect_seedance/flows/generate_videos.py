"""A batch: plan, generate, report. One task run per video."""

# No `from __future__ import annotations` here: `flow.serve` pickles the function, and its annotations must be objects.
from typing import cast

from prefect import flow
from prefect.runtime import flow_run

from prefect_seedance.batch.models import BatchReport
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.flows.form import with_titles
from prefect_seedance.flows.sync_flow import run_to_end
from prefect_seedance.runs.run_names import manifest_words


def batch_run_name() -> str:
    """Name a flow run after its manifest: ``generate-videos: spring.csv 2/8``, ``plan-videos: spring.csv``."""
    flow_name: str = flow_run.get_flow_name() or "generate-videos"
    return f"{flow_name}: {manifest_words(cast('dict[str, object]', flow_run.get_parameters() or {}))}"


@with_titles
@flow(name="generate-videos", flow_run_name=batch_run_name, persist_result=True)
def generate_videos(
    manifest: str,
    credentials: SeedanceCredentials,
    store: VideoStore,
    requests: list[VideoRequest] = [],
    notify: list[str] = [],
    options: BatchOptions = BatchOptions(),
) -> BatchReport:
    """Generate the videos of a manifest, and write a report. Running it again pays only for what is missing.

    Args:
        manifest: Where the table of videos is: a path on the machine of the run, s3://bucket/key, or a link that begins
            with https://. It may be CSV, JSON, JSONL, Excel or Parquet.
        credentials: The saved credentials that pay for the videos.
        store: The saved store that the videos and the report go to.
        requests: The requests themselves, for callers in Python, who then leave the manifest empty. Prefect takes 512
            kB of parameters in all, which is about 1,000 requests, so write a manifest for more.
        notify: Saved notification blocks to tell how it ended, each by type and name, for example slack-webhook/team.
            They are told once, at the end of the batch.
        options: How this batch behaves. The defaults suit nearly every batch.

    Returns:
        What became of each row.

    Raises:
        UnusableManifest: It cannot be read as a whole; nothing was paid.
        InvalidRequest: Manifest and requests were both passed, or neither, or a notification block cannot be used.
        StorageError: The store cannot be used; found before anything is sent.
        SeedanceError: Key, host or journal cannot be used; found before anything is sent.
        BatchIncomplete: Rows have no video, and ``options.require_all`` says that this counts. Raised after report and
            notification; carries the report.

    Examples:
        With saved blocks, in a script or in a flow of your own:
        ```python
        from prefect_seedance import BatchOptions, SeedanceCredentials, VideoStore, generate_videos

        report = generate_videos(
            "s3://shop/spring.csv",
            SeedanceCredentials.load("studio"),
            VideoStore.load("catalogue"),
            options=BatchOptions(max_in_flight=32, require_all="retryable"),
        )
        print(report.summary)
        ```
    """
    from prefect_seedance.flows.bodies.many_videos import generate

    return run_to_end(lambda: generate(manifest, credentials, store, requests, notify, options))
