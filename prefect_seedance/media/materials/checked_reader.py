"""Reading that notices when what is read is no longer what was hashed."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import BinaryIO

from prefect_seedance.media.context import Follower
from prefect_seedance.media.errors import ContentChanged
from prefect_seedance.storage.positioned_reader import PositionedReader

_BUFFER_BYTES = 256 * 1024
#: Turns what a source of bytes raises into an `UnusableReference`.
Translation = Callable[[], AbstractContextManager[None]]


def open_checked(
    file: BinaryIO,
    *,
    size: int,
    sha256: str,
    follower: Follower,
    translated: Translation,
    check: Callable[[], None],
    start: int = 0,
) -> BinaryIO:
    """Wrap an open file, and compare all that is read of it with what is known of it.

    What is read from the first byte to the last, one after the other, has the SHA-256, or the read of the last byte
    raises. Whatever is sought for in between is looked at by `check` alone. No byte behind the size is read.

    Args:
        file: To read from; closed with the wrapper.
        size: Number of bytes.
        sha256: Of all of them.
        follower: May end the reading.
        translated: Around everything that is read.
        check: Called after each piece, before it is returned; raises if it may no longer be trusted.
        start: First byte.
    """
    return io.BufferedReader(_CheckedReader(file, size, sha256, follower, translated, check, start), _BUFFER_BYTES)


def sha256_of(
    file: BinaryIO, *, size: int, follower: Follower, translated: Translation, check: Callable[[], None]
) -> str:
    """Return the SHA-256 of an open file, in constant memory, and close it; see `open_checked`."""
    with _CheckedReader(file, size, "", follower, translated, check, 0) as reader:
        buffer = memoryview(bytearray(_BUFFER_BYTES))
        while reader.readinto(buffer):
            pass
        return reader.hexdigest()


class _CheckedReader(PositionedReader):
    """A file whose bytes are hashed as they pass by."""

    def __init__(
        self,
        file: BinaryIO,
        size: int,
        sha256: str,
        follower: Follower,
        translated: Translation,
        check: Callable[[], None],
        start: int,
    ) -> None:
        super().__init__()
        self._file, self._size, self._sha256 = file, size, sha256
        self._follower, self._translated, self._check = follower, translated, check
        self._position = start
        self._hash = hashlib.sha256()
        self._hashed: int = 0

    def hexdigest(self) -> str:
        """Return the SHA-256 of what was read from the first byte on."""
        return self._hash.hexdigest()

    def _file_size(self) -> int | None:
        return self._size

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # io gives it a memoryview
        self._follower.check()
        wanted = min(len(buffer), self._size - self._position)
        if wanted <= 0:
            return 0
        with self._translated():
            if self._file.tell() != self._position:
                self._file.seek(self._position)
            data = self._file.read(wanted)
        self._check()
        if not data:
            raise ContentChanged("it became shorter while it was read")
        if self._position == 0:  # read again, perhaps
            self._hash, self._hashed = hashlib.sha256(), 0
        if self._position == self._hashed:
            self._hash.update(data)
            self._hashed += len(data)
        if self._hashed == self._size and self._sha256 not in ("", self.hexdigest()):
            raise ContentChanged
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
