"""Videos for the tests: real ones made by PyAV, and byte strings that only look like one."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import av.filter
import av.stream
from PIL import Image

from prefect_seedance.storage.relay.poster import MediaFacts, probe_with_stills


def box(kind: bytes, body: bytes) -> bytes:
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def lookalike(size: int, seed: int = 1) -> bytes:
    """An MP4 by its boxes (ftyp, mdat, moov), of this many random bytes."""
    start = box(b"ftyp", b"isom\0\0\2\0isomiso2mp41")
    index = box(b"moov", b"index")
    return start + box(b"mdat", random.Random(seed).randbytes(size - len(start) - len(index) - 8)) + index


def make_clip(
    path: Path, *, seconds: float = 1.0, black_frames: int = 0, width: int = 320, upright: bool = False
) -> Path:
    """A test picture with moving colours, after so many black frames; index at the end."""
    height = width * 9 // 16 // 2 * 2
    if upright:
        width, height = height, width
    graph = av.filter.Graph()
    source = graph.add("testsrc2", f"size={width}x{height}:rate=25:duration={seconds}")
    sink = graph.add("buffersink")
    source.link_to(sink)
    graph.configure()
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, 25)
        pictures = [_black(width, height) for _ in range(black_frames)]
        while True:
            try:
                pictures.append(graph.pull())
            except (av.error.EOFError, av.error.BlockingIOError):
                break
        for number, picture in enumerate(pictures):
            frame = picture.reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _black(width: int, height: int) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv420p")
    for number, plane in enumerate(frame.planes):
        plane.update(bytes([16 if number == 0 else 128]) * plane.buffer_size)
    return frame


#: U and V of the quarters of a numbered frame, from top left to bottom right.
QUARTERS = ((90, 240), (54, 34), (240, 110), (128, 128))


def numbered_luma(number: int) -> int:
    return 60 + 7 * number % 160


def numbered_frame(number: int, width: int, height: int, pixels: str = "yuv444p") -> av.VideoFrame:
    """A frame whose number can be told by its brightness, and whose sides by the colours of its quarters."""
    frame = av.VideoFrame(width, height, pixels)
    for which, plane in enumerate(frame.planes):
        data = bytearray(plane.buffer_size)
        for row in range(plane.height):
            quarters = QUARTERS[2 * (2 * row >= plane.height) :]
            left, right = (numbered_luma(number) if which == 0 else quarters[side][which - 1] for side in (0, 1))
            half = plane.width // 2
            start = row * plane.line_size
            data[start : start + plane.width] = bytes([left]) * half + bytes([right]) * (plane.width - half)
        plane.update(bytes(data))
    return frame


def make_numbered_clip(
    path: Path,
    frames: int = 10,
    *,
    width: int = 64,
    height: int = 48,
    codec: str = "libx264",
    pixels: str = "yuv444p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    form: str = "mp4",
    numbers: Sequence[int] | None = None,
    moments: Sequence[int] | None = None,
    turned: int = 0,
    stretched: Fraction = Fraction(1),
    sound_seconds: float = 0,
) -> Path:
    """A clip of frames with these numbers, without loss, shown at these moments (of 1/100 s)."""
    with av.open(str(path), "w", format=form, options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=25, options={"qp": "0", "preset": "ultrafast"} | (options or {}))
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.time_base = Fraction(1, 100)
        stream.codec_context.time_base = Fraction(1, 100)
        stream.codec_context.sample_aspect_ratio = stretched
        if turned:
            stream.set_display_rotation(turned)
        sound = container.add_stream("aac", rate=44100) if sound_seconds else None
        for number in range(frames):
            frame = numbered_frame(numbers[number] if numbers else number, width, height, pixels)
            frame.pts, frame.time_base = moments[number] if moments else 4 * number, Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound:
            for place in range(0, round(sound_seconds * 44100), 1024):
                silence = av.AudioFrame("fltp", "stereo", 1024)
                for plane in silence.planes:
                    plane.update(bytes(plane.buffer_size))
                silence.pts, silence.sample_rate, silence.time_base = place, 44100, Fraction(1, 44100)
                container.mux(sound.encode(silence))
            container.mux(sound.encode(None))
    return path


def make_song(path: Path) -> bytes:
    """Sound with a cover, as music players keep it."""
    cover = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(cover, "JPEG")
    with (
        av.open(io.BytesIO(cover.getvalue()), format="mjpeg") as picture,
        av.open(str(path), "w", format="mp4") as made,
    ):
        sound = made.add_stream("aac", rate=44100)
        stream = made.add_stream_from_template(picture.streams.video[0])
        stream.disposition = av.stream.Disposition.attached_pic
        packet = next(picture.demux())
        for place in range(0, 44100, 1024):
            silence = av.AudioFrame("fltp", "stereo", 1024)
            for plane in silence.planes:
                plane.update(bytes(plane.buffer_size))
            silence.pts, silence.sample_rate, silence.time_base = place, 44100, Fraction(1, 44100)
            made.mux(sound.encode(silence))
        made.mux(sound.encode(None))
        packet.stream = stream
        made.mux(packet)
    return path.read_bytes()


def poster_jpeg(file: BinaryIO | Path, longest_side: int = 640) -> bytes | None:
    """The poster alone of what production reads of a video."""
    return probe_with_stills(file, longest_side)[1]


def probe_with_poster(file: BinaryIO | Path) -> tuple[MediaFacts | None, bytes | None]:
    """The same with the facts, and without the thumbnail."""
    return probe_with_stills(file)[:2]
