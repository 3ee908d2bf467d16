"""An object of any size on its way into a folder store."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from prefect_seedance.failpoints import reached
from prefect_seedance.storage.errors import DamagedUpload
from prefect_seedance.storage.folder.durable_files import TemporaryFile, writing
from prefect_seedance.storage.protocol import ObjectInfo


class FolderUpload:
    """`Upload` as a file that grows under a temporary name and gets its own when it is whole.

    Args:
        final: What it will be called.
        temporary: The file that grows; removed in the end.
        publish: Links it to its name and returns what is known of the object.
    """

    def __init__(self, final: Path, temporary: TemporaryFile, publish: Callable[[TemporaryFile], ObjectInfo]) -> None:
        self._final, self._temporary, self._publish = final, temporary, publish
        self._crc32 = 0

    def __enter__(self) -> Self:
        """See `Upload`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See `Upload`."""
        self._temporary.discard()

    def write(self, data: bytes) -> None:
        """See `Upload.write`."""
        with writing(self._final):
            self._temporary.write(data)
        self._crc32 = zlib.crc32(data, self._crc32)

    @property
    def content(self) -> None:
        """See `Upload.content`: the file is read when it is needed."""
        return None

    def commit(self, *, crc32: int, size: int) -> ObjectInfo:
        """See `Upload.commit`. Size and CRC32 are compared; the file is not read back."""
        with writing(self._final):
            written = self._temporary.sync()
            if (written, self._crc32) != (size, crc32):
                there, wanted = f"{written} bytes, CRC32 {self._crc32:08x}", f"{size} bytes, {crc32:08x}"
                raise DamagedUpload(self._final.as_uri(), f"{there}, expected {wanted}")
            reached("commit.before")
            published = self._publish(self._temporary)
            reached("commit.after")
            return published
