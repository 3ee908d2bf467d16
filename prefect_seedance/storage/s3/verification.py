"""A trial of everything that a store will be asked to do, with small objects: what is missing, in words."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from uuid import uuid4

from prefect_seedance.storage.errors import StorageError
from prefect_seedance.storage.s3.headers import object_headers, storage_options
from prefect_seedance.storage.s3.line import Line
from prefect_seedance.storage.s3.parts import PartsUpload, unfinished_uploads
from prefect_seedance.storage.s3.probe import PROBE, VIDEO_PROBE
from prefect_seedance.storage.s3.store import S3Store
from prefect_seedance.storage.s3.upload import S3Upload

_DATA = b"A probe of prefect-seedance, to be deleted.\n"


def verify_store(store: S3Store) -> list[str]:
    """Try what the store will be asked to do, and delete the probes.

    Returns:
        What is missing, one sentence or two for each; nothing if all is well. What stops at the first step,
        such as a missing bucket or wrong keys, is said once.
    """
    check = _Check(store)
    if not check.tried("write to the journal (s3:PutObject)", check.write):
        return check.missing
    check.tried("read what was written (s3:GetObject)", check.read)
    check.tried("be told that a key does not exist (s3:GetObject with s3:ListBucket)", check.read_nothing)
    check.tried("list keys (s3:ListBucket)", check.list_keys)
    check.tried("keep two writers apart", check.conditions)
    check.tried(
        "write a video with its storage class, tags and ACL (s3:PutObject, s3:PutObjectTagging, s3:PutObjectAcl)",
        check.write_video,
    )
    check.tried("write a large video in parts (s3:PutObject)", check.write_parts)
    check.tried("end an upload that was broken off (s3:AbortMultipartUpload)", check.abort_parts)
    check.tried("find uploads that were broken off (s3:ListBucketMultipartUploads)", check.list_uploads)
    check.tried("delete markers and probes (s3:DeleteObject)", check.delete)
    return check.missing


class _Check:
    """The steps, and what was missing at them."""

    def __init__(self, store: S3Store) -> None:
        self.missing: list[str] = []
        self._store, self._bucket = store, store.bucket
        name = uuid4().hex
        # Named like videos, or they would not be written like videos.
        self._record, self._video, self._large = (
            f"{PROBE}{name}",
            f"{VIDEO_PROBE}{name}.mp4",
            f"{VIDEO_PROBE}{name}-large.mp4",
        )

    def tried(self, what: str, step: Callable[[], str | None]) -> bool:
        """Do a step and return whether it succeeded."""
        try:
            fault = step()
        except StorageError as error:
            fault = f"{error}"
        if fault:
            self.missing.append(f"The store cannot {what}. {fault}")
        return not fault

    def write(self) -> None:
        self._store.create(self._record, _DATA)

    def read(self) -> str | None:
        blob = self._store.get(self._record)
        return None if blob is not None and blob.data == _DATA else "A probe that was written reads back differently."

    def read_nothing(self) -> str | None:
        there = self._store.get(f"{self._record}-absent")
        return None if there is None else "It returns something for a key that nobody wrote."

    def list_keys(self) -> str | None:
        found = self._record in self._store.list_keys(self._record)
        return None if found else "A probe that was written is not listed."

    def conditions(self) -> str | None:
        if self._store.settings.single_writer:
            return None
        missing = self._store.conditions().missing
        return f"It was found that {missing}: nothing is submitted unless single_writer is set." if missing else None

    def write_video(self) -> None:
        self._upload(self._video, in_parts=False)

    def write_parts(self) -> None:
        self._upload(self._large, in_parts=True)

    def _upload(self, key: str, *, in_parts: bool) -> None:
        headers = object_headers(key, "text/plain", {}, "")
        with S3Upload(self._bucket, key, size=len(_DATA), headers=headers, in_parts=in_parts) as upload:
            upload.write(_DATA)
            upload.commit(crc32=zlib.crc32(_DATA), size=len(_DATA))

    def abort_parts(self) -> None:
        options, line = storage_options(self._bucket.settings, self._large), Line(None)
        parts = PartsUpload(self._bucket, self._large, object_headers(self._large, "text/plain", {}, ""), options, line)
        try:
            parts.abort()
        finally:
            parts.close()

    def list_uploads(self) -> None:
        unfinished_uploads(self._bucket, self._large)

    def delete(self) -> None:
        for key in (self._record, self._video, self._large):
            self._store.delete(key)
