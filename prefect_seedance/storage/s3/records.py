"""The journal's records on S3: created and swapped under conditions, read whole.

What S3 answers to a conditional write is only half of the truth, since boto3 repeats a request whose answer
was lost, and the repetition is refused because of the first. So:

| answer | what it may mean | what is done |
|---|---|---|
| 412 | another write, or our own first try | read it: our bytes are a success |
| 409 | a write at the same moment | read it; if nothing has changed, try again |
| 404 to a swap | it was deleted | `Missing` |
| 403 | anything | an error; never "absent" |

Where the settings promise a single writer, which is one process, the endpoint may ignore the conditions. Then this
process looks before it writes, and a lock for each key keeps its threads from doing so at the same moment.
"""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from prefect_seedance.storage.errors import AlreadyExists, Conflict, Missing, StoreUnavailable
from prefect_seedance.storage.key_locks import KeyLocks
from prefect_seedance.storage.protocol import Blob
from prefect_seedance.storage.s3.bucket import Bucket, age_seconds, answered_at
from prefect_seedance.storage.s3.errors import code_of, status_of, storage_error
from prefect_seedance.storage.s3.headers import (
    Checksum,
    WriteCondition,
    content_type_of,
    crc32_header,
    payload_of,
    storage_options,
)

_PAUSES_SECONDS = (0.0, 0.1, 0.2, 0.5, 1.0)
#: By whole address, so that two stores of one place share them.
_WRITES = KeyLocks()
#: The endpoint keeps no versions.
_NO_VERSIONS = ("NotImplemented", "MethodNotAllowed")
#: Of a version that was removed meanwhile, or lies in an archive.
_NOT_READABLE = ("NoSuchKey", "NoSuchVersion", "InvalidObjectState")


def put(bucket: Bucket, key: str, data: bytes, condition: WriteCondition, *, may_drop_condition: bool = False) -> str:
    """Write a small object.

    Args:
        bucket: Where.
        key: Under which name.
        data: Its bytes.
        condition: Under which it is written.
        may_drop_condition: Nothing depends on the condition; see `Bucket.offer`.

    Returns:
        The etag.

    Raises:
        ClientError, BotoCoreError: As boto3 does.
    """
    checksum: Checksum = {"ChecksumCRC32": crc32_header(zlib.crc32(data))} if bucket.takes_checksums else {}

    def send(with_checks: bool, with_condition: bool) -> str:
        return bucket.client.put_object(
            Bucket=bucket.name,
            Key=bucket.key_of(key),
            Body=payload_of(bytearray(data)),
            ContentType=content_type_of(key),
            **storage_options(bucket.settings, key),
            **(checksum if with_checks else Checksum()),
            **(condition if with_condition else WriteCondition()),
        )["ETag"]

    etag = bucket.offer("PutObject", send, may_drop_condition=may_drop_condition)
    bucket.is_there = True
    return etag


def create(bucket: Bucket, key: str, data: bytes) -> str:
    """See `Store.create`."""
    where = bucket.uri_of(key)
    with _alone(bucket, where):
        if bucket.settings.single_writer and (there := get(bucket, key)):
            return _ours(there, data, where)
        for _ in _tries():
            try:
                return _put_on_condition(bucket, key, data, {"IfNoneMatch": "*"})
            except (ClientError, BotoCoreError) as error:
                if not refused_by_condition(error):
                    raise storage_error(error, where, writing=True) from error
            there = get(bucket, key)
            if there is not None:
                return _ours(there, data, where)
    raise _contended(where)


