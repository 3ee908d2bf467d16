"""What a file is and measures, by its content: pictures, video, sound, and what only poses as one of them."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image, features

from prefect_seedance.media.errors import PreparationCancelled
from prefect_seedance.media.facts import ReferenceFacts
from prefect_seedance.media.inspection import inspect
from prefect_seedance.storage.relay import decoder_process
from tests.storage.clips import box, lookalike, make_numbered_clip, make_song
from tests.storage.hostile_clips import entry, full, grey, hostile, movie, numbers

ORIENTATION = 274
NEVER = threading.Event()


class Counting(io.BytesIO):
    """A file that counts what is read of it."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.count = self.reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.count, self.reads = self.count + len(data), self.reads + 1
        return data


def facts(content: bytes, *, most_bytes: int = 700_000, most_reads: int = 65) -> ReferenceFacts:
    file = Counting(content)
    file.seek(len(content) // 3)  # where somebody else left it
    found = inspect(file, size=None, cancelled=NEVER)
    assert file.count <= most_bytes and file.reads <= most_reads
    assert found.size == len(content)
    return found


def measures(content: bytes, **limits: int) -> tuple[str, str, int, int]:
    found = facts(content, **limits)
    return found.kind, found.format, found.width, found.height


# Pictures.


def picture(form: str, size: tuple[int, int] = (70, 50), **options: Any) -> bytes:
    output = io.BytesIO()
    Image.new("RGB", size, "teal").save(output, form, **options)
    return output.getvalue()


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[ORIENTATION] = orientation
    return made


FORMATS = ["jpeg", "png", "webp", "bmp", "tiff", "gif"] + ["avif"] * features.check("avif")
if features.check("jpg_2000"):
    FORMATS.append("jp2")


@pytest.mark.parametrize("form", FORMATS)
def test_the_sides_of_a_picture_are_read_from_its_header(form: str) -> None:
    content = picture({"jp2": "JPEG2000"}.get(form, form.upper()))
    assert facts(content) == ReferenceFacts("image", form, len(content), 70, 50)


@pytest.mark.parametrize("form", [each for each in FORMATS if each in ("jpeg", "png", "webp", "tiff", "avif")])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_that_exif_turns_has_the_sides_that_are_shown(form: str, orientation: int) -> None:
    found = facts(picture(form.upper(), exif=exif(orientation)))
    assert (found.width, found.height) == ((50, 70) if orientation >= 5 else (70, 50))


@pytest.mark.parametrize(
    "options", [{"lossless": True}, {"lossless": False}, {"exif": exif(6), "icc_profile": bytes(9)}]
)
def test_webp_comes_in_three_kinds(options: dict[str, Any]) -> None:
    turned = (50, 70) if "exif" in options else (70, 50)
    assert measures(picture("WEBP", **options)) == ("image", "webp", *turned)


def test_a_header_behind_a_large_profile_is_found() -> None:
    assert measures(picture("JPEG", icc_profile=os.urandom(500_000), exif=exif(8))) == ("image", "jpeg", 50, 70)


def test_an_animation_is_a_picture() -> None:
    frames = [Image.new("RGB", (70, 50), colour) for colour in ("red", "blue")]
    for form in ("GIF", "WEBP", "PNG"):
        output = io.BytesIO()
        frames[0].save(output, form, save_all=True, append_images=frames[1:])
        assert measures(output.getvalue()) == ("image", form.lower(), 70, 50)


def tiff(order: str, *, big: bool = False, far: int = 0, count: int | None = None) -> bytes:
    """A TIFF of 70 x 50 pixels, turned, whose directory stands this far behind."""
    entries = [(256, 3, 70), (257, 3, 50), (274, 3, 6)]
    mark = b"II" if order == "<" else b"MM"
    place = 16 + far
    if big:
        head = mark + struct.pack(f"{order}HHHQ", 43, 8, 0, place)
        body = struct.pack(f"{order}Q", count or 3)
        body += b"".join(struct.pack(f"{order}HHQH6x", tag, kind, 1, value) for tag, kind, value in entries)
    else:
        head = mark + struct.pack(f"{order}HI", 42, place)
        body = struct.pack(f"{order}H", count or 3)
        body += b"".join(struct.pack(f"{order}HHIH2x", tag, kind, 1, value) for tag, kind, value in entries)
    return head.ljust(place, b"\0") + body


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_directory_of_a_tiff_may_stand_at_its_end(order: str) -> None:
    assert measures(tiff(order, far=5_000_000)) == ("image", "tiff", 50, 70)


def test_a_large_tiff_is_read_as_far_as_imagesize_reads_it() -> None:
    assert measures(tiff("<", big=True)) == ("image", "tiff", 50, 70)
    assert facts(tiff(">", big=True)).unread


def old_bitmap(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHI", 100, 0, 0, 26) + struct.pack("<IHHHH", 12, width, height, 1, 24) + bytes(100)


def test_a_bitmap_upside_down_or_from_long_ago_has_sides() -> None:
    assert measures(old_bitmap(70, 50)) == ("image", "bmp", 70, 50)
    upside_down = bytearray(picture("BMP"))
    upside_down[22:26] = struct.pack("<i", -50)
    assert measures(bytes(upside_down)) == ("image", "bmp", 70, 50)


def test_a_very_wide_gif_has_its_width() -> None:
    assert measures(b"GIF89a" + struct.pack("<HH", 40000, 20) + bytes(20)) == ("image", "gif", 40000, 20)


def _places(properties: Iterable[int], wide: bool) -> bytes:
    """Numbers of properties: of two bytes each in a file with many of them."""
    return b"".join(struct.pack("!H" if wide else "!B", each) for each in properties)


def heic(
    *, turn: int | None = None, exif_turn: int = 0, brand: bytes = b"heic", others: bytes = b"mif1heic",
    first: bytes = b"", location: bytes | None = None, crop: tuple[int, int] | None = None, wide: bool = False,
) -> bytes:  # fmt: skip
    """The boxes of a HEIF picture with a thumbnail, without its pixels."""
    properties = [full(b"ispe", numbers(16, 16)), full(b"ispe", numbers(70, 50))]
    properties += [box(b"clap", numbers(2 * crop[0], 2, crop[1], 1, 0, 1, 0, 1))] if crop else []
    properties += [box(b"irot", bytes([turn]))] if turn is not None else []
    wanted = range(2, len(properties) + 1)
    owners = numbers(2) + b"\0\1" + bytes([len(wanted)]) + _places(wanted, wide) + b"\0\2\1" + _places([1], wide)
    items = b"".join(
        full(b"infe", struct.pack("!HH4s", number, 0, kind) + b"\0", 2)
        for number, kind in ((1, b"hvc1"), (2, b"hvc1"), (3, b"Exif"))
    )
    payload = numbers(0) + b"MM\0*" + numbers(8) + struct.pack("!HHHIHH", 1, ORIENTATION, 3, 1, exif_turn, 0)
    start = box(b"ftyp", brand + numbers(0) + others) + first
    if location is None:
        location = b"\x44\0\0\1" + struct.pack("!HHHII", 3, 0, 1, len(start) + 8, len(payload))
    meta = full(
        b"meta",
        full(b"hdlr", numbers(0) + b"pict" + bytes(13))
        + full(b"pitm", b"\0\1")
        + full(b"iinf", b"\0\3" + items)
        + full(b"iloc", location)
        + box(b"iprp", box(b"ipco", b"".join(properties)) + box(b"ipma", numbers(wide) + owners)),
    )
    return start + box(b"mdat", payload) + meta


def test_a_heic_is_turned_by_its_own_property_and_not_by_exif() -> None:
    for turn in (None, 0, 1, 2, 3):
        for exif_turn in (1, 6):
            wanted = (50, 70) if turn in (1, 3) else (70, 50)
            assert measures(heic(turn=turn, exif_turn=exif_turn)) == ("image", "heic", *wanted)


def test_a_heic_with_many_properties_is_turned_like_any_other() -> None:
    for turn, wanted in ((None, (70, 50)), (1, (50, 70))):
        assert measures(heic(turn=turn, wide=True)) == ("image", "heic", *wanted)


def test_the_box_with_the_sides_of_a_heic_may_stand_at_its_end() -> None:
    assert measures(heic(turn=1, first=box(b"mdat", bytes(3_000_000)))) == ("image", "heic", 50, 70)


@pytest.mark.parametrize(
    ("brand", "others", "form"),
    [
        (b"heix", b"mif1", "heic"),
        (b"mif1", b"heic", "heic"),
        (b"mif1", b"miafavif", "avif"),
        (b"mif1", b"miaf", "heif"),
        (b"msf1", b"hevc", "heic"),
        (b"avis", b"msf1", "avif"),
    ],
)
def test_the_brands_of_heif_tell_its_format(brand: bytes, others: bytes, form: str) -> None:
    assert measures(heic(brand=brand, others=others)) == ("image", form, 70, 50)


def png_of(width: int, height: int) -> bytes:
    """A PNG that claims these sides, of 1 KB."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack("!I", len(body)) + kind + body + struct.pack("!I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(900_000), 9)) + chunk(b"IEND", b"")


def test_a_decompression_bomb_costs_nothing() -> None:
    assert measures(png_of(60_000, 60_000)) == ("image", "png", 60_000, 60_000)


CRYPTIC: dict[str, bytes] = {
    "a PNG cut in its header": picture("PNG")[:20],
    "a PNG without sides": png_of(0, 10),
    "a JPEG without a frame": b"\xff\xd8\xff\xe0\0\x04ab\xff\xd9",
    "a JPEG of marks alone": b"\xff\xd8" + b"\xff" * 3_000_000,
    "a JPEG of nothing": b"\xff\xd8\xff" + bytes(3_000_000),
    "a JPEG of ten thousand segments": b"\xff\xd8" + (b"\xff\xe2\xff\xff" + bytes(65533)) * 100,
    "a TIFF whose directory is nowhere": b"II*\0\xff\xff\xff\xff" + bytes(100),
    "a TIFF of 2^64 entries": tiff("<", big=True, far=10)[:-60].replace(b"\3" + bytes(7), b"\xff" * 8) + bytes(10**6),
    "a BigTIFF beyond all numbers": b"II+\0\x08\0\0\0" + b"\xff" * 8 + bytes(64),
    "a HEIC whose box is too large": box(b"ftyp", b"heic" + bytes(8)) + b"\xff\xff\xff\xffmeta" + bytes(100),
    "a HEIC of boxes alone": box(b"ftyp", b"heic" + bytes(8)) + box(b"free", b"") * 100_000,
    "a HEIC beyond all numbers": box(b"ftyp", b"heic" + bytes(8)) + b"\0\0\0\1free" + b"\xff" * 8,
    "a WebP of no kind": b"RIFF\x20\0\0\0WEBPVP8?" + bytes(40),
    "a WebP cut short": b"RIFF\x20\0\0\0WEBPVP8X",
    "a bitmap cut short": b"BM" + bytes(12) + b"\x28\0\0\0",
    "a JPEG 2000 without sides": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100),
    "a Photoshop file": b"8BPS\0\1" + bytes(100),
    "a JPEG XL": b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100),
}  # fmt: skip


@pytest.mark.parametrize("content", CRYPTIC.values(), ids=CRYPTIC.keys())
def test_a_picture_that_cannot_be_read_is_told_as_one_with_the_reason(content: bytes) -> None:
    found = facts(content)
    assert found.kind == "image" and (found.width, found.height) == (0, 0) and found.unread


def test_a_heic_whose_items_are_without_end_costs_nothing() -> None:
    endless = b"\0\0" + struct.pack("!H", 40_000) + (b"\0\1\0\0" + b"\xff" * 2) * 40_000
    assert measures(heic(location=endless)) == ("image", "heic", 70, 50)


def test_a_heic_is_cropped_by_its_own_property() -> None:
    assert measures(heic(turn=1, crop=(60, 40))) == ("image", "heic", 40, 60)


# Video.


def test_a_video_is_measured(tmp_path: Path) -> None:
    content = make_numbered_clip(tmp_path / "clip.mp4", 10, width=62).read_bytes()
    assert facts(content) == ReferenceFacts("video", "mp4", len(content), 62, 48, 0.4, 25.0)


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        ({"form": "mov"}, ("mov", 64, 48, 0.4)),
        ({"form": "3gp", "codec": "mpeg4", "pixels": "yuv420p", "width": 64, "options": {}}, ("3gp", 64, 48, 0.4)),
        ({"turned": 90}, ("mp4", 48, 64, 0.4)),
        ({"turned": -90}, ("mp4", 48, 64, 0.4)),
        ({"turned": 180}, ("mp4", 64, 48, 0.4)),
        ({"stretched": Fraction(2, 1)}, ("mp4", 128, 48, 0.4)),
        ({"sound_seconds": 3.0}, ("mp4", 64, 48, 3.0)),
        ({"frames": 1}, ("mp4", 64, 48, 0.04)),
        ({"container_options": {"movflags": "faststart"}}, ("mp4", 64, 48, 0.4)),
        ({"container_options": {"movflags": "frag_keyframe+empty_moov"}, "options": {"g": "3"}}, ("mp4", 64, 48, 0.4)),
        ({"moments": [0, 1, 2, 50, 51, 52, 90, 200, 201, 300]}, ("mp4", 64, 48, 3.0)),
    ],
)
def test_videos_of_all_kinds_are_measured_as_shown(
    made: dict[str, Any], wanted: tuple[Any, ...], tmp_path: Path
) -> None:
    found = facts(make_numbered_clip(tmp_path / "clip", **made).read_bytes())
    assert (found.kind, found.unread) == ("video", "")
    assert (found.format, found.width, found.height) == wanted[:3]
    assert found.seconds == pytest.approx(wanted[3], abs=0.1)


@pytest.mark.parametrize(
    ("rate", "wanted"), [("30000/1001", 29.97), ("24000/1001", 23.976), ("24", 24.0), ("60", 60.0), ("120", 120.0)]
)
def test_the_frames_per_second_are_the_average_rate(rate: str, wanted: float, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(60):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert facts((tmp_path / "a.mp4").read_bytes()).frames_per_second == wanted


def test_sides_are_those_of_the_pictures_and_not_of_the_index() -> None:
    content = hostile()["an index of 16000 x 16000 over a small stream"]
    assert measures(content) == ("video", "mov", 64, 64)


@pytest.mark.parametrize("form", ["webm", "matroska", "avi", "flv", "mpegts", "mpeg", "asf"])
def test_videos_that_no_route_takes_are_named(form: str, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a"), "w", format=form) as container:
        stream = container.add_stream({"webm": "libvpx-vp9", "flv": "flv"}.get(form, "mpeg2video"), rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(10):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    found = facts((tmp_path / "a").read_bytes())
    named = {"matroska": "mkv", "mpegts": "ts"}.get(form, form)
    assert (found.kind, found.format, found.seconds) == ("video", named, 0.0)
    assert named in found.unread


def test_a_video_whose_pictures_cannot_be_decoded_says_so() -> None:
    found = facts(movie([bytes(64 * 64 * 3)] * 5, entry(b"apcn", 64, 48)))
    assert (found.kind, found.width, found.height, found.seconds) == ("video", 64, 48, 0.2)
    assert "cannot be decoded" in found.unread and "prores" in found.unread


def test_a_video_that_cannot_be_read_is_still_a_video() -> None:
    found = facts(lookalike(5000))
    assert (found.kind, found.format) == ("video", "mp4") and found.unread


@pytest.mark.parametrize(("name", "content"), hostile().items(), ids=lambda value: value if str(value) == value else "")
def test_a_hostile_video_costs_at_most_its_measures(name: str, content: bytes) -> None:
    found = facts(content, most_bytes=25_000_000, most_reads=257)
    assert found.kind == "video" and found.format == "mov"
    assert 0 <= found.width <= 65535 and 0 <= found.seconds <= 360_000 and 0 <= found.frames_per_second <= 1000
    assert found.unread.isprintable() and len(found.unread) < 500


# Sound.


def sound(codec: str, form: str, seconds: float = 3.0, *, cover: bool = False, **options: Any) -> bytes:
    output = io.BytesIO()
    rate = 48000 if codec == "libopus" else 44100
    chance = random.Random(1)
    with av.open(output, "w", format=form, options=options.pop("container", {})) as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.layout = "stereo"
        for place in range(0, round(seconds * rate), 1024):
            samples = min(1024, round(seconds * rate) - place)
            frame = av.AudioFrame("s16", "stereo", samples)
            loud = chance.random() < 0.3
            frame.planes[0].update(chance.randbytes(samples * 4) if loud else bytes(samples * 4))
            frame.pts, frame.sample_rate, frame.time_base = place, rate, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return output.getvalue()


def tag(body_bytes: int) -> bytes:
    size = bytes(body_bytes >> 7 * each & 127 for each in (3, 2, 1, 0))
    return b"ID3\4\0\0" + size + random.Random(1).randbytes(body_bytes)


def without_tag(mp3: bytes) -> bytes:
    return mp3[10 + sum((each & 127) << 7 * (3 - number) for number, each in enumerate(mp3[6:10])) :]


VBR = {"q": "4", "flags": "+qscale", "global_quality": str(4 * 118)}
SOUNDS: dict[str, tuple[Callable[[], bytes], str]] = {
    "mp3": (lambda: sound("libmp3lame", "mp3"), "mp3"),
    "mp3 without a tag": (lambda: without_tag(sound("libmp3lame", "mp3")), "mp3"),
    "mp3 with a cover of 9 MB": (lambda: tag(9_000_000) + without_tag(sound("libmp3lame", "mp3")), "mp3"),
    "mp3 with two tags and zeros": (
        lambda: tag(100) + tag(200_000) + bytes(999) + without_tag(sound("libmp3lame", "mp3")), "mp3"
    ),
    "mp3 of a variable rate": (lambda: sound("libmp3lame", "mp3", **VBR), "mp3"),
    "mp3 of a variable rate that does not say how long it is": (
        lambda: sound("libmp3lame", "mp3", **VBR, container={"write_xing": "0"}), "mp3"
    ),
    "wav": (lambda: sound("pcm_s16le", "wav"), "wav"),
    "wav as it streams": (lambda: streaming_wav(), "wav"),
    "wav with a 64-bit size": (lambda: sound("pcm_s16le", "wav", container={"rf64": "always"}), "wav"),
    "aac": (lambda: sound("aac", "adts"), "aac"),
    "aac behind a tag": (lambda: tag(300_000) + sound("aac", "adts"), "aac"),
    "m4a": (lambda: sound("aac", "ipod"), "m4a"),
    "an mp4 of sound alone": (lambda: sound("aac", "mp4"), "m4a"),
    "flac": (lambda: sound("flac", "flac"), "flac"),
    "flac behind a tag": (lambda: tag(300_000) + sound("flac", "flac"), "flac"),
    "ogg, opus": (lambda: sound("libopus", "ogg"), "ogg"),
    "ogg, vorbis": (lambda: sound("vorbis", "ogg", strict="experimental"), "ogg"),
    "ogg, flac": (lambda: sound("flac", "ogg"), "ogg"),
}  # fmt: skip


def streaming_wav() -> bytes:
    content = bytearray(sound("pcm_s16le", "wav"))
    content[4:8] = b"\xff" * 4
    place = content.index(b"data") + 4
    content[place : place + 4] = b"\xff" * 4
    return bytes(content)


@pytest.mark.parametrize(("made", "form"), SOUNDS.values(), ids=SOUNDS.keys())
def test_sound_has_its_length(made: Callable[[], bytes], form: str) -> None:
    found = facts(made())
    assert (found.kind, found.format, found.width, found.height, found.unread) == ("audio", form, 0, 0, "")
    assert found.seconds == pytest.approx(3.0, abs=0.1)


def test_tags_and_boxes_without_end_cost_nothing() -> None:
    mp3 = without_tag(sound("libmp3lame", "mp3"))
    for tags in (3, 400):
        assert facts(tag(50) * tags + mp3).format == "mp3"
    start = box(b"ftyp", b"isom" + numbers(0) + b"isom")
    for rest in (box(b"free", b"") * 400, struct.pack("!I4s", 4, b"free") + bytes(100)):
        found = facts(start + rest)
        assert found.kind == "video" and found.unread and "cut short" not in found.unread


def test_a_picture_with_parts_without_end_is_not_searched_for_its_turn() -> None:
    png = png_of(70, 50)
    place = png.index(b"IDAT") - 4
    empty = struct.pack("!I", 0) + b"teSt" + struct.pack("!I", zlib.crc32(b"teSt"))
    assert measures(png[:place] + empty * 400 + png[place:]) == ("image", "png", 70, 50)
    sides = (69).to_bytes(3, "little") + (49).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x08\0\0\0" + sides + (b"XXXX" + bytes(4)) * 400
    assert measures(b"RIFF" + struct.pack("<I", len(body)) + body) == ("image", "webp", 70, 50)


def test_a_long_mp3_that_does_not_say_how_long_it_is_has_an_estimate() -> None:
    short = without_tag(sound("libmp3lame", "mp3", 20.0, **VBR, container={"write_xing": "0"}))
    found = facts(short * (6_000_000 // len(short)), most_bytes=5_000_000)
    assert found.seconds == pytest.approx(20.0 * (6_000_000 // len(short)), rel=0.05)
    assert "estimate" in found.unread


def test_a_song_with_a_cover_is_sound(tmp_path: Path) -> None:
    assert measures(make_song(tmp_path / "song.m4a")) == ("audio", "m4a", 0, 0)


# Anything else.

OTHERS: dict[str, tuple[bytes, str]] = {
    "a page": (b"<!DOCTYPE html>\n<html><head><title>Log in</title>", "html"),
    "a page behind blanks and a mark": (b"\xef\xbb\xbf\r\n  <HTML lang=en>", "html"),
    "a page behind a comment": (b"<!-- <svg> cached -->\n<!doctype HTML><body>", "html"),
    "a page with a drawing": (b"<html><body><svg width='10'></svg>", "html"),
    "a page as XML": (b"<?xml version='1.0'?><!DOCTYPE html PUBLIC 'x'><html xmlns='y'>", "html"),
    "a piece of a page": (b"<script>location='/login'</script>", "html"),
    "a page in UTF-16": ("\ufeff<!DOCTYPE html><p>ü".encode("utf-16-le"), "html"),
    "a drawing": (b"<svg xmlns='http://www.w3.org/2000/svg' width='10' height='10'/>", "svg"),
    "a drawing with all before it": (
        b"<?xml version='1.0'?>\n<!-- <html> -->\n<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'a'>\n<svg:svg>", "svg"
    ),
    "a drawing with a title": (b"<svg><title>html</title><script/></svg>", "svg"),
    "the error of a bucket": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "xml"),
    "a JSON": (b'{"code": 40100, "message": "login"}', "json"),
    "a text": ("No such file: mügé".encode(), "text"),
    "a text cut in a character": (b"x" * 1023 + "é".encode(), "text"),
    "a playlist": (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n", "text"),
    "a PDF": (b"%PDF-1.7\n" + bytes(99), "pdf"),
    "a ZIP": (b"PK\3\4" + bytes(99), "zip"),
    "gzip": (b"\x1f\x8b\x08" + bytes(99), "gzip"),
    "a text that begins like a bitmap": (b"BMW is a maker of cars", "text"),
    "noise": (b"\x80\x81\x82\x83" * 99, ""),
    "zeros": (bytes(999), ""),
}  # fmt: skip


@pytest.mark.parametrize(("content", "form"), OTHERS.values(), ids=OTHERS.keys())
def test_what_is_no_reference_is_named_where_it_is_certain(content: bytes, form: str) -> None:
    assert facts(content, most_reads=2) == ReferenceFacts("other", form, len(content))


def test_an_empty_file_is_told_as_such() -> None:
    assert facts(b"") == ReferenceFacts("other", size=0, unread="it is empty")


# How it is read.


def test_of_a_large_video_little_is_read(tmp_path: Path) -> None:
    content = make_numbered_clip(tmp_path / "clip.mp4").read_bytes()
    far = box(b"ftyp", b"isom" + bytes(4)) + box(b"free", bytes(40_000_000)) + content
    place = content.index(b"stco") + 12  # the packets stand as far behind
    offset = int.from_bytes(content[place : place + 4], "big") + len(far) - len(content)
    moved = bytearray(far)
    moved[len(far) - len(content) + place :][:4] = b""
    start = len(far) - len(content) + place
    moved[start : start + 4] = offset.to_bytes(4, "big")
    assert measures(bytes(moved), most_bytes=400_000, most_reads=6) == ("video", "mp4", 64, 48)


def test_the_head_is_read_once_and_serves_all(tmp_path: Path) -> None:
    for content in (picture("PNG"), make_numbered_clip(tmp_path / "a.mp4").read_bytes(), sound("aac", "adts")):
        assert facts(content, most_bytes=len(content), most_reads=2).unread == ""


def test_what_tells_no_end_is_read_forward(tmp_path: Path) -> None:
    class Endless(io.BytesIO):
        def seek(self, place: int, whence: int = os.SEEK_SET, /) -> int:
            if whence == os.SEEK_END:
                raise io.UnsupportedOperation("of no known length")
            return super().seek(place)

    index_first = make_numbered_clip(tmp_path / "a.mp4", container_options={"movflags": "faststart"}).read_bytes()
    for content in (index_first, picture("JPEG"), heic()):
        found = inspect(Endless(content), size=None, cancelled=NEVER)
        assert found.size is None and found.width and not found.unread


def test_a_size_that_is_known_is_not_asked_for() -> None:
    content = picture("PNG")
    assert inspect(io.BytesIO(content), size=len(content), cancelled=NEVER).width == 70


@pytest.mark.parametrize("content", [picture("PNG"), grey(64, 64), tiff("<", far=200_000)], ids=["png", "mov", "tiff"])
@pytest.mark.parametrize("reading", [1, 2])
def test_what_reading_the_file_raises_is_raised(content: bytes, reading: int) -> None:
    class Changed(io.BytesIO):
        reads = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.reads += 1
            if self.reads >= reading:
                raise PermissionError("changed")
            return super().read(min(size or 0, 100))

    with pytest.raises(PermissionError, match="changed"):
        inspect(Changed(content), size=len(content), cancelled=NEVER)


@pytest.mark.parametrize("content", [picture("PNG"), grey(64, 64), tiff("<", far=200_000)], ids=["png", "mov", "tiff"])
def test_a_cancelled_run_reads_no_further(content: bytes) -> None:
    cancelled = threading.Event()

    class Cancelling(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            cancelled.set()
            return super().read(min(size or 0, 100))

    with pytest.raises(PreparationCancelled):
        inspect(Cancelling(content), size=None, cancelled=cancelled)


def test_without_pyav_or_an_interpreter_the_format_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_process, "_children", decoder_process._Children())
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", "")
        found = facts(grey(64, 64))
    assert (found.kind, found.format, found.seconds) == ("video", "mov", 0.0) and "no Python" in found.unread
    monkeypatch.setattr(decoder_process.importlib.util, "find_spec", lambda _: None)
    for content, form in ((grey(64, 64), "mov"), (without_tag(sound("libmp3lame", "mp3")), "mp3")):
        found = facts(content)
        assert (found.format, found.seconds) == (form, 0.0) and "extra 'media'" in found.unread


# Broken files.

BROKEN_FILES = 1500


def broken(number: int, whole: list[bytes]) -> bytes:
    chance = random.Random(number)
    data = bytearray(chance.choice(whole))
    within = min(len(data), chance.choice((64, 400, len(data))))
    for _ in range(chance.choice((1, 2, 4, 16))):
        place = chance.randrange(within)
        data[place : place + chance.choice((1, 1, 4))] = chance.choice((b"\0", b"\xff", chance.randbytes(4)))
    if chance.random() < 0.3:
        del data[chance.randrange(len(data)) :]
    if chance.random() < 0.2:
        data[chance.randrange(len(data) + 1) :][:0] = data[: chance.randrange(len(data) + 1)]
    return bytes(data)


def play(folder: str) -> None:
    """Inspect all, and print what came of it."""
    whole = [path.read_bytes() for path in sorted(Path(folder).iterdir())]
    seen: dict[str, int] = {}
    faults: list[str] = []
    for number in range(BROKEN_FILES):
        file = Counting(broken(number, whole))
        try:
            found = inspect(file, size=None, cancelled=NEVER)
        except BaseException as error:
            faults.append(f"{number}: raised {error!r}")
            continue
        seen[found.kind] = seen.get(found.kind, 0) + 1
        if file.count > 5_000_000 or file.reads > 257 or not found.unread.isprintable() or found.seconds < 0:
            faults.append(f"{number}: {found}, {file.count} bytes in {file.reads}")
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    print(json.dumps({"seen": seen, "faults": faults, "peak": peak}))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_broken_files_of_all_kinds_are_told_of_and_cost_little(tmp_path: Path) -> None:
    whole = [picture(each.upper()) for each in FORMATS if each != "jp2"] + [heic(turn=1), tiff(">"), png_of(900, 900)]
    whole += [picture(each, exif=exif(6)) for each in ("JPEG", "PNG", "WEBP", "TIFF")]
    whole += [make_numbered_clip(tmp_path / "clip.mp4").read_bytes(), sound("flac", "flac", 0.1)]
    whole += [tag(500) + sound("libmp3lame", "mp3", 0.2), sound("aac", "adts", 0.2), sound("libopus", "ogg", 0.2)]
    whole += [sound("pcm_s16le", "wav", 0.1), sound("aac", "ipod", 0.2)]
    folder = tmp_path / "whole"
    folder.mkdir()
    for number, content in enumerate(whole):
        (folder / f"{number:02}").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import play; play({str(folder)!r})"],
        capture_output=True,
        text=True,
        timeout=110,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert told["faults"] == []
    assert all(told["seen"][kind] > 50 for kind in ("image", "video", "audio", "other")), told
    assert told["peak"] < 400 * 1024
