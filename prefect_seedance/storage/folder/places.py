"""Folders and files below the root of a store, reached without following a link.

A link inside of a store would lead a sweep, a lock or a write to files that are not the store's. So each step from the
root down is opened by its own name, relative to the folder before it (`openat`), and refused if it is a link: there is
no moment between a look and an act. The root itself may be a link, or lie behind some: it is what the user named.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path

# Only to go on from there: a folder that may be passed through need not be readable.
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
# Not blocking: a named pipe in the place of a file would otherwise be waited for without an end.
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
NO_FILE = "it is neither a file nor a folder"


class LinkInside(OSError):
    """A step below the root is a link."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.ELOOP, "it is a link, and links inside a store are not followed", str(path))
        self.path = path


@contextmanager
def opened(root: Path, folders: Iterable[str] = (), *, make: bool = False) -> Generator[int, None, None]:
    """Open a folder below the root, for calls that take a ``dir_fd``.

    Args:
        root: Of the store; links are followed up to here.
        folders: The names on the way down.
        make: Make what is missing, the root included, and sync the new names to the disk.

    Raises:
        LinkInside: One of the names is a link.
        FileNotFoundError: Something is missing, and is not to be made.
        NotADirectoryError: A file is in the way.
    """
    if make:
        _make_root(root)
    handle, path = os.open(root, _PASS), root
    try:
        for name in folders:
            path = path / name
            below = _step(handle, name, path, make)
            os.close(handle)
            handle = below
        yield handle
    finally:
        os.close(handle)


def open_file(folder: int, name: str, flags: int, path: Path) -> int:
    """Open a regular file of an opened folder; the caller closes it.

    Args:
        folder: As `opened` yields it.
        name: Of the file.
        flags: Of `os.open`.
        path: The whole of it, for messages.

    Raises:
        LinkInside: It is a link.
        IsADirectoryError: It is a folder.
        OSError: It is something else than a file, or cannot be opened.
    """
    try:
        handle = os.open(name, flags | _FILE, 0o666, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise LinkInside(path) from None
        raise
    return checked(handle)


def checked(handle: int) -> int:
    """Return the handle of a regular file; close that of anything else.

    Raises:
        IsADirectoryError: It is a folder.
        OSError: It is a pipe, a socket or a device.
    """
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return handle
    os.close(handle)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    raise OSError(errno.ENXIO, NO_FILE)


def kind_of(folder: int, name: str) -> int | None:
    """Return the type bits of what bears this name in an opened folder, links not followed; None if nothing does."""
    try:
        return stat.S_IFMT(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return None


def sync_folder(folder: int) -> None:
    """Sync the names in an opened folder to the disk."""
    handle = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some FUSE and network file systems cannot sync a folder and have no other way to offer.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            raise
    finally:
        os.close(handle)


@contextmanager
def listed(folder: int) -> Generator[Iterable[os.DirEntry[str]], None, None]:
    """Read the names in an opened folder."""
    handle = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        with os.scandir(handle) as entries:
            yield entries
    finally:
        os.close(handle)


def _step(folder: int, name: str, path: Path, make: bool) -> int:
    try:
        return _enter(folder, name, path)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):  # another process was faster
        os.mkdir(name, dir_fd=folder)
    sync_folder(folder)
    return _enter(folder, name, path)


def _enter(folder: int, name: str, path: Path) -> int:
    try:
        return os.open(name, _PASS | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and kind_of(folder, name) == stat.S_IFLNK:
            raise LinkInside(path) from None
        raise


def _make_root(root: Path) -> None:
    if root.is_dir():
        return
    if root.parent != root:
        _make_root(root.parent)
    with suppress(FileExistsError):  # another process was faster; a file in the way shows at the next step
        root.mkdir()
    with opened(root.parent) as parent:
        sync_folder(parent)
