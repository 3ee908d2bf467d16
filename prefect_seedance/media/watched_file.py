"""A file that stops being read when the run is cancelled."""

from __future__ import annotations

import io
from typing import BinaryIO

from prefect_seedance.media.context import Follower


class WatchedFile(io.RawIOBase):
    """Reads another file, and raises when its follower is cancelled.

    Args:
        file: What is read; closed with this one.
        follower: May end it.
    """

    def __init__(self, file: BinaryIO, follower: Follower) -> None:
        super().__init__()
        self._file, self._follower = file, follower

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return whether the file below can be sought in."""
        return self._file.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """See `io.RawIOBase.seek`."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """See `io.RawIOBase.tell`."""
        return self._file.tell()

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # io gives it a memoryview
        """Read some bytes.

        Raises:
            PreparationCancelled: The run is cancelled.
        """
        self._follower.check()
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close both."""
        self._file.close()
        super().close()
