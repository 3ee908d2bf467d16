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
    from prefect_seedance.tasks.create import create_video as create_video
    from prefect_seedance.tasks.models import StoredVideo as StoredVideo
    from prefect_seedance.tasks.notify import send_notifications as send_notifications
    from prefect_seedance.tasks.options import RunOptions as RunOptions
    from prefect_seedance.tasks.store import store_video as store_video
    from prefect_seedance.tasks.validate import validate_request as validate_request
    from prefect_seedance.tasks.wait import wait_for_video as wait_for_video

_HOMES = {
    "VideoRequest": "client.request",
    "StoredVideo": "tasks.models",
    "RunOptions": "tasks.options",
    "SeedanceCredentials": "blocks.credentials",
    "VideoStore": "blocks.video_store",
    "validate_request": "tasks.validate",
    "create_video": "tasks.create",
    "wait_for_video": "tasks.wait",
    "store_video": "tasks.store",
    "send_notifications": "tasks.notify",
    "generate_video": "flows.generate_video",
    "agenerate_video": "flows.generate_video",
    "SeedanceClient": "client.sync_client",
    "AsyncSeedanceClient": "client.async_client",
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
    "create_video",
    "generate_video",
    "send_notifications",
    "store_video",
    "validate_request",
    "wait_for_video",
]

__getattr__, __dir__ = lazy(__name__, {name: f"prefect_seedance.{home}" for name, home in _HOMES.items()})
