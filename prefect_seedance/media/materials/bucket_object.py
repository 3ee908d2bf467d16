"""An object in a bucket, identified by the SHA-256 of its content: the store's own word, or a memo of one reading.

An ETag never enters an identity, since it depends on how the object was uploaded and encrypted; it tells that an
object has changed.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import BinaryIO

from prefect_seedance.media.context import Follower, MediaContext
from prefect_seedance.media.errors import ContentChanged, UnusableReference
from prefect_seedance.media.material import SignedLink
from prefect_seedance.media.materials.checked_reader import open_checked, sha256_of
from prefect_seedance.media.materials.upload_name import HEAD_BYTES, upload_name
from prefect_seedance.media.memos import Kept, Made, Memos
from prefect_seedance.storage.errors import BadLocation, Conflict, Missing, NotReadable
from prefect_seedance.storage.s3.given.given_object import GivenObject, find_object


@dataclass(frozen=True)
class BucketObject:
    """`Material` of an object.

    Attributes:
        found: The object.
        follower: Who may end a reading.
        sha256: See `Material.sha256`.
    """

    found: GivenObject = field(repr=False)
    follower: Follower
    sha256: str

    @property
    def identity(self) -> str:
        """See `Material.identity`."""
        return f"sha256:{self.sha256}"

    @property
    def size(self) -> int:
        """See `Material.size`."""
        return self.found.size

    @property
    def name(self) -> str:
        """See `Material.name`. Reads the first bytes, once."""
        return self._name

    @cached_property
    def _name(self) -> str:
        with self.open_read() as file:
            return upload_name(self.found.key, file.read(HEAD_BYTES))

    def open_read(self, start: int = 0) -> BinaryIO:
        """See `Material.open_read`."""
        with _translated():
            file = self.found.open_read(start)
        return open_checked(
            file,
            size=self.size,
            sha256=self.sha256,
            follower=self.follower,
            translated=_translated,
            check=_pinned,
            start=start,
        )

    def sign_link(self, seconds: float) -> SignedLink | None:
        """See `Material.sign_link`. Pins the version, where there is one."""
        signed = self.found.sign_link(seconds)
        return SignedLink(*signed) if signed else None


def find_bucket_object(bucket: str, key: str, context: MediaContext, follower: Follower) -> BucketObject:
    """Find an object and its SHA-256, for which it is read at most once.

    Raises:
        UnusableReference: It is not an object with content that can be read.
        ContentChanged: It was replaced while it was read.
        PreparationCancelled: The run was cancelled.
        StorageError, JournalError: The store did not work just now.
    """
    follower.check()
    with _translated():
        found = find_object(bucket, key, context.store)
    if not found.size:
        raise UnusableReference("content", "the object is empty", "Write one that has content")
    follower.check()
    return BucketObject(found, follower, found.sha256 or _remembered(found, context, follower))


def _remembered(found: GivenObject, context: MediaContext, follower: Follower) -> str:
    def make() -> Made:
        follower.log(f"Reading {found.uri} once, for the SHA-256 of its content ({found.size:,} bytes).")
        with _translated():
            file = found.open_read()
        made = sha256_of(file, size=found.size, follower=follower, translated=_translated, check=_pinned)
        return Made(made, notes={"reference": found.uri, "size": found.size})

    kept = Memos(context.store, context.vendor.label).obtain(
        "hash",
        found.fingerprint,
        make,
        usable=partial(_fault_of, found.size),
        follower=follower,
    )
    return kept.value


def _fault_of(size: int, kept: Kept) -> str:
    is_hash = len(kept.value) == 64 and not set(kept.value) - set("0123456789abcdef")
    return "" if is_hash and kept.notes.get("size") == size else "what was kept is not the hash of this object"


def _pinned() -> None:
    """Look no further: each reading names the version or the ETag."""


@contextmanager
def _translated() -> Generator[None]:
    """Word what the store says of an object."""
    try:
        yield
    except Conflict as error:
        raise ContentChanged("it was replaced after this run had begun to read it") from error
    except Missing as error:
        message = "there is no such object, or its newest version is a delete marker"
        raise UnusableReference("object", message, "Check the bucket and the key, letter by letter") from error
    except NotReadable as error:
        raise UnusableReference("object", error.cause, error.advice.rstrip(".")) from error
    except BadLocation as error:
        raise UnusableReference("bucket", error.reason.rstrip("."), "Write s3://bucket/key") from error
