"""Delivering: from the completed task to the video in the store, with its provenance, poster and record.

It needs the record and the link, not the request, so another process than the one that submitted can do it. The order
of steps carries the promise: first the video, then where it came from, then the record; what is optional is made
beside that, and can neither fail nor hold it up.
"""

from __future__ import annotations

import json
import logging
import platform
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotDone
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, cast

from pydantic import JsonValue

from prefect_seedance.asides import http_lines_are_asides, words_of
from prefect_seedance.client.models import VideoTask
from prefect_seedance.failpoints import reached
from prefect_seedance.journal.changes import key_of
from prefect_seedance.journal.confirmed_store import Patience
from prefect_seedance.journal.identity import Identity, is_input, shown
from prefect_seedance.journal.record import Attempt, Entry, Record, Run, Stored, is_stand_in
from prefect_seedance.journal.states import State
from prefect_seedance.journal.submit.adoption import FollowedTask, adopt, raise_verdict, written_with_task
from prefect_seedance.journal.submit.pointer import SubmittedVideo
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.errors import VideoNotStored, telling_of_the_task
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.pipeline.observer import Event, Observer
from prefect_seedance.pipeline.order import key_facts
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.storage.errors import AlreadyExists, KeyTaken, Missing, RelayCancelled
from prefect_seedance.storage.positioned_reader import BytesReader
from prefect_seedance.storage.protocol import TASK_ID_METADATA, Store
from prefect_seedance.storage.relay.poster import probe_with_stills
from prefect_seedance.storage.relay.relay import RelayedObject, relay
from prefect_seedance.storage.relay.source import MediaSource, SourceLimits
from prefect_seedance.storage.templates import beside, prefill
from prefect_seedance.versions import version_of

#: Version of the provenance's shape.
PROVENANCE_FORMAT = 2
#: Longest name of a model that is kept with the object: of any alphabet it stays below 1.2 KB once encoded.
_MODEL_CHARACTERS = 100
#: Longest that the caller waits for poster and media facts.
_DECODING_SECONDS = 60.0
#: How soon it notices meanwhile that its run is cancelled.
_LOOK_SECONDS = 0.5
#: How long the record waits for them. They are begun before the provenance is written and mostly there by then, which
#: saves a second write of the record.
_MOMENT_SECONDS = 1.0


def deliver(
    completed: VideoTask,
    submitted: SubmittedVideo,
    account: Account,
    destination: Destination,
    *,
    run: Run = Run(),  # noqa: B008 - frozen
    observer: Observer = Observer(),  # noqa: B008 - frozen
    cancelled: threading.Event | None = None,
    own_task: bool = False,
    limits: SourceLimits | None = None,
    unwritten: Event | None = None,
) -> StoredVideo:
    """Bring a completed video into the store, or find that it is there. Blocking; repeating it is free and safe.

    Args:
        completed: The vendor's task; its link is asked for anew when it is missing or dead.
        submitted: What `submit` returned.
        account: Whose task it is.
        destination: Where the video goes.
        run: Which run stores it, for the provenance.
        observer: Follows it.
        cancelled: Stops the relay between two chunks.
        own_task: Whether the video of this very task is wanted, also where the record is about another one: a second
            task that was paid for. It gets a key of its own, and the first video is not touched.
        limits: How patient the relay is with the media host; None for the usual.
        unwritten: The event of a completion that no record has yet: it is written together with what comes of it.

    Raises:
        VideoFailed: The record has the vendor's verdict.
        VideoNotStored: Anything else; carries the task id, what stood in the way as its cause, and how to go on.
    """
    stop = cancelled or threading.Event()
    key = account.settings.api_key.get_secret_value()
    option = destination.journal.store_option
    # The first knows the key while the second words an error.
    with http_lines_are_asides(key), telling_of_the_task(VideoNotStored, submitted, option, completed.task_id):
        handover = _Handover(
            completed, submitted, account, destination, run, observer, stop, own_task, limits, unwritten
        )
        try:
            return handover.run()
        except RelayCancelled:
            handover.note_completion()
            raise
        except Exception:
            handover.note_completion()
            # Somebody else may have brought the video meanwhile, a person by hand for example.
            there = handover.brought_by_another()
            if there is None:
                raise
            return there


