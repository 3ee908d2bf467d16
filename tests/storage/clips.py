"""Videos for the tests: real ones made by PyAV, and byte strings that only look like one."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import av
import av.filter


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
