"""A store in an S3 bucket, or in one of a store that speaks S3."""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO, NamedTuple
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from prefect_seedance.storage.errors import BadKey, ConditionsIgnored, NotWritable, StorageError
from prefect_seedance.storage.keys import check_key, check_prefix
from prefect_seedance.storage.protocol import TASK_ID_METADATA, Blob, ObjectInfo, Upload
from prefect_seedance.storage.s3 import records
from prefect_seedance.storage.s3.bucket import Bucket, ClientMaker, OncePerProcess, age_seconds, make_client
from prefect_seedance.storage.s3.errors import code_of, storage_error, translated
from prefect_seedance.storage.s3.headers import object_headers
from prefect_seedance.storage.s3.probe import PROBE, VIDEO_PROBE, Conditions, probe_conditions
from prefect_seedance.storage.s3.reader import open_read
from prefect_seedance.storage.s3.settings import S3Settings
from prefect_seedance.storage.s3.upload import S3Upload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: What S3 allows. Links that are signed with temporary credentials die with these, however long they were asked for.
LONGEST_LINK_SECONDS = 7 * 24 * 3600


class CredentialsEnd(NamedTuple):
    """When the credentials of a store end, and with them whatever they have signed.

    Attributes:
        at: None for never, and where it is not known.
        is_known: False for temporary credentials that do not say when they end.
    """

    at: datetime | None
    is_known: bool


def credentials_end(client: S3Client) -> CredentialsEnd:
    """Return when the credentials of a client end; see `S3Store.credentials_end`."""
    # botocore keeps them private, and offers no other way to their end.
    credentials: object = getattr(getattr(client, "_request_signer", None), "_credentials", None)
    end: object = getattr(credentials, "_expiry_time", None)
    if isinstance(end, datetime) and end.tzinfo is not None:
        return CredentialsEnd(end, is_known=True)
    return CredentialsEnd(None, is_known=credentials is not None and not getattr(credentials, "token", None))


