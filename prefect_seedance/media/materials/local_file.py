"""A file of the machine where the run takes place, read in constant memory, and never taken for another."""

from __future__ import annotations

import errno
import os
import platform
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import BinaryIO

from prefect_seedance.media.context import Follower
from prefect_seedance.media.errors import ContentChanged, UnusableReference
from prefect_seedance.media.material import SignedLink
from prefect_seedance.media.materials.checked_reader import open_checked, sha256_of
from prefect_seedance.media.materials.upload_name import HEAD_BYTES, upload_name
from prefect_seedance.redaction import hide
from prefect_seedance.storage.relay.local_file import open_regular_file

_ANOTHER_WAY = (
    "Check the path. It is looked up where the run takes place: for a worker or a container elsewhere put the "
    "file into a bucket and write s3://bucket/key, or mount it there"
)
_MOST_HASHES = 4096
#: A file system may keep time in steps as coarse as this: of a file that was just written, the next write may leave no
#: trace in its times.
_COARSEST_CLOCK_NS = 2_000_000_000

Stamp = tuple[int, int, int, int, int]
"""Device, inode, size, and when content and inode were changed."""


@dataclass(frozen=True)
class LocalFile:
    """`Material` of a file.

    Attributes:
        path: Absolute.
        follower: Who may end a reading.
        sha256: See `Material.sha256`.
        stamp: Of the file when it was hashed.
    """

    path: str
    follower: Follower
    sha256: str
    stamp: Stamp = field(repr=False)

    @property
    def identity(self) -> str:
        """See `Material.identity`."""
        return f"sha256:{self.sha256}"

    @property
    def size(self) -> int:
        """See `Material.size`."""
        return self.stamp[2]

    @property
    def name(self) -> str:
        """See `Material.name`."""
        return self._name

    @cached_property
    def _name(self) -> str:
        with self.open_read() as file:
            return upload_name(os.path.basename(self.path), file.read(HEAD_BYTES))

    def open_read(self, start: int = 0) -> BinaryIO:
        """See `Material.open_read`."""
        file = _opened(self.path)
        check = _change_of(file, self.path, self.stamp)
        try:
            check()
        except UnusableReference:
            file.close()
            raise
        return open_checked(
            file,
            size=self.size,
            sha256=self.sha256,
            follower=self.follower,
            translated=lambda: _readable(self.path),
            check=check,
            start=start,
        )

    def sign_link(self, seconds: float) -> SignedLink | None:
        """See `Material.sign_link`: a file has none."""
        return None


def find_file(address: str, follower: Follower) -> LocalFile:
    """Find a file and hash it, unless this very file was hashed before in this process.

    Args:
        address: Its path. A relative one counts from this process's folder.
        follower: May end the reading.

    Raises:
        UnusableReference: It is not a file with content that can be read.
        ContentChanged: Somebody writes it.
        PreparationCancelled: The run was cancelled.
    """
    path = _absolute(address)
    file = _opened(path)
    try:
        stamp = _stamp_of(file)
        if not stamp[2]:
            raise UnusableReference("content", f"{_named(path)} is empty", "Write one that has content")
        sha256 = _hashes.get(stamp)
        if sha256 is None:
            check = _change_of(file, path, stamp)
            sha256 = sha256_of(file, size=stamp[2], follower=follower, translated=lambda: _readable(path), check=check)
            _remember(stamp, sha256)
    finally:
        file.close()
    return LocalFile(path, follower, sha256, stamp)


#: Hashes of files that this process has read.
_hashes: dict[Stamp, str] = {}


def _remember(stamp: Stamp, sha256: str) -> None:
    """Remember a hash, unless the file is so new that its times may not tell its next change."""
    if time.time_ns() - max(stamp[3:]) < _COARSEST_CLOCK_NS:
        return
    if len(_hashes) >= _MOST_HASHES:
        _hashes.clear()
    _hashes[stamp] = sha256


def _change_of(file: BinaryIO, path: str, stamp: Stamp) -> Callable[[], None]:
    """Return what raises once the file is no longer as it was."""

    def check() -> None:
        with _readable(path):
            now = _stamp_of(file)
        if now != stamp:
            raise ContentChanged

    return check


def _stamp_of(file: BinaryIO) -> Stamp:
    found = os.fstat(file.fileno())
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _absolute(address: str) -> str:
    """Return the whole path, not tidied: behind a link, ``..`` leads elsewhere than it looks."""
    if os.path.isabs(address):
        return address
    try:
        return os.path.join(os.getcwd(), address.removeprefix("./"))
    except OSError as error:  # somebody has removed it
        raise UnusableReference("file", "the folder of this process does not exist", "Write a whole path") from error


def _opened(path: str) -> BinaryIO:
    with _readable(path):
        return open_regular_file(path)


@contextmanager
def _readable(path: str) -> Generator[None]:
    """Word what the system says of a path."""
    try:
        yield
    except OSError as error:
        why = error.strerror or type(error).__name__
        if error.errno == errno.ENOENT:
            why = "there is no such file"
        elif os.path.isdir(path):
            why = "it is a folder"
        machine = platform.node() or "without a name"
        message = f"{_named(path)} cannot be read on this machine ({machine}): {why}"
        raise UnusableReference("file", message, _ANOTHER_WAY) from error


def _named(path: str) -> str:
    return repr(hide(path))