def stored_video(destination: Destination, record: Record) -> StoredVideo | None:
    """Return the video that a record says is stored, if it really is there, and whole.

    Raises:
        Missing, KeyTaken: It is not, and nobody but a person can bring it again: the vendor's task is not known.
    """
    if record.state is not State.STORED or record.stored is None:
        return None
    found = destination.store.stat(record.stored.key)
    damage = found.damage(size=record.stored.bytes, crc32=record.stored.crc32) if found else ""
    if found is None or damage:
        if is_stand_in(record.task_id):
            raise KeyTaken(found.uri, damage) if found else Missing(record.stored.uri)
        return None
    facts = record.stored.model_dump()
    if found.uri != record.stored.uri:  # the store was moved as a whole, or is reached by another path
        key, place_of = record.stored.key, destination.store.uri_of
        facts |= {"uri": found.uri, "provenance_uri": place_of(beside(key, ".json"))}
        facts |= {"poster_uri": place_of(beside(key, ".jpg"))} if facts.get("poster_uri") else {}
    return StoredVideo.model_validate(facts)


@dataclass(frozen=True)
class _Handover:
    """One video on its way into the store."""

    completed: VideoTask
    submitted: SubmittedVideo
    account: Account
    destination: Destination
    run_facts: Run
    observer: Observer
    cancelled: threading.Event
    own_task: bool
    limits: SourceLimits | None
    unwritten: Event | None

    def run(self) -> StoredVideo:
        journal, store = self.destination.journal, self.destination.store
        followed = adopt(journal, self.submitted)
        if self._is_second(followed.record):
            followed = FollowedTask(followed.entry, self.submitted["task_id"])
        else:
            raise_verdict(journal, followed)
            if there := stored_video(self.destination, followed.record):
                self.note_completion()  # a person may have brought it in, who does not know what it cost
                return self._marked(there)
            if followed.record.state is State.STORED:
                self._warn(f"{followed.record.key} is gone from the store, or not whole; it is relayed again.")
                followed = FollowedTask(journal.relay_again(followed.record.intent), followed.task_id)
        record, task_id = followed.record, followed.task_id
        attempt = next(each for each in record.attempts if each.task_id == task_id)
        key = key_for(self.destination, record, attempt, self.submitted["run_name"])
        if record.task_id != task_id and key == record.key:  # its template does not name the task
            key = beside(key, f"-{attempt.name}.mp4")
        reached("relay.before")
        relayed = relay(
            MediaSource(
                lambda refresh: self._link(record, task_id, refresh),
                policy=self.destination.media_for(self.account),
                limits=self.limits,
            ),
            store,
            key,
            metadata=metadata_of(record, task_id),
            filename=filename_of(record, task_id),
            cancelled=self.cancelled,
            ours=record.stored is not None and record.stored.key == key,
            is_first=journal.is_first_relay(task_id) and record.stored is None,
        )
        reached("relay.after")
        stored = describe(self.completed, record, attempt, relayed, self.destination)
        extras = Extras(self.destination, self.observer, self.cancelled)
        extras.begin(record, relayed)
        del relayed  # and its bytes, which many at once would hold while nothing but records is written
        write_once(store, beside(key, ".json"), provenance_of(stored, record, attempt, self.run_facts))
        reached("provenance.after")
        stored = extras.known_by_now(stored)
        entry = self._recorded(stored)
        if entry.wrote:  # else another process has told of it
            if self.unwritten and entry.came_from is State.SUBMITTED:
                self.observer.tell(self.unwritten)
            facts = {"bytes": stored.bytes, "cost": stored.cost}
            self.observer.tell(Event("stored", record.intent, task_id, stored.uri, facts))
        else:
            self.note_completion()
        return self._marked(extras.added_to(stored, is_recorded=entry.wrote))

    def brought_by_another(self) -> StoredVideo | None:
        """Return the video that is in the store by now, if the record says so; None also if that cannot be read."""
        with suppress(Exception):
            entry = self.destination.journal.read(self.submitted["intent"], Patience(seconds=3.0))
            if entry is not None and not self._is_second(entry.record):
                there = stored_video(self.destination, entry.record)
                return self._marked(there) if there else None
        return None

    def note_completion(self) -> None:
        """Write down that the vendor has the video, and its cost, where its storing does not: whoever looks sees it."""
        if self.unwritten is None:
            return
        journal, intent, patience = self.destination.journal, self.submitted["intent"], Patience(seconds=3.0)
        with suppress(Exception):
            entry = journal.record_completed(intent, self.completed, patience)
            if entry.moved:
                self.observer.tell(self.unwritten)

    def _is_second(self, record: Record) -> bool:
        return self.own_task and record.task_id != self.submitted["task_id"]

    def _marked(self, stored: StoredVideo) -> StoredVideo:
        return stored.model_copy(update={"reused": self.submitted["reused"]})

    def _warn(self, message: str) -> None:
        self.observer.log(message, level=logging.WARNING)

    def _link(self, record: Record, task_id: str, refresh: bool) -> str:
        if self.completed.video_url and self.completed.task_id == task_id and not refresh:
            return self.completed.video_url
        with self.account.client(sleep=self._pause) as client:
            link = client.get_video(task_id).video_url
        return "" if is_input(link, record.request, record.inputs) else link

    def _pause(self, seconds: float) -> None:
        if self.cancelled.wait(seconds):
            raise RelayCancelled

    def _recorded(self, stored: StoredVideo) -> Entry:
        journal, facts = self.destination.journal, facts_of(stored)

        def write() -> Entry:
            completed = self.completed if self.unwritten else None
            return journal.record_stored(stored.intent, stored.task_id, facts, completed)

        return written_with_task(journal, self.submitted, write)


