"""A multipart upload, driven by hand: parts in parallel, few of them in memory, checked in the end by S3 itself.

Each part is sent with its CRC32, and the whole is put together under the CRC32 that was measured before the bytes were
cut into parts: whatever is damaged after that, in memory or on the way, S3 refuses.

boto3's own upload manager cannot refuse to overwrite, does not send the checksum of the whole, and holds more
than a dozen parts in memory.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections import deque
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import TYPE_CHECKING, TypedDict

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from prefect_seedance.asides import AsideLog
from prefect_seedance.storage.errors import StorageError
from prefect_seedance.storage.s3.bucket import Bucket
from prefect_seedance.storage.s3.errors import code_of, storage_error, translated
from prefect_seedance.storage.s3.headers import (
    Checksum,
    ObjectHeaders,
    StorageOptions,
    WriteCondition,
    crc32_header,
    payload_of,
)
from prefect_seedance.storage.s3.line import Line

if TYPE_CHECKING:
    from mypy_boto3_s3.literals import ChecksumAlgorithmType, ChecksumTypeType
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, CreateMultipartUploadOutputTypeDef

_LOG = AsideLog(__name__)

WORKERS = 2
MOST_PARTS = 10_000
_ABORT_PAUSES_SECONDS = (0.0, 0.5, 1.5)


class _AskedChecksums(TypedDict, total=False):
    ChecksumAlgorithm: ChecksumAlgorithmType
    ChecksumType: ChecksumTypeType


class _WholeChecks(TypedDict, total=False):
    MpuObjectSize: int
    ChecksumCRC32: str
    ChecksumType: ChecksumTypeType


class PartsUpload:
    """The parts of one object. `close` it in the end, whatever happened.

    Args:
        bucket: Where it goes.
        key: What it will be called.
        headers: Its content type and the like.
        options: How it is to be kept.
        line: What carries the parts.

    Attributes:
        checks_whole: Whether the endpoint compares the whole with the CRC32 that `complete` is given.

    Raises:
        StorageError: It could not be begun.
    """

    def __init__(self, bucket: Bucket, key: str, headers: ObjectHeaders, options: StorageOptions, line: Line) -> None:
        self._bucket, self._key, self._where = bucket, key, bucket.uri_of(key)
        self._whole_key = bucket.key_of(key)
        self._line, self._stopped = line, threading.Event()
        self._done = False
        self._sent = 0
        self._parts: list[CompletedPartTypeDef] = []
        self._pending: deque[tuple[Future[CompletedPartTypeDef], bytearray]] = deque()
        self.checks_whole = False
        with translated(self._where, writing=True):
            self._id = self._begin(headers, options)

    def send(self, data: bytearray) -> bytearray:
        """Send the next part, and return a buffer to fill next. Waits while all workers are busy.

        Raises:
            StorageError: This part or an earlier one could not be sent.
        """
        self._sent += 1
        number = self._sent
        self._pending.append((self._line.start(self._upload, number, data), data))
        return self._collect() if len(self._pending) > WORKERS else bytearray(len(data))

    def wait(self) -> None:
        """Wait until all parts have come.

        Raises:
            StorageError: One of them could not be sent.
        """
        while self._pending:
            self._collect()

    def complete(self, *, crc32: int, size: int, condition: WriteCondition) -> str:
        """Make one object of the parts, all of which have come.

        S3 refuses it if the condition does not hold, or if the whole is not what it should be.

        Returns:
            Its etag.

        Raises:
            ClientError, BotoCoreError: It was not done, or nobody knows.
        """
        checks: _WholeChecks = {"MpuObjectSize": size}
        if self.checks_whole:
            checks |= {"ChecksumCRC32": crc32_header(crc32), "ChecksumType": "FULL_OBJECT"}

        def send(with_checks: bool, with_condition: bool) -> str:
            return self._complete(checks if with_checks else {}, condition if with_condition else {})

        etag = self._bucket.offer("CompleteMultipartUpload", send, may_drop_condition=True)
        self._done = True
        return etag

    def close(self) -> None:
        """Stop what is running, and remove all parts unless they became an object. Never raises."""
        self._stopped.set()
        for future, _ in self._pending:
            future.cancel()
        if not self._done:
            self._line.cut()
            # First at once, so that parts on their way are refused; then again for those that came through.
            with suppress(StorageError):
                self._line.farewell(self.abort)
        self._line.close()
        self._pending.clear()
        if self._done or self._line.cancelled.is_set():
            return
        for pause in _ABORT_PAUSES_SECONDS:
            time.sleep(pause)
            try:
                return self.abort()
            except StorageError as error:
                _LOG.warning("The parts of an upload could not be removed: %s", error)

    def abort(self) -> None:
        """Remove all parts that have come.

        Raises:
            StorageError: They may still be there.
        """
        _abort(self._bucket, self._key, self._id)

    def _begin(self, headers: ObjectHeaders, options: StorageOptions) -> str:
        def send(with_checks: bool, _: bool) -> CreateMultipartUploadOutputTypeDef:
            asked: _AskedChecksums = {}
            if with_checks:
                asked = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
            return self._bucket.client.create_multipart_upload(
                Bucket=self._bucket.name, Key=self._whole_key, **headers, **options, **asked
            )

        answer = self._bucket.offer("CreateMultipartUpload", send)
        # An endpoint that does not repeat it has not understood it: one that puts the checksums of the parts
        # together would find the checksum of the whole to be wrong.
        self.checks_whole = answer.get("ChecksumType") == "FULL_OBJECT"
        return answer["UploadId"]

    def _upload(self, number: int, data: bytearray) -> CompletedPartTypeDef:
        if self._stopped.is_set():
            raise CancelledError
        checksum: Checksum = {"ChecksumCRC32": crc32_header(zlib.crc32(data))} if self._bucket.takes_checksums else {}

        def send(with_checks: bool, _: bool) -> CompletedPartTypeDef:
            checks: Checksum = checksum if with_checks else {}
            answer = self._bucket.client.upload_part(
                Bucket=self._bucket.name,
                Key=self._whole_key,
                UploadId=self._id,
                PartNumber=number,
                Body=payload_of(data),
                **checks,
            )
            return {"PartNumber": number, "ETag": answer["ETag"], **checks}

        with translated(self._where, writing=True):
            try:
                return self._bucket.offer("UploadPart", send)
            except HTTPClientError:
                self._bucket.line_is_bad = True  # who repeats the upload sends smaller parts
                raise

    def _collect(self) -> bytearray:
        """Wait for the oldest part, and return its buffer."""
        future, buffer = self._pending.popleft()
        self._parts.append(self._line.result(future))
        return buffer

    def _complete(self, checks: _WholeChecks, condition: WriteCondition) -> str:
        return self._bucket.client.complete_multipart_upload(
            Bucket=self._bucket.name,
            Key=self._whole_key,
            UploadId=self._id,
            MultipartUpload={"Parts": self._parts},
            **condition,
            **checks,
        )["ETag"]


def unfinished_uploads(bucket: Bucket, key: str) -> list[str]:
    """Return the ids of all uploads of this key that are neither completed nor aborted.

    Raises:
        StorageError: They could not be listed.
    """
    whole = bucket.key_of(key)
    pages = bucket.client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket.name, Prefix=whole)
    try:
        uploads = [upload for page in pages for upload in page.get("Uploads", [])]
    except (ClientError, BotoCoreError) as error:
        if code_of(error) == "NoSuchUpload":  # what rclone says when there are none
            return []
        raise storage_error(error, bucket.uri_of(key), writing=True) from error
    return [upload["UploadId"] for upload in uploads if upload.get("Key") == whole and "UploadId" in upload]


def abort_unfinished_uploads(bucket: Bucket, key: str) -> None:
    """Remove all parts that are kept for this key, once it holds its object. Never raises.

    They are of a relay that was killed, or of one that is still at it. Both are of no use any more, since the
    key is never written over; the living one will find the object there.
    """
    try:
        for upload_id in unfinished_uploads(bucket, key):
            _abort(bucket, key, upload_id)
    except StorageError as error:
        _LOG.warning("Parts of an earlier upload may be left at %s: %s", bucket.uri_of(key), error)


def _abort(bucket: Bucket, key: str, upload_id: str) -> None:
    try:
        bucket.client.abort_multipart_upload(Bucket=bucket.name, Key=bucket.key_of(key), UploadId=upload_id)
    except (ClientError, BotoCoreError) as error:
        if code_of(error) != "NoSuchUpload":
            raise storage_error(error, bucket.uri_of(key), writing=True) from error
