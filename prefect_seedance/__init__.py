"""Generate Seedance videos from Prefect flows: paid for once, stored whole.

The names below, with `prefect_seedance.errors`, are the public surface; every other module may change with a release.
They are loaded when asked for (PEP 562), so that importing the package stays cheap. Prefect itself learns of the blocks
through the entry point of ``prefect_seedance.blocks``.
"""

from typing import TYPE_CHECKING

from prefect_seedance.lazy_names import lazy_names

if TYPE_CHECKING:
    from prefect_seedance.batch.options import BatchOptions
    from prefect_seedance.blocks.credentials import SeedanceCredentials
    from prefect_seedance.blocks.video_store import VideoStore
    from prefect_seedance.client.async_client import AsyncSeedanceClient
    from prefect_seedance.client.request.video_request import VideoRequest
    from prefect_seedance.client.sync_client import SeedanceClient
    from prefect_seedance.flows.collect_videos import collect_videos
    from prefect_seedance.flows.generate_video import generate_video
    from prefect_seedance.flows.generate_videos import generate_videos
    from prefect_seedance.flows.generate_videos_in_parts import generate_videos_in_parts
    from prefect_seedance.flows.plan_videos import plan_videos
    from prefect_seedance.flows.resolve_submission import resolve_submission
    from prefect_seedance.flows.spending import pause_spending, resume_spending
    from prefect_seedance.flows.submit_videos import submit_videos
    from prefect_seedance.flows.twins.acollect_videos import acollect_videos
    from prefect_seedance.flows.twins.agenerate_video import agenerate_video
    from prefect_seedance.flows.twins.agenerate_videos import agenerate_videos
    from prefect_seedance.flows.twins.agenerate_videos_in_parts import agenerate_videos_in_parts
    from prefect_seedance.flows.twins.aplan_videos import aplan_videos
    from prefect_seedance.flows.twins.aresolve_submission import aresolve_submission
    from prefect_seedance.flows.twins.asubmit_videos import asubmit_videos
    from prefect_seedance.pipeline.collect.options import CollectOptions
    from prefect_seedance.pipeline.models import StoredVideo
    from prefect_seedance.pipeline.options import RunOptions
    from prefect_seedance.tasks.create import create_video
    from prefect_seedance.tasks.notify import send_notifications
    from prefect_seedance.tasks.store import store_video
    from prefect_seedance.tasks.validate import validate_request
    from prefect_seedance.tasks.wait import wait_for_video

    #: What ``prefect-seedance --version`` prints; it stands in ``pyproject.toml``.
    __version__: str

__all__ = [
    "AsyncSeedanceClient",
    "BatchOptions",
    "CollectOptions",
    "RunOptions",
    "SeedanceClient",
    "SeedanceCredentials",
    "StoredVideo",
    "VideoRequest",
    "VideoStore",
    "acollect_videos",
    "agenerate_video",
    "agenerate_videos",
    "agenerate_videos_in_parts",
    "aplan_videos",
    "aresolve_submission",
    "asubmit_videos",
    "collect_videos",
    "create_video",
    "generate_video",
    "generate_videos",
    "generate_videos_in_parts",
    "pause_spending",
    "plan_videos",
    "resolve_submission",
    "resume_spending",
    "send_notifications",
    "store_video",
    "submit_videos",
    "validate_request",
    "wait_for_video",
]

#: Where each name is defined. A test holds that this, ``__all__`` and what type checkers see are the same.
_HOMES = {
    "AsyncSeedanceClient": "client.async_client",
    "BatchOptions": "batch.options",
    "CollectOptions": "pipeline.collect.options",
    "RunOptions": "pipeline.options",
    "SeedanceClient": "client.sync_client",
    "SeedanceCredentials": "blocks.credentials",
    "StoredVideo": "pipeline.models",
    "VideoRequest": "client.request.video_request",
    "VideoStore": "blocks.video_store",
    "acollect_videos": "flows.twins.acollect_videos",
    "agenerate_video": "flows.twins.agenerate_video",
    "agenerate_videos": "flows.twins.agenerate_videos",
    "agenerate_videos_in_parts": "flows.twins.agenerate_videos_in_parts",
    "aplan_videos": "flows.twins.aplan_videos",
    "aresolve_submission": "flows.twins.aresolve_submission",
    "asubmit_videos": "flows.twins.asubmit_videos",
    "collect_videos": "flows.collect_videos",
    "create_video": "tasks.create",
    "generate_video": "flows.generate_video",
    "generate_videos": "flows.generate_videos",
    "generate_videos_in_parts": "flows.generate_videos_in_parts",
    "pause_spending": "flows.spending",
    "plan_videos": "flows.plan_videos",
    "resolve_submission": "flows.resolve_submission",
    "resume_spending": "flows.spending",
    "send_notifications": "tasks.notify",
    "store_video": "tasks.store",
    "submit_videos": "flows.submit_videos",
    "validate_request": "tasks.validate",
    "wait_for_video": "tasks.wait",
}

#: The rooms that need Prefect. The client, the request and the results do without.
_FOUNDATIONS = {room: "prefect" for room in ("blocks", "flows", "tasks")}

_load, __dir__ = lazy_names(__name__, _HOMES, _FOUNDATIONS)


def __getattr__(name: str) -> object:
    if name == "__version__":
        from prefect_seedance.versions import version_of

        return version_of()
    return _load(name)