class Extras:
    """What is optional beside a video: its poster, and its facts in the record. It can neither fail nor hold it up.

    It is begun once the video is in the store, and made while what matters is written.

    Args:
        destination: Where the video is.
        observer: Is told what is left out.
        cancelled: The run is: nothing more is waited for.
    """

    def __init__(self, destination: Destination, observer: Observer, cancelled: threading.Event) -> None:
        self.destination, self.observer, self.cancelled = destination, observer, cancelled
        self._work: Future[dict[str, object]] | None = None
        self._end = 0.0

    def begin(self, record: Record, relayed: RelayedObject) -> None:
        """Begin to make them. Where no poster is wanted nothing is decoded either, which small videos cost much of."""
        if record.delivery.posters:
            self._end = time.monotonic() + _DECODING_SECONDS
            try:
                video = BytesReader(relayed.content) if relayed.content else None
                self._work = threads.start(threads.MEDIA, self._extras, relayed.key, relayed.uri, video)
            except Exception as error:  # a process that ends, or has as many threads as it may, starts none
                self._work = Future()
                self._work.set_exception(error)

    def known_by_now(self, stored: StoredVideo) -> StoredVideo:
        """Return a video with what is there of them within a moment. What fails is told of later."""
        if self._work is not None and not self.cancelled.is_set():
            with suppress(Exception):
                return stored.model_copy(update=self._work.result(timeout=_MOMENT_SECONDS))
        return stored

    def added_to(self, stored: StoredVideo, *, is_recorded: bool) -> StoredVideo:
        """Wait for them, for as long as they may take and the run is not cancelled; a video without them is complete.

        Args:
            stored: The video.
            is_recorded: Whether the record holds it as it is; otherwise that is written, if they add anything.
        """
        if self._work is None:
            return stored
        try:
            extras = self._made(self._work)
            described = stored.model_copy(update=extras)
            if extras and not (is_recorded and described == stored):
                self.destination.journal.record_described(stored.intent, stored.task_id, facts_of(described))
            return described
        except NotDone:
            limit = "before the run was cancelled" if self.cancelled.is_set() else f"within {_DECODING_SECONDS:.0f} s"
            self._warn(f"Poster and size of {stored.uri} were not there {limit}; left out.")
        except Exception as error:
            self._warn(f"Poster and size of {stored.uri} are left out: {words_of(error)}")
        return stored

    def _made(self, work: Future[dict[str, object]]) -> dict[str, object]:
        """Return what they are.

        Raises:
            concurrent.futures.TimeoutError: They are not there by the end, or the run is cancelled.
        """
        while True:
            left = 0.0 if self.cancelled.is_set() else self._end - time.monotonic()
            try:
                return work.result(timeout=max(0.0, min(left, _LOOK_SECONDS)))
            except NotDone:
                if work.done():  # what was called ended in a time-out of its own
                    raise
                if left <= 0:
                    work.cancel()
                    raise

    def _warn(self, message: str) -> None:
        self.observer.log(message, level=logging.WARNING)

    def _extras(self, key: str, uri: str, in_memory: BytesReader | None) -> dict[str, object]:
        # Closed at its end, the one in memory is gone before the poster is written.
        with cast(BinaryIO, in_memory) if in_memory else self.destination.store.open_read(key) as video:
            media, poster, thumbnail = probe_with_stills(video, cancelled=self.cancelled)
        extras: dict[str, object] = {}
        if media is not None:
            extras |= {"width": media.width, "height": media.height, "seconds": media.seconds}
        else:
            self.observer.log(f"Size and length of {uri} are unknown: PyAV is missing, or cannot read it.")
        if poster is not None and (poster_uri := self._poster_uri(key, poster)):
            extras["poster_uri"] = poster_uri
            if thumbnail is not None:
                _remember(_recent_thumbnails, poster_uri, thumbnail, _THUMBNAILS_REMEMBERED)
        reached("poster.after")
        return extras

    def _poster_uri(self, key: str, poster: bytes) -> str:
        """Write the poster beside the video; "" if that fails, so that the facts of the video are not lost with it."""
        store = self.destination.store
        try:
            write_once(store, beside(key, ".jpg"), poster)
        except Exception as error:
            self._warn(f"The poster of {store.uri_of(key)} could not be written: {words_of(error)}")
            return ""
        uri = store.uri_of(beside(key, ".jpg"))
        _remember(_recent_posters, uri, poster, _POSTERS_REMEMBERED)
        return uri


