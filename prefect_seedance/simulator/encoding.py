"""Making a small H.264 clip with PyAV, which is imported only here and only when a clip is wanted."""

# PyAV's stubs leave the packets' type parameter open, which makes every encode and mux partially unknown.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from pathlib import Path

FRAMES_PER_SECOND = 24


class MediaToolMissingError(Exception):
    """PyAV is not installed, so no video can be made."""

    def __init__(self) -> None:
        super().__init__("the simulator makes its videos with PyAV: pip install 'prefect-seedance[media]'")


def encode_clip(path: Path, width: int, height: int, seconds: int) -> None:
    """Write FFmpeg's test picture as an MP4 whose index stands in front: yuv420p, 24 frames a second.

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
        fast = {"preset": "ultrafast", "crf": "30"}
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options=fast)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for _ in range(seconds * FRAMES_PER_SECOND):
            frame = graph.vpull()
            frame.pict_type = PictureType.NONE  # else every frame is asked to be a key frame
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
