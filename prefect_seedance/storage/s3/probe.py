"""Whether an endpoint honours what two writers at once depend on. Not all that speak S3 do, and some do not say so.

The probe stands under one fixed prefix, which is part of the journal, so that it is where conditions matter. Its
keys are fresh: workers that start at the same moment probe at the same moment.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from prefect_seedance.storage.s3.bucket import Bucket, age_seconds
from prefect_seedance.storage.s3.errors import code_of, storage_error
from prefect_seedance.storage.s3.headers import JOURNAL
from prefect_seedance.storage.s3.records import WriteCondition, get, put, refused_by_condition

PROBE = f"{JOURNAL}probe/"
CREATORS = 8
_LEFT_OVER_SECONDS = 3600.0
# How an endpoint says that it does not know conditions, and that there is nothing to be swapped.
_UNKNOWN_TO_IT = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest", "NoSuchKey"})
_NO_ETAG = '"00000000000000000000000000000000"'


@dataclass(frozen=True, slots=True)
class Conditions:
    """What an endpoint honours.

    Attributes:
        create: `If-None-Match: *` refuses to overwrite.
        one_winner: Of eight such writes at once exactly one succeeds.
        swap: `If-Match` refuses a write against another etag, and only that.
    """

    create: bool
    one_winner: bool
    swap: bool

    @property
    def missing(self) -> str:
        """What is not honoured, in words; empty if all is."""
        if not self.create:
            return "it overwrites an object although it was told not to (If-None-Match)"
        if not self.one_winner:
            return "of several writers that create one object at once, more than one succeeds (If-None-Match)"
        return "" if self.swap else "it overwrites an object that has changed meanwhile (If-Match)"


def probe_conditions(bucket: Bucket) -> Conditions:
    """Try the conditions with objects of a few bytes, which are deleted afterwards.

    Raises:
        StorageError: It could not be found out.
    """
    key = f"{PROBE}{uuid4().hex}"
    try:
        with ThreadPoolExecutor(CREATORS) as creators:
            nonces = [uuid4().hex.encode() for _ in range(CREATORS)]
            creating = [creators.submit(_put, bucket, key, nonce, {"IfNoneMatch": "*"}) for nonce in nonces]
        etags = [each.result() for each in creating]
        there = get(bucket, key)
        if there is None:
            return Conditions(create=False, one_winner=False, swap=False)
        winners = sum(bool(etag) for etag in etags)
        # None: the answer to the winner was lost, and its repetition refused.
        one_winner = winners == 1 or (winners == 0 and there.data in nonces)
        create = not _put(bucket, key, b"again", {"IfNoneMatch": "*"})
        stale = _put(bucket, key, b"stale", {"IfMatch": _NO_ETAG})
        swapped = _put(bucket, key, b"swapped", {"IfMatch": there.etag})
        # Its answer may be lost too.
        after = get(bucket, key)
        swap = not stale and (bool(swapped) or (after is not None and after.data == b"swapped"))
        return Conditions(create=create, one_winner=one_winner, swap=swap)
    finally:
        _tidy(bucket, key)


def _put(bucket: Bucket, key: str, data: bytes, condition: WriteCondition) -> str:
    """Return the etag, or empty text if it was not written: refused by the condition, or because of it."""
    try:
        return put(bucket, key, data, condition)
    except (ClientError, BotoCoreError) as error:
        if refused_by_condition(error) or code_of(error) in _UNKNOWN_TO_IT:
            return ""
        raise storage_error(error, bucket.uri_of(key), writing=True) from error


def _tidy(bucket: Bucket, key: str) -> None:
    """Remove this probe, and those of workers that were killed at it. What stays is small and harmless."""
    with suppress(ClientError, BotoCoreError):
        bucket.client.delete_object(Bucket=bucket.name, Key=bucket.key_of(key))
        answer = bucket.client.list_objects_v2(Bucket=bucket.name, Prefix=bucket.prefixed(PROBE))
        for entry in answer.get("Contents", []):
            if "Key" not in entry or "LastModified" not in entry:
                continue
            if age_seconds(entry["LastModified"], answer["ResponseMetadata"]) > _LEFT_OVER_SECONDS:
                bucket.client.delete_object(Bucket=bucket.name, Key=entry["Key"])
