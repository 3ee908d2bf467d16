"""The store as a Prefect asset, on request: each stored video materialises it, with its cost in the metadata."""

from __future__ import annotations

import logging

from prefect.assets import Asset, materialize

from prefect_seedance.asides import words_of
from prefect_seedance.blocks.location import asset_of
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.runs.logs import log

#: What the metadata tells of a video.
_FACTS = {"uri", "provenance_uri", "task_id", "model", "cost", "cost_source", "bytes", "sha256", "seconds"}


@materialize("s3://replaced-at-run-time", by="prefect-seedance", name="materialize-asset")
async def _materialized(asset: Asset, facts: dict[str, object]) -> None:
    asset.add_metadata(facts)


async def materialize_asset(stored: StoredVideo, store: VideoStore) -> None:
    """Tell Prefect that the store has got a video, if the video is new.

    What cannot be told is logged and changes nothing.

    Args:
        stored: The video.
        store: Where it is.
    """
    if stored.reused:
        return
    try:
        asset = asset_of(store.location)
        told = _materialized.with_options(assets=[asset], task_run_name=f"materialize-asset: {stored.task_id}")
        await told(asset, stored.model_dump(mode="json", include=_FACTS))
    except Exception as error:
        log("notify", f"The asset {store.location} was not materialized: {words_of(error)}", level=logging.WARNING)
