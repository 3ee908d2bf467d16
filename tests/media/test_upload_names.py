"""The suffix of an upload, by what the content begins with."""

from __future__ import annotations

import io
from pathlib import Path

import av
import pytest

from prefect_seedance.client.protocol import UPLOAD_SUFFIXES
from prefect_seedance.media.materials.upload_name import HEAD_BYTES, suffix_of, upload_name
from tests.storage.clips import make_clip

EBML = b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84"
BEGINNINGS = {
    ".png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    ".jpg": b"\xff\xd8\xff\xe1\x00\x10Exif",
    ".gif": b"GIF89a\1\0\1\0",
    ".webp": b"RIFF\x24\0\0\0WEBPVP8 ",
    ".bmp": b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0",
    ".svg": b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a boat -->\n<svg xmlns='http://www.w3.org/2000/svg'/>",
    ".heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    ".avif": b"\0\0\0\x18ftypavif\0\0\0\0",
    ".tiff": b"II*\0\x08\0\0\0",
    ".mp4": b"\0\0\0\x18ftypisom\0\0\2\0",
    ".mov": b"\0\0\0\x14ftypqt  \0\0\2\0",
    ".avi": b"RIFF\x24\0\0\0AVI LIST",
    ".webm": EBML + b"webm",
    ".mkv": EBML + b"matroska",
    ".flv": b"FLV\1\5\0\0\0\x09",
    ".mp3": b"\xff\xfb\x90\x64\0\0",
    ".wav": b"RIFF\x24\0\0\0WAVEfmt ",
    ".aac": b"\xff\xf1\x50\x80\0\x1f",
    ".m4a": b"\0\0\0\x18ftypM4A \0\0\0\0",
    ".flac": b"fLaC\0\0\0\x22",
    ".ogg": b"OggS\0\2\0\0",
}


@pytest.mark.parametrize(("suffix", "beginning"), BEGINNINGS.items(), ids=BEGINNINGS.keys())
def test_content_is_told_by_its_beginning(suffix: str, beginning: bytes) -> None:
    assert suffix_of(beginning) == suffix


@pytest.mark.parametrize(
    ("beginning", "suffix"),
    [
        (b"\0\0\0\x08wide\0\0\1\0mdat", ".mov"),
        (b"ID3\4\0\0", ".mp3"),
        (b"\xff\xf3\x40\xc0", ".mp3"),
        (b"MM\0*\0\0\0\x08", ".tiff"),
        (b"<svg>", ".svg"),
        (b"<!DOCTYPE html><title>Log in</title><svg>", ".bin"),
        (b"RIFF\x24\0\0\0ABCD", ".bin"),
        (b"\0\0\0\x18ftypM4V \0\0\0\0", ".mp4"),
        (b"\0\0\0\x18ftyp3gp5\0\0\0\0", ".mp4"),
        (b"\0\0\0\x18ftypheis\0\0\0\0", ".heic"),
        (b"\0\0\0\x18ftypcrx \0\0\0\0", ".cr3"),
        (b"\0\0\0\x18ftypM4P \0\0\0\0", ".m4a"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", ".avif"),
        (b"OggS" + bytes(24) + b"\x80theora", ".ogv"),
        (b"\xff\xff\xff\xff", ".bin"),
        (b"\xff", ".bin"),
        (b"", ".bin"),
        (b"paper boat", ".bin"),
    ],
)
def test_content_of_odd_beginnings_is_told(beginning: bytes, suffix: str) -> None:
    assert suffix_of(beginning) == suffix


def test_each_suffix_that_the_vendor_takes_can_be_told() -> None:
    taken = {suffix for suffixes in UPLOAD_SUFFIXES.values() for suffix in suffixes}
    assert taken - set(BEGINNINGS) == {".jpeg", ".m4v"}  # named .jpg and .mp4


@pytest.mark.parametrize(
    ("format", "codec", "suffix"), [("mp3", "mp3", ".mp3"), ("adts", "aac", ".aac"), ("wav", "pcm_s16le", ".wav")]
)
def test_sound_as_it_is_really_written_is_told(format: str, codec: str, suffix: str) -> None:
    file = io.BytesIO()
    with av.open(file, "w", format=format) as container:
        stream = container.add_stream(codec, rate=44100)
        frame = av.AudioFrame(format="s16", layout="stereo", samples=4608)
        frame.sample_rate = 44100
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    assert suffix_of(file.getvalue()[:HEAD_BYTES]) == suffix


def test_a_video_as_it_is_really_written_is_told(tmp_path: Path) -> None:
    head = make_clip(tmp_path / "clip.png", seconds=0.1).read_bytes()[:HEAD_BYTES]
    assert upload_name("clip.png", head) == "clip.mp4"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("boat", "boat.bin"),
        ("a/b/boat.tar.gz", "boat-tar.bin"),
        ("深.png", "reference.bin"),
        ("..", "reference.bin"),
        ("-rf *.png", "rf.bin"),
        ('a"\r\nb.png', "a-b.bin"),
        ("x" * 300, "x" * 60 + ".bin"),
    ],
)
def test_a_name_is_of_plain_letters(given: str, name: str) -> None:
    assert upload_name(given, b"") == name
