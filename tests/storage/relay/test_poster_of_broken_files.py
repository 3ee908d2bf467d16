"""Facts and poster of files that are broken on purpose: whatever PyAV makes of them, the answer is facts or None."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from prefect_seedance.storage.relay import poster
from prefect_seedance.storage.relay.poster import MediaFacts, probe
from tests.storage.clips import make_clip, poster_jpeg, probe_with_poster
from tests.test_asides import Raising


@pytest.mark.parametrize(
    "failure",
    [AttributeError("width"), MemoryError(), RecursionError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x")],
    ids=repr,
)
def test_whatever_reading_raises_the_facts_are_unknown(
    failure: Exception, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Hostile(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise failure

    for read in (probe, poster_jpeg):
        assert read(Hostile(b"x")) is None
    assert probe_with_poster(Hostile(b"x")) == (None, None)
    assert len(caplog.records) == 3


def test_a_codec_that_ffmpeg_does_not_know_gives_none(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=0.1).read_bytes()
    assert clip.count(b"avc1") > 0
    unknown = clip.replace(b"avc1", b"zzz9")
    assert probe_with_poster(io.BytesIO(unknown)) == (None, None)


def test_a_name_that_is_no_text_costs_neither_facts_nor_poster(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=0.1).read_bytes()
    facts, jpeg = probe_with_poster(io.BytesIO(clip.replace(b"VideoHandler", b"Video\xff\xfe\xfd\xfc\xfb\xfa\xf9")))
    assert isinstance(facts, MediaFacts) and facts.width == 320 and jpeg


def test_a_log_that_raises_costs_neither_facts_nor_the_answer(tmp_path: Path) -> None:
    deaf = Raising("", RuntimeError("the log server is gone"))
    poster._LOG._logger.addFilter(deaf)
    try:
        assert probe(io.BytesIO(b"<html>")) is None
        assert probe_with_poster(io.BytesIO(b"")) == (None, None)
    finally:
        poster._LOG._logger.removeFilter(deaf)
    assert deaf.raised == 2
