"""Fourth step: the video into the store, whole, with its poster and where it came from."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime

from prefect import task
from prefect.client.schemas import objects as prefect_objects
from prefect.runtime import flow_run
from prefect.tasks import Task

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.request import VideoRequest
from prefect_seedance.journal.decision import SubmissionPolicy
from prefect_seedance.journal.errors import JournalError
from prefect_seedance.journal.identity import how_to_go_on
from prefect_seedance.journal.record import Record, Stored
from prefect_seedance.journal.states import State
from prefect_seedance.points import reached
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
from prefect_seedance.storage.protocol import TASK_ID_METADATA, Store
from prefect_seedance.storage.relay.poster import poster_jpeg, probe
from prefect_seedance.storage.relay.relay import RelayedObject, relay
from prefect_seedance.storage.relay.source import MediaSource
from prefect_seedance.storage.templates import beside, render
from prefect_seedance.tasks.create import key_facts
from prefect_seedance.tasks.ending import ENDED
from prefect_seedance.tasks.events import emit
from prefect_seedance.tasks.logs import log
from prefect_seedance.tasks.models import StoredVideo, SubmittedVideo
from prefect_seedance.tasks.provenance import provenance_of
from prefect_seedance.tasks.retrying import failure_of
from prefect_seedance.tasks.taking_up import stored_video, take_up


class VideoNotStored(SeedanceError):
    """The video is made and paid for, and could not be brought into the store.

    Attributes:
        task_id: The vendor's task id.
        reason: What stood in the way.
        advice: How to go on.
    """

    def __init__(self, task_id: str, reason: str, advice: str) -> None:
        self.task_id, self.reason, self.advice = task_id, reason, advice
        super().__init__(
            f"Task {task_id}: the video is made and paid for, but it is not in the store: {reason} Once this is "
            f"settled, within 3 days of its completion: {advice}"
        )


#: Faults that a repeat in a few seconds does not mend.
_LASTING = (ForbiddenSource, NoSpace, NotAVideo, NotWritable, RelayCancelled, SourceTooLarge, AlreadyExists)


def repeat_is_useful(
    task: Task[..., object], run: prefect_objects.TaskRun, state: prefect_objects.State[object]
) -> bool:
    """Tell Prefect whether storing is worth repeating."""
    failure = failure_of(state)
    return not isinstance(getattr(failure, "__cause__", None) or failure, _LASTING)


@task(
    name="store-video",
    task_run_name="store-video: {request.model_name}",
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
    cancelled, advice = threading.Event(), how_to_go_on(submitted["scope"])
    work = Relaying(completed, submitted, request, credentials, store, flow_run.get_name() or "run", cancelled)
    try:
        stored = await asyncio.to_thread(work.run)
    except ENDED:
        cancelled.set()
        log(
            "store",
            f"The run was cancelled. Task {completed.task_id} is made and paid for, and can be stored within 3 days of "
            f"its completion. {advice}",
            level=logging.WARNING,
        )
        raise
    except (StorageError, JournalError) as error:
        raise VideoNotStored(completed.task_id, str(error), advice) from error
    log("store", f"Stored at {stored.uri}, {stored.bytes} bytes.", task_id=stored.task_id, uri=stored.uri)
    return stored


@dataclass(frozen=True)
class Relaying:
    """One video on its way into the store; blocking, for a worker thread."""

    completed: VideoTask
    submitted: SubmittedVideo
    request: VideoRequest
    credentials: SeedanceCredentials
    video_store: VideoStore
    run_name: str
    cancelled: threading.Event

    def run(self) -> StoredVideo:
        """Bring it there, or find that it is there."""
        journal, intent = self.video_store.journal(), self.submitted["intent"]
        policy = SubmissionPolicy()
        record = take_up(journal, self.submitted, self.request, self.credentials.account, policy)
        there = stored_video(self.video_store, record)
        if there:
            return there.model_copy(update={"reused": self.submitted["reused"]})
        if record.state is State.STORED:
            log("store", f"{record.key} is gone from the store; the video is relayed again.", level=logging.WARNING)
            record = journal.relay_again(intent).record
        key = record.key or journal.keep_key(intent, record.task_id, self._key(record)).record.key
        store = self.video_store.open()
        policy = self.video_store.media_policy(loopback=self.credentials.settings.is_local)
        metadata = {TASK_ID_METADATA: record.task_id, "intent": intent, "model": self.request.model_name}
        reached("relay.before")
        source = MediaSource(lambda refresh: self._link(record.task_id, refresh), policy=policy)
        name = filename_of(self.request, record.task_id)
        relayed = relay(source, store, key, metadata=metadata, filename=name, cancelled=self.cancelled)
        reached("relay.after")
        stored = self._described(store, record, relayed)
        reached("poster.after")
        provenance = provenance_of(stored, self.request, self.credentials)
        _write_once(store, beside(key, ".json"), provenance.encode())
        reached("provenance.after")
        journal.record_stored(intent, record.task_id, Stored.model_validate(stored.model_dump(mode="json")))
        emit("stored", intent, task_id=record.task_id, uri=stored.uri, bytes=stored.bytes, cost=stored.cost)
        return stored.model_copy(update={"reused": self.submitted["reused"]})

    def _link(self, task_id: str, refresh: bool) -> str:
        if self.completed.video_url and self.completed.task_id == task_id and not refresh:
            return self.completed.video_url
        with self.credentials.get_client() as client:
            return client.get_video(task_id).video_url

    def _key(self, record: Record) -> str:
        created = self._created(record) or datetime.now(UTC)
        facts = key_facts(self.request, record.task_id, record.intent, self.run_name, created)
        return render(self.video_store.key_template, facts)

    def _created(self, record: Record) -> datetime | None:
        attempt = record.current_attempt
        return moment(self.completed.created_at or (attempt.created_at if attempt else None))

    def _described(self, store: Store, record: Record, relayed: RelayedObject) -> StoredVideo:
        with store.open_read(relayed.key) as video:
            media = probe(video)
        attempt = record.current_attempt
        reported = self.completed.cost if self.completed.cost is not None else attempt.cost if attempt else None
        expected = (attempt.price, attempt.price_source) if attempt else (None, "")
        cost, cost_source = (reported, "vendor") if reported is not None else expected
        return StoredVideo(
            uri=relayed.uri,
            key=relayed.key,
            bytes=relayed.size,
            sha256=relayed.sha256,
            crc32=f"{relayed.crc32:08x}",
            content_type=relayed.content_type,
            etag=relayed.etag,
            version=relayed.version,
            task_id=record.task_id,
            intent=record.intent,
            model=self.completed.model or record.model,
            cost=cost,
            cost_source=cost_source,
            submissions=record.submissions,
            created_at=self._created(record),
            completed_at=moment(self.completed.completed_at),
            stored_at=datetime.now(UTC),
            poster_uri=_write_poster(store, relayed.key),
            provenance_uri=store.uri_of(beside(relayed.key, ".json")),
            width=media.width if media else 0,
            height=media.height if media else 0,
            seconds=media.seconds if media else 0.0,
        )


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


def filename_of(request: VideoRequest, task_id: str) -> str:
    """Give a readable name for who saves the video: the beginning of its prompt and of its task id."""
    words = re.sub(r"[^\w]+", "-", request.prompt, flags=re.ASCII).strip("-").lower()[:40].strip("-")
    return f"{words or 'video'}-{task_id.removeprefix('videos_')[:8]}.mp4"


def moment(unix_seconds: int | None) -> datetime | None:
    """Turn the vendor's Unix seconds into a time, None if there are none."""
    return datetime.fromtimestamp(unix_seconds, UTC) if unix_seconds else None
