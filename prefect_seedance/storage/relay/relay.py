"""A video from its source into the store: whole, checked, in constant memory, never over something else.

Idempotent: relaying a video whose key already holds it is a success. So two relays of one video need no lock;
the store lets one of them commit and the other finds the same bytes.

What is there already counts as the video only if it is whole: by what was written down with it, where the store keeps
that, else by its structure or the bytes of the source. What is this task's and not whole is written over.
"""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import NoReturn, Protocol, Self

from prefect_seedance.storage.errors import (
    AlreadyExists,
    KeyTaken,
    NotAVideo,
    RelayCancelled,
    SourceChanged,
    SourceError,
    TruncatedSource,
)
from prefect_seedance.storage.keys import LONGEST_SEGMENT_BYTES, QUARANTINE
from prefect_seedance.storage.protocol import TASK_ID_METADATA, ObjectInfo, Store, Upload
from prefect_seedance.storage.relay.file_type import BoxWalk, looks_like, video_type

MAXIMUM_RESTARTS = 3
#: A video up to this size is handed back with its bytes where they are in memory, so that its poster and facts cost no
#: request. It is what goes into S3 as one request; nearly all clips are smaller. Dozens of relays hold this much each.
LARGEST_CONTENT_BYTES = 8 * 1024 * 1024
_READ_BYTES = 1024 * 1024
_HEAD_BYTES = 64
# Handed to the thread that measures: a mebibyte at once, and at most two of these wait.
_CHUNKS_AT_ONCE, _BATCHES_WAITING = 16, 2


class VideoSource(Protocol):
    """What a relay reads from, such as `MediaSource`. Its size is known with the first chunk."""

    @property
    def size(self) -> int | None:
        """Size of the whole, if known."""
        ...

    def iter_bytes(self, cancelled: threading.Event | None = None) -> Iterator[bytes]:
        """Yield the whole content, from the first byte at each call."""
        ...


@dataclass(frozen=True, slots=True)
class RelayedObject:
    """A video that is in the store, with what was measured on its way there.

    Attributes:
        key: Its name in the store.
        uri: Its full address.
        size: Number of bytes.
        sha256: Of all bytes, as lower-case hex.
        crc32: Of all bytes, as `zlib.crc32` returns it.
        etag: The store's, to tell versions apart.
        content_type: By its first bytes.
        version: The bucket's, where it keeps versions.
        content: All bytes if there are at most `LARGEST_CONTENT_BYTES` of them and they came through memory, else None.
    """

    key: str
    uri: str
    size: int
    sha256: str
    crc32: int
    etag: str
    content_type: str
    version: str = ""
    content: bytes | bytearray | None = field(default=None, repr=False, compare=False)


