"""The last frame of a video, as a picture that is made when it is first needed."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import BinaryIO

from prefect_seedance.client.request.sources import LAST_FRAME
from prefect_seedance.media.context import Follower
from prefect_seedance.media.errors import UnusableReference
from prefect_seedance.media.inspection import inspect
from prefect_seedance.media.material import Material, SignedLink
from prefect_seedance.storage.errors import NoLastFrame
from prefect_seedance.storage.relay.poster import last_frame_png

_MOST_BYTES = 64 * 1024 * 1024
_NAMED = {"image": "a picture", "audio": "sound", "other": "no media"}


@dataclass(frozen=True)
class LastFrame:
    """`Material` of the last frame of a video.

    Attributes:
        video: The video.
        follower: Who may end the decoding.
    """

    video: Material
    follower: Follower

    @property
    def identity(self) -> str:
        """See `Material.identity`. Nothing is decoded for it."""
        return f"{self.video.identity}/last-frame"

    @property
    def sha256(self) -> str:
        """See `Material.sha256`."""
        return self._sha256

    @property
    def size(self) -> int:
        """See `Material.size`."""
        return len(self._png)

    @property
    def name(self) -> str:
        """See `Material.name`."""
        return f"{PurePosixPath(self.video.name).stem}-last-frame.png"

    def open_read(self, start: int = 0) -> BinaryIO:
        """See `Material.open_read`."""
        file = io.BytesIO(self._png)
        file.seek(start)
        return file

    def sign_link(self, seconds: float) -> SignedLink | None:
        """See `Material.sign_link`: it lies nowhere."""
        return None

    @cached_property
    def _sha256(self) -> str:
        return hashlib.sha256(self._png).hexdigest()

    @cached_property
    def _png(self) -> bytes:
        png = _frames.get(self.video.sha256)
        if png is None:
            png = _made(self.video, self.follower)
            _keep(self.video.sha256, png)
        return png


#: Frames that this process has made, by the SHA-256 of the video.
_frames: dict[str, bytes] = {}


def _keep(sha256: str, png: bytes) -> None:
    if sum(map(len, [*_frames.values()])) + len(png) > _MOST_BYTES:
        _frames.clear()
    if len(png) <= _MOST_BYTES:
        _frames[sha256] = png


def _made(video: Material, follower: Follower) -> bytes:
    follower.check()
    with video.open_read() as file:
        try:
            return last_frame_png(file, cancelled=follower.cancelled)
        except NoLastFrame as error:
            follower.check()
            message, fix = f"no last frame can be taken of it: {error.reason}", error.advice
            kind = inspect(file, size=video.size, cancelled=follower.cancelled).kind
            if kind != "video":
                message = f"no last frame can be taken of it: it is {_NAMED[kind]} by its content, and not a video"
                fix = f"Leave out {LAST_FRAME}, or use a video" if kind == "image" else "Use a video"
            raise UnusableReference("last frame", message, fix) from error
