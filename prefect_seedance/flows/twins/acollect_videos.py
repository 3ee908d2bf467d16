"""Collect, for asynchronous callers: the twin of ``collect_videos``, under the same flow name.

A module of its own, so that importing the one flow does not make Prefect work out the form of the other.
"""

# No `from __future__ import annotations` here: `flow.serve` pickles the function, and its annotations must be objects.
from prefect import flow

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.flows.collect_videos import collection_run_name
from prefect_seedance.flows.form import with_titles
from prefect_seedance.pipeline.collect.models import CollectReport
from prefect_seedance.pipeline.collect.options import CollectOptions
from prefect_seedance.runs.ends.state import told_in_state


@with_titles
@flow(name="collect-videos", flow_run_name=collection_run_name)
async def acollect_videos(
    credentials: SeedanceCredentials,
    store: VideoStore,
    notify: list[str] = [],
    options: CollectOptions = CollectOptions(),
) -> CollectReport:
    """Store what the vendor has made of everything that is open: `collect_videos` for asynchronous callers.

    Args:
        credentials: The saved credentials whose videos are taken up.
        store: The saved store with the journal, and where the videos go.
        notify: Names of saved notification blocks, for example slack-webhook/team; told at the end, if anything has
            changed.
        options: How this collection behaves.

    Returns:
        What became of each video, and what a person should look at.

    Raises:
        SeedanceError, StorageError: As `collect_videos` does.

    Examples:
        In a flow of your own:
        ```python
        import asyncio

        from prefect import flow
        from prefect_seedance import CollectOptions, SeedanceCredentials, VideoStore, acollect_videos


        @flow
        async def harvest() -> int:
            credentials = await SeedanceCredentials.aload("studio")
            store = await VideoStore.aload("catalogue")
            report = await acollect_videos(credentials, store, options=CollectOptions(minutes=1))
            return len(report.orphans)


        print(asyncio.run(harvest()))
        ```
    """
    from prefect_seedance.flows.bodies.collecting import collect

    return await told_in_state(collect(credentials, store, notify, options))
