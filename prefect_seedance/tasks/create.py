"""Second step: the one that costs money. Never retried by Prefect."""

from __future__ import annotations

import asyncio

from prefect import task

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.request import VideoRequest
from prefect_seedance.journal.identity import intent_of
from prefect_seedance.tasks.caching import IntentPolicy
from prefect_seedance.tasks.logs import log
from prefect_seedance.tasks.models import SubmittedVideo


@task(
    name="create-video",
    task_run_name="create-video",
    retries=0,
    persist_result=True,
    result_serializer="json",
    cache_policy=IntentPolicy(),
)
async def create_video(
    request: VideoRequest, credentials: SeedanceCredentials, store: VideoStore, scope: str = ""
) -> SubmittedVideo:
    """Submit a video to the vendor, and keep its task id.

    The POST runs in a thread, so that cancelling the run cannot lose its answer.

    Args:
        request: The video.
        credentials: Who pays.
        store: Where it will go; part of the persisted result's key.
        scope: What the identity of the video is shared within.

    Raises:
        SubmissionUnclear: Perhaps accepted, perhaps billed: look before submitting again.
        SeedanceError: Certainly not accepted.
    """
    intent = intent_of(request, scope=scope, account=credentials.account)

    def submit() -> SubmittedVideo:
        with credentials.get_client() as client:
            accepted = client.create_video(request)
        return {
            "intent": intent,
            "task_id": accepted.task_id,
            "model": accepted.model or request.model_name,
            "created_at": accepted.created_at or 0,
            "cost": accepted.cost,
        }

    submitted = await asyncio.to_thread(submit)
    log("create", f"Task {submitted['task_id']} was accepted.", task_id=submitted["task_id"])
    return submitted
