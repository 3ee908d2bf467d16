"""Reading an object of any size: sought in freely, read on through drops, never whole in memory.

A reader asks for a window and reads it as it comes. Each window that follows on the last is larger, so that a
video read from end to end costs few requests, and one whose index is looked up here and there few bytes.
"""

from __future__ import annotations

import io
import random
import re
import time
from typing import TYPE_CHECKING, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from prefect_seedance.storage.errors import Conflict, Missing, StorageError, StoreUnavailable
from prefect_seedance.storage.positioned_reader import PositionedReader
from prefect_seedance.storage.s3.bucket import Bucket
from prefect_seedance.storage.s3.errors import code_of, knows_no_header, status_of, storage_error

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, GetObjectRequestTypeDef

FIRST_WINDOW_BYTES = 512 * 1024
LARGEST_WINDOW_BYTES = 16 * 1024 * 1024
_BUFFER_BYTES = 128 * 1024
# A short step forward is read and dropped rather than asked for anew.
_SKIP_BYTES = 256 * 1024
_DROPS_IN_A_ROW = 4


def open_read(bucket: Bucket, key: str, start: int, *, etag: str = "", version: str = "") -> BinaryIO:
    """See `Store.open_read`. The reader can be sought in.

    Args:
        bucket: Where it is.
        key: Of the object.
        start: First byte.
        etag: That it must have; without it, it is read as it is now.
        version: That is read instead of the newest.

    Raises:
        Conflict: It has another etag by now. Reading raises that as well.
    """
    return io.BufferedReader(_Reader(bucket, key, start, etag, version), _BUFFER_BYTES)


class _Reader(PositionedReader):
    """One object, as it was when it was opened: pinned by its etag."""

    def __init__(self, bucket: Bucket, key: str, start: int, etag: str, version: str) -> None:
        super().__init__()
        self._bucket, self._key, self._where = bucket, key, bucket.uri_of(key)
        self._position = start
        self._window = FIRST_WINDOW_BYTES
        self._body: StreamingBody | None = None
        self._body_position = self._body_end = 0
        self._etag: str = etag
        self._version = version
        self._is_given = bool(etag)
        self._size = 0
        self._knows_ranges = True
        self._open_window()

    def _file_size(self) -> int | None:
        return self._size

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # io gives it a memoryview
        if self._position >= self._size:
            return 0
        for drops in range(_DROPS_IN_A_ROW):
            if drops:
                time.sleep(random.uniform(0.1, 0.2) * 2**drops)
            try:
                data = self._read_some(len(buffer))
            except (BotoCoreError, HTTPError, OSError):
                self._drop()
                continue
            if data:
                buffer[: len(data)] = data
                self._position += len(data)
                return len(data)
            self._drop()
        raise StoreUnavailable(self._where, "the connection breaks while it is read, again and again")

    def close(self) -> None:
        self._drop()
        super().close()

    def _read_some(self, count: int) -> bytes:
        step = self._position - self._body_position
        if self._body is None or self._body_position == self._body_end or not 0 <= step <= _SKIP_BYTES:
            follows = self._body is not None and step == 0
            self._window = min(LARGEST_WINDOW_BYTES, self._window * 2) if follows else FIRST_WINDOW_BYTES
            self._drop()
            self._open_window()
        body = self._body
        assert body is not None
        while self._body_position < self._position:
            skipped = body.read(min(_BUFFER_BYTES, self._position - self._body_position))
            if not skipped:
                return b""
            self._body_position += len(skipped)
        data = body.read(min(count, self._body_end - self._body_position))
        self._body_position += len(data)
        return data

    def _open_window(self) -> None:
        answer = self._ask(self._position, self._position + self._window - 1)
        if answer is None:
            return
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.get("ContentRange", ""))
        if found:
            start, end, self._size = int(found[1]), int(found[2]) + 1, int(found[3])
        else:  # an endpoint that does not know ranges sends all of it
            start, end = 0, answer["ContentLength"]
            self._size = end
        if self._etag and answer["ETag"] != self._etag:  # an endpoint may ignore the condition
            answer["Body"].close()
            raise self._replaced()
        self._etag = self._etag or answer["ETag"]
        self._body, self._body_position, self._body_end = answer["Body"], start, end

    def _ask(self, start: int, last: int) -> GetObjectOutputTypeDef | None:
        """Return the answer to a GET of a range; None if the object ends before it."""
        client, name, whole = self._bucket.client, self._bucket.name, self._bucket.key_of(self._key)
        span: GetObjectRequestTypeDef = {"Bucket": name, "Key": whole}
        if self._version:
            span["VersionId"] = self._version
        if self._knows_ranges:
            span["Range"] = f"bytes={start}-{last}"

        def pinned(_: bool, with_condition: bool) -> GetObjectOutputTypeDef:
            if with_condition:
                return client.get_object(**{**span, "IfMatch": self._etag})
            return client.get_object(**span)

        try:
            if self._etag:  # which is compared with that of the answer as well
                return self._bucket.offer("GetObject", pinned, may_drop_condition=True, has_checks=False)
            return client.get_object(**span)
        except (ClientError, BotoCoreError) as error:
            if code_of(error) in ("NoSuchKey", "NoSuchVersion"):
                raise Missing(self._where) from None
            if isinstance(error, ClientError) and status_of(error) == 412:
                raise self._replaced() from None
            if self._knows_ranges and isinstance(error, ClientError) and knows_no_header(error):
                self._knows_ranges = False
                return self._ask(start, last)
            if code_of(error) != "InvalidRange":
                raise storage_error(error, self._where, writing=False) from error
        head = self._bucket.head(self._key)
        if head is None:
            raise Missing(self._where)
        if self._is_given and head["ETag"] != self._etag:
            raise self._replaced()
        self._size, self._etag = head["ContentLength"], head["ETag"]
        return None

    def _replaced(self) -> StorageError:
        if self._is_given:
            return Conflict(self._where)
        return StoreUnavailable(self._where, "it was replaced while it was read")

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None
