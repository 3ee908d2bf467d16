"""A batch in parts, for asynchronous callers: the twin of ``generate_videos_in_parts``, under the same flow name.

A module of its own, so that importing the one flow does not make Prefect work out the form of the other.
"""

# No `from __future__ import annotations` here: `flow.serve` pickles the function, and its annotations must be objects.
from prefect import flow

from prefect_seedance.batch.models import BatchReport
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.flows.form import with_titles
from prefect_seedance.flows.generate_videos_in_parts import DEPLOYMENT, PartOptions, Parts, Restarts, parts_run_name
from prefect_seedance.runs.ends.state import told_in_state


@with_titles
@flow(name="generate-videos-in-parts", flow_run_name=parts_run_name)
async def agenerate_videos_in_parts(
    manifest: str,
    credentials: SeedanceCredentials,
    store: VideoStore,
    parts: Parts = 4,
    notify: list[str] = [],
    options: PartOptions = BatchOptions(),
    deployment: str = DEPLOYMENT,
    restarts: Restarts = 2,
) -> BatchReport:
    """Generate the videos of a manifest in parts: `generate_videos_in_parts` for asynchronous callers.

    Args:
        manifest: A table: s3://..., https://..., or a path that every worker has.
        credentials: The saved credentials that pay.
        store: The saved store that the videos and the reports go to.
        parts: How many runs share the rows, from 1 to 200.
        notify: Names of saved notification blocks, for example slack-webhook/team; told once, at the end.
        options: How each part behaves.
        deployment: The deployment that the parts are runs of, as generate-videos/NAME.
        restarts: How often a part is started again when its process dies, from 0 to 10.

    Returns:
        What became of each row, in all parts.

    Raises:
        SeedanceError, StorageError: As `generate_videos_in_parts` does.
    """
    from prefect_seedance.flows.bodies.joined_batch import generate_in_parts

    asked = (manifest, credentials, store, parts, notify, options, deployment, restarts)
    return await told_in_state(generate_in_parts(*asked))
