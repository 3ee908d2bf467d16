"""The videos that the simulator serves: real H.264 MP4s, made by PyAV once per size and length.

They are kept in a temporary folder for the life of the process. Every task gets the same clip with a last frame of
its own, which tells one from the other, and an MP4 ``free`` box of its own at the end, which players skip: so two
tasks never have the same bytes, and a clip can be made as large as a test needs without encoding or holding it.
"""

from __future__ import annotations

import atexit
import hashlib
import re
import struct
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path

from pydantic import JsonValue

from prefect_seedance.simulator.encoding import encode_clip, encode_last_frame

_SHORT_SIDE = {"480p": 480, "720p": 720, "1080p": 1080, "2k": 1440, "4k": 2160}
_RATIO = re.compile(r"(\d{1,2}):(\d{1,2})\Z")
CHUNK_BYTES = 256 * 1024
_LARGEST_SHORT_BOX = 0xFFFFFFFF


def frame_size(resolution: str, body: Mapping[str, JsonValue]) -> tuple[int, int]:
    """Return width and height for a resolution and the body's ratio or orientation; 16:9 if it names neither.

    Example:
        >>> frame_size("720p", {"ratio": "9:16"})
        (720, 1280)
    """
    asked = _RATIO.match(str(body.get("ratio") or ""))
    portrait = body.get("orientation") == "portrait" and not body.get("ratio")
    across, down = (int(asked[1]), int(asked[2])) if asked else (9, 16) if portrait else (16, 9)
    share = min(max(Fraction(max(across, 1), max(down, 1)), Fraction(1, 4)), Fraction(4))
    short = _SHORT_SIDE.get(resolution, 720)
    long = 2 * round(short * max(share, 1 / share) / 2)
    return (long, short) if share >= 1 else (short, long)


@dataclass(frozen=True)
class Video:
    """One task's video: a clip on disk, and an end that is made up while it is read.

    Attributes:
        clip: The encoded file.
        clip_bytes: How much of it all tasks share: all but the last frame.
        end: The last frame, and the head of the ``free`` box with the task's id.
        size: Size of the whole video.
        modified: When the clip was made, Unix seconds.
        etag: Strong validator of the bytes, quotes included.
    """

    clip: Path
    clip_bytes: int
    end: bytes
    size: int
    modified: float
    etag: str

    def chunks(self, start: int, stop: int, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
        """Read the bytes from ``start`` up to ``stop`` (exclusive)."""
        with self.clip.open("rb") as file:
            while start < stop:
                length = min(chunk_bytes, stop - start)
                of_clip = file.read(max(0, min(length, self.clip_bytes - file.seek(start))))
                yield self._piece(of_clip, start, length)
                start += length

    def _piece(self, of_clip: bytes, start: int, length: int) -> bytes:
        after_clip = max(start - self.clip_bytes, 0)
        of_end = self.end[after_clip : after_clip + length - len(of_clip)]
        return (of_clip + of_end).ljust(length, b"\0")


def video_for(task_id: str, width: int, height: int, seconds: int, least_bytes: int = 0) -> Video:
    """Make (or find) the video of a task. Blocks while encoding, so call it in a thread.

    Raises:
        MediaToolMissingError: If PyAV is not installed.
    """
    clip = _clip(width, height, seconds)
    status = clip.stat()
    name = task_id.encode()
    box_bytes = max(8 + len(name), least_bytes - status.st_size)
    if box_bytes > _LARGEST_SHORT_BOX:
        box = struct.pack(">I4sQ", 1, b"free", box_bytes) + name
    else:
        box = struct.pack(">I4s", box_bytes, b"free") + name
    size = status.st_size + box_bytes
    digest = hashlib.md5(f"{clip.name} {task_id} {size}".encode(), usedforsecurity=False).hexdigest()
    last_frame = _last_frame(task_id, width, height)
    shared = status.st_size - len(last_frame)
    return Video(clip, shared, last_frame + box, size, status.st_mtime, f'"{digest}"')


@lru_cache(maxsize=256)
def _last_frame(task_id: str, width: int, height: int) -> bytes:
    return encode_last_frame(width, height, hashlib.sha256(task_id.encode()).digest())


_making = threading.Lock()
_locks: dict[Path, threading.Lock] = {}


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="seedance-simulator-clips-")
    atexit.register(folder.cleanup)
    return folder


def _clip(width: int, height: int, seconds: int) -> Path:
    with _making:
        path = Path(_folder().name, f"{width}x{height}-{seconds}s.mp4")
        lock = _locks.setdefault(path, threading.Lock())
    with lock:
        if not path.exists():
            unfinished = path.with_name(f"unfinished-{path.name}")
            encode_clip(unfinished, width, height, seconds)
            unfinished.rename(path)
    return path
