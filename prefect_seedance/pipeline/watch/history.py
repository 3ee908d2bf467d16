"""How long the vendor takes for videos of a kind: a bounded history, kept in the store for the runs to come.

    journal/history/durations.json   for each model, resolution and duration the seconds of the last videos

Read at most once per process and store, written once per run, merged into what others wrote meanwhile. It is worth
nothing but time: whatever stands in the way of reading or writing it is logged and no more. It is cleaned where it is
read, since anybody may have written it. Fields that a newer version added are written back.

What a simulator on this machine takes is kept apart, and counts for the waiting of the process that saw it alone: the
next simulator may be a hundred times as fast.
"""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, cast
from uuid import uuid4
from weakref import WeakKeyDictionary

from pydantic import JsonValue

from prefect_seedance.asides import AsideLog, aside, words_of
from prefect_seedance.journal.confirmed_store import ConfirmedStore, Patience
from prefect_seedance.journal.errors import JournalGone, RecordChanged
from prefect_seedance.journal.record import Record
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.pipeline.watch.schedule import LONGEST_SECONDS, Expectation, fifth_percentile
from prefect_seedance.storage.protocol import Store
from prefect_seedance.versions import version_of

_log = AsideLog(__name__)

KEY = "journal/history/durations.json"
VERSION = 1
#: Kinds of videos that are kept, those that were seen last; and durations of each, the last.
MOST_KINDS, MOST_DURATIONS = 300, 60
#: So many of them, the newest, say what to wait by: a vendor that takes three times as long overnight, or a third, is
#: believed within twenty videos rather than sixty, and that costs next to nothing where nothing changes.
RECENT_DURATIONS = 20
#: Fewer durations say nothing of when the earliest video can be there.
LEAST_DURATIONS = 5
#: What is written has some hundred kB at most. Anything much larger is not ours.
_MOST_BYTES = 16 * 1024 * 1024
_LONGEST_NAME = 200
_DOCUMENT_FIELDS = frozenset({"version", "nonce", "package_version", "videos"})
#: Races lost in a row before what was learned is kept for the next time.
_RACES = 20
#: Time is all that there is to lose, so little of it is spent.
_PATIENCE = Patience(seconds=2.0)
#: How many durations of a simulator a process that makes one video at a time writes at once: they are an estimate for
#: later processes, and nothing to wait by.
SAVE_EVERY = 20


class Kind(NamedTuple):
    """What takes about equally long.

    Attributes:
        model: The route.
        resolution: As it was asked for; "" where that was left to the route.
        duration: Seconds of the clip.
        local: Whether a simulator on this machine makes it.
    """

    model: str
    resolution: str
    duration: int
    local: bool


Durations = Mapping[Kind, Sequence[float]]
Fields = dict[str, JsonValue]
_VIDEO_FIELDS = frozenset({*Kind._fields, "seconds"})


class UnknownFields(NamedTuple):
    """What a newer version has added to the history, and an older one writes back.

    Attributes:
        document: Beside the videos.
        videos: Beside the durations of a kind.
    """

    document: Fields
    videos: dict[Kind, Fields]