class S3Store:
    """`Store` in a bucket. Threads share it; a forked child makes its own connections.

    Args:
        settings: Where, and how.
        make_client: Makes the boto3 client from them, for credentials that settings cannot tell.

    Example:
        >>> store = S3Store(S3Settings("my-bucket", "videos"))
        >>> store.uri_of("journal/store.json")
        's3://my-bucket/videos/journal/store.json'
    """

    def __init__(self, settings: S3Settings, *, make_client: ClientMaker = make_client) -> None:
        self.settings = settings
        self.bucket = Bucket(settings, make_client)
        self._conditions = OncePerProcess(self._probe_conditions)
        self._writable = OncePerProcess(self._probe_writing)

    @property
    def client(self) -> S3Client:
        """The boto3 client of this process, made when it is first needed."""
        return self.bucket.client

    # The journal's five.

    def create(self, key: str, data: bytes) -> str:
        """See `Store.create`."""
        return records.create(self.bucket, key, data)

    def swap(self, key: str, data: bytes, *, etag: str) -> str:
        """See `Store.swap`."""
        return records.swap(self.bucket, key, data, etag)

    def get(self, key: str) -> Blob | None:
        """See `Store.get`."""
        return records.get(self.bucket, key)

    def earlier_versions(self, key: str) -> Iterator[bytes]:
        """See `Store.earlier_versions`. Where the bucket has versioning."""
        return records.earlier_versions(self.bucket, key)

    def list_keys(self, prefix: str) -> Iterator[str]:
        """See `Store.list_keys`. A thousand keys are in memory at a time."""
        return (key for key, _ in self.list_ages(prefix))

    def list_written(self, prefix: str, *, within_seconds: float) -> Iterator[str]:
        """See `ListsByAge`."""
        return (key for key, age in self.list_ages(prefix) if age is None or age <= within_seconds)

    def list_ages(self, prefix: str) -> Iterator[tuple[str, float | None]]:
        """See `ListsByAge`. A page of a listing says when its objects were written, and when it was made."""
        return self._list(self.bucket.prefixed(check_prefix(prefix)))

    def _list(self, whole: str) -> Iterator[tuple[str, float | None]]:
        with translated(f"s3://{self.bucket.name}/{whole}", writing=False):
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket.name, Prefix=whole)
            for page in pages:
                for entry in page.get("Contents", []):
                    key, written = self.bucket.relative(entry.get("Key", "")), entry.get("LastModified")
                    if _is_ours(key):
                        yield key, age_seconds(written, page["ResponseMetadata"]) if written else None

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        try:
            self.client.delete_object(Bucket=self.bucket.name, Key=self.bucket.key_of(key))
        except (ClientError, BotoCoreError) as error:
            if code_of(error) != "NoSuchKey":  # S3 itself says so for no key, other stores do
                raise storage_error(error, self.uri_of(key), writing=True) from error

    # Media.

    def stat(self, key: str) -> ObjectInfo | None:
        """See `Store.stat`."""
        return self.bucket.stat(key)

    def uri_of(self, key: str) -> str:
        """See `Store.uri_of`: `s3://bucket/prefix/key`."""
        return self.bucket.uri_of(key)

    def begin_upload(
        self,
        key: str,
        *,
        size: int | None,
        content_type: str,
        metadata: Mapping[str, str],
        filename: str = "",
        replaces: ObjectInfo | None = None,
        cancelled: threading.Event | None = None,
    ) -> Upload:
        """See `Store.begin_upload`. Nothing is sent before there are more than 8 MiB, or the commit."""
        headers = object_headers(key, content_type, metadata, filename)
        return S3Upload(self.bucket, key, size=size, headers=headers, replaces=replaces, cancelled=cancelled)

    def open_read(self, key: str, start: int = 0) -> BinaryIO:
        """See `Store.open_read`. The object can be sought in, and is never whole in memory."""
        return open_read(self.bucket, key, start)

    def presigned_url(self, key: str, expires_seconds: int = 3600) -> str:
        """Return a link by which anybody can download an object for a while. Nothing is asked of the store.

        Args:
            key: Of the object.
            expires_seconds: How long, at most a week; temporary credentials may end it earlier.

        Raises:
            ValueError: The time is below a second, or longer than S3 allows.
            NotReadable: There are no credentials to sign with.
        """
        if not 0 < expires_seconds <= LONGEST_LINK_SECONDS:
            raise ValueError(f"a link can live from 1 to {LONGEST_LINK_SECONDS} seconds, not {expires_seconds}")
        with translated(self.uri_of(key), writing=False):
            return self.client.generate_presigned_url(
                "get_object",
                Params={"Bucket": self.bucket.name, "Key": self.bucket.key_of(key)},
                ExpiresIn=expires_seconds,
            )

    def credentials_end(self) -> CredentialsEnd:
        """Return when the credentials in use end. Nothing is asked of anybody; sign first, which renews them."""
        return credentials_end(self.client)

    # The bucket itself.

    def conditions(self) -> Conditions:
        """Return what was found when the store was probed, which is done once for each store and process.

        Raises:
            StorageError: It could not be found out; the next call tries again.
        """
        return self._conditions()

    def _probe_conditions(self) -> Conditions:
        found = probe_conditions(self.bucket)
        self.bucket.refuses_overwrites = found.create and found.one_winner
        return found

    def require_conditions(self) -> None:
        """See `Store.require_conditions`. With `single_writer` no condition is required, but the rest is."""
        missing = "" if self.settings.single_writer else self.conditions().missing
        if missing:
            raise ConditionsIgnored(self.settings.location, missing)
        self._writable()

    def check_place(self, key: str) -> None:
        """See `Store.check_place`. A bucket has no folders that could lead elsewhere."""

    def check_writable(self) -> None:
        """See `Store.check_writable`. Done once for each store and process, until it has succeeded."""
        self._writable()

    def _probe_writing(self) -> None:
        """Do with small objects what later steps will do with a record and with a video, in the very same calls.

        What the endpoint refuses of them is found out before anything is paid, or left out from now on.
        """
        name, nonce = uuid4().hex, uuid4().hex.encode()
        record, data = f"{PROBE}{name}", nonce
        etag = self.create(record, data)
        try:
            data += b" swapped"
            self.swap(record, data, etag=etag)
            there = self.get(record)
            if there is None or there.data != data:
                raise NotWritable(self.uri_of(record), "a probe that was written reads back differently")
        finally:
            self.delete(record)
        for in_parts in (False, True):
            self._probe_upload(f"{VIDEO_PROBE}{name}{'-large' if in_parts else ''}.mp4", nonce, in_parts=in_parts)

    def _probe_upload(self, key: str, data: bytes, *, in_parts: bool) -> None:
        metadata = {TASK_ID_METADATA: "probe", "intent": "probe", "model": "probe"}
        headers = object_headers(key, "video/mp4", metadata, "probe é.mp4")
        upload = S3Upload(self.bucket, key, size=len(data), headers=headers, in_parts=in_parts)
        try:
            with upload:
                upload.write(data)
                upload.commit(crc32=zlib.crc32(data), size=len(data))
        finally:
            with suppress(StorageError):  # it is small and harmless, and a video is never deleted
                self.delete(key)


_opened = lru_cache(maxsize=32)(S3Store)
_opening = threading.Lock()
if hasattr(os, "register_at_fork"):  # nobody holds it while a child is made, in which nobody would release it
    os.register_at_fork(before=_opening.acquire, after_in_parent=_opening.release, after_in_child=_opening.release)


def open_s3_store(settings: S3Settings) -> S3Store:
    """Return the store that has these settings, the same one to all threads of a process.

    It keeps its connections, and what was found when it was probed.
    """
    with _opening:  # two threads that miss the cache at once would each be given a store of their own
        return _opened(settings)


def _is_ours(key: str) -> bool:
    """Return whether a key can be ours: other tools leave keys in a bucket such as `folder/`."""
    try:
        check_key(key)
    except BadKey:
        return False
    return True
