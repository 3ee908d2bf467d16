"""An object of any size on its way into a bucket: one request when small, parts when large, never over another.

Two uploads of one key at once need no lock. Whoever commits first removes the parts of the other, which then
finds the object there, takes the rest of its bytes without sending them, and ends in `AlreadyExists`.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from prefect_seedance.failpoints import reached
from prefect_seedance.storage.errors import (
    AlreadyExists,
    DamagedUpload,
    NoSpace,
    NotWritable,
    RelayCancelled,
    StorageError,
    StoreUnavailable,
)
from prefect_seedance.storage.protocol import ObjectInfo
from prefect_seedance.storage.s3.bucket import Bucket
from prefect_seedance.storage.s3.errors import code_of, storage_error
from prefect_seedance.storage.s3.headers import (
    Checksum,
    ObjectHeaders,
    WriteCondition,
    crc32_header,
    decode_metadata,
    payload_of,
    storage_options,
    with_measures,
    without_measures,
)
from prefect_seedance.storage.s3.line import Line
from prefect_seedance.storage.s3.parts import MOST_PARTS, PartsUpload, abort_unfinished_uploads

#: Up to this size an object is sent in one request; above it in parts of this size.
PART_BYTES = 8 * 1024 * 1024
#: The same where the line has shown to be bad: the least that S3 takes for any part but the last. All parts but that
#: one are of one size, as some stores demand.
SMALL_PART_BYTES = 5 * 1024 * 1024
_MEBIBYTE = 1024 * 1024
_CONFLICT_PAUSES_SECONDS = (0.3, 1.0, 2.0)


def part_bytes_for(size: int | None, least: int = PART_BYTES) -> int:
    """Return how large parts must be so that 10,000 of them are enough.

    Example:
        >>> part_bytes_for(300_000_000) // _MEBIBYTE, part_bytes_for(200 * 1024**3) // _MEBIBYTE
        (8, 21)
    """
    needed = -(-(size or 0) // MOST_PARTS)
    return max(least, -(-needed // _MEBIBYTE) * _MEBIBYTE)


class S3Upload:
    """`Upload` into a bucket.

    Args:
        bucket: Where it goes.
        key: What it will be called.
        size: If known.
        headers: Its content type and the like.
        replaces: A damaged object that has the key, and is overwritten if it is still the same.
        cancelled: Set when the run is cancelled: the upload ends at once, whatever it waits for.
        in_parts: Send it in parts however small it is.
    """

    def __init__(
        self,
        bucket: Bucket,
        key: str,
        *,
        size: int | None,
        headers: ObjectHeaders,
        replaces: ObjectInfo | None = None,
        cancelled: threading.Event | None = None,
        in_parts: bool = False,
    ) -> None:
        self._bucket, self._key, self._where = bucket, key, bucket.uri_of(key)
        self._headers, self._announced, self._replaces = headers, size, replaces
        self._options = storage_options(bucket.settings, key)
        self._line = Line(cancelled)
        self._in_parts = in_parts
        self._part_bytes = part_bytes_for(size, SMALL_PART_BYTES if bucket.line_is_bad else PART_BYTES)
        # Where the size is not known: memory that was never written to costs little.
        self._buffer: bytearray = bytearray(min(self._part_bytes, size or self._part_bytes))
        self._filled = 0
        self._parts: PartsUpload | None = None
        self._size = self._crc32 = self._numbers = 0
        self._overtaken = False

    def __enter__(self) -> Self:
        """See `Upload`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See `Upload`."""
        if self._parts is not None:
            self._parts.close()
        self._line.close()

    def write(self, data: bytes) -> None:
        """See `Upload.write`."""
        self._size += len(data)
        view = memoryview(data)
        while view and not self._overtaken:
            if self._filled == self._part_bytes:
                self._send_part()
            if self._filled == len(self._buffer):  # more comes than was announced
                self._buffer += bytes(self._part_bytes - self._filled)
            step = min(len(view), len(self._buffer) - self._filled)
            # Through a view: a bytearray copies what it is given once more before it takes it.
            memoryview(self._buffer)[self._filled : self._filled + step] = view[:step]
            self._filled += step
            view = view[step:]

    @property
    def content(self) -> bytearray | None:
        """See `Upload.content`: what went out in one request."""
        return self._buffer if self._parts is None else None

    def commit(self, *, crc32: int, size: int) -> ObjectInfo:
        """See `Upload.commit`. Size and CRC32 are compared before, by S3 where it can, and once more afterwards."""
        return self._line.run(self._commit, crc32, size)

    def _commit(self, crc32: int, size: int) -> ObjectInfo:
        if self._in_parts and self._filled:
            self._send_part()
        if self._parts is None:
            del self._buffer[self._filled :]
            self._crc32 = zlib.crc32(self._buffer)
        else:
            self._finish_parts(self._parts)
            if self._parts.checks_whole:
                self._crc32 = crc32  # S3 compares it with the parts, each of which it has compared with its own
        if self._overtaken or (self._looks_first and self._is_taken()):
            raise AlreadyExists(self._where)
        if (self._size, self._crc32) != (size, crc32):
            there, wanted = f"{self._size} bytes, CRC32 {self._crc32:08x}", f"{size} bytes, {crc32:08x}"
            raise DamagedUpload(self._where, f"{there}, expected {wanted}")
        if self._parts is None:
            self._headers = with_measures(self._headers, size=size, crc32=crc32)
        reached("commit.before")
        info = self._put()
        reached("commit.after")
        if self._parts is not None:
            abort_unfinished_uploads(self._bucket, self._key)
        return info

    @property
    def _looks_first(self) -> bool:
        """Whether to look if the key is free, although the write itself refuses to overwrite.

        Not every endpoint honours that. One that was found to needs no second question where the write is one request;
        the parts of a large object would all be put together before it is refused.
        """
        known = self._bucket.refuses_overwrites and not self._bucket.settings.single_writer
        return self._parts is not None or not known

    @property
    def _condition(self) -> WriteCondition:
        return {"IfMatch": self._replaces.etag} if self._replaces else {"IfNoneMatch": "*"}

    def _is_taken(self) -> bool:
        there = self._bucket.stat(self._key)
        return not self._is_replaced(there) if self._replaces else there is not None

    def _is_replaced(self, there: ObjectInfo | None) -> bool:
        return self._replaces is not None and there is not None and there.etag == self._replaces.etag

    def _put(self) -> ObjectInfo:
        for pause in _CONFLICT_PAUSES_SECONDS:
            try:
                etag = self._put_whole() if self._parts is None else self._complete(self._parts)
            except (ClientError, BotoCoreError, StorageError) as error:
                found = self._ours_or_none(error)
                if found is not None:
                    return found
                if self._parts is None and self._broke(error) and len(self._buffer) > SMALL_PART_BYTES:
                    self._send_in_smaller_parts()
                    continue
                if not (isinstance(error, ClientError) and code_of(error) == "ConditionalRequestConflict"):
                    raise self._storage_error(error) from error
                time.sleep(pause)  # another upload commits at this moment, and may fail yet
            else:
                return self._checked(etag)
        raise StoreUnavailable(self._where, "others write there at the same moment, again and again")

    def _complete(self, parts: PartsUpload) -> str:
        return parts.complete(crc32=self._crc32, size=self._size, condition=self._condition)

    def _broke(self, error: Exception) -> bool:
        """Return whether the connection failed, and remember that the line is bad: what is sent next is smaller."""
        broke = isinstance(error, HTTPClientError)
        self._bucket.line_is_bad = self._bucket.line_is_bad or broke
        return broke

    def _send_in_smaller_parts(self) -> None:
        """Send in parts what did not pass in one piece."""
        whole, crc32 = self._buffer, self._crc32
        self._part_bytes, self._crc32 = SMALL_PART_BYTES, 0
        view = memoryview(whole)
        for start in range(0, len(whole), SMALL_PART_BYTES):
            self._buffer = bytearray(view[start : start + SMALL_PART_BYTES])
            self._filled = len(self._buffer)
            self._send_part()
        if self._parts is not None:
            self._finish_parts(self._parts)
        self._crc32 = crc32

    def _put_whole(self) -> str:
        checksum: Checksum = {"ChecksumCRC32": crc32_header(self._crc32)}
        condition = self._condition

        def send(with_checks: bool, with_condition: bool) -> str:
            return self._bucket.client.put_object(
                Bucket=self._bucket.name,
                Key=self._bucket.key_of(self._key),
                Body=payload_of(self._buffer),
                **self._headers,
                **self._options,
                **(checksum if with_checks else Checksum()),
                **(condition if with_condition else WriteCondition()),
            )["ETag"]

        # It was looked whether the key is free, which holds a name that the vendor gave to this video alone.
        return self._bucket.offer("PutObject", send, may_drop_condition=self._looks_first)

    def _ours_or_none(self, error: Exception) -> ObjectInfo | None:
        """Return what is there after a failure, if it is ours.

        boto3 repeats a request whose answer was lost, and the repetition is refused because of the first.

        Raises:
            AlreadyExists: Something else is there, or it cannot be told.
        """
        try:
            head = self._bucket.head(self._key, checksum=True)
        except StorageError:
            return None  # the first error says more
        if head is None:
            return None
        info = self._bucket.info(self._key, head)
        if self._is_replaced(info):
            return None  # it was not written
        same_metadata = info.metadata == without_measures(decode_metadata(self._headers["Metadata"]))[0]
        if same_metadata and info.size == self._size and info.crc32 == f"{self._crc32:08x}":
            return info
        raise AlreadyExists(self._where) from error

    def _checked(self, etag: str) -> ObjectInfo:
        """Check what is there now, and return it."""
        head = self._bucket.head(self._key, checksum=True)
        if head is None:
            raise StoreUnavailable(self._where, "it was stored, and is not there a moment later")
        info = self._bucket.info(self._key, head)
        if info.size == self._size and info.crc32 in ("", f"{self._crc32:08x}"):
            return info
        crc32 = crc32_header(int(info.crc32, 16)) if info.crc32 else "unknown"
        wanted = f"{self._size} bytes, {crc32_header(self._crc32)}"
        detail = f"{info.size} bytes, CRC32 {crc32}, expected {wanted}"
        # Only what this upload wrote is removed.
        if info.etag == etag:
            try:
                self._bucket.client.delete_object(Bucket=self._bucket.name, Key=self._bucket.key_of(self._key))
            except (ClientError, BotoCoreError) as error:
                # The next relay sees by its metadata that it is not whole, and writes over it.
                raise DamagedUpload(self._where, detail, code_of(error) or type(error).__name__) from error
            raise DamagedUpload(self._where, detail)
        advice = "Look at it, delete it by hand, and run again."
        raise NotWritable(self._where, f"what is there is not what was sent ({detail})", advice)

    def _storage_error(self, error: ClientError | BotoCoreError | StorageError) -> StorageError:
        if isinstance(error, StorageError):
            return error
        if code_of(error) == "BadDigest":
            return DamagedUpload(self._where, "what arrived does not have the checksum of what was sent")
        return storage_error(error, self._where, writing=True)

    def _send_part(self) -> None:
        if self._numbers >= MOST_PARTS:
            raise NoSpace(self._where, f"it is larger than {MOST_PARTS} parts of {self._part_bytes} bytes")
        self._numbers += 1
        with self._rivals_noticed():
            if self._parts is None:
                self._headers = with_measures(self._headers, size=self._announced)
                arguments = (self._bucket, self._key, self._headers, self._options, self._line)
                self._parts = self._line.run(PartsUpload, *arguments)
            del self._buffer[self._filled :]
            if not self._parts.checks_whole:
                self._crc32 = zlib.crc32(self._buffer, self._crc32)
            self._buffer, self._filled = self._parts.send(self._buffer), 0

    def _finish_parts(self, parts: PartsUpload) -> None:
        if self._filled and not self._overtaken:
            self._send_part()
        with self._rivals_noticed():
            if not self._overtaken:
                parts.wait()

    @contextmanager
    def _rivals_noticed(self) -> Generator[None, None, None]:
        """Pass over a failure if the object is there by now: somebody else brought it, and ended our upload."""
        try:
            yield
        except RelayCancelled:
            raise
        except StorageError:
            there = None
            with suppress(StorageError):  # the first error says more
                there = self._bucket.stat(self._key)
            if there is None or self._is_replaced(there):
                raise
            self._overtaken = True