def relay(
    source: VideoSource,
    store: Store,
    key: str,
    *,
    metadata: Mapping[str, str],
    filename: str = "",
    cancelled: threading.Event | None = None,
    ours: bool = False,
    compared: bool = False,
    despite_structure: bool = False,
    is_first: bool = False,
) -> RelayedObject:
    """Copy a video into the store under this key.

    Args:
        source: Where the bytes come from.
        store: Where they go.
        key: Its name there.
        metadata: Kept with it where the store can; the vendor's task id under `TASK_ID_METADATA`.
        filename: What a browser calls it when it is saved, where the store can keep that.
        cancelled: Stops the relay between two chunks.
        ours: It is known from elsewhere that this very video was stored under the key before: if only a beginning of it
            is left there, that is written over.
        compared: The source may be of another video than what is there, although both are called the same: what is
            there and whole counts as this video only if it has the same bytes.
        despite_structure: It is taken even if its boxes say that the end is missing, since a person says that it is
            not, or wants what there is.
        is_first: Nobody should have relayed it before, so it is not looked whether the key is free. Should it be taken,
            the upload says so, which writes over nothing, and what is there is judged then.

    Raises:
        KeyTaken: The key holds something else.
        NotAVideo: What came is in quarantine.
        RelayCancelled: The event was set; nothing partial is kept.
        SourceError: The download failed for good.
        StorageError: The store did.

    Example:
        >>> relayed = relay(source, store, "videos/task-1.mp4", metadata={})   # doctest: +SKIP
    """
    destination = _Destination(store, key, metadata, filename, cancelled, ours, compared, despite_structure)
    there, damaged = None if is_first else store.stat(key), None
    if there is not None and destination.is_of_this_task(there):
        found = destination.read_whole(there)
        if found is not None and not compared:  # the link may be dead by now
            return found.relayed(there)
        damaged = there if found is None else None
    restarts_left = MAXIMUM_RESTARTS
    sizes: set[int] = set()
    while True:
        try:
            return _attempt(source, destination, there, damaged)
        except _Damaged as error:
            if not restarts_left:
                raise KeyTaken(error.there.uri, "a piece of this video, which somebody keeps changing") from None
            damaged = error.there
        except SourceChanged:
            if not restarts_left:
                raise
        except TruncatedSource as error:
            # With a known size the source has continued it with all its patience; without, it could not.
            if error.expected is not None:
                raise
            sizes.add(error.received)
            if not restarts_left and len(sizes) == 1:  # not the network's fault: the host has no more of it
                _keep_what_comes(source, destination)
            if not restarts_left:
                raise
        restarts_left -= 1
        there = store.stat(key)
        if there is None or (damaged is not None and there.etag != damaged.etag):
            damaged = None


class _Damaged(Exception):
    """What is there is the beginning of this very video, and no more of it."""

    def __init__(self, there: ObjectInfo) -> None:
        super().__init__(there.uri)
        self.there = there


@dataclass(frozen=True, slots=True)
class _Destination:
    """Where a relay goes, and who may stop it."""

    store: Store
    key: str
    metadata: Mapping[str, str]
    filename: str
    cancelled: threading.Event | None
    ours: bool
    compared: bool
    despite_structure: bool

    def begin_upload(
        self, key: str, source: VideoSource, content_type: str, filename: str = "", replaces: ObjectInfo | None = None
    ) -> Upload:
        begin = self.store.begin_upload if replaces is None else partial(self.store.begin_upload, replaces=replaces)
        if self.cancelled is not None:
            begin = partial(begin, cancelled=self.cancelled)
        return begin(key, size=source.size, content_type=content_type, metadata=self.metadata, filename=filename)

    def is_of_this_task(self, there: ObjectInfo) -> bool:
        """Return whether what is there is of the task that this video is of; False where that is not written down.

        Raises:
            KeyTaken: It is of another one.
        """
        mine, found = _task_id(self.metadata), _task_id(there.metadata)
        if mine and found and mine != found:
            raise KeyTaken(there.uri, f"the video of task {found}")
        return bool(mine and found)

    def read_whole(self, there: ObjectInfo) -> _Measurement | None:
        """Read what is there; None if it is not whole."""
        if there.damage():
            return None
        found = _measure(self.read(), keep=True)
        return found if _is_whole(there, found) else None

    def begins_like(self, there: ObjectInfo, head: bytes, size: int | None) -> bool:
        """Return whether what is there can be a piece of a video of this size that begins like this."""
        if not self.ours or size is None or there.size >= size:
            return False
        with self.store.open_read(self.key) as file:
            return head.startswith(file.read(min(len(head), there.size)))

    def read(self) -> Iterator[bytes]:
        """Yield what is there, in pieces."""
        with self.store.open_read(self.key) as file:
            while chunk := file.read(_READ_BYTES):
                if self.cancelled is not None and self.cancelled.is_set():
                    raise RelayCancelled
                yield chunk


