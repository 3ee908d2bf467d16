"""Broken files through everything that reads media: facts or none, and nothing is left behind.

The same files on every machine: each is made from its number alone. What fails is made again by `mutated(number)`.
"""

from __future__ import annotations

import io
import json
import os
import random
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import pytest

from prefect_seedance.storage.errors import NoLastFrame
from prefect_seedance.storage.relay import decoder_process
from prefect_seedance.storage.relay.file_type import BoxWalk, is_page, looks_like, video_type
from prefect_seedance.storage.relay.poster import MediaFacts, last_frame_png
from tests.processes import descendants
from tests.storage.clips import make_clip, probe_with_poster
from tests.storage.hostile_clips import grey, h264_entry, movie, vp9_entry, vp9_frame

pytestmark = [pytest.mark.timeout(600), pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]

FILES = 5000 if os.environ.get("RUN_LONG") else 1000
#: Of each so many the last frame is taken too.
LAST_FRAMES = 10
#: How much of a file is fed to the reader of its boxes at once; any split must end in the same.
STEPS = (1, 7, 8, 9, 16, 4096)

Change = Callable[[bytearray, random.Random], None]


@cache
def clips() -> tuple[bytes, ...]:
    with TemporaryDirectory() as folder:
        small = make_clip(Path(folder) / "small.mp4", seconds=0.08, width=64).read_bytes()
        dark = make_clip(Path(folder) / "dark.mp4", seconds=0.04, black_frames=2, width=64).read_bytes()
    frames = [vp9_frame(64, 64), vp9_frame(64, 64, dark=False)]
    return (small, dark, grey(64, 64), movie(frames, vp9_entry(64, 64)), movie([b""] * 50, h264_entry(64, 64)))


def index_of(data: bytearray) -> int:
    return max(0, data.find(b"moov") - 4)


def boxes(data: bytearray) -> list[tuple[int, int]]:
    """Start and size of every box that can be found, nested ones too."""
    found: list[tuple[int, int]] = []
    for place in range(index_of(data), len(data) - 8):
        size = int.from_bytes(data[place : place + 4], "big")
        if 8 <= size <= len(data) - place and data[place + 4 : place + 8].isalnum():
            found.append((place, size))
    return found