#: The newest posters of this process, by address: whoever shows one need not fetch it.
_recent_posters: OrderedDict[str, bytes] = OrderedDict()
_POSTERS_REMEMBERED = 32


def recent_poster(uri: str) -> bytes | None:
    """Return a poster that this process has made a moment ago, as JPEG."""
    return _recent_posters.get(uri)


#: Their thumbnails, of the videos of a whole batch: 4,096 take at most 18 MB.
_recent_thumbnails: OrderedDict[str, bytes] = OrderedDict()
_THUMBNAILS_REMEMBERED = 4096


def recent_thumbnail(uri_of_poster: str) -> bytes | None:
    """Return the thumbnail of a poster that this process has made: a JPEG of at most 160 pixels and 4,500 bytes."""
    return _recent_thumbnails.get(uri_of_poster)


def _remember(kept: OrderedDict[str, bytes], uri: str, picture: bytes, most: int) -> None:
    kept[uri] = picture
    while len(kept) > most:
        with suppress(KeyError):  # another thread was faster
            kept.popitem(last=False)


def key_for(destination: Destination, record: Record, attempt: Attempt, run_name: str) -> str:
    """Return the key in the record; for a task that the record is not about, or that has none, render it.

    Args:
        destination: Its template is taken where the record has none.
        record: The record.
        attempt: Whose video it is; has a task id, or what stands for one.
        run_name: For the template.
    """
    if record.task_id == attempt.task_id and record.key:
        return record.key
    with suppress(ValueError):  # no template of ours
        if record.delivery.key_template:
            return key_of(record.delivery.key_template, attempt)
    identity = Identity(record.intent, record.request, record.take, record.scope, record.account)
    return key_of(prefill(destination.key_template, key_facts(identity, run_name, record.delivery.name)), attempt)