class _Measurement:
    """Size, checksums and structure of bytes that pass by, and the bytes themselves if asked to, while they are few."""

    def __init__(self, prefix_size: int | None = None, *, keep: bool = False) -> None:
        self.size = self.crc32 = 0
        self.prefix_sha256, self._prefix_size = "", prefix_size
        self._kept: list[bytes] | None = [] if keep else None
        self.head, self.boxes = b"", BoxWalk()
        self._sha256 = hashlib.sha256()

    def take(self, data: bytes) -> None:
        if self._prefix_size is not None and self.size <= self._prefix_size <= self.size + len(data):
            prefix = self._sha256.copy()
            prefix.update(memoryview(data)[: self._prefix_size - self.size])
            self.prefix_sha256 = prefix.hexdigest()
        if len(self.head) < _HEAD_BYTES:
            self.head += data[: _HEAD_BYTES - len(self.head)]
        self.size += len(data)
        if self.size > LARGEST_CONTENT_BYTES:
            self._kept = None
        if self._kept is not None:
            self._kept.append(data)
        self.crc32 = zlib.crc32(data, self.crc32)
        self._sha256.update(data)
        self.boxes.feed(data)

    def take_all(self, chunks: Iterable[bytes]) -> None:
        for chunk in chunks:
            self.take(chunk)

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def check_against(self, source: VideoSource, *, by_structure: bool) -> None:
        """Check that all of it came: by its size if that is known, and by its structure if asked to."""
        if source.size is not None and self.size != source.size:
            raise TruncatedSource(self.size, source.size)
        if by_structure and video_type(self.head) and not self.boxes.whole:
            raise TruncatedSource(self.size, None)

    def relayed(self, info: ObjectInfo, content: bytes | bytearray | None = None) -> RelayedObject:
        measured = (self.size, self.sha256, self.crc32, info.etag, video_type(self.head), info.version)
        if self._kept is not None:
            content = b"".join(self._kept)
        return RelayedObject(info.key, info.uri, *measured, content)


class _Measuring:
    """Measures chunks in order: in a thread beside, since hashing takes about as long as a fast download.

    What is small is measured at once. A thread of its own would cost more than it saves, and chunks that wait for it
    are memory that dozens of relays take and give back with each clip.
    """

    def __init__(self, measure: _Measurement, *, at_once: bool) -> None:
        self._measure, self._at_once = measure, at_once
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="relay-measure")
        self._batch: list[bytes] = []
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.shutdown(cancel_futures=True)

    def take(self, chunk: bytes) -> None:
        if self._at_once:
            self._measure.take(chunk)
            return
        self._batch.append(chunk)
        if len(self._batch) == _CHUNKS_AT_ONCE:
            self._hand_over()

    def finish(self) -> None:
        if self._batch:
            self._hand_over()
        while self._pending:
            self._pending.popleft().result()

    def _hand_over(self) -> None:
        if len(self._pending) == _BATCHES_WAITING:
            self._pending.popleft().result()
        self._pending.append(self._worker.submit(self._measure.take_all, self._batch))
        self._batch = []


def _attempt(
    source: VideoSource, destination: _Destination, there: ObjectInfo | None, damaged: ObjectInfo | None
) -> RelayedObject:
    """Read the source once from its start, into the store (also over what is damaged) or against what is there."""
    try:
        chunks = source.iter_bytes(destination.cancelled)
        head = next(chunks, b"")
        chunks = chain((head,), chunks)
        if not video_type(head):
            _quarantine(source, destination, head, chunks, looks_like(head))
        if there is None or damaged is not None:
            return _upload_video(source, destination, chunks, damaged)
        if source.size not in (None, there.size) and not destination.begins_like(there, head, source.size):
            raise KeyTaken(there.uri, f"{there.size} bytes, the video has {source.size}")
        measure = _measure(chunks, prefix_size=there.size)
        measure.check_against(source, by_structure=source.size is None and not destination.despite_structure)
    except SourceError as error:
        if there is not None:
            error.add_note(f"An object is at {there.uri} already, but could not be compared with the source.")
        raise
    return _same_or_taken(destination, there, measure)


