from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from prefect_seedance.storage.relay import decoder_process
from prefect_seedance.storage.relay.poster import MediaFacts, probe, probe_with_stills
from tests.processes import descendants
from tests.storage.clips import lookalike, make_clip, poster_jpeg
from tests.storage.hostile_clips import grey_frame, h264_entry, movie, sized


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=1, black_frames=10)


def picture(jpeg: bytes) -> av.VideoFrame:
    with av.open(io.BytesIO(jpeg), format="mjpeg") as container:
        return next(container.decode(video=0))


def brightness(frame: av.VideoFrame) -> float:
    data = bytes(frame.reformat(format="gray").planes[0])
    return sum(data) / len(data)


def as_path(path: Path) -> Path:
    return path


def as_file(path: Path) -> io.BytesIO:
    file = io.BytesIO(path.read_bytes())
    file.seek(17)  # where somebody else left it
    return file


@pytest.mark.parametrize("opened", [as_path, as_file])
def test_the_facts_of_a_clip_are_read(clip: Path, opened: Callable[[Path], Path | io.BytesIO]) -> None:
    assert probe(opened(clip)) == MediaFacts(width=320, height=180, seconds=1.4, codec="h264")


@pytest.mark.parametrize("claimed", [(32, 32), (320, 192), (64, 80)])
def test_the_size_is_that_of_the_pictures_where_the_index_names_another(claimed: tuple[int, int]) -> None:
    clip = movie([sized(grey_frame(64, 64))], h264_entry(64, 64, claimed=claimed))
    facts, poster, _ = probe_with_stills(io.BytesIO(clip))
    assert facts == probe(io.BytesIO(clip)) and poster is not None
    assert facts is not None and (facts.width, facts.height) == (64, 64)


@pytest.mark.parametrize("opened", [as_path, as_file])
def test_the_poster_is_a_jpeg_of_the_first_frame_that_is_not_black(
    clip: Path, opened: Callable[[Path], Path | io.BytesIO]
) -> None:
    jpeg = poster_jpeg(opened(clip))
    assert jpeg is not None and jpeg.startswith(b"\xff\xd8\xff")
    frame = picture(jpeg)
    assert (frame.width, frame.height) == (320, 180)
    assert brightness(frame) > 60


@pytest.mark.parametrize(("upright", "size"), [(False, (160, 90)), (True, (90, 160))])
def test_a_large_video_is_scaled_down_in_shape(upright: bool, size: tuple[int, int], tmp_path: Path) -> None:
    jpeg = poster_jpeg(make_clip(tmp_path / "clip.mp4", seconds=0.1, upright=upright), longest_side=161)
    assert jpeg is not None
    frame = picture(jpeg)
    assert (frame.width, frame.height) == size


def test_an_all_black_video_still_has_a_poster(tmp_path: Path) -> None:
    jpeg = poster_jpeg(make_clip(tmp_path / "black.mp4", seconds=0.04, black_frames=5))
    assert jpeg is not None


@pytest.mark.parametrize(
    "content", [b"", b"<html>", lookalike(5000), b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"]
)
def test_what_cannot_be_read_gives_none_and_a_note(
    content: bytes, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, "prefect_seedance"):
        assert poster_jpeg(io.BytesIO(content)) is None
        assert probe(path) is None
    assert len(caplog.records) == 2


def test_a_missing_file_gives_none(tmp_path: Path) -> None:
    assert probe(tmp_path / "none.mp4") is None


def test_a_truncated_video_gives_none_or_what_is_there(clip: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.mp4"
    half.write_bytes(clip.read_bytes()[:5000])
    assert probe(half) is None
    assert poster_jpeg(half) is None


def test_without_pyav_there_is_no_poster_and_a_note_says_how_to_get_one(
    clip: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("prefect_seedance.storage.relay.decoder_process._children", decoder_process._Children())
    monkeypatch.setitem(sys.modules, "av", None)
    started = descendants(os.getpid())
    with caplog.at_level(logging.INFO, "prefect_seedance"):
        assert poster_jpeg(clip) is None
        assert probe(clip) is None
    assert "extra 'media'" in caplog.text
    assert descendants(os.getpid()) == started
