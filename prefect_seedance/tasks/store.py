"""Fourth step: the video into the store, whole, with its poster and where it came from."""

from __future__ import annotations

import asyncio
import logging
import threading
from datetime import UTC, datetime

from prefect import task
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import flow_run
from prefect.tasks import Task

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.request import VideoRequest
from prefect_seedance.storage.errors import (
    AlreadyExists,
    ForbiddenSource,
    NoSpace,
    NotAVideo,
    NotWritable,
    RelayCancelled,
    SourceTooLarge,
    StorageError,
)
from prefect_seedance.storage.poster import poster_jpeg, probe
from prefect_seedance.storage.protocol import TASK_ID_METADATA, Store
from prefect_seedance.storage.relay import relay
from prefect_seedance.storage.source import MediaSource
from prefect_seedance.storage.templates import KeyFacts, beside, render
from prefect_seedance.tasks.logs import log
from prefect_seedance.tasks.models import StoredVideo, SubmittedVideo
from prefect_seedance.tasks.provenance import provenance_of, request_digest


class VideoNotStored(SeedanceError):
    """The video is made and paid for, and could not be brought into the store.

    Attributes:
        task_id: The vendor's task id.
        reason: What stood in the way.
    """

    def __init__(self, task_id: str, reason: str) -> None:
        self.task_id = task_id
        self.reason = reason
        super().__init__(
            f"Task {task_id}: the video is made and paid for, but it is not in the store: {reason} Run the same "
            "request again once this is settled, within 3 days: it takes up this task and submits nothing."
        )


#: Faults that a repeat in a few seconds does not mend.
_LASTING = (ForbiddenSource, NoSpace, NotAVideo, NotWritable, RelayCancelled, SourceTooLarge, AlreadyExists)


def repeat_is_useful(task: Task[..., object], run: TaskRun, state: State[object]) -> bool:
    """Tell Prefect whether storing is worth repeating. A plain function: see ``wait``."""
    failure = getattr(state.data, "exception", state.data)
    return not isinstance(getattr(failure, "__cause__", None) or failure, _LASTING)


@task(
    name="store-video",
    task_run_name="store-video",
    retries=3,
    retry_delay_seconds=[2, 10, 30],
    retry_condition_fn=repeat_is_useful,
)
async def store_video(
    completed: VideoTask,
    submitted: SubmittedVideo,
    request: VideoRequest,
    credentials: SeedanceCredentials,
    store: VideoStore,
) -> StoredVideo:
    """Relay the finished video into the store, in constant memory, and write its poster and provenance beside it.

    Repeating this is free and safe: a video that is already there is compared, not overwritten.

    Args:
        completed: What ``wait_for_video`` returned.
        submitted: What ``create_video`` returned.
        request: What was asked for.
        credentials: Whose task it is; asked for a fresh link when one is dead.
        store: Where the video goes.

    Raises:
        VideoNotStored: Carrying the task id and what stood in the way.
    """
    cancelled = threading.Event()
    name: str = flow_run.get_name() or "run"
    relaying = asyncio.to_thread(_store, completed, submitted, request, credentials, store, name, cancelled)
    try:
        stored = await relaying
    except asyncio.CancelledError:
        cancelled.set()
        log(
            "store",
            f"The run was cancelled. Task {completed.task_id} is made and paid for: run the same request again within "
            "3 days to store it.",
            level=logging.WARNING,
        )
        raise
    except StorageError as error:
        raise VideoNotStored(completed.task_id, str(error)) from error
    log("store", f"Stored at {stored.uri}, {stored.bytes} bytes.", task_id=stored.task_id, uri=stored.uri)
    return stored


def _store(
    completed: VideoTask,
    submitted: SubmittedVideo,
    request: VideoRequest,
    credentials: SeedanceCredentials,
    video_store: VideoStore,
    run_name: str,
    cancelled: threading.Event,
) -> StoredVideo:
    store = video_store.open()
    created = _moment(completed.created_at or submitted["created_at"])
    facts = KeyFacts(
        task_id=completed.task_id,
        intent=submitted["intent"],
        request_digest=request_digest(request),
        model=request.model_name,
        take=request.take,
        flow_run_name=run_name,
        created=created or datetime.now(UTC),
    )
    key = render(video_store.key_template, facts)

    def link(refresh: bool) -> str:
        if not refresh:
            return completed.video_url
        with credentials.get_client() as client:
            return client.get_video(completed.task_id).video_url

    policy = video_store.media_policy(loopback=credentials.settings.is_local)
    metadata = {
        TASK_ID_METADATA: completed.task_id,
        "intent": submitted["intent"],
        "model": request.model_name,
    }
    relayed = relay(MediaSource(link, policy=policy), store, key, metadata=metadata, cancelled=cancelled)
    with store.open_read(key) as video:
        media = probe(video)
    stored = StoredVideo(
        uri=relayed.uri,
        key=key,
        bytes=relayed.size,
        sha256=relayed.sha256,
        crc32=f"{relayed.crc32:08x}",
        content_type=relayed.content_type,
        etag=relayed.etag,
        task_id=completed.task_id,
        intent=submitted["intent"],
        model=completed.model or submitted["model"],
        cost=completed.cost if completed.cost is not None else submitted["cost"],
        created_at=created,
        completed_at=_moment(completed.completed_at),
        stored_at=datetime.now(UTC),
        poster_uri=_write_poster(store, key),
        provenance_uri=store.uri_of(beside(key, ".json")),
        width=media.width if media else 0,
        height=media.height if media else 0,
        seconds=media.seconds if media else 0.0,
    )
    _write_once(store, beside(key, ".json"), provenance_of(stored, request, credentials).encode())
    return stored


def _write_poster(store: Store, key: str) -> str:
    """Write the poster frame; give its address, or "" when there is none: a video without a poster is whole."""
    try:
        with store.open_read(key) as video:
            poster = poster_jpeg(video)
        if poster is None:
            return ""
        _write_once(store, beside(key, ".jpg"), poster)
    except Exception as error:
        log("store", f"No poster was made: {error}", level=logging.WARNING)
        return ""
    return store.uri_of(beside(key, ".jpg"))


def _write_once(store: Store, key: str, data: bytes) -> None:
    try:
        store.create(key, data)
    except AlreadyExists:
        log("store", f"{key} was there already and is kept.", level=logging.DEBUG)


def _moment(unix_seconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(unix_seconds, UTC) if unix_seconds else None
