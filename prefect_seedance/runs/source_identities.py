"""What the files and objects of a request are in its identity: read once, before the order is placed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from prefect_seedance.client.request.sources import read_source
from prefect_seedance.pipeline import threads
from prefect_seedance.runs.cancellation import ENDED
from prefect_seedance.runs.events import run_observer

if TYPE_CHECKING:
    from prefect_seedance.blocks.credentials import SeedanceCredentials
    from prefect_seedance.blocks.video_store import VideoStore
    from prefect_seedance.client.request.video_request import VideoRequest


async def source_identities(
    request: VideoRequest, credentials: SeedanceCredentials, store: VideoStore, *, preflight: bool
) -> Mapping[str, str]:
    """Return the identities of the files and objects of a request, by their texts; nothing is read for links.

    Raises:
        InvalidRequest: With every one that cannot be read. Nothing was paid.
    """
    if all(read_source(text).kind in ("https", "asset") for _, text in request.references()):
        return {}
    from prefect_seedance.pipeline.steps import follower_of, identify

    cancelled = threading.Event()
    follower = follower_of(run_observer("prepare"), cancelled)
    reading = threads.start(
        threads.REFERENCES,
        lambda: identify(request, credentials.vendor_account(), store.destination(), follower, preflight=preflight),
    )
    try:
        return await asyncio.wrap_future(reading)
    except ENDED:
        cancelled.set()
        raise
