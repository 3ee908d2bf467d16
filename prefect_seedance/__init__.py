"""Generate Seedance videos from Prefect flows: paid for once, stored whole.

The names below are the public surface, loaded when asked for. Prefect itself learns of the blocks through the entry
point of ``prefect_seedance.blocks``.
"""

from typing import TYPE_CHECKING

from prefect_seedance.exports import lazy

if TYPE_CHECKING:
    from prefect_seedance.blocks.credentials import SeedanceCredentials as SeedanceCredentials
    from prefect_seedance.blocks.video_store import VideoStore as VideoStore
    from prefect_seedance.client.async_client import AsyncSeedanceClient as AsyncSeedanceClient
    from prefect_seedance.client.request import VideoRequest as VideoRequest
    from prefect_seedance.client.sync_client import SeedanceClient as SeedanceClient
    from prefect_seedance.flows.generate_video import agenerate_video as agenerate_video
    from prefect_seedance.flows.generate_video import generate_video as generate_video
    from prefect_seedance.flows.resolve_submission import aresolve_submission as aresolve_submission
    from prefect_seedance.flows.resolve_submission import resolve_submission as resolve_submission
    from prefect_seedance.tasks.create import create_video as create_video
    from prefect_seedance.tasks.models import StoredVideo as StoredVideo
    from prefect_seedance.tasks.notify import send_notifications as send_notifications
    from prefect_seedance.tasks.options import RunOptions as RunOptions
    from prefect_seedance.tasks.store import store_video as store_video
    from prefect_seedance.tasks.validate import validate_request as validate_request
    from prefect_seedance.tasks.wait import wait_for_video as wait_for_video

_HOMES = {
    "blocks.credentials": ("SeedanceCredentials",),
    "blocks.video_store": ("VideoStore",),
    "client.async_client": ("AsyncSeedanceClient",),
    "client.request": ("VideoRequest",),
    "client.sync_client": ("SeedanceClient",),
    "flows.generate_video": ("agenerate_video", "generate_video"),
    "flows.resolve_submission": ("aresolve_submission", "resolve_submission"),
    "tasks.create": ("create_video",),
    "tasks.models": ("StoredVideo",),
    "tasks.notify": ("send_notifications",),
    "tasks.options": ("RunOptions",),
    "tasks.store": ("store_video",),
    "tasks.validate": ("validate_request",),
    "tasks.wait": ("wait_for_video",),
}

__all__ = [
    "AsyncSeedanceClient",
    "RunOptions",
    "SeedanceClient",
    "SeedanceCredentials",
    "StoredVideo",
    "VideoRequest",
    "VideoStore",
    "agenerate_video",
    "aresolve_submission",
    "create_video",
    "generate_video",
    "resolve_submission",
    "send_notifications",
    "store_video",
    "validate_request",
    "wait_for_video",
]

__getattr__, __dir__ = lazy(__name__, _HOMES)
