"""Files that are either there whole or not at all, also after a SIGKILL or a power cut.

A file is written under a temporary name in the same file system, synced, and only then given its name: by
a hard link when the name must be new (the kernel lets exactly one of many succeed), by a rename when it
replaces. The folder is synced afterwards, since a name is data of the folder.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from prefect_seedance.asides import words_of
from prefect_seedance.storage.errors import NoSpace, NotReadable, NotWritable, StorageError, StoreUnavailable

_FULL = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
# The path itself is the trouble: a file where a folder should be, a name too long, a place like /proc.
_NO_SUCH_PLACE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG})
_NO_LINKS = frozenset({errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


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
        cause = error.strerror or words_of(error)
        if error.errno in _DENIED:
            raise NotReadable(str(path), cause) from error
        raise StoreUnavailable(str(path), cause) from error


def _for_write(path: Path, error: OSError) -> StorageError:
    cause = error.strerror or words_of(error)
    if error.errno in _FULL:
        return NoSpace(str(path), cause)
    if error.errno in _DENIED or error.errno in _NO_SUCH_PLACE:
        return NotWritable(str(path), cause)
    return StoreUnavailable(str(path), cause)


class TemporaryFile:
    """A file being written, to be linked or renamed to its name; `discard` in the end, whatever happened."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / uuid4().hex
        # Not `tempfile`: its mode 0600 would shut out the colleagues with whom a folder is shared; the umask
        # decides here. Unbuffered: a child forked meanwhile must hold no bytes to flush into the same file.
        self._file = open(self.path, "xb", buffering=0)  # noqa: SIM115 - closed by `discard`

    def write(self, data: bytes) -> None:
        """Append bytes."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def sync(self) -> int:
        """Sync all bytes to the disk and return their number as the file system has it."""
        os.fsync(self._file.fileno())
        return os.fstat(self._file.fileno()).st_size

    def link_to(self, final: Path) -> None:
        """Link the file to its name if that name is free.

        Raises:
            FileExistsError: it is not.
        """
        self._touch()
        try:
            os.link(self.path, final)
        except FileExistsError:
            # An NFS server that answers twice says "exists" about our own link: two names, so it is ours.
            if os.stat(self.path).st_nlink != 2:
                raise
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            raise NotWritable(
                str(final),
                "no hard link can be made from .tmp to there: one plain local file system is needed",
            ) from error

    def replace(self, final: Path) -> None:
        """Rename the file to this name, in place of what bears it."""
        self._touch()
        os.replace(self.path, final)

    def discard(self) -> None:
        """Close, and remove the temporary name if it is still there."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self.path.unlink()

    def _touch(self) -> None:
        # An age counts from when a record became visible, not from before a slow sync or a wait for a lock.
        os.utime(self._file.fileno())


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some FUSE and network file systems cannot sync a folder and have no other way to offer.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            raise
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, and sync their names to the disk."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folder(folder.parent)
    with suppress(FileExistsError):  # another process was faster; a file in the way shows at the next step
        folder.mkdir()
    sync_folder(folder.parent)


def file_system_now(clock: Path) -> float:
    """Return the time by the clock that stamps files in this folder: on a network share that is the server's.

    One file is touched again and again; a touch by somebody else in between only makes it newer.
    """
    try:
        os.utime(clock)
    except FileNotFoundError:
        with open(clock, "ab"):
            pass
        os.utime(clock)
    return os.stat(clock).st_mtime


def sweep(folder: Path, *, now: float, older_than_seconds: float, at_most: int) -> int:
    """Remove files that a killed process left behind, looking at no more than `at_most` names."""
    removed = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for _, entry in zip(range(at_most), entries, strict=False):
            with suppress(OSError):
                if now - entry.stat(follow_symlinks=False).st_mtime > older_than_seconds:
                    os.unlink(entry.path)
                    removed += 1
    return removed
