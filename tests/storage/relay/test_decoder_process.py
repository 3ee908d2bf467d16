"""The children that decode: what a hostile file, a hostile child and the end of their parent make of them."""

from __future__ import annotations

import io
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import pytest

from prefect_seedance.storage.errors import NoLastFrame
from prefect_seedance.storage.relay import decoder, decoder_process, poster
from prefect_seedance.storage.relay.poster import (
    MediaFacts,
    last_frame_png,
    probe,
    probe_with_stills,
)
from tests.processes import descendants, environ, until
from tests.storage.clips import box, make_clip, poster_jpeg, probe_with_poster
from tests.storage.hostile_clips import entry, grey, h264_entry, hostile, movie

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

GOOD = grey(64, 64)
FACTS = MediaFacts(64, 64, 0.04, "h264")
MEBIBYTE = 1024  # of /proc, which counts in KiB


@pytest.fixture(autouse=True)
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[decoder_process._Children]:
    """Children of this test alone, all gone afterwards."""
    fresh = decoder_process._Children()
    monkeypatch.setattr(decoder_process, "_children", fresh)
    monkeypatch.setattr(poster, "_told", threading.Event())
    before = set(descendants(os.getpid()))
    yield fresh
    fresh.end_all()
    assert set(descendants(os.getpid())) <= before


def pids(children: decoder_process._Children) -> list[int]:
    return [child._process.pid for child in children._all]


def pid(children: decoder_process._Children) -> int:
    (only,) = pids(children)
    return only


def peak(process: int) -> int:
    """Most memory that a process has held, in KiB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def gone(process: int) -> bool:
    """Whether a process has ended, perhaps without anybody having asked how."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


# Hostile files.


@pytest.mark.parametrize(("name", "content"), hostile().items(), ids=lambda value: value if str(value) == value else "")
@pytest.mark.sample(every=2)
def test_a_hostile_file_costs_at_most_its_poster(
    name: str, content: bytes, children: decoder_process._Children
) -> None:
    facts, jpeg = probe_with_poster(io.BytesIO(content))
    if facts is not None:
        assert 0 <= facts.width <= 65535 and 0 <= facts.height <= 65535 and 0 <= facts.seconds < 1e9
        assert facts.codec.isprintable()
    assert jpeg is None or av.open(io.BytesIO(jpeg), format="mjpeg").streams.video[0].width <= 640
    assert all(peak(each) < 512 * MEBIBYTE for each in pids(children))
    assert probe_with_poster(io.BytesIO(GOOD))[0] == FACTS
    assert len(pids(children)) == 1


@pytest.mark.parametrize(
    ("width", "height", "made"), [(8192, 4320, True), (8192, 8192, True), (8208, 16, False), (16, 16000, False)]
)
def test_a_picture_is_decoded_up_to_a_longest_side(width: int, height: int, made: bool) -> None:
    facts, jpeg = probe_with_poster(io.BytesIO(grey(width, height)))
    assert facts == MediaFacts(width, height, 0.04, "h264")
    assert (jpeg is not None) is made


@pytest.mark.parametrize("codec", [b"png ", b"jpeg", b"raw ", b"rle ", b"apcn", b"mjp2", b"cvid", b"SVQ3", b"8BPS"])
def test_a_codec_that_no_video_of_this_job_has_is_not_decoded(codec: bytes, caplog: pytest.LogCaptureFixture) -> None:
    facts, jpeg = probe_with_poster(io.BytesIO(movie([os.urandom(64 * 64 * 3)], entry(codec, 64, 64))))
    assert facts is not None and jpeg is None
    assert "are not decoded" in caplog.text


CODECS = ("libx264", "libx265", "libsvtav1", "libvpx-vp9", "mpeg4")


