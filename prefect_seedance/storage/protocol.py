"""What a store of bytes can do, whether it is a local folder or a bucket.

Five primitives carry the journal (`create`, `swap`, `get`, `list_keys`, `delete`); the rest carries media.
All calls are blocking and may be made from any thread; a call that returned is durable.

Two kinds of etag: the one of `create`, `swap` and `get` names the content of a record and is what `swap`
takes. It may be a hash of the content: identical content written twice need not be told apart, since every
record carries a fresh nonce. The one in `ObjectInfo` only tells versions of an object apart.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import BinaryIO, Protocol, Self, runtime_checkable

# The metadata name under which a stored video carries the vendor's task id. Hyphen, not underscore: metadata
# travel as HTTP headers, and some proxies drop names with underscores.
TASK_ID_METADATA = "task-id"


def _no_metadata() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Blob:
    """A record as read: its bytes, the etag for `swap`, and its age by the store's own clock.

    `read_at` is what that clock said when the record was read, as Unix seconds; None if the store did not say.
    """

    data: bytes
    etag: str
    age_seconds: float
    read_at: float | None = None


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store knows of an object without reading it. A folder keeps no metadata and no versions: empty.

    `crc32` is the store's own, of the whole as it lies there, as 8 hex digits. `expected_size` and `expected_crc32`
    were written down with it when it was written. Each is empty where the store has none.
    """

    key: str
    uri: str
    size: int
    etag: str
    age_seconds: float
    metadata: Mapping[str, str] = field(default_factory=_no_metadata)
    version: str = ""
    crc32: str = ""
    expected_size: int | None = None
    expected_crc32: str = ""

    def damage(self, *, size: int | None = None, crc32: str = "") -> str:
        """Return in words why it is not whole; empty if nothing shows that.

        Args:
            size: What is known of it from elsewhere, such as the record or a reading; None for nothing.
            crc32: As 8 hex digits; empty for nothing.
        """
        sizes = {each for each in (self.size, size, self.expected_size) if each is not None}
        sums = {each for each in (self.crc32, crc32, self.expected_crc32) if each}
        if len(sizes) > 1:
            return f"its sizes differ: {', '.join(map(str, sorted(sizes)))} bytes"
        return f"its CRC32 differs: {', '.join(sorted(sums))}" if len(sums) > 1 else ""


class Upload(Protocol):
    """One object on its way into the store; nothing is visible before `commit`.

    A context manager: leaving it without a commit, or by an exception, removes what was written.
    """

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Abort unless committed."""
        ...

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            NoSpace, NotWritable, StoreUnavailable: The upload is to be left.
        """
        ...

    @property
    def content(self) -> bytes | bytearray | None:
        """All bytes, if they are in memory anyway; asked for after the commit."""
        ...

    def commit(self, *, crc32: int, size: int) -> ObjectInfo:
        """Make the object visible under its key, whole; never over another one than it is to replace.

        Args:
            crc32: Of all bytes, as `zlib.crc32` returns it.
            size: Number of all bytes.

        Raises:
            AlreadyExists: The key is there; it was not touched.
            DamagedUpload: The bytes in the store are not those that the arguments describe.
        """
        ...


class Store(Protocol):
    """Where bytes live. Keys are checked by `prefect_seedance.storage.keys.check_key` (`BadKey`)."""

    def create(self, key: str, data: bytes) -> str:
        """Write a record that does not exist yet, atomically; of many at once exactly one wins.

        Returns:
            The etag for the next `swap`.

        Raises:
            AlreadyExists: The key is there. If it holds these very bytes a store may take them for its own, of a
                first try whose answer was lost: records that must not be mixed up carry a nonce.
        """
        ...

    def swap(self, key: str, data: bytes, *, etag: str) -> str:
        """Replace a record if it still is the one with this etag, atomically.

        Returns:
            The new etag.

        Raises:
            Conflict: The record has another etag by now.
            Missing: The record is gone.
        """
        ...

    def get(self, key: str) -> Blob | None:
        """Read a record whole, or None if there is none. An access that is denied is an error, not None."""
        ...

    def earlier_versions(self, key: str) -> Iterator[bytes]:
        """Yield what the store still has of a record besides the record itself, the newest first.

        That may be the record as well, or the bytes of other keys: whoever reads them tells by the content.

        Raises:
            StorageError: It could not be found out.
        """
        ...

    def list_keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with this text, sorted by code point, as they are found."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; no error if there is none."""
        ...

    def stat(self, key: str) -> ObjectInfo | None:
        """Return what is known of an object without reading it, or None if there is none."""
        ...

    def require_conditions(self) -> None:
        """Check that `create` and `swap` keep writers apart. To be called before money is spent.

        Raises:
            ConditionsIgnored: They do not, and the settings do not say that one process only writes here.
            StorageError: It could not be found out.
        """
        ...

    def check_place(self, key: str) -> None:
        """Check that a video can lie under this key, as far as can be seen beforehand. Before money is spent.

        Raises:
            StorageError: It cannot; the message says why.
        """
        ...

    def check_writable(self) -> None:
        """Write a probe and remove it.

        Raises:
            StorageError: It cannot be written; the message says what is missing.
        """
        ...

    def uri_of(self, key: str) -> str:
        """Return the full address of a key (`s3://...`, `file:///...`), whether it exists or not."""
        ...

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
        """Begin an object of any size, to be written in pieces.

        Args:
            key: Where it shall be, once committed.
            size: Number of bytes if known; lets the store choose its way and refuse early.
            content_type: Media type, kept where the store can.
            metadata: Short values under short ASCII names, kept where the store can.
            filename: What a browser calls it when it is saved, kept where the store can.
            replaces: A damaged object under this key, which is overwritten if it is still the same.
            cancelled: Ends what the upload waits for, with `RelayCancelled`, when it is set.
        """
        ...

    def open_read(self, key: str, start: int = 0) -> BinaryIO:
        """Open an object for reading from this byte on. The caller closes it.

        Raises:
            Missing: There is none.
        """
        ...


@runtime_checkable
class ListsByAge(Protocol):
    """A store that knows from a listing when an object was written: a search can leave out, or begin with, the old."""

    def list_written(self, prefix: str, *, within_seconds: float) -> Iterator[str]:
        """Yield, as `Store.list_keys` does, the keys that were written within the last seconds by the store's clock.

        One whose age the store cannot tell is yielded as well.
        """
        ...

    def list_ages(self, prefix: str) -> Iterator[tuple[str, float | None]]:
        """Yield the keys as `Store.list_keys` does, each with its age by the store's clock; None if it cannot tell."""
        ...
