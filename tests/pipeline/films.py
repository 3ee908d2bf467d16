"""Clips as routes make them (with sound, with B-frames), and what a film is compared by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.filter

RATE = 24
#: Of a frame, the moment at which it is shown and its pixels.
Shown = tuple[Fraction, str]


def make_clip(
    path: Path,
    *,
    frames: int = 30,
    hue: int = 0,
    sound: int = 0,
    tone: int = 440,
    b_frames: int = 0,
    width: int = 128,
    rate: int = RATE,
    codec: str = "libx264",
    layout: str = "mono",
    options: dict[str, str] | None = None,
    sound_seconds: Fraction | None = None,
) -> Path:
    """A test picture in colours of its own; with sound of so many samples a second, if any."""
    height = width * 9 // 16 // 2 * 2
    seconds = Fraction(frames, rate)
    with av.open(str(path), "w", format="mp4") as container:
        settings = {"preset": "ultrafast", "bf": str(b_frames), "threads": "1"} | (options or {})
        picture = container.add_stream(codec, rate=rate, options=settings)
        picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
        picture.codec_context.max_b_frames = b_frames
        track = container.add_stream("aac", rate=sound, layout=layout) if sound else None
        description = f"testsrc2=size={width}x{height}:rate={rate}:duration={float(seconds + 1)},hue=h={hue}"
        for number, frame in zip(range(frames), _frames(description + ",format=yuv420p"), strict=False):
            frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, rate), 0
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if track is not None:
            wanted = float(seconds if sound_seconds is None else sound_seconds)
            tones = f"sine=frequency={tone}:sample_rate={sound}:duration={wanted}"
            for samples in _frames(f"{tones},aformat=sample_fmts=fltp:channel_layouts={layout}", sound=True):
                container.mux(track.encode(samples))
            container.mux(track.encode(None))
    return path


def _frames(description: str, *, sound: bool = False) -> Iterator[Any]:
    graph = av.filter.Graph()
    first, *others = description.split(",")
    name, _, arguments = first.partition("=")
    last = graph.add(name, arguments)
    for each in others:
        name, _, arguments = each.partition("=")
        following = graph.add(name, arguments)
        last.link_to(following)
        last = following
    end = graph.add("abuffersink" if sound else "buffersink")
    last.link_to(end)
    graph.configure()
    while True:
        try:
            yield graph.pull()
        except (av.error.EOFError, av.error.BlockingIOError):
            return


def pictures(path: Path) -> list[Shown]:
    """Every frame of a file, in the order in which it is shown."""
    with av.open(str(path)) as file:
        return [
            (frame.pts * frame.time_base, hashlib.sha256(b"".join(bytes(plane) for plane in frame.planes)).hexdigest())
            for frame in file.decode(video=0)
        ]


def pixels(path: Path) -> list[str]:
    return [each for _, each in pictures(path)]


def length(path: Path, kind: str = "video") -> Fraction:
    """Length of a track, as its index says."""
    with av.open(str(path)) as file:
        stream = next(each for each in file.streams if each.type == kind)
        assert stream.duration is not None and stream.time_base is not None
        return stream.duration * stream.time_base


def packets_of_sound(path: Path) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as file:
        return [
            (packet.pts * packet.time_base, bytes(packet)) for packet in file.demux(audio=0) if packet.pts is not None
        ]
