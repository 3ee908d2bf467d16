"""A batch in parts: several runs of the batch, on as many machines as there are workers, with one report."""

# No `from __future__ import annotations` here: `flow.serve` pickles the function, and its annotations must be objects.
from typing import Annotated, cast

from prefect import flow
from prefect.runtime import flow_run
from pydantic import Field

from prefect_seedance.batch.models import BatchReport
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.flows.form import LeavesOut, with_titles
from prefect_seedance.flows.generate_videos import batch_run_name
from prefect_seedance.flows.sync_flow import run_to_end

#: The deployment that the parts are runs of, as `deployments/` defines it.
DEPLOYMENT = "generate-videos/generate-videos"

Parts = Annotated[int, Field(ge=1, le=200)]
Restarts = Annotated[int, Field(ge=0, le=10)]
PartOptions = Annotated[BatchOptions, LeavesOut("part")]


def parts_run_name() -> str:
    """Name a flow run after its manifest: ``generate-videos-in-parts: spring.csv in 8 parts``."""
    parameters = cast("dict[str, object]", flow_run.get_parameters() or {})
    return f"{batch_run_name()} in {parameters.get('parts')} parts"


@with_titles
@flow(name="generate-videos-in-parts", flow_run_name=parts_run_name, persist_result=True)
def generate_videos_in_parts(
    manifest: str,
    credentials: SeedanceCredentials,
    store: VideoStore,
    parts: Parts = 4,
    notify: list[str] = [],
    options: PartOptions = BatchOptions(),
    deployment: str = DEPLOYMENT,
    restarts: Restarts = 2,
) -> BatchReport:
    """Generate the videos of a manifest by several runs at once, each of a part of the rows, and join their reports.

    Each part is a run of a deployment of generate_videos, started where its work pool has a worker. This run only waits
    for them; running it again pays only for what is missing.

    Args:
        manifest: Where the table of videos is: s3://bucket/key, a link that begins with https://, or a path that every
            worker has. It may be CSV, JSON, JSONL, Excel or Parquet.
        credentials: The saved credentials that pay for the videos.
        store: The saved store that the videos and the reports go to. Every worker must be able to reach it.
        parts: How many runs share the rows, from 1 to 200.
        notify: Saved notification blocks to tell how it ended, each by type and name, for example slack-webhook/team.
            They are told once, at the end of the whole batch.
        options: How each part behaves. The maximum cost holds for all parts together. The maximum in flight and the two
            limits of failures hold for each part by itself.
        deployment: The deployment that the parts are runs of, with the name of its flow before it:
            generate-videos/NAME.
        restarts: How often a part is started again when its process dies, from 0 to 10.

    Returns:
        What became of each row, in all parts.

    Raises:
        PartsNotStarted: The parts cannot be started, or would never run; nothing was paid.
        InvalidRequest: Something is asked for that cannot be done in parts; nothing was paid.
        BatchIncomplete: Rows have no video, and ``options.require_all`` says that this counts.
        PartsMissing: Parts have ended without a report; what they have submitted is in the journal.
        StorageError: The store cannot be used.

    Examples:
        With a worker pool, and deployments/deploy.py applied to it:
        ```python
        from prefect_seedance import SeedanceCredentials, VideoStore, generate_videos_in_parts

        report = generate_videos_in_parts(
            "s3://shop/spring.csv",
            SeedanceCredentials.load("studio"),
            VideoStore.load("catalogue"),
            parts=8,
        )
        print(report.summary)
        ```
    """
    from prefect_seedance.flows.bodies.joined_batch import generate_in_parts

    asked = (manifest, credentials, store, parts, notify, options, deployment, restarts)
    return run_to_end(lambda: generate_in_parts(*asked))