def swap(bucket: Bucket, key: str, data: bytes, etag: str) -> str:
    """See `Store.swap`."""
    where = bucket.uri_of(key)
    with _alone(bucket, where):
        for number, _ in enumerate(_tries()):
            if number or bucket.settings.single_writer:
                there = get(bucket, key)
                if there is None:
                    raise Missing(where)
                if there.data == data:
                    return there.etag
                if there.etag != etag:
                    raise Conflict(where)
            try:
                return _put_on_condition(bucket, key, data, {"IfMatch": etag})
            except (ClientError, BotoCoreError) as error:
                if isinstance(error, ClientError) and code_of(error) == "NoSuchKey":
                    raise Missing(where) from None
                if not refused_by_condition(error):
                    raise storage_error(error, where, writing=True) from error
    raise _contended(where)


def get(bucket: Bucket, key: str) -> Blob | None:
    """See `Store.get`."""
    where = bucket.uri_of(key)
    for _ in _tries():
        try:
            answer = bucket.client.get_object(Bucket=bucket.name, Key=bucket.key_of(key))
        except (ClientError, BotoCoreError) as error:
            # Only this code means absent: a bare 404 may be the bucket's, or come from a proxy.
            if isinstance(error, ClientError) and code_of(error) == "NoSuchKey":
                bucket.is_there = True
                return None
            raise storage_error(error, where, writing=False) from error
        try:
            with closing(answer["Body"]) as body:
                data = body.read()
        except (BotoCoreError, HTTPError, OSError):
            continue  # boto3 repeats requests, but not the reading of an answer
        metadata = answer["ResponseMetadata"]
        now = answered_at(metadata)
        age = age_seconds(answer["LastModified"], metadata)
        return Blob(data, answer["ETag"], age, now.timestamp() if now else None)
    raise StoreUnavailable(where, "the connection breaks while it is read, again and again")


def earlier_versions(bucket: Bucket, key: str) -> Iterator[bytes]:
    """See `Store.earlier_versions`: also of a key that was deleted."""
    whole, where = bucket.key_of(key), bucket.uri_of(key)
    try:
        for page in bucket.client.get_paginator("list_object_versions").paginate(Bucket=bucket.name, Prefix=whole):
            for version in page.get("Versions", []):
                if version.get("Key") != whole:
                    continue
                data = _version(bucket, whole, version.get("VersionId", "null"))
                if data is not None:
                    yield data
    except (ClientError, BotoCoreError, HTTPError) as error:
        if isinstance(error, HTTPError):
            raise StoreUnavailable(where, "the connection breaks while it is read") from error
        if code_of(error) not in _NO_VERSIONS:
            raise storage_error(error, where, writing=False) from error


def _version(bucket: Bucket, whole: str, version: str) -> bytes | None:
    """Read one version; None if it is gone or archived."""
    try:
        answer = bucket.client.get_object(Bucket=bucket.name, Key=whole, VersionId=version)
    except ClientError as error:
        if code_of(error) in _NOT_READABLE:
            return None
        raise
    with closing(answer["Body"]) as body:
        return body.read()


def refused_by_condition(error: ClientError | BotoCoreError) -> bool:
    """Return whether it was refused because of its condition, or of a write at the same moment."""
    return isinstance(error, ClientError) and (
        status_of(error) == 412
        or code_of(error) in ("PreconditionFailed", "ConditionalRequestConflict", "OperationAborted")
    )


def _alone(bucket: Bucket, where: str) -> AbstractContextManager[object]:
    return _WRITES.held(where) if bucket.settings.single_writer else nullcontext()


def _put_on_condition(bucket: Bucket, key: str, data: bytes, condition: WriteCondition) -> str:
    return put(bucket, key, data, condition, may_drop_condition=bucket.settings.single_writer)


def _ours(there: Blob, data: bytes, where: str) -> str:
    if there.data != data:
        raise AlreadyExists(where)
    return there.etag


def _tries() -> Iterator[None]:
    for pause in _PAUSES_SECONDS:
        if pause:  # a sleep of nothing hands the processor to another thread all the same
            time.sleep(pause * random.uniform(0.5, 1.5))
        yield


def _contended(where: str) -> StoreUnavailable:
    return StoreUnavailable(where, "others write there at the same moment, again and again")