def _upload_video(
    source: VideoSource, destination: _Destination, chunks: Iterator[bytes], damaged: ObjectInfo | None
) -> RelayedObject:
    measure, content = _Measurement(), None
    is_small = source.size is not None and source.size <= LARGEST_CONTENT_BYTES
    head = next(chunks)
    try:
        with (
            destination.begin_upload(
                destination.key, source, video_type(head), destination.filename, damaged
            ) as upload,
            _Measuring(measure, at_once=is_small) as measuring,
        ):
            for chunk in chain((head,), chunks):
                measuring.take(chunk)
                upload.write(chunk)
            measuring.finish()
            measure.check_against(source, by_structure=not destination.despite_structure)
            info = upload.commit(crc32=measure.crc32, size=measure.size)
            content = upload.content
    except AlreadyExists:
        # Another relay of this video was faster. Or something else has the key by now.
        there = destination.store.stat(destination.key)
        if there is None:
            uri = destination.store.uri_of(destination.key)
            raise KeyTaken(uri, "an object that came and went during the upload") from None
        return _same_or_taken(destination, there, measure)
    return measure.relayed(info, content)


def _same_or_taken(destination: _Destination, there: ObjectInfo, measure: _Measurement) -> RelayedObject:
    """Return what is there if it has the same bytes, for a folder keeps no task id with an object, or is of this task.

    Raises:
        _Damaged: It is ours and not whole. Nothing is lost if the whole is written over it.
        KeyTaken: It is something else.
    """
    is_of_this_task = destination.is_of_this_task(there)
    found = _measure(destination.read(), keep=True)
    if (found.size, found.sha256) == (measure.size, measure.sha256):
        return found.relayed(there)
    if is_of_this_task and not _is_whole(there, found):
        raise _Damaged(there)
    if is_of_this_task and not destination.compared:
        return found.relayed(there)
    if destination.ours and found.size < measure.size and found.sha256 == measure.prefix_sha256:
        raise _Damaged(there)
    raise KeyTaken(there.uri, "other bytes")


def _keep_what_comes(source: VideoSource, destination: _Destination) -> NoReturn:
    """Read a video that always ends too early once more, and keep that."""
    chunks = source.iter_bytes(destination.cancelled)
    head = next(chunks, b"")
    what = "a video of which the end is missing, however often it is read"
    _quarantine(source, destination, head, _until_it_ends_early(chain((head,), chunks)), what)


def _until_it_ends_early(chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except TruncatedSource as error:
        if error.expected is not None:
            raise


def _quarantine(
    source: VideoSource, destination: _Destination, head: bytes, chunks: Iterator[bytes], what: str
) -> NoReturn:
    """Keep what is not a video rather than refuse it while its link dies, but not under the video's key."""
    key = _quarantine_key(destination.key, head)
    measure = _Measurement()
    # AlreadyExists: the key holds a hash of the beginning, so the same thing came before and is kept.
    with (
        suppress(AlreadyExists),
        destination.begin_upload(key, source, "application/octet-stream") as upload,
    ):
        for chunk in chunks:
            upload.write(chunk)
            measure.take(chunk)
        upload.commit(crc32=measure.crc32, size=measure.size)
    raise NotAVideo(destination.store.uri_of(key), what)


def _is_whole(there: ObjectInfo, found: _Measurement) -> bool:
    """Return whether what was read of an object is all of it.

    Where nothing was written down with it, since its size was not known then, its structure tells.
    """
    is_whole = there.expected_size is not None or found.boxes.whole
    return is_whole and not there.damage(size=found.size, crc32=f"{found.crc32:08x}")


def _task_id(metadata: Mapping[str, str]) -> str:
    return metadata.get(TASK_ID_METADATA, "")


def _measure(chunks: Iterator[bytes], prefix_size: int | None = None, *, keep: bool = False) -> _Measurement:
    measure = _Measurement(prefix_size, keep=keep)
    measure.take_all(chunks)
    return measure


def _quarantine_key(key: str, head: bytes) -> str:
    """Return the same key for what begins the same, so that retries of one faulty link do not fill the store."""
    mark = hashlib.sha256(head).hexdigest()[:12]
    name = key.replace("/", "_").encode()[: LONGEST_SEGMENT_BYTES - len(mark) - 1].decode(errors="ignore")
    return f"{QUARANTINE}{name}-{mark}"
