"""Each video that a collection moves is told as if its run had waited: events at once, notifications one by one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast, get_args

from prefect_seedance.asides import words_of
from prefect_seedance.client.errors import TaskError, VideoFailed
from prefect_seedance.client.failures import FailureClass
from prefect_seedance.journal.record import Record
from prefect_seedance.journal.submit.stop_errors import unknown_error
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.pipeline.observer import Event, Fact, Observer
from prefect_seedance.runs.collect.followers import collection_follower
from prefect_seedance.runs.events import emit
from prefect_seedance.runs.logs import log
from prefect_seedance.runs.notifications.messages import NoVideo, failure_message, success_message
from prefect_seedance.runs.pages.play_link import play_link

if TYPE_CHECKING:
    from prefect_seedance.blocks.video_store import VideoStore
    from prefect_seedance.pipeline.parties import Destination

#: Sends subject and body to saved notification blocks.
Send = Callable[[list[str], str, str], Awaitable[object]]

#: What people are told of one video.
_ENDS = frozenset({"stored", "failed", "unknown"})
#: How many videos are told of at the same time.
_AT_ONCE = 4
#: How long a cancelled run still tells: Prefect ends its process after 30 s.
_LAST_SECONDS = 10.0


@dataclass(frozen=True)
class _AsRecorded:
    """What was asked for, as the record says it."""

    prompt: str
    model_name: str


class Teller:
    """Tells people of each video that a collection moves; used as an ``async with`` block, which ends when all is told.

    What cannot be told is logged and changes nothing.

    Args:
        store: Where the videos are.
        destination: The same, opened.
        run_url: Address of the run's page, "" where there is none.
        send: Sends a notification.
    """

    def __init__(self, store: VideoStore, destination: Destination, run_url: str, send: Send) -> None:
        self._store, self._destination, self._run_url, self._send = store, destination, run_url, send
        self._follower = collection_follower()
        self._queue: asyncio.Queue[tuple[Record, Event]] = asyncio.Queue()
        self._workers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Begin to tell."""
        self._loop = asyncio.get_running_loop()
        self._workers = [asyncio.create_task(self._work()) for _ in range(_AT_ONCE)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell the rest, whatever ended the collection: nobody does so later. A cancelled run has little time."""
        try:
            await asyncio.sleep(0)  # what other threads have handed over is in the queue then
            with suppress(TimeoutError):
                async with asyncio.timeout(None if error is None or isinstance(error, Exception) else _LAST_SECONDS):
                    await self._queue.join()
        finally:
            for worker in self._workers:
                worker.cancel()

    def observer_of(self, record: Record) -> Observer:
        """Return who follows the video of a record: of its log lines only what a person should look at."""
        label = record.delivery.name or record.intent[:12]

        def write(level: int, message: str, facts: Mapping[str, Fact]) -> None:
            if level >= logging.WARNING:
                log("store", message, level=level, **facts)

        def tell(event: Event) -> None:
            # Whoever named nobody is told by an automation, as it is where no run tells.
            emit(event, is_told=bool(record.delivery.notify))
            self._follower.moved(label, event)
            if event.kind not in _ENDS:
                return
            where = event.uri or (f"task {event.task_id}" if event.task_id else f"intent {event.intent}")
            log("store", f"{label} is {event.kind}: {where}", task_id=event.task_id)
            if record.delivery.notify or self._store.assets:
                self._loop.call_soon_threadsafe(self._queue.put_nowait, (record, event))

        return Observer(write, tell)

    async def _work(self) -> None:
        while True:
            record, event = await self._queue.get()
            try:
                await self._tell(record, event)
            except Exception as error:
                log("notify", f"Nobody was told of {event.intent}: {words_of(error)}", level=logging.WARNING)
            finally:
                self._queue.task_done()

    async def _tell(self, record: Record, event: Event) -> None:
        now = await threads.run(threads.RECORDS, self._record_now, record)
        if event.kind == "stored" and self._store.assets and now.stored is not None:
            from prefect_seedance.runs.pages.assets import materialize_asset

            await materialize_asset(_stored(now), self._store)
        if record.delivery.notify and (message := await self._message(now, event)):
            await self._send([*record.delivery.notify], *message)

    def _record_now(self, record: Record) -> Record:
        journal = self._destination.journal
        entry = journal.recent(record.intent) or journal.read(record.intent)
        return entry.record if entry else record

    async def _message(self, record: Record, event: Event) -> tuple[str, str] | None:
        """Return what people are told, by the same words as of a run that waited; None if it is not so any more."""
        asked = _AsRecorded(str(record.request.get("prompt", "")), record.model)
        if event.kind == "stored":
            if record.stored is None:
                return None
            stored = _stored(record)
            play = await play_link(stored, self._store)
            return success_message(stored, asked, run_url=self._run_url, play=play)
        journal = self._destination.journal
        if event.kind == "unknown":
            if not (record.unsettled() and record.attempts):
                return None
            error: Exception = unknown_error(record, journal.uri_of(record.intent), journal.store_option)
        else:
            error = _failure(record, event.task_id)
        return failure_message(NoVideo(error, event.task_id), asked, run_url=self._run_url)


def _stored(record: Record) -> StoredVideo:
    facts = record.stored.model_dump() if record.stored else {}
    return StoredVideo.model_validate(facts)


def _failure(record: Record, task_id: str) -> Exception:
    attempt = next((each for each in record.attempts if each.task_id == task_id), None)
    failure, message = (attempt.failure, attempt.message) if attempt else ("unknown", "")
    if failure in get_args(FailureClass):
        return VideoFailed(task_id, message, cast("FailureClass", failure))
    return TaskError(task_id, f"{message or failure}. The task was paid for.")
