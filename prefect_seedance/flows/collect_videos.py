"""Collect: everything that is open in a store's journal is taken up, whoever left it. Nothing is paid."""

# No `from __future__ import annotations` here: `flow.serve` pickles the function, and its annotations must be objects.
from typing import cast

from prefect import flow
from prefect.runtime import flow_run

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.flows.form import with_titles
from prefect_seedance.flows.sync_flow import run_to_end
from prefect_seedance.pipeline.collect.models import CollectReport
from prefect_seedance.pipeline.collect.options import CollectOptions
from prefect_seedance.plain_text import cut, one_line

_LONGEST_PLACE = 80


def collection_run_name() -> str:
    """Name a flow run after the place of its store: ``collect-videos: s3://shop/videos``."""
    store = cast("dict[str, object]", flow_run.get_parameters() or {}).get("store")
    place = store.place if isinstance(store, VideoStore) else ""
    return f"collect-videos: {cut(one_line(place), _LONGEST_PLACE)}" if place else "collect-videos"


@with_titles
@flow(name="collect-videos", flow_run_name=collection_run_name, persist_result=True)
def collect_videos(
    credentials: SeedanceCredentials,
    store: VideoStore,
    notify: list[str] = [],
    options: CollectOptions = CollectOptions(),
) -> CollectReport:
    """Store what the vendor has made of everything that is open in a store, whoever submitted it. Nothing is paid.

    Takes up what `submit_videos` left, and what runs left that crashed or were cancelled. Two collections at once, or
    one beside a run that waits, do a little work twice at worst.

    Args:
        credentials: The saved credentials whose videos are taken up: those of the same account label and the same
            address. Other videos are counted, and this key is never used to ask about them.
        store: The saved store that has the journal, and that the videos go to.
        notify: Saved notification blocks, each by type and name, for example slack-webhook/team. They are told at the
            end if anything has changed. Those that a video was submitted with are told of that video as well.
        options: How this collection behaves. The defaults suit a run every five minutes.

    Returns:
        What became of each video, and what a person should look at.

    Raises:
        InvalidRequest: A notification block cannot be used.
        StorageError: The store cannot be used.
        SeedanceError: Key, host or journal cannot be used.

    Examples:
        With saved blocks, in a script or in a flow of your own:
        ```python
        from prefect_seedance import SeedanceCredentials, VideoStore, collect_videos

        report = collect_videos(SeedanceCredentials.load("studio"), VideoStore.load("catalogue"))
        print([video.uri for video in report.videos if video.became == "stored"], report.orphans)
        ```
    """
    from prefect_seedance.flows.bodies.collecting import collect

    return run_to_end(lambda: collect(credentials, store, notify, options))