def encoded(codec: str) -> bytes:
    output = io.BytesIO()
    with av.open(output, "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        frame = av.VideoFrame(1280, 720, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([128]) * plane.buffer_size)
        for number in range(3):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return output.getvalue()


@pytest.mark.parametrize("codec", CODECS)
def test_the_codecs_of_videos_are_decoded(codec: str) -> None:
    facts, jpeg = probe_with_poster(io.BytesIO(encoded(codec)))
    assert facts is not None and (facts.width, facts.height) == (1280, 720) and jpeg


WITHOUT_THREADS = """
import os, resource, sys, threading
from prefect_seedance.storage.relay import decoder

class Parent:
    def __init__(self, data):
        self.data, self.told, self.beginning = data, [], b""
    def read(self, place, size):
        return self.data[place : place + size]
    def tell(self, kind, number=0, body=b"", *, more=False):
        self.told.append(kind)

import av
files = [open(path, "rb").read() for path in sys.argv[1:]]
if not os.getuid():
    os.setuid(65534)  # root may have as many as it likes
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
try:
    threading.Thread(target=print).start()
    sys.exit("there may be threads")
except RuntimeError:
    pass
for data in files:
    parent = Parent(data)
    decoder._decode(parent, 640, len(data))
    decoder._last_frame(parent, len(data))
    decoder._measure(parent, "mp4", len(data))
    assert parent.told == [decoder.FACTS, decoder.PICTURE, decoder.PICTURE, decoder.MEASURES], parent.told
"""


def test_a_picture_is_decoded_in_one_thread_however_many_cores_there_are(tmp_path: Path) -> None:
    paths = [tmp_path / codec for codec in CODECS]
    for path in paths:
        path.write_bytes(encoded(path.name))
    command = [sys.executable, "-c", WITHOUT_THREADS, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


def test_nothing_that_a_file_refers_to_is_opened() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        link = f"http://127.0.0.1:{server.getsockname()[1]}/a.mp4".encode()
        references = [box(b"url ", bytes(4) + link + b"\0"), box(b"urn ", bytes(4) + b"a\0" + link + b"\0")]
        playlists = [b"#EXTM3U\n#EXTINF:1,\n" + link, b"ffconcat version 1.0\nfile " + link]
        files = [movie([b""], h264_entry(64, 64), reference=each) for each in references] + playlists
        for content in files:
            assert poster_jpeg(io.BytesIO(content)) is None
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_file_is_read_only_so_often(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=0.2)
    for limit in ("_MOST_READS", "_MOST_READ_BYTES"):
        with monkeypatch.context() as patched:
            patched.setattr(decoder_process, limit, 0)
            assert probe(clip) is None
    assert probe(clip) is not None


class Endless(io.RawIOBase):
    """A file that goes on for ever, in whatever direction."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        buffer[:] = (box(b"free", bytes(92)) * (len(buffer) // 100 + 1))[: len(buffer)]
        return len(buffer)


def test_a_file_without_an_end_is_given_up() -> None:
    assert probe_with_poster(Endless()) == (None, None)  # type: ignore[arg-type]


class Line(io.BytesIO):
    """A file that cannot be sought in."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: object) -> int:
        raise io.UnsupportedOperation("a line")


def index_first(clip: bytes, folder: Path) -> bytes:
    """Return a clip with its index before its pictures."""
    moved = folder / "index_first.mp4"
    with (
        av.open(io.BytesIO(clip)) as source,
        av.open(str(moved), "w", options={"movflags": "faststart"}) as copy,
    ):
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    return moved.read_bytes()


def test_a_file_that_cannot_be_sought_in_is_read_from_its_start(tmp_path: Path) -> None:
    index_last = make_clip(tmp_path / "clip.mp4", seconds=0.2).read_bytes()
    facts, jpeg = probe_with_poster(Line(index_first(index_last, tmp_path)))
    assert facts is not None and facts.width == 320 and jpeg
    probe_with_poster(Line(index_last))  # whatever comes of it


# The life of a child.


def test_a_child_is_started_by_the_first_video_and_serves_the_next(children: decoder_process._Children) -> None:
    assert pids(children) == []
    for _ in range(3):
        assert probe_with_poster(io.BytesIO(GOOD))[0] == FACTS
    first = pid(children)
    assert probe(io.BytesIO(b"broken")) is None
    assert probe(io.BytesIO(GOOD)) == FACTS and pid(children) == first


@pytest.mark.parametrize("limit", ["_JOBS_PER_CHILD", "_GROWN_BYTES"])
def test_a_child_is_replaced_when_it_is_old_or_has_grown(
    limit: str, monkeypatch: pytest.MonkeyPatch, children: decoder_process._Children
) -> None:
    seen: list[int] = []
    find = children._started

    def started() -> decoder_process._Child:
        child = find()
        seen.append(child._process.pid)
        return child

    monkeypatch.setattr(children, "_started", started)
    monkeypatch.setattr(decoder_process, limit, 2)
    for _ in range(4):
        assert probe(io.BytesIO(GOOD)) == FACTS
    assert len(seen) == (2 if limit == "_JOBS_PER_CHILD" else 4)
    assert all(gone(each) for each in seen)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_child_that_died_unnoticed_costs_nothing(
    number: int, children: decoder_process._Children, tmp_path: Path
) -> None:
    assert probe(io.BytesIO(GOOD)) == FACTS
    dead = pid(children)
    os.kill(dead, number)
    until(lambda: gone(dead), "the child's end")
    assert probe(io.BytesIO(GOOD)) == FACTS and pid(children) != dead
    os.kill(dead := pid(children), number)
    until(lambda: gone(dead), "the child's end")
    assert probe(Line(index_first(GOOD, tmp_path))) == FACTS, (
        "its beginning, which cannot be read again, is not lost with a child"
    )


class Meanwhile(io.BytesIO):
    """A file in whose reading something happens once."""

    def __init__(self, content: bytes, happens: Callable[[], object]) -> None:
        super().__init__(content)
        self._happens: Callable[[], object] | None = happens

    def read(self, size: int | None = -1, /) -> bytes:
        if self._happens is not None:
            self._happens()
            self._happens = None
        return super().read(size)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_file_that_kills_its_child_has_no_poster_and_the_next_one_has(
    number: int, children: decoder_process._Children, caplog: pytest.LogCaptureFixture
) -> None:
    killing = Meanwhile(GOOD, lambda: os.kill(pid(children), number))
    assert probe_with_poster(killing) == (None, None)
    assert len(caplog.records) == 1
    assert probe(io.BytesIO(GOOD)) == FACTS


def test_a_child_that_hangs_is_ended_and_replaced(
    children: decoder_process._Children, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(decoder_process, "_JOB_SECONDS", 1.0)
    for content in (Meanwhile(GOOD, lambda: os.kill(pid(children), signal.SIGSTOP)), None):
        if content is None:  # one that hangs already when it is asked
            os.kill(pid(children), signal.SIGSTOP)
        hung = pid(children) if children._all else 0
        assert probe_with_poster(content or io.BytesIO(GOOD)) == (None, None)
        assert "not done within 1 s" in caplog.text
        assert hung not in pids(children)
        monkeypatch.setattr(decoder_process, "_JOB_SECONDS", 20.0)
        assert probe(io.BytesIO(GOOD)) == FACTS
        monkeypatch.setattr(decoder_process, "_JOB_SECONDS", 1.0)


def test_a_cancelled_run_does_not_wait_for_a_child_that_hangs(
    children: decoder_process._Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_process, "_JOB_SECONDS", 3600.0)
    cancelled = threading.Event()
    assert probe(io.BytesIO(GOOD)) == FACTS
    os.kill(pid(children), signal.SIGSTOP)
    threading.Timer(0.3, cancelled.set).start()
    assert probe(io.BytesIO(GOOD), cancelled=cancelled) is None
    assert pids(children) == []


@pytest.mark.parametrize(("busy_seconds", "most"), [(60.0, 1), (0.0, decoder_process.MOST_CHILDREN)])
def test_many_at_once_share_a_few_children_and_short_jobs_one(
    children: decoder_process._Children, monkeypatch: pytest.MonkeyPatch, busy_seconds: float, most: int
) -> None:
    monkeypatch.setattr(decoder_process, "_BUSY_SECONDS", busy_seconds)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: probe(io.BytesIO(GOOD)), range(40)))
    assert found == [FACTS] * 40
    assert 1 <= len(pids(children)) <= most


def test_a_child_serves_on_after_the_thread_that_started_it(children: decoder_process._Children) -> None:
    found: list[object] = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: found.append(probe(io.BytesIO(GOOD))), daemon=True)
        thread.start()
        thread.join(60)
    assert found == [FACTS] * 3 and len(pids(children)) == 1


