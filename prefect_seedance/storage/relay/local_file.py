"""A video in a file of this machine, read in constant memory."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from prefect_seedance.storage.errors import RelayCancelled, SourceChanged, SourceError

CHUNK_BYTES = 256 * 1024


class FileSource:
    """A regular file as a `VideoSource`. It may be of any size.

    Args:
        path: Where it is; a link to a file will do.

    Example:
        >>> FileSource("/nowhere.mp4")
        Traceback (most recent call last):
        ...
        prefect_seedance.storage.errors.SourceError: The file cannot be read: No such file or directory.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        with self._opened() as file:
            self._size = os.fstat(file.fileno()).st_size

    @property
    def size(self) -> int | None:
        """Size of the file."""
        return self._size

    def iter_bytes(self, cancelled: threading.Event | None = None) -> Iterator[bytes]:
        """Yield the whole content in chunks of 256 KiB, from the first byte at each call.

        Raises:
            SourceError: It cannot be read.
            SourceChanged: Somebody writes it meanwhile.
            RelayCancelled: The event was set.
        """
        with self._opened() as file:
            before = os.fstat(file.fileno())
            self._size = before.st_size
            left = self._size
            while left:
                if cancelled is not None and cancelled.is_set():
                    raise RelayCancelled
                try:
                    chunk = file.read(min(CHUNK_BYTES, left))
                except OSError as error:
                    raise _unreadable(error) from error
                if not chunk:
                    break
                left -= len(chunk)
                yield chunk
            after = os.fstat(file.fileno())
            if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                raise SourceChanged("somebody writes the file meanwhile")

    def _opened(self) -> BinaryIO:
        try:
            return open_regular_file(self._path)
        except OSError as error:
            raise _unreadable(error) from error


def open_regular_file(path: str | Path) -> BinaryIO:
    """Open a regular file for reading, without a buffer.

    Without waiting either, as a pipe would for somebody at its other end.

    Raises:
        OSError: It cannot be opened, or is a folder, a device or a pipe.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:  # a zero byte, or half a character
        raise OSError(errno.EINVAL, "its name is not a valid one") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is a folder, a device or a pipe")
    return os.fdopen(handle, "rb", buffering=0)


def _unreadable(error: OSError) -> SourceError:
    return SourceError(f"The file cannot be read: {error.strerror or type(error).__name__}.")
