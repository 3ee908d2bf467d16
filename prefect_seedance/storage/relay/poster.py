"""A still and the bare facts of a video, by PyAV (extra `media`), decoding no more than needed.

Both are extras of a stored video: they never raise, whatever a broken or hostile file makes PyAV raise. Without PyAV,
or with a file it cannot read, the answer is None and the reason is logged.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeVar, cast

from prefect_seedance.asides import AsideLog, words_of

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

_LOG = AsideLog(__name__)
_Answer = TypeVar("_Answer")

# Generated clips often fade in. Half a minute at 30 frames per second is more than any of them has.
_FRAMES_LOOKED_AT = 900
# Mean of luma from 0 to 255, where 0 is black whatever the file's own range is.
_BLACK_BELOW = 12.0
# The size at which brightness is judged.
_SMALL_WIDTH, _SMALL_HEIGHT = 64, 36
_JPEG_QUALITY = 4  # mjpeg's scale: 2 is best, 31 is worst


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What a video file says of itself: size in pixels, length and codec (`h264`); 0 or "" where it does not say."""

    width: int
    height: int
    seconds: float
    codec: str


class _Packet(Protocol):
    def __buffer__(self, flags: int, /) -> memoryview: ...


class _Encoder(Protocol):
    """What is used of PyAV's encoder, whose own types leave the packet's parameter open."""

    def encode(self, frame: VideoFrame | None) -> list[_Packet]: ...


def probe(file: BinaryIO | Path) -> MediaFacts | None:
    """Read the facts of a video from its index; None if it cannot be read.

    Args:
        file: a path, or an open file; one that can be sought in, unless its index comes first.

    Example:
        >>> probe(Path("missing.mp4")) is None
        True
    """
    return _read(file, _read_facts)


def poster_jpeg(file: BinaryIO | Path, longest_side: int = 640) -> bytes | None:
    """Return the first frame that is not black as a JPEG; the brightest one looked at, if all are black.

    Args:
        file: a path, or an open file; one that can be sought in, unless its index comes first.
        longest_side: in pixels, so that an upright picture leaves room for what stands below it; a smaller video keeps
            its size.
    """
    return _read(file, lambda container: _read_poster(container, longest_side))


def probe_with_poster(file: BinaryIO | Path, longest_side: int = 640) -> tuple[MediaFacts | None, bytes | None]:
    """Return the facts and the poster of a video, which is opened once; see `probe` and `poster_jpeg`."""

    def read(container: InputContainer) -> tuple[MediaFacts, bytes | None]:
        facts = _read_facts(container)
        try:
            return facts, _read_poster(container, longest_side)
        except Exception as error:
            _LOG.warning("No poster can be made of this video: %s", words_of(error))
            return facts, None

    return _read(file, read) or (None, None)


def _read(file: BinaryIO | Path, read: Callable[[InputContainer], _Answer]) -> _Answer | None:
    try:
        import av
    except Exception:  # it is not there, or its libraries do not fit this system
        _LOG.info("PyAV cannot be loaded: no poster and no media facts. Install the extra 'media' for them.")
        return None
    try:
        if not isinstance(file, Path) and file.seekable():
            file.seek(0)
        # The format is named: left to guess, FFmpeg follows the links of a playlist that poses as a video.
        source = str(file) if isinstance(file, Path) else file
        with av.open(source, mode="r", format="mp4", metadata_errors="replace") as container:
            return read(container)
    except Exception as error:  # AttributeError among it, for a codec that this FFmpeg does not know
        _LOG.warning("This video cannot be read by PyAV: %s", words_of(error))
        return None


def _read_facts(container: InputContainer) -> MediaFacts:
    stream = container.streams.video[0]
    seconds = 0.0
    if stream.duration is not None and stream.time_base is not None:
        seconds = float(stream.duration * stream.time_base)
    # What no video can be is as good as not said.
    return MediaFacts(
        max(0, stream.width),
        max(0, stream.height),
        seconds if math.isfinite(seconds) and seconds > 0 else 0.0,
        stream.codec_context.name,
    )


def _read_poster(container: InputContainer, longest_side: int) -> bytes:
    best: VideoFrame | None = None
    best_brightness = -1.0
    stream = container.streams.video[0]
    # By itself FFmpeg decodes several frames at once, in threads, before it gives out the first.
    stream.thread_type = "NONE"
    for _, frame in zip(range(_FRAMES_LOOKED_AT), container.decode(stream), strict=False):
        brightness = _brightness(frame)
        if brightness > best_brightness:
            best, best_brightness = frame, brightness
        if brightness >= _BLACK_BELOW:
            break
    if best is None:
        raise LookupError("it has no frame")
    return _jpeg(best, longest_side)


def _brightness(frame: VideoFrame) -> float:
    small = frame.reformat(_SMALL_WIDTH, _SMALL_HEIGHT, format="gray", dst_color_range="JPEG")
    plane = small.planes[0]
    data = bytes(plane)
    # Rows are padded; the padding is not picture.
    return sum(
        sum(data[row * plane.line_size : row * plane.line_size + _SMALL_WIDTH]) for row in range(_SMALL_HEIGHT)
    ) / (_SMALL_WIDTH * _SMALL_HEIGHT)


def _jpeg(frame: VideoFrame, longest_side: int) -> bytes:
    from fractions import Fraction

    import av

    scale = min(1.0, longest_side / max(frame.width, frame.height))
    width, height = (max(2, round(scale * side) // 2 * 2) for side in (frame.width, frame.height))
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height = width, height
    encoder.pix_fmt = "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.qmin = encoder.qmax = _JPEG_QUALITY
    packets = cast(_Encoder, encoder)
    picture = frame.reformat(width, height, format="yuvj420p", dst_color_range="JPEG")
    picture.pts = 0
    return b"".join(bytes(packet) for packet in [*packets.encode(picture), *packets.encode(None)])