class History:
    """How long videos have taken, as far as this process knows. Threads share it.

    Example:
        >>> history = History()
        >>> for seconds in (610.0, 580.0, 640.0, 600.0, 900.0):
        ...     history.note("seedance2.0-md", "480p", 5, seconds)
        >>> history.expected_seconds("seedance2.0-md", "480p", 5), history.earliest_seconds("seedance2.0-md", "480p", 5)
        (610.0, 566.0)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Kind, list[float]] = {}
        self._seen: dict[Kind, list[float]] = {}
        self._unsaved: dict[Kind, list[float]] = {}
        self._load_begun = False
        self._loading = threading.Lock()

    def expected_seconds(
        self, model: str, resolution: str, duration: int, *, local: bool | None = None
    ) -> float | None:
        """Return the median of what such videos have taken, None if none is known.

        Args:
            model: The name that is sent.
            resolution: As it was asked for; "auto" and "" are one.
            duration: Seconds of the clip.
            local: Whether a simulator makes it; None for either, the real vendor first.
        """
        found = self._durations(model, resolution, duration, local)
        return statistics.median(found) if found else None

    def earliest_seconds(
        self, model: str, resolution: str, duration: int, *, local: bool | None = None
    ) -> float | None:
        """Return the 5th percentile of what such videos have taken, None if fewer than five are known.

        Args:
            model: See `expected_seconds`.
            resolution: See `expected_seconds`.
            duration: See `expected_seconds`.
            local: See `expected_seconds`.
        """
        found = self._durations(model, resolution, duration, local)
        return fifth_percentile(found) if len(found) >= LEAST_DURATIONS else None

    def expectation(self, model: str, resolution: str, duration: int, *, local: bool) -> Expectation | None:
        """Return what to wait by, None if too little is known.

        Args:
            model: See `expected_seconds`.
            resolution: See `expected_seconds`.
            duration: See `expected_seconds`.
            local: Whether a simulator on this machine makes it: then only what this process saw counts.
        """
        kind = kind_of(model, resolution, duration, local)
        with self._lock:
            found = list((self._seen if local else self._kept).get(kind, ()))[-RECENT_DURATIONS:]
        if len(found) < LEAST_DURATIONS:
            return None
        return Expectation(fifth_percentile(found), statistics.median(found), tuple(sorted(found)))

    def note(self, model: str, resolution: str, duration: int, seconds: float, *, local: bool = False) -> None:
        """Note what a video took. Nonsense is left out.

        Args:
            model: See `expected_seconds`.
            resolution: See `expected_seconds`.
            duration: See `expected_seconds`.
            seconds: How long the vendor took.
            local: Whether a simulator on this machine made it.
        """
        kind, clean = kind_of(model, resolution, duration, local), _clean_durations([seconds])
        if not clean or not kind.model:
            return
        with self._lock:
            for each in (self._kept, self._seen, self._unsaved):
                _add(each, {kind: clean})

    @property
    def unsaved(self) -> int:
        """How many durations the store does not have yet."""
        with self._lock:
            return sum(map(len, self._unsaved.values()))

    @property
    def worth_saving(self) -> bool:
        """Whether the store should have what it does not have yet, although no more may come for long."""
        with self._lock:
            of_vendor = any(not kind.local for kind in self._unsaved)
        return of_vendor or self.unsaved >= SAVE_EVERY

    def _durations(self, model: str, resolution: str, duration: int, local: bool | None) -> list[float]:
        for each in (False, True) if local is None else (local,):
            # A route that ignores the resolution has none in its records, whatever was asked for.
            for said in (resolution, ""):
                with self._lock:
                    found = list(self._kept.get(kind_of(model, said, duration, each), ()))
                if found:
                    return found
        return []

    # The store's side.

    def load_once(self, read: Callable[[], Durations]) -> None:
        """Take in what is in the store, unless that was done before; whoever comes meanwhile waits for it."""
        with self._loading:
            if self._load_begun:
                return
            self._load_begun = True
            self._take_in(read())

    def may_load(self) -> bool:
        """Return whether the store was not asked yet, and nobody is asking it."""
        return not self._load_begun and not self._loading.locked()

    def take_unsaved(self) -> Durations:
        """Take what the store does not have; `give_back` what could not be written."""
        with self._lock:
            taken, self._unsaved = self._unsaved, {}
            return taken

    def give_back(self, unsaved: Durations) -> None:
        """Keep for the next time what could not be written."""
        with self._lock:
            newer, self._unsaved = self._unsaved, {}
            for each in (unsaved, newer):
                _add(self._unsaved, each)

    def _take_in(self, stored: Durations) -> None:
        """Put what the store has before what this process has noted."""
        with self._lock:
            self._kept = {}
            for each in (stored, self._unsaved):
                _add(self._kept, each)


def clip_of(record: Record) -> tuple[str, str, int]:
    """Return model, resolution and duration of a record's video, as `History` takes them."""
    resolution, duration = record.request.get("resolution"), record.request.get("duration")
    return (
        record.model,
        resolution if isinstance(resolution, str) else "",
        duration if isinstance(duration, int) else 0,
    )


def kind_of(model: str, resolution: str, duration: int, local: bool) -> Kind:
    """Return the kind of a video, which decides how long it takes."""
    plain = "" if resolution == "auto" else resolution
    return Kind(model[:_LONGEST_NAME], plain[:_LONGEST_NAME], duration, local)


_guard = threading.Lock()
_of_stores: WeakKeyDictionary[Store, History] = WeakKeyDictionary()


def history_of(destination: Destination) -> History:
    """Return the history that this process has of a store. Nothing is read."""
    return _of_store(destination.store)


def _of_store(store: Store) -> History:
    with _guard:
        return _of_stores.setdefault(store, History())


def load_history(store: Store) -> History:
    """Return the history that this process has of a store, and read what the store has of it, once.

    One that cannot be read counts as empty.
    """
    history = _of_store(store)
    history.load_once(lambda: _read(store))
    return history


def save_history(store: Store, history: History) -> None:
    """Write what this process has noted into the store, beside what others have written.

    Without anything new no request is made. What cannot be written is kept for the next time.
    """
    unsaved = history.take_unsaved()
    if not unsaved:
        return
    try:
        _merge(store, unsaved)
    except Exception as error:  # whatever it is: it is about time alone
        history.give_back(unsaved)
        _log.info("How long the videos took was not written down, which costs nothing but time: %s", words_of(error))


def save_in_background(destination: Destination) -> None:
    """Write what this process has noted if that is worth a request, in the background: once at the end of a run.

    For a run of one video, whose process may end with it; a batch calls `save_history`.
    """
    history = history_of(destination)
    if history.worth_saving:
        aside(threads.start, threads.RECORDS, save_history, destination.store, history)


def _read(store: Store) -> Durations:
    try:
        blob = _confirmed(store).get(KEY, _PATIENCE)
        return decode(blob.data) if blob else {}
    except Exception as error:
        _log.info("How long earlier videos took is not known, which costs nothing but time: %s", words_of(error))
        return {}