def flip(data: bytearray, chance: random.Random) -> None:
    """Break bytes, mostly in the index, which says what is in the file."""
    index = index_of(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        place = chance.randrange(index, len(data)) if chance.random() < 0.8 else chance.randrange(len(data))
        data[place] = chance.choice((0, 127, 128, 255, chance.randrange(256)))


def cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def swap(data: bytearray, chance: random.Random) -> None:
    found = boxes(data)
    if len(found) < 2:
        return
    (one, one_size), (other, other_size) = sorted(chance.sample(found, 2))
    if one + one_size <= other:
        moved = data[other : other + other_size] + data[one + one_size : other] + data[one : one + one_size]
        data[one : other + other_size] = moved


def again(data: bytearray, chance: random.Random) -> None:
    """Put a box in once more, or into another one, perhaps many times."""
    found = boxes(data)
    if found:
        (place, size), (into, _) = chance.choice(found), chance.choice(found)
        data[into + 8 : into + 8] = data[place : place + size] * chance.choice((1, 2, 50))


def resize(data: bytearray, chance: random.Random) -> None:
    """Write another size into a box: none, too small, too large, 2^32, 2^64."""
    found = boxes(data)
    if not found:
        return
    place, size = chance.choice(found)
    if chance.random() < 0.4:
        data[place : place + 4] = b"\0\0\0\1"
        long = chance.choice((0, 8, 16, 2**31, 2**32, 2**63, 2**64 - 1))
        data[place + 8 : place + 16] = struct.pack("!Q", long)
    else:
        sizes = (0, 1, 7, 8, size - 1, size + 1, 2 * size, 2**31, 2**32 - 1)
        data[place : place + 4] = struct.pack("!I", chance.choice(sizes))


def exaggerate(data: bytearray, chance: random.Random) -> None:
    """Write a large number over any four or eight bytes of the index."""
    place = chance.randrange(index_of(data), max(index_of(data) + 1, len(data) - 8))
    number = chance.choice((2**31 - 1, 2**31, 2**32 - 1, 10**9, 65535, 16000, 0))
    data[place : place + 4] = struct.pack("!I", number)
    if chance.random() < 0.3:
        data[place + 4 : place + 8] = struct.pack("!I", number)


def rename(data: bytearray, chance: random.Random) -> None:
    found = boxes(data)
    if found:
        place, _ = chance.choice(found)
        other, _ = chance.choice(found)
        data[place + 4 : place + 8] = data[other + 4 : other + 8]


CHANGES: tuple[Change, ...] = (flip, flip, flip, cut, swap, again, resize, resize, exaggerate, exaggerate, rename)


def mutated(number: int) -> bytes:
    chance = random.Random(number)
    data = bytearray(chance.choice(clips()))
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        chance.choice(CHANGES)(data, chance)
        data = data or bytearray(b"\0")
    return bytes(data)


def faults_of(facts: MediaFacts | None, jpeg: bytes | None) -> list[str]:
    """What is wrong with an answer."""
    faults: list[str] = []
    if facts is None:
        return ["a poster without facts"] if jpeg is not None else []
    if not (0 <= facts.width <= 65535 and 0 <= facts.height <= 65535):
        faults.append(f"size {facts.width} x {facts.height}")
    if not 0 <= facts.seconds < 1e6:
        faults.append(f"length {facts.seconds}")
    if not (facts.codec.isprintable() and len(facts.codec) <= 32):
        faults.append(f"codec {facts.codec!r}")
    if jpeg is not None:
        with av.open(io.BytesIO(jpeg), format="mjpeg") as picture:
            stream = picture.streams.video[0]
            if not (2 <= stream.width <= 640 and 2 <= stream.height <= 640):
                faults.append(f"poster {stream.width} x {stream.height}")
    return faults


def walked(content: bytes, step: int) -> bool:
    walk = BoxWalk()
    for place in range(0, len(content), step):
        walk.feed(content[place : place + step])
        assert len(walk._header) <= 16  # whatever a box says of its size, nothing is gathered
    return walk.whole


def play() -> None:
    """Read all files, and print what came of it."""
    import logging

    logging.disable(logging.CRITICAL)
    seen: Counter[str] = Counter()
    faults: list[str] = []
    most_children = peak = 0
    for number in range(FILES):
        content = mutated(number)
        try:
            found = probe_with_poster(io.BytesIO(content))
            faults += [f"{number}: {each}" for each in faults_of(*found)]
            video_type(content), looks_like(content), is_page(content)
            wholes = {walked(content, step) for step in (random.Random(number).choice(STEPS[:5]), STEPS[-1])}
            if len(wholes) > 1:
                faults.append(f"{number}: its boxes depend on how it is split")
        except BaseException as error:
            faults.append(f"{number}: raised {error!r}")
            continue
        if number % LAST_FRAMES == 0:
            try:
                seen["last frame"] += last_frame_png(io.BytesIO(content)).startswith(b"\x89PNG")
            except NoLastFrame as error:
                seen["no last frame"] += bool(error.reason)
            except BaseException as error:
                faults.append(f"{number}: its last frame raised {error!r}")
        seen["facts"] += found[0] is not None
        seen["poster"] += found[1] is not None
        seen["none"] += found[0] is None
        if number % 50 == 0:
            children = descendants(os.getpid())
            most_children = max(most_children, len(children))
            peak = max([peak, *(peak_kib(child) for child in children)])
    print(json.dumps({**seen, "faults": faults, "children": most_children, "child": peak, "own": peak_kib("self")}))
    print(*descendants(os.getpid()))


def peak_kib(process: int | str) -> int:
    """Most memory that a process has held; of a process that has ended none."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def test_broken_files_give_facts_or_none() -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import play; play()"],
        capture_output=True,
        text=True,
        timeout=570,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, left = done.stdout.splitlines()
    seen = json.loads(first)
    assert seen["faults"] == []
    assert min(seen["facts"], seen["poster"], seen["none"]) > FILES // 10, seen
    assert min(seen["last frame"], seen["no last frame"]) > FILES // 100, seen
    assert seen["children"] <= decoder_process.MOST_CHILDREN
    assert seen["child"] < 512 * 1024 and seen["own"] < 400 * 1024, seen
    assert not [each for each in left.split() if Path(f"/proc/{each}").exists()]