# What a child is given.


def test_a_child_has_neither_secrets_nor_open_files_of_its_parent(
    children: decoder_process._Children, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("JIMMYAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PREFECT_API_KEY", "PYTHONPATH"):
        monkeypatch.setenv(name, "sk_secret_1234567890")
    with (tmp_path / "open").open("wb") as file, socket.socket() as line:
        os.set_inheritable(file.fileno(), True)
        os.set_inheritable(line.fileno(), True)
        assert probe(io.BytesIO(GOOD)) == FACTS
        child = pid(children)
        assert set(environ(child)) <= {"PATH", "LD_LIBRARY_PATH", "MALLOC_ARENA_MAX"}
        assert b"sk_secret" not in Path(f"/proc/{child}/cmdline").read_bytes()
        targets = {os.readlink(each) for each in Path(f"/proc/{child}/fd").iterdir()}
        assert all(target == "/dev/null" or target.startswith("pipe:") for target in targets)
    limits = Path(f"/proc/{child}/limits").read_text()
    for name in ("Max address space         536870912", "Max core file size        0", "Max file size             0"):
        assert name in limits


# Hostile children.

SAID: dict[str, str] = {
    "garbage": "os.write(1, os.urandom(100_000))",
    "nothing, and ends": "pass",
    "half a message": "os.write(1, b'F')",
    "facts that are not finite": "say(b'F', 0, FACTS.pack(64, 64, float('nan'), b'h264')); say(b'D')",
    "facts beyond all numbers": "say(b'F', 0, FACTS.pack(2**63, 2**64 - 1, float('inf'), b'h264')); say(b'D')",
    "a negative length": "say(b'F', 0, FACTS.pack(64, 64, -1.0, b'h264')); say(b'D')",
    "a codec for the terminal": "say(b'F', 0, FACTS.pack(64, 64, 1.0, b'\\x1b[2J\\xff\\r\\n')); say(b'D')",
    "facts that are too long": "say(b'F', 0, bytes(10**6)); say(b'D')",
    "facts twice": "say(b'F', 0, FACTS.pack(1, 1, 1.0, b'a')); say(b'F', 0, FACTS.pack(64, 64, 1.0, b'b')); say(b'D')",
    "a picture that is none": "say(b'P', 0, b'<script>'); say(b'D')",
    "a picture of 2^63 bytes": "os.write(1, MESSAGE.pack(b'P', 0, 2**63)); os.write(1, bytes(10**6))",
    "a picture without end": "os.write(1, MESSAGE.pack(b'P', 0, 10**6)); os.write(1, bytes(5 * 10**5))",
    "two pictures": "[say(b'P', 0, b'\\xff\\xd8\\xff' + bytes(9) + b'\\xff\\xd9') for _ in range(2)]; say(b'D')",
    "words without end": "say(b'D', 0, bytes(10**6))",
    "a reading without end": "[say_read(0, 1000) for _ in range(10**6)]",
    "a reading of 2^63 bytes": "say_read(0, 2**63); time.sleep(60)",
    "a reading at 2^63": "say_read(2**63, 10); say(b'D')",
    "a reading whose answer it never takes": "os.write(1, MESSAGE.pack(b'R', 0, 131072) * 10); time.sleep(60)",
    "that it is ready once more": "say(b'H')",
    "silence": "time.sleep(60)",
}  # fmt: skip

HOSTILE_CHILD = """
import os, struct, sys, time
MESSAGE, FACTS = struct.Struct("!cQQ"), struct.Struct("!QQd32s")
def say(kind, number=0, body=b""):
    data = MESSAGE.pack(kind, number, len(body)) + body
    while data:
        data = data[os.write(1, data):]
def say_read(place, size):
    os.write(1, MESSAGE.pack(b"R", place, size))
    _, _, length = MESSAGE.unpack(os.read(0, MESSAGE.size))
    while length > 0:
        length -= len(os.read(0, length))
"""


def speaking(script: str) -> Callable[[list[str]], subprocess.Popen[bytes]]:
    def popen(command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", HOSTILE_CHILD + script],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    return popen


@pytest.mark.parametrize("said", SAID.values(), ids=SAID.keys())
def test_a_child_that_is_hostile_is_not_believed(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_process, "_JOB_SECONDS", 3.0)
    monkeypatch.setattr(decoder_process, "_popen", speaking(f"say(b'H'); os.read(0, 17)\n{said}\n"))
    facts, jpeg = probe_with_poster(io.BytesIO(bytes(1000)))
    if facts is not None:
        assert facts.width in (0, 1, 64) and facts.height in (0, 1, 64) and facts.seconds in (0.0, 1.0)
        assert facts.codec.isprintable() and len(facts.codec) <= 32
    assert jpeg is None or jpeg.startswith(b"\xff\xd8\xff")


SAID_OF_STILLS: dict[str, str] = {
    "more of a thumbnail than there is": "say(b'P', 4000, JPEG)",
    "a thumbnail that is too large": "say(b'P', 5000, JPEG + JPEG[:-2] + bytes(5000 - len(JPEG)) + JPEG[-2:])",
    "a thumbnail that is none": "say(b'P', 3, JPEG + b'xxx')",
    "a thumbnail without a poster": "say(b'P', len(JPEG), JPEG)",
    "a number beyond all": "say(b'P', 2**64 - 1, JPEG)",
}


@pytest.mark.parametrize("said", SAID_OF_STILLS.values(), ids=SAID_OF_STILLS.keys())
def test_a_thumbnail_of_a_hostile_child_is_not_believed(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    jpeg = "JPEG = b'\\xff\\xd8\\xff' + bytes(99) + b'\\xff\\xd9'\n"
    script = f"say(b'H'); os.read(0, 17)\n{jpeg}say(b'F', 0, FACTS.pack(64, 64, 1.0, b'h264')); {said}; say(b'D')\n"
    monkeypatch.setattr(decoder_process, "_popen", speaking(script))
    assert probe_with_stills(io.BytesIO(bytes(1000)))[1:] == (None, None)


SAID_OF_A_LAST_FRAME: dict[str, str] = {
    "a JPEG": "say(b'P', 0, b'\\xff\\xd8\\xff' + bytes(99) + b'\\xff\\xd9'); say(b'D')",
    "no pixels": "say(b'P', 0, png(0, 10)); say(b'D')",
    "too many pixels": "say(b'P', 0, png(8193, 10)); say(b'D')",
    "half a picture": "say(b'P', 0, png(10, 10)[:-1]); say(b'D')",
    "a signature alone": "say(b'P', 0, png(10, 10)[:16]); say(b'D')",
    "too large a picture": "os.write(1, MESSAGE.pack(b'P', 0, 65 * 2**20)); os.write(1, png(10, 10))",
    "facts": "say(b'F', 0, FACTS.pack(64, 64, 1.0, b'h264')); say(b'P', 0, png(10, 10)); say(b'D')",
    "measures": "say(b'M', 0, bytes(35)); say(b'P', 0, png(10, 10)); say(b'D')",
    "no more": "say(b'D', 0, b'\\x1b[2Jwhy')",
}  # fmt: skip
PNG_OF_A_CHILD = """
def png(width, height):
    head = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + struct.pack("!II", width, height)
    return head + bytes(99) + b"\0\0\0\0IEND\xaeB`\x82"
"""


@pytest.mark.parametrize("said", SAID_OF_A_LAST_FRAME.values(), ids=SAID_OF_A_LAST_FRAME.keys())
def test_a_last_frame_of_a_hostile_child_is_not_believed(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_process, "_popen", speaking(f"say(b'H'); os.read(0, 17)\n{PNG_OF_A_CHILD}{said}\n"))
    with pytest.raises(NoLastFrame) as raised:
        last_frame_png(io.BytesIO(bytes(1000)))
    assert raised.value.reason.isprintable()


SAID_OF_MEASURES: dict[str, str] = {
    "that are not finite": "M.pack(64, 64, nan, nan, 1, 0, 0)",
    "beyond all numbers": "M.pack(2**64 - 1, 2**63, inf, inf, 1, 1, 1)",
    "below zero": "M.pack(64, 64, -1.0, -1.0, 1, 0, 0)",
    "that are too long": "bytes(10**6)",
    "that are none": "bytes(3)",
}


@pytest.mark.parametrize("said", SAID_OF_MEASURES.values(), ids=SAID_OF_MEASURES.keys())
def test_measures_of_a_hostile_child_are_not_believed(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "say(b'H'); os.read(0, 17)\nM = struct.Struct('!QQdd???'); nan = float('nan'); inf = float('inf')\n"
    monkeypatch.setattr(decoder_process, "_popen", speaking(f"{script}say(b'M', 0, {said}); say(b'D')\n"))
    measures = decoder_process.measure(io.BytesIO(bytes(1000)), "mp4", threading.Event()).measures
    if measures is not None:
        assert (measures.width, measures.height) in ((64, 64), (0, 0))
        assert measures.seconds == measures.frames_per_second == 0.0


@pytest.mark.parametrize("said", ["pass", "os.write(1, b'Python 3.11\\n' * 9)", "say(b'P', 0, b'x')", "time.sleep(60)"])
def test_a_child_that_never_becomes_one_is_told_of_once(
    said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(decoder_process, "_START_SECONDS", 1.0)
    monkeypatch.setattr(decoder_process, "_popen", speaking(said))
    for _ in range(3):
        assert probe_with_poster(io.BytesIO(GOOD)) == (None, None)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_run_that_is_cancelled_while_a_child_starts_says_nothing_of_this_system(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cancelled = threading.Event()
    with monkeypatch.context() as patched:
        patched.setattr(decoder_process, "_popen", speaking("time.sleep(60)"))
        threading.Timer(0.3, cancelled.set).start()
        assert probe(io.BytesIO(GOOD), cancelled=cancelled) is None
    assert "cancelled" in caplog.text
    assert probe(io.BytesIO(GOOD)) == FACTS


def test_libraries_that_do_not_fit_this_system_are_tried_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(decoder_process, "_popen", speaking("say(b'N')"))
    with caplog.at_level(logging.INFO, "prefect_seedance"):
        for _ in range(3):
            assert probe(io.BytesIO(GOOD)) is None
    assert [record.levelno for record in caplog.records] == [logging.INFO, logging.WARNING]


@pytest.mark.parametrize("executable", ["", None, "/nowhere/python3", "/usr/sbin/uwsgi", "C:\\x\\PythonService.exe"])
def test_without_an_interpreter_nothing_is_decoded_and_one_line_says_so(
    executable: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    for _ in range(3):
        assert probe_with_poster(io.BytesIO(GOOD)) == (None, None)
    assert len(caplog.records) == 1 and "cannot be decoded here" in caplog.text


def test_a_bundled_application_is_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert probe(io.BytesIO(GOOD)) is None


# The end of the parent.

PARENT = """
import io, os, signal, sys, threading, time
from prefect_seedance.storage.relay import decoder_process
from prefect_seedance.storage.relay.poster import probe
from tests.storage.hostile_clips import grey

open(sys.argv[1], "a").write("imported\\n")
clip = grey(64, 64)

class Never(io.BytesIO):
    def read(self, size=-1):
        print(*(child._process.pid for child in decoder_process._children._all), flush=True)
        time.sleep(600)

def pids():
    return " ".join(str(child._process.pid) for child in decoder_process._children._all)

if __name__ == "__main__":
    assert probe(io.BytesIO(clip)).width == 64
    exec(sys.argv[2])
"""


def parent(tmp_path: Path, script: str) -> subprocess.Popen[str]:
    (tmp_path / "parent.py").write_text(PARENT)
    return subprocess.Popen(
        [sys.executable, str(tmp_path / "parent.py"), str(tmp_path / "seen"), script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


KILLED = {
    "idle": "print(pids(), flush=True); time.sleep(600)",
    "busy": "probe(Never(clip))",
    "with a child that is stopped": "os.kill(int(pids()), signal.SIGSTOP); print(pids(), flush=True); time.sleep(600)",
    "with a fork that lives on": (
        "mine = pids()\nif not (fork := os.fork()): time.sleep(600)\nprint(mine, -fork, flush=True); time.sleep(600)"
    ),
}


@pytest.mark.parametrize("script", KILLED.values(), ids=KILLED.keys())
def test_a_child_ends_with_a_parent_that_is_killed(script: str, tmp_path: Path) -> None:
    process = parent(tmp_path, script)
    assert process.stdout is not None
    found = [int(each) for each in process.stdout.readline().split()]
    process.stdout.close()
    children, forks = [each for each in found if each > 0], [-each for each in found if each < 0]
    assert children and not any(gone(each) for each in children)
    process.kill()
    process.wait(30)
    try:
        until(lambda: all(gone(each) for each in children), "the children's end", seconds=30)
    finally:
        for each in [*children, *forks]:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)


ENDED = {
    "in good order": "print(pids(), flush=True)",
    "at once": "print(pids(), flush=True); os._exit(0)",
    "while a daemon thread decodes": (
        "threading.Thread(target=probe, args=(Never(clip),), daemon=True).start(); time.sleep(1)"
    ),
    "by an error": "print(pids(), flush=True); sys.stderr.close(); raise SystemExit(0)",
    "with the children of a fork": (
        "mine = pids()\n"
        "if not os.fork():\n"
        "    assert pids() == '' and probe(io.BytesIO(clip)).width == 64 and pids() != mine\n"
        "    print(pids(), flush=True); os._exit(0)\n"
        "assert os.wait()[1] == 0 and probe(io.BytesIO(clip)).width == 64 and pids() == mine"
    ),
    "with those of a process pool": (
        "import multiprocessing\n"
        "for method in ('fork', 'spawn', 'forkserver'):\n"
        "    with multiprocessing.get_context(method).Pool(1) as pool:\n"
        "        assert pool.apply(probe, (__import__('pathlib').Path(sys.argv[1] + '.mov'),)).width == 64\n"
        "print(pids(), flush=True)"
    ),
}


@pytest.mark.parametrize("script", ENDED.values(), ids=ENDED.keys())
def test_a_process_ends_by_itself_and_leaves_no_child(script: str, tmp_path: Path) -> None:
    (tmp_path / "seen.mov").write_bytes(GOOD)
    process = parent(tmp_path, script)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0 and output.split()
    until(lambda: all(gone(int(each)) for each in output.split()), "the children's end", seconds=30)
    if "multiprocessing" not in script:  # whose own children import it, as they do
        assert (tmp_path / "seen").read_text() == "imported\n"


def test_an_interrupt_is_for_the_parent(children: decoder_process._Children) -> None:
    assert probe(io.BytesIO(GOOD)) == FACTS
    first = pid(children)
    os.kill(first, signal.SIGINT)
    time.sleep(0.1)
    assert probe(io.BytesIO(GOOD)) == FACTS and pid(children) == first


def test_nothing_is_decoded_in_the_process_that_asks(tmp_path: Path) -> None:
    (tmp_path / "a.mov").write_bytes(GOOD)
    script = (
        "import sys; from pathlib import Path; from prefect_seedance.storage.relay.poster import probe_with_stills\n"
        "assert probe_with_stills(Path(sys.argv[1]))[1]; assert 'av' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.mov")], check=True, timeout=60)


def test_the_module_of_the_child_needs_nothing_of_the_package() -> None:
    script = f"import runpy, sys; runpy.run_path({decoder.__file__!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True)
    assert "prefect_seedance" not in done.stdout


def test_a_child_outlives_the_thread_that_first_asked_for_it(children: decoder_process._Children) -> None:
    """Linux ends it with the thread that started it: that one stays."""
    asking = threading.Thread(target=probe, args=(io.BytesIO(GOOD),))
    asking.start()
    asking.join()
    first = pid(children)
    time.sleep(0.2)
    assert not gone(first)
    assert probe(io.BytesIO(GOOD)) == FACTS and pid(children) == first, "it works for the next one"
