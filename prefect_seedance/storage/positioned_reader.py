"""A file that is read by position: what all readers of ours share that are sought in."""

from __future__ import annotations

import io
from abc import abstractmethod


class PositionedReader(io.RawIOBase):
    """Keeps the position. A subclass says where the file ends, and reads.

    Attributes:
        _position: Of the next byte that is read.
    """

    _position = 0

    @abstractmethod
    def _file_size(self) -> int | None:
        """Return the size of the file, None if it is not known."""

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return whether the size is known, so that the end can be found."""
        return self._file_size() is not None

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position; nothing is read yet.

        Raises:
            io.UnsupportedOperation: It counts from the end, which is not known.
            ValueError: It is before the start.
        """
        end = self._file_size()
        if whence == io.SEEK_END and end is None:
            raise io.UnsupportedOperation("where the file ends is not known")
        position = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: end or 0}[whence] + offset
        if position < 0:
            raise ValueError("a position before the start")
        self._position = position
        return position


class BytesReader(PositionedReader):
    """What is in memory, as a file. `io.BytesIO` would copy a bytearray, which for a video is much.

    Args:
        content: Is not changed while it is read.

    Example:
        >>> file = BytesReader(bytearray(b"ftypisom"))
        >>> file.seek(4), file.read(10)
        (4, b'isom')
    """

    def __init__(self, content: bytes | bytearray) -> None:
        super().__init__()
        self._content = memoryview(content)

    def close(self) -> None:
        """Let go of the content: whoever keeps a closed file does not keep a video in memory."""
        super().close()
        self._content = memoryview(b"")

    def _file_size(self) -> int:
        return len(self._content)

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # io gives it a memoryview
        """Read what is there from the position on."""
        data = self._content[self._position : self._position + len(buffer)]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
