"""Making a small H.264 clip with PyAV, which is imported only here and only when a clip is wanted."""

# PyAV's stubs leave the packets' type parameter open, which makes every encode and mux partially unknown.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

FRAMES_PER_SECOND = 24
#: Columns and rows of the picture that ends a clip.
BLOCKS = (8, 4)
_FAST = {"preset": "ultrafast", "crf": "30"}
_START_CODE = re.compile(rb"\x00\x00\x00?\x01")


class MediaToolMissingError(Exception):
    """PyAV is not installed, so no video can be made."""

    def __init__(self) -> None:
        super().__init__("the simulator makes its videos with PyAV: pip install 'prefect-seedance[media]'")


def last_frame_bytes(width: int, height: int) -> int:
    """Return how many bytes the last frame of a clip takes, whichever it is: twice what x264 makes of one."""
    return 4096 + width * height // 200


def encode_clip(path: Path, width: int, height: int, seconds: int) -> None:
    """Write FFmpeg's test picture as an MP4 whose index stands in front: yuv420p, 24 frames a second.

    Its last bytes, `last_frame_bytes` of them, are room for a last frame by `encode_last_frame`.

    Raises:
        MediaToolMissingError: If PyAV is not installed.
    """
    try:
        import av
        import av.filter
        from av.video.frame import PictureType
    except ImportError as error:
        raise MediaToolMissingError from error
    graph = av.filter.Graph()
    source = graph.add("testsrc2", f"size={width}x{height}:rate={FRAMES_PER_SECOND}:duration={seconds}")
    pixels = graph.add("format", "yuv420p")
    sink = graph.add("buffersink")
    source.link_to(pixels)
    pixels.link_to(sink)
    graph.configure()
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options=_FAST)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        last = seconds * FRAMES_PER_SECOND - 1
        for _ in range(last):
            frame = graph.vpull()
            frame.pict_type = PictureType.NONE  # else every frame is asked to be a key frame
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        room = av.Packet(b"\0\0\0\1" + _filler(last_frame_bytes(width, height) - 4))
        room.stream, room.time_base = stream, Fraction(1, FRAMES_PER_SECOND)
        room.pts, room.dts, room.duration, room.is_keyframe = last, last, 1, True
        container.mux(room)


def encode_last_frame(width: int, height: int, mark: bytes) -> bytes:
    """Encode a picture of grey blocks that no other mark has, as a key frame for the end of a clip of this size.

    Args:
        width: Of the clip.
        height: Of the clip.
        mark: At least as many bytes as there are blocks.
    """
    import av
    from av.codec.context import Flags

    columns, rows = BLOCKS
    blocks = av.VideoFrame(columns, rows, "gray")
    plane = blocks.planes[0]
    rows_of_mark = (mark[at * columns : (at + 1) * columns] for at in range(rows))
    plane.update(b"".join(row.ljust(plane.line_size, b"\0") for row in rows_of_mark))
    picture = blocks.reformat(width, height, "yuv420p", interpolation="POINT")
    picture.pts = 0
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FRAMES_PER_SECOND), Fraction(FRAMES_PER_SECOND)
    encoder.options, encoder.thread_count = _FAST, 1
    encoder.flags |= Flags.global_header  # what stands in the clip's index is not repeated
    packets = [*encoder.encode(picture), *encoder.encode(None)]
    units = [unit for packet in packets for unit in _START_CODE.split(bytes(packet)) if unit]
    coded = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
    room = last_frame_bytes(width, height) - len(coded) - 4
    return coded + room.to_bytes(4, "big") + _filler(room)


def _filler(count: int) -> bytes:
    """Return a unit of H.264 that decoders skip."""
    return b"\x0c" + b"\xff" * (count - 2) + b"\x80"
