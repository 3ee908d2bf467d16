"""Small copies of posters, and sheets of them: made in the decoding child, of what anybody may have written."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from prefect_seedance.storage.relay.poster import contact_sheet_jpeg, probe_with_stills, thumbnail_jpeg
from tests.storage.clips import make_clip

MOST_BYTES, MOST_SHEET_BYTES = 4500, 300_000


def jpeg(width: int, height: int, *, noise: bool = False, mode: str = "RGB", **options: object) -> bytes:
    pixels = os.urandom(width * height * 3) if noise else b""
    image = Image.frombytes("RGB", (width, height), pixels) if noise else Image.new(mode, (width, height))
    written = io.BytesIO()
    image.save(written, "JPEG", **options)
    return written.getvalue()


def opened(data: bytes | None) -> Image.Image:
    assert data is not None
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def test_a_thumbnail_comes_with_the_poster_of_one_decoding(tmp_path: Path) -> None:
    _, poster, thumbnail = probe_with_stills(make_clip(tmp_path / "clip.mp4", seconds=0.2, width=640, upright=True))
    assert opened(poster).size == (360, 640)
    assert opened(thumbnail).size == (90, 160)
    assert thumbnail is not None and len(thumbnail) <= MOST_BYTES


GOOD = {
    "wide": (jpeg(640, 360), (160, 90)),
    "tall": (jpeg(360, 640), (90, 160)),
    "smaller than it may be": (jpeg(64, 40), (64, 40)),
    "a single pixel": (jpeg(1, 1), (2, 2)),
    "a line": (jpeg(4000, 2), (160, 2)),
    "noise, which takes the most bytes": (jpeg(640, 640, noise=True), (160, 160)),
    "progressive": (jpeg(640, 360, progressive=True), (160, 90)),
    "grey": (jpeg(640, 360, mode="L"), (160, 90)),
}


@pytest.mark.parametrize(("poster", "size"), GOOD.values(), ids=GOOD.keys())
def test_a_stored_poster_becomes_a_thumbnail(poster: bytes, size: tuple[int, int]) -> None:
    thumbnail = thumbnail_jpeg(io.BytesIO(poster))
    assert opened(thumbnail).size == size
    assert thumbnail is not None and len(thumbnail) <= MOST_BYTES


#: Made when they are needed: whoever collects the tests would have the largest one too.
BAD: dict[str, Callable[[], bytes]] = {
    "nothing": bytes,
    "a page": lambda: b"<!doctype html><script>alert(1)</script>",
    "cut off": lambda: jpeg(640, 360, noise=True)[:20_000],
    "more pixels than are decoded": lambda: jpeg(9000, 9000),
    "more bytes than are read": lambda: jpeg(3000, 1500, noise=True, quality=95),
}


@pytest.mark.parametrize("poster", BAD.values(), ids=BAD.keys())
def test_what_is_no_poster_costs_its_thumbnail_alone(poster: Callable[[], bytes]) -> None:
    assert thumbnail_jpeg(io.BytesIO(poster())) is None
    assert thumbnail_jpeg(io.BytesIO(jpeg(640, 360))) is not None


def test_a_sheet_has_room_for_a_hundred_of_the_worst_pictures() -> None:
    worst = thumbnail_jpeg(io.BytesIO(jpeg(640, 640, noise=True)))
    assert worst is not None
    sheet = contact_sheet_jpeg([worst] * 120)
    assert opened(sheet).size == (1644, 1644)
    assert sheet is not None and len(sheet) <= MOST_SHEET_BYTES


def test_a_sheet_leaves_out_what_is_no_thumbnail() -> None:
    red = io.BytesIO()
    Image.new("RGB", (160, 90), "red").save(red, "JPEG")
    sheet = opened(contact_sheet_jpeg([b"junk", red.getvalue(), b"", jpeg(4000, 4000)])).convert("RGB")
    assert sheet.size == (168, 98)
    red_value, green, blue = sheet.getpixel((84, 49))  # type: ignore[misc]
    assert red_value > 200 and green < 60 and blue < 60


def test_a_sheet_of_nothing_is_none() -> None:
    assert contact_sheet_jpeg([]) is None
    assert contact_sheet_jpeg([b"junk", b""]) is None
