"""The frame that a video shows last: which one it is, pixel by pixel, and what is said where there is none."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image, ImageChops, ImageStat

from prefect_seedance.errors import NoLastFrame
from prefect_seedance.storage.relay import decoder_process
from prefect_seedance.storage.relay.poster import last_frame_png
from tests.storage.clips import QUARTERS, lookalike, make_clip, make_numbered_clip, make_song, numbered_luma
from tests.storage.hostile_clips import entry, grey, hostile, movie

Colour = tuple[int, int, int]


def last_frame(content: bytes | Path) -> Image.Image:
    png = last_frame_png(io.BytesIO(content if isinstance(content, bytes) else content.read_bytes()))
    picture = Image.open(io.BytesIO(png))
    assert picture.format == "PNG" and picture.mode == "RGB"
    return picture


def shown(y: int, u: int, v: int, matrix: str = "601") -> Colour:
    """The colour of a pixel by the formulas of the standards."""
    red, blue = {"601": (0.299, 0.114), "709": (0.2126, 0.0722)}[matrix]
    luma, pb, pr = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    r, b = luma + 2 * (1 - red) * pr, luma + 2 * (1 - blue) * pb
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return tuple(min(255, max(0, round(255 * each))) for each in (r, g, b))  # type: ignore[return-value]


def expected(number: int, matrix: str = "601") -> list[Colour]:
    """The quarters of a numbered frame, from top left to bottom right."""
    return [shown(numbered_luma(number), u, v, matrix) for u, v in QUARTERS]


def quarters(picture: Image.Image) -> list[Colour]:
    places = [(x, y) for y in (1, 3) for x in (1, 3)]
    return [picture.getpixel((picture.width * x // 4, picture.height * y // 4)) for x, y in places]  # type: ignore


def alike(found: list[Colour], wanted: list[Colour], within: int = 2) -> bool:
    assert len(found) == len(wanted)
    return all(abs(a - b) <= within for a, b in zip(sum(found, ()), sum(wanted, ()), strict=True))


def wholly(picture: Image.Image, number: int) -> bool:
    """Whether every pixel is that of the numbered frame, which is neither turned nor stretched."""
    wanted = expected(number)
    return all(
        alike([picture.getpixel((x, y))], [wanted[2 * (2 * y >= picture.height) + (x >= picture.width // 2)]])  # type: ignore
        for x in range(picture.width)
        for y in range(picture.height)
    )


CLIPS: dict[str, dict[str, Any]] = {
    "one frame": {"frames": 1},
    "no B-frames": {"options": {"bf": "0"}},
    "B-frames": {"frames": 12, "options": {"preset": "medium", "bf": "3", "x264-params": "b-adapt=0"}},
    "open GOP": {
        "frames": 23,
        "options": {"preset": "medium", "bf": "3", "x264-params": "b-adapt=0:open-gop=1:keyint=6:min-keyint=6"},
    },
    "a key frame at the end": {"frames": 11, "options": {"g": "5", "bf": "0"}},
    "only key frames": {"options": {"g": "1"}},
    "odd sides": {"width": 51, "height": 37},
    "a variable rate": {"moments": [0, 1, 2, 50, 51, 52, 90, 200, 201, 700]},
    "sound that goes on": {"sound_seconds": 3.0},
    "fragments": {"frames": 20, "options": {"g": "5"}, "container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "its index first": {"container_options": {"movflags": "faststart"}},
    "MOV": {"form": "mov"},
    "a late beginning": {"moments": list(range(500, 540, 4)), "container_options": {"avoid_negative_ts": "disabled"}},
}  # fmt: skip


@pytest.mark.parametrize("made", CLIPS.values(), ids=CLIPS.keys())
def test_the_last_frame_is_the_one_shown_last_pixel_by_pixel(made: dict[str, Any], tmp_path: Path) -> None:
    picture = last_frame(make_numbered_clip(tmp_path / "clip.mp4", **made))
    assert picture.size == (made.get("width", 64), made.get("height", 48))
    assert wholly(picture, made.get("frames", 10) - 1)


CODECS: dict[str, dict[str, str]] = {
    "libx264": {"g": "250", "bf": "0"},
    "libx265": {"x265-params": "lossless=1:bframes=0"},
    "libsvtav1": {"preset": "8", "crf": "1", "svtav1-params": "pred-struct=1"},
    "libvpx-vp9": {"lossless": "1", "lag-in-frames": "0", "auto-alt-ref": "0", "g": "250"},
    "mpeg4": {"g": "250", "qscale": "1", "global_quality": "118", "flags": "+qscale"},
}


def of_codec(codec: str, path: Path, numbers: Sequence[int] = range(20)) -> bytes:
    """A clip whose frames each need all before it."""
    made = {"width": 128, "height": 96, "pixels": "yuv420p", "options": CODECS[codec]}
    return faststart(path, frames=len(numbers), numbers=numbers, codec=codec, **made)


def nearly(picture: Image.Image, number: int) -> bool:
    return alike(quarters(picture), expected(number), within=8)


@pytest.mark.parametrize("codec", CODECS)
def test_all_codecs_of_videos_have_a_last_frame(codec: str, tmp_path: Path) -> None:
    assert nearly(last_frame(of_codec(codec, tmp_path / "clip.mp4")), 19)


@pytest.mark.parametrize("codec", CODECS)
def test_what_is_built_upon_a_broken_packet_is_not_taken(codec: str, tmp_path: Path) -> None:
    content = of_codec(codec, tmp_path / "clip.mp4")
    place, size = samples(content)[15]
    assert nearly(last_frame(content[: place + size // 2]), 14)
    damaged = bytearray(content)
    damaged[place + 5 : place + size] = b"\xff" * (size - 5)
    assert nearly(last_frame(bytes(damaged)), 14)


@pytest.mark.parametrize("codec", CODECS)
def test_an_index_that_calls_each_frame_a_key_frame_is_not_believed(codec: str, tmp_path: Path) -> None:
    # Longer than is gone back at first, and still: what is made of nothing there says nothing of its colours.
    content = of_codec(codec, tmp_path / "clip.mp4", numbers=[*range(20), *[20] * 70])
    assert nearly(last_frame(content.replace(b"stss", b"free")), 20)


TURNS = {0: (0, 1, 2, 3), 90: (1, 3, 0, 2), -90: (2, 0, 3, 1), 180: (3, 2, 1, 0)}


@pytest.mark.parametrize("degrees", TURNS)
def test_the_last_frame_is_turned_as_it_is_shown(degrees: int, tmp_path: Path) -> None:
    picture = last_frame(make_numbered_clip(tmp_path / "clip.mp4", width=62, height=46, turned=degrees))
    assert picture.size == ((46, 62) if abs(degrees) == 90 else (62, 46))
    assert alike(quarters(picture), [expected(9)[each] for each in TURNS[degrees]])


MIRRORED = {
    "left and right": ((-1, 0, 0, 1), (1, 0, 3, 2)),
    "up and down": ((1, 0, 0, -1), (2, 3, 0, 1)),
    "along its diagonal": ((0, 1, 1, 0), (0, 2, 1, 3)),
    "along the other one": ((0, -1, -1, 0), (3, 1, 2, 0)),
    "by nothing": ((0, 0, 0, 0), (0, 1, 2, 3)),
}


@pytest.mark.parametrize(("matrix", "order"), MIRRORED.values(), ids=MIRRORED.keys())
def test_the_last_frame_is_mirrored_as_it_is_shown(
    matrix: tuple[int, ...], order: tuple[int, ...], tmp_path: Path
) -> None:
    content = bytearray(make_numbered_clip(tmp_path / "clip.mp4", width=62, height=46).read_bytes())
    place = content.index(b"tkhd") + 4 + 40
    a, b, c, d = ((each * 0x10000).to_bytes(4, "big", signed=True) for each in matrix)
    content[place : place + 36] = a + b + bytes(4) + c + d + bytes(12) + (0x40000000).to_bytes(4, "big")
    picture = last_frame(bytes(content))
    assert alike(quarters(picture), [expected(9)[each] for each in order])


def test_pixels_that_are_not_square_are_shown_as_such(tmp_path: Path) -> None:
    picture = last_frame(make_numbered_clip(tmp_path / "clip.mp4", width=60, stretched=Fraction(4, 3)))
    assert picture.size == (80, 48) and alike(quarters(picture), expected(9))


def test_a_large_video_has_the_colours_of_a_large_video(tmp_path: Path) -> None:
    picture = last_frame(make_numbered_clip(tmp_path / "clip.mp4", 2, width=1280, height=64))
    assert alike(quarters(picture), expected(1, "709"))


def test_a_frame_of_4k_fits_in_full_size(tmp_path: Path) -> None:
    clip = make_numbered_clip(tmp_path / "clip.mp4", 2, width=3840, height=2160, pixels="yuv420p", turned=90)
    assert last_frame(clip).size == (2160, 3840)


def faststart(path: Path, **made: Any) -> bytes:
    return make_numbered_clip(path, container_options={"movflags": "faststart"}, **made).read_bytes()


def samples(content: bytes) -> list[tuple[int, int]]:
    """Place and size of each packet, as it is stored."""
    with av.open(io.BytesIO(content)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize("key_interval", ["1", "4", "250"])
@pytest.mark.parametrize("cut", ["in a packet", "before a packet", "half the file"])
def test_of_a_video_that_breaks_off_it_is_the_last_whole_one(key_interval: str, cut: str, tmp_path: Path) -> None:
    content = faststart(tmp_path / "clip.mp4", frames=20, options={"g": key_interval, "bf": "0"})
    number = 9 if cut == "half the file" else 17
    place, size = samples(content)[number]
    assert wholly(last_frame(content[: place if cut == "before a packet" else place + size // 2]), number - 1)


def test_of_a_video_whose_last_packets_are_noise_it_is_the_last_whole_one(tmp_path: Path) -> None:
    content = bytearray(faststart(tmp_path / "clip.mp4", frames=20, options={"g": "250", "bf": "0"}))
    for place, size in samples(bytes(content))[16:]:
        content[place : place + size] = b"\xff" * size
    assert wholly(last_frame(bytes(content)), 15)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_a_frame_that_is_broken_in_its_middle_is_not_taken(codec: str) -> None:
    noise = [Image.effect_noise((320, 240), 60 + number).convert("RGB") for number in range(6)]
    output = io.BytesIO()
    with av.open(output, "w", format="mp4") as container:
        options = {"bf": "0", "global_quality": "236", "flags": "+qscale"}
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number, each in enumerate(noise):
            frame = av.VideoFrame.from_image(each)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    content = bytearray(output.getvalue())
    assert likest(last_frame(bytes(content)), noise) == 5
    place, size = samples(bytes(content))[5]
    content[place + size // 3 : place + size // 3 + 200] = b"\x55\xaa" * 100
    assert likest(last_frame(bytes(content)), noise) == 4


def test_a_frame_that_is_only_guessed_is_none(tmp_path: Path) -> None:
    content = bytearray(make_clip(tmp_path / "clip.mp4", seconds=0.04).read_bytes())
    ((place, size),) = samples(bytes(content))
    content[place + size // 2 : place + size] = b"\xff" * (size - size // 2)
    with pytest.raises(NoLastFrame, match="no frame that can be decoded"):
        last_frame(bytes(content))


def likest(picture: Image.Image, among: list[Image.Image]) -> int:
    """Which picture it is most like, by the mean difference of brightness."""
    grey_one = picture.convert("L")
    differences = [ImageStat.Stat(ImageChops.difference(grey_one, each.convert("L"))).mean[0] for each in among]
    return differences.index(min(differences))


@pytest.mark.parametrize("said", [1, 10**6, 2**32 - 2])
def test_what_the_index_says_of_the_length_is_not_believed(said: int, tmp_path: Path) -> None:
    content = bytearray(make_numbered_clip(tmp_path / "clip.mp4", 12, options={"g": "5"}).read_bytes())
    for name, offset in ((b"mdhd", 20), (b"tkhd", 24), (b"mvhd", 20)):
        place = content.index(name) + offset
        content[place : place + 4] = said.to_bytes(4, "big")
    assert wholly(last_frame(bytes(content)), 11)


def test_what_an_edit_list_cuts_off_is_not_shown(tmp_path: Path) -> None:
    content = bytearray(make_numbered_clip(tmp_path / "clip.mp4", 20, options={"g": "3", "bf": "0"}).read_bytes())
    place = content.index(b"elst") + 12
    time_scale = int.from_bytes(content[content.index(b"mvhd") + 16 :][:4], "big")
    content[place : place + 4] = (time_scale * 44 // 100).to_bytes(4, "big")  # of 80/100 s
    assert wholly(last_frame(bytes(content)), 10)


def test_b_frames_that_an_edit_list_cuts_off_are_not_shown(tmp_path: Path) -> None:
    options = {"preset": "medium", "bf": "3", "x264-params": "b-adapt=0:keyint=8"}
    content = bytearray(make_numbered_clip(tmp_path / "clip.mp4", 20, options=options).read_bytes())
    place = content.index(b"elst") + 12
    for shown_frames in range(1, 20):
        content[place : place + 4] = (40 * shown_frames).to_bytes(4, "big")  # of 1/1000 s
        assert wholly(last_frame(bytes(content)), shown_frames - 1)


@pytest.mark.parametrize("start", [-(2**31), 2**31 - 1])
def test_an_edit_list_beyond_the_video_ends_in_an_answer(start: int, tmp_path: Path) -> None:
    content = bytearray(make_numbered_clip(tmp_path / "clip.mp4", 5).read_bytes())
    place = content.index(b"elst") + 16
    content[place : place + 4] = start.to_bytes(4, "big", signed=True)
    try:
        assert any(wholly(last_frame(bytes(content)), number) for number in range(5))
    except NoLastFrame as error:
        assert "decoded" in error.reason


def test_the_picture_of_a_song_is_not_its_last_frame(tmp_path: Path) -> None:
    with pytest.raises(NoLastFrame, match="no pictures"):
        last_frame(make_song(tmp_path / "song.m4a"))


BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "a page": b"<html>",
    "random bytes in boxes": lookalike(5000),
    "a playlist": b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n",
    "empty packets": movie([b""] * 50, entry(b"avc1", 64, 64)),
    "another codec": movie([bytes(64 * 64 * 3)], entry(b"raw ", 64, 64)),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_where_there_is_none_the_error_says_why(content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(NoLastFrame) as raised:
        last_frame(content)
    assert raised.value.reason and raised.value.reason in str(raised.value) and not caplog.records


@pytest.mark.parametrize(("name", "content"), hostile().items(), ids=lambda value: value if str(value) == value else "")
def test_a_hostile_file_costs_at_most_its_last_frame(name: str, content: bytes) -> None:
    try:
        assert max(last_frame(content).size) <= 8192
    except NoLastFrame as error:
        assert error.reason.isprintable() and len(error.reason) < 500


def test_it_is_the_same_each_time(tmp_path: Path) -> None:
    content = make_clip(tmp_path / "clip.mp4", seconds=0.4).read_bytes()
    pictures = set()
    for _ in range(2):
        pictures.add(last_frame_png(io.BytesIO(content)))
        decoder_process._children.end_all()
    assert len(pictures) == 1


def test_of_a_long_video_little_is_read(tmp_path: Path) -> None:
    class Counting(io.BytesIO):
        count = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.count += len(data)
            return data

    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "1", "preset": "ultrafast", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        noise = av.VideoFrame.from_image(Image.effect_noise((640, 480), 100).convert("RGB"))
        for number in range(100):
            noise.pts = number
            container.mux(stream.encode(noise))
        container.mux(stream.encode(None))
    file = Counting((tmp_path / "clip.mp4").read_bytes())
    assert last_frame_png(file)
    assert file.count < len(file.getvalue()) / 4


def test_what_reading_the_file_raises_is_raised() -> None:
    class Gone(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise PermissionError("not yours")

    with pytest.raises(PermissionError, match="not yours"):
        last_frame_png(Gone(grey(64, 64)))


def test_a_cancelled_run_does_not_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled = threading.Event()

    class Cancelling(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            cancelled.set()
            threading.Event().wait(1)  # until the child is ended
            return super().read(size)

    with pytest.raises(NoLastFrame, match="cancelled"):
        last_frame_png(Cancelling(grey(64, 64)), cancelled=cancelled)


def test_without_pyav_or_an_interpreter_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_process, "_children", decoder_process._Children())
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", "")
        with pytest.raises(NoLastFrame, match="no Python interpreter"):
            last_frame_png(io.BytesIO(grey(64, 64)))
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr(decoder_process.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(NoLastFrame, match="extra 'media'"):
        last_frame_png(io.BytesIO(grey(64, 64)))
