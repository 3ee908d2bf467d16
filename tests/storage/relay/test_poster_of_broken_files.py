"""Facts and poster of files that are broken on purpose: whatever PyAV makes of them, the answer is facts or None."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from prefect_seedance.storage.relay import poster
from prefect_seedance.storage.relay.poster import MediaFacts, poster_jpeg, probe, probe_with_poster
from tests.storage.clips import make_clip
from tests.test_asides import Raising

#: How long the child goes on breaking files. It is a process of its own, since a broken file may break FFmpeg itself.
FUZZING_SECONDS = 8.0


def broken(clip: bytes, chance: random.Random) -> bytes:
    """Break a clip somewhere, mostly in its index, which says what is in the file."""
    data, index = bytearray(clip), clip.find(b"moov") - 4
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        place = chance.randrange(index, len(data)) if chance.random() < 0.8 else chance.randrange(len(data))
        data[place] = chance.choice((0, 127, 128, 255, chance.randrange(256)))
    if chance.random() < 0.05:
        del data[chance.randrange(len(data)) :]
    return bytes(data)


CHILD = """
import collections, io, json, logging, random, sys, time
import av
from prefect_seedance.storage.relay.poster import MediaFacts, probe
from tests.storage.relay.test_poster_of_broken_files import broken

logging.disable(logging.CRITICAL)
av.logging.set_level(None)
clip, chance, seen = open(sys.argv[1], "rb").read(), random.Random(int(sys.argv[3])), collections.Counter()
ends = time.monotonic() + float(sys.argv[2])
while time.monotonic() < ends:
    data = broken(clip, chance)
    try:
        facts = probe(io.BytesIO(data))
    except BaseException as error:
        seen[f"raised {error!r}"] += 1
        continue
    fit = facts is None or (facts.width >= 0 and facts.height >= 0 and 0 <= facts.seconds < float("inf"))
    seen["unfit"] += not fit
    seen["none" if facts is None else "facts"] += 1
print(json.dumps(seen))
"""


def test_a_broken_file_gives_facts_or_none_and_never_raises(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=0.1, width=64)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(clip), str(FUZZING_SECONDS), "7"], capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert [what for what in seen if what.startswith("raised")] == [] and seen["unfit"] == 0
    assert seen["facts"] > 50 and seen["none"] > 50


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