def metadata_of(record: Record, task_id: str) -> dict[str, str]:
    """Return what is kept with the object. The model is a user's text, and S3 takes 2 KB in all."""
    return {TASK_ID_METADATA: task_id, "intent": record.intent, "model": record.model[:_MODEL_CHARACTERS]}


def describe(
    completed: VideoTask, record: Record, attempt: Attempt, relayed: RelayedObject, destination: Destination
) -> StoredVideo:
    """Return what is known of a video that was relayed.

    Args:
        completed: What the vendor says of a task; nothing of it counts for another one.
        record: The record.
        attempt: Whose video it is.
        relayed: The object.
        destination: Where it is.
    """
    if completed.task_id != attempt.task_id:  # the record has gone on to another task: nothing is said of that one
        completed = VideoTask(task_id=attempt.task_id)
    reported = completed.cost if completed.cost is not None else attempt.cost
    cost, source = (reported, "vendor") if reported is not None else (attempt.price, attempt.price_source)
    return StoredVideo(
        uri=relayed.uri,
        key=relayed.key,
        bytes=relayed.size,
        sha256=relayed.sha256,
        crc32=f"{relayed.crc32:08x}",
        content_type=relayed.content_type,
        etag=relayed.etag,
        version=relayed.version,
        task_id=attempt.task_id,
        intent=record.intent,
        model=completed.model or record.model,
        cost=cost,
        cost_source=source,
        submissions=record.submissions,
        created_at=moment(completed.created_at or attempt.created_at),
        completed_at=moment(completed.completed_at or attempt.completed_at),
        stored_at=datetime.now(UTC),
        poster_uri="",
        provenance_uri=destination.store.uri_of(beside(relayed.key, ".json")),
        width=0,
        height=0,
        seconds=0.0,
    )


def facts_of(stored: StoredVideo) -> Stored:
    """Return what the record keeps of a stored video."""
    return Stored.model_validate(stored.model_dump(mode="json"))


def provenance_of(
    stored: StoredVideo, record: Record, attempt: Attempt, run: Run, brought_in: Mapping[str, JsonValue] | None = None
) -> bytes:
    """Write where a video came from as JSON, from the record alone. No secrets; any text can be written.

    Args:
        stored: The video.
        record: The record.
        attempt: Whose video it is.
        run: Which run stores it.
        brought_in: How a person brought it in; None if it was fetched from the vendor.
    """
    written = {
        "format": PROVENANCE_FORMAT,
        "request": shown(record.request),  # once more: earlier versions kept more of an address
        "take": record.take,
        "scope": record.scope,
        "video": stored.model_dump(mode="json", exclude={"poster_uri", "width", "height", "seconds", "reused"}),
        "vendor": {"host": attempt.host, "account": record.account, "credentials": attempt.credentials},
        "submitted_by": {"flow_run_id": attempt.run.id, "flow_run_name": attempt.run.name},
        "stored_by": {"flow_run_id": run.id, "flow_run_name": run.name},
        **({"brought_in": dict(brought_in)} if brought_in else {}),
        "versions": {
            "prefect-seedance": version_of(),
            "prefect": version_of("prefect"),
            "python": platform.python_version(),
        },
    }
    return (json.dumps(written, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def write_once(store: Store, key: str, data: bytes) -> None:
    """Write what stands beside a video, unless it is there."""
    with suppress(AlreadyExists):  # of an earlier try, and kept: nothing is overwritten
        store.create(key, data)


def filename_of(record: Record, task_id: str) -> str:
    """Return a readable name for whoever saves the video: the beginning of its prompt and of its task id."""
    prompt = str(record.request.get("prompt", ""))
    words = re.sub(r"[^\w]+", "-", prompt, flags=re.ASCII).strip("-").lower()[:40].strip("-")
    mark = re.sub(r"[^\w]+", "-", task_id.removeprefix("videos_")[:8], flags=re.ASCII)
    return f"{words or 'video'}-{mark}.mp4"


def moment(unix_seconds: int | None) -> datetime | None:
    """Return the time of the vendor's Unix seconds, which the client has cleaned; None if there are none."""
    return datetime.fromtimestamp(unix_seconds, UTC) if unix_seconds else None