def _merge(store: Store, unsaved: Durations) -> None:
    confirmed = _confirmed(store)
    for race in range(1, _RACES + 1):
        blob = confirmed.get(KEY, _PATIENCE)
        merged: dict[Kind, list[float]] = {}
        unknown = UnknownFields({}, {})
        if blob is not None:
            try:
                stored, unknown = decode_whole(blob.data)
                _add(merged, stored)
            except DamagedHistory as error:
                _log.info("The history at %s is begun anew: %s", store.uri_of(KEY), error)
        _add(merged, unsaved)
        try:
            confirmed.put(KEY, encode(merged, unknown), etag=blob.etag if blob else None, patience=_PATIENCE)
            return
        except (RecordChanged, JournalGone):  # losing it costs nothing, so one that was deleted is begun anew
            if race == _RACES:
                raise


def _confirmed(store: Store) -> ConfirmedStore:
    return ConfirmedStore(store, time.sleep)


class DamagedHistory(ValueError):
    """What is there is not a history; it may be written over."""


class NewerHistory(ValueError):
    """A newer version of this package wrote it; it is left alone."""


def encode(durations: Durations, unknown: UnknownFields | None = None) -> bytes:
    """Write durations as JSON. The nonce tells one write from another.

    Args:
        durations: What videos took.
        unknown: What stood beside them, see `decode_whole`.
    """
    document, beside = unknown or ({}, {})
    videos = [
        {**beside.get(kind, {}), **kind._asdict(), "seconds": [round(each, 2) for each in seconds]}
        for kind, seconds in durations.items()
    ]
    values = {**document, "version": VERSION, "nonce": uuid4().hex, "package_version": version_of(), "videos": videos}
    return (json.dumps(values, ensure_ascii=True, allow_nan=False) + "\n").encode()


def decode(data: bytes) -> Durations:
    """Read durations, and leave out what makes no sense; see `decode_whole`."""
    return decode_whole(data)[0]


def decode_whole(data: bytes) -> tuple[Durations, UnknownFields]:
    """Read durations, and the fields beside them that this version does not know. Leave out what makes no sense.

    Raises:
        DamagedHistory: It is not a history of ours.
        NewerHistory: A newer version wrote it.
    """
    if len(data) > _MOST_BYTES:
        raise DamagedHistory(f"it has {len(data)} bytes")
    try:
        values: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedHistory(f"it is not JSON ({type(error).__name__})") from error
    document = cast("dict[str, JsonValue]", values) if isinstance(values, dict) else {}
    version, videos = document.get("version"), document.get("videos")
    if isinstance(version, int) and version > VERSION:
        raise NewerHistory(f"version {version} of this package's histories is there, and {VERSION} is known here")
    if version != VERSION or not isinstance(videos, list):
        raise DamagedHistory("it has no videos")
    found: dict[Kind, list[float]] = {}
    unknown = UnknownFields(_unknown_fields(document, _DOCUMENT_FIELDS), {})
    for video in videos[-10 * MOST_KINDS :]:
        kind = _clean_kind(video) if isinstance(video, dict) else None
        if kind is not None and isinstance(video, dict):
            _add(found, {kind: _clean_durations(video.get("seconds"))})
            unknown.videos.setdefault(kind, {}).update(_unknown_fields(video, _VIDEO_FIELDS))
    return found, unknown


def _unknown_fields(values: Fields, known: frozenset[str]) -> Fields:
    """Return the fields that this version does not know, but for those that could not be written back."""
    found: Fields = {}
    for name, value in values.items():
        if name not in known:
            with suppress(ValueError, RecursionError):  # a number that JSON does not have, or nested too deep
                json.dumps(value, allow_nan=False)
                found[name] = value
    return found


def _clean_kind(video: Mapping[str, JsonValue]) -> Kind | None:
    model, resolution, duration = video.get("model"), video.get("resolution"), video.get("duration")
    if not isinstance(model, str) or not isinstance(resolution, str) or not model:
        return None
    if not isinstance(duration, int) or isinstance(duration, bool) or not 0 <= duration <= LONGEST_SECONDS:
        return None
    if max(len(model), len(resolution)) > _LONGEST_NAME:
        return None
    return Kind(model, resolution, duration, video.get("local") is True)


def _clean_durations(values: object) -> list[float]:
    """Return the last durations that make sense, the newest last."""
    given = cast("list[object]", values)[-10 * MOST_DURATIONS :] if isinstance(values, list) else []
    numbers = [each for each in given if isinstance(each, int | float) and not isinstance(each, bool)]
    # What is not a number is in no range, and an integer may be too large for a float.
    return [float(each) for each in numbers if 0 < each <= LONGEST_SECONDS][-MOST_DURATIONS:]


def _add(durations: dict[Kind, list[float]], newer: Mapping[Kind, Iterable[float]]) -> None:
    """Add newer durations in place, and drop the oldest of a kind, and the kinds seen longest ago."""
    for kind, seconds in newer.items():
        both = [*durations.pop(kind, ()), *seconds][-MOST_DURATIONS:]
        if both:
            durations[kind] = both
    for kind in [*durations][: max(0, len(durations) - MOST_KINDS)]:
        del durations[kind]
