"""Files that are either there whole or not at all, also after a SIGKILL or a power cut.

A file is written under a temporary name in the same file system, synced, and only then given its name: by
a hard link when the name must be new (the kernel lets exactly one of many succeed), by a rename when it
replaces. The folder is synced afterwards, since a name is data of the folder. All of it in opened folders, so that no
link is followed on the way (`places`).
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from prefect_seedance.asides import words_of
from prefect_seedance.storage.errors import NoSpace, NotReadable, NotWritable, StorageError, StoreUnavailable
from prefect_seedance.storage.folder.places import LinkInside, listed, open_file

_FULL = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
# The path itself is the trouble: a file where a folder should be, a name too long, a pipe, a place like /proc.
_NO_SUCH_PLACE = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO}
)
_NO_LINKS = frozenset({errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
#: The names that `TemporaryFile` and the probe make: no other is ever swept or read.
_OURS = re.compile(r"(?:probe-)?[0-9a-f]{32}\Z")
_NO_LINKS_INSIDE = (
    "Put what it leads to in its place, or bind-mount that there; the location of the store itself may be a "
    "link. Then run again: what was paid for is not lost."
)


@contextmanager
def writing(path: Path) -> Generator[None, None, None]:
    """Turn an `OSError` of a write into a typed error that names the path."""
    try:
        yield
    except OSError as error:
        raise _for_write(path, error) from error


@contextmanager
def reading(path: Path) -> Generator[None, None, None]:
    """Turn an `OSError` of a read into a typed error that names the path."""
    try:
        yield
    except OSError as error:
        if isinstance(error, LinkInside):
            raise NotReadable(str(error.path), _cause(error), _NO_LINKS_INSIDE) from error
        cause = _cause(error)
        if error.errno in _DENIED or error.errno == errno.ENXIO:
            raise NotReadable(str(path), cause) from error
        raise StoreUnavailable(str(path), cause) from error


def _cause(error: OSError) -> str:
    return error.strerror or words_of(error)


def _for_write(path: Path, error: OSError) -> StorageError:
    cause = _cause(error)
    if isinstance(error, LinkInside):
        return NotWritable(str(error.path), cause, _NO_LINKS_INSIDE)
    if error.errno in _FULL:
        return NoSpace(str(path), cause)
    if error.errno in _DENIED or error.errno in _NO_SUCH_PLACE:
        return NotWritable(str(path), cause)
    return StoreUnavailable(str(path), cause)


class TemporaryFile:
    """A file being written, to be linked or renamed to its name; `discard` in the end, whatever happened.

    Args:
        folder: Where it grows, opened; kept open until `discard`.
        path: Of that folder, for messages.
    """

    def __init__(self, folder: int, path: Path) -> None:
        self._name = uuid4().hex
        # Not `tempfile`: its mode 0600 would shut out the colleagues with whom a folder is shared; the umask
        # decides here. Unbuffered: a child forked meanwhile must hold no bytes to flush into the same file.
        handle = open_file(folder, self._name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, path / self._name)
        self._file = open(handle, "wb", buffering=0)  # noqa: SIM115 - closed by `discard`
        self._folder = os.dup(folder)

    def write(self, data: bytes) -> None:
        """Append bytes."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def sync(self) -> int:
        """Sync all bytes to the disk and return their number as the file system has it."""
        os.fsync(self._file.fileno())
        return os.fstat(self._file.fileno()).st_size

    def link_to(self, folder: int, name: str, path: Path) -> None:
        """Link the file to its name in an opened folder if that name is free.

        Raises:
            FileExistsError: It is not.
        """
        self._touch()
        try:
            os.link(self._name, name, src_dir_fd=self._folder, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            # An NFS server that answers twice says "exists" about our own link: two names, so it is ours.
            if os.fstat(self._file.fileno()).st_nlink != 2:
                raise
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            raise NotWritable(
                str(path),
                "no hard link can be made from .tmp to there: one plain local file system is needed",
            ) from error

    def replace(self, folder: int, name: str) -> None:
        """Rename the file to this name in an opened folder, in place of what bears it."""
        self._touch()
        os.replace(self._name, name, src_dir_fd=self._folder, dst_dir_fd=folder)

    def discard(self) -> None:
        """Close, and remove the temporary name if it is still there."""
        with suppress(OSError):
            self._file.close()
        folder, self._folder = self._folder, -1
        if folder >= 0:
            with suppress(OSError):
                os.unlink(self._name, dir_fd=folder)
            os.close(folder)

    def _touch(self) -> None:
        # An age counts from when a record became visible, not from before a slow sync or a wait for a lock.
        os.utime(self._file.fileno())


def file_system_now(folder: int, name: str, path: Path) -> float:
    """Return the time by the clock that stamps files in this folder: on a network share that is the server's.

    One file is touched again and again; a touch by somebody else in between only makes it newer. If it bears a second
    name (a snapshot made of hard links, or somebody else's file), a new one takes its place.
    """
    for _ in range(2):
        handle = open_file(folder, name, os.O_WRONLY | os.O_CREAT, path)
        try:
            if os.fstat(handle).st_nlink <= 1:
                os.utime(handle)
                return os.fstat(handle).st_mtime
        finally:
            os.close(handle)
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
    raise FileExistsError(errno.EEXIST, "it is a second name of another file", str(path))


def leftovers(folder: int) -> Generator[tuple[str, os.stat_result], None, None]:
    """Yield the files in an opened `.tmp` that a killed process of ours left behind, and what is known of them."""
    with listed(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if _OURS.match(entry.name) and entry.is_file(follow_symlinks=False):
                    yield entry.name, entry.stat(follow_symlinks=False)


def sweep(folder: int, *, now: float, older_than_seconds: float, at_most: int) -> int:
    """Remove files that a killed process of this user left behind, looking at no more than `at_most` of them."""
    removed = 0
    with suppress(OSError):
        for _, (name, facts) in zip(range(at_most), leftovers(folder), strict=False):
            if facts.st_uid == os.geteuid() and now - facts.st_mtime > older_than_seconds:
                with suppress(OSError):
                    os.unlink(name, dir_fd=folder)
                    removed += 1
    return removed
