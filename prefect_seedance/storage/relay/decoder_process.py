"""The children that decode media: started when first needed, used again, and replaced when they die, hang or grow.

A file of a few kilobytes can crash a decoder, keep it busy for ever or take gigabytes. All of that happens in a child
(`decoder`) with limits, which is given no secret of this process: neither its environment nor its open files. The
child is taken for hostile too: what it asks for is bounded, and what it answers is checked.

A child ends with its parent, however that ends. A forked process makes children of its own.
"""

from __future__ import annotations

import atexit
import importlib.util
import io
import math
import os
import re
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from prefect_seedance.asides import words_of
from prefect_seedance.stopwatch import set_alarm
from prefect_seedance.storage.relay import decoder

#: How many there are at once.
MOST_CHILDREN = 2
#: How long one job may take, reading the file included; the last frame may take several times as long.
_JOB_SECONDS = 20.0
_LAST_FRAME_TIMES = 6
#: Measuring may take longer too: the file may be read through the network.
_MEASURE_TIMES = 3
#: A sheet is made of a hundred pictures.
_SHEET_TIMES = 2
#: How long a child may take to start, which is some 0.1 s of work.
_START_SECONDS = 20.0
#: How soon a job ends whose run is cancelled.
_LOOK_SECONDS = 0.25
#: How long a job waits for a child that is busy before another is started: most jobs take a few milliseconds, and a
#: child some 20 MB.
_BUSY_SECONDS = 3.0
#: After so many jobs a child is replaced, and when it holds so much memory after one.
_JOBS_PER_CHILD = 1000
#: Its answers are read in steps of so many bytes: most take one.
_ANSWER_BYTES = 32 * 1024
_GROWN_BYTES = 192 * 1024 * 1024
#: What one job may read of its file, all repetitions counted.
_MOST_READ_BYTES = 256 * 1024 * 1024
_MOST_READS = 4096
#: A file is measured by its index. Music may keep large pictures there.
_MOST_MEASURED_BYTES = 24 * 1024 * 1024
_MOST_MEASURED_READS = 256
_MOST_JPEG_BYTES = decoder.MOST_JPEG_BYTES
#: What a thumbnail or a sheet is made of is read once, to the end of the last piece.
_MOST_SMALL_FILE_BYTES = _MOST_JPEG_BYTES + 2 * decoder.PIECE_BYTES
#: A frame of 4096 x 2304 pixels has 28 MB as it is, and as a PNG hardly ever more than half of it.
_MOST_PNG_BYTES = 64 * 1024 * 1024
_PNG_BEGINS = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"
_PNG_ENDS = b"\0\0\0\0IEND\xaeB`\x82"
_MOST_PIXELS_A_SIDE = 65_535
_MOST_SECONDS = 100 * 3600.0
_MOST_FRAMES_PER_SECOND = 1000.0
#: After a child could not be started none is tried for so long.
_PAUSE_SECONDS = 600.0

# What an interpreter and its libraries need to be found and loaded. Nothing else of the environment is handed on.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "WINDIR", "__PYVENV_LAUNCHER__")
# An application that embeds or bundles Python stands there under its own name, and would be started again.
_INTERPRETER = re.compile(r"(?:python|pypy)[\d.]*[dtw]?(?:-\w+)?(?:\.exe)?", re.IGNORECASE)


class PyAVMissing(Exception):
    """PyAV is not installed, or cannot be loaded."""


class NoDecoder(Exception):
    """No child can be started here."""


class _Ended(Exception):
    """The child is gone, or is of no more use after what it did."""


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What a video file says of itself: size in pixels, length and codec (`h264`); 0 or "" where it does not say."""

    width: int
    height: int
    seconds: float
    codec: str


@dataclass(frozen=True, slots=True)
class Measures:
    """What was measured of a file of one of `decoder.FORMATS`; 0 is not known.

    Attributes:
        width: In pixels, as shown.
        height: In pixels, as shown.
        seconds: Length of all.
        frames_per_second: On average.
        pictures: Whether there are any, apart from the cover of a song.
        sound: Whether there is any.
        estimated: Whether the length is an estimate.
    """

    width: int
    height: int
    seconds: float
    frames_per_second: float
    pictures: bool
    sound: bool
    estimated: bool


@dataclass(slots=True)
class Decoded:
    """What a child has made of a file.

    Attributes:
        facts: Asked for with a poster; None if they cannot be read.
        measures: None if none were asked for, or they cannot be read.
        picture: The last frame as a PNG, anything else as a JPEG; None if none was asked for, or none can be made.
        thumbnail: A small copy of the poster, as a JPEG; None as `picture`.
        problem: Why there is no more; "" if all was made that was asked for.
        unreadable: What the file itself raised when it was read.
    """

    facts: MediaFacts | None = None
    measures: Measures | None = None
    picture: bytes | None = None
    thumbnail: bytes | None = None
    problem: str = ""
    unreadable: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Job:
    """What a child is to do with a file.

    Attributes:
        kind: Of its message.
        number: Of its message.
        seconds: How long it may take.
        most_read_bytes: What it may read of the file, all repetitions counted.
        most_reads: How often.
        checked: Tells whether an answer is the picture that was asked for; None if none was.
        most_picture_bytes: How large that may be.
    """

    kind: bytes
    number: int
    seconds: float
    most_read_bytes: int
    most_reads: int
    checked: Callable[[bytes], bool] | None = None
    most_picture_bytes: int = 0


def decode(file: BinaryIO, longest_side: int, cancelled: threading.Event) -> Decoded:
    """Have a child read a file.

    Args:
        file: From where it stands, if it cannot be sought in.
        longest_side: Of the poster, in pixels; 0 for none.
        cancelled: Ends the job, and the child with it.

    Raises:
        PyAVMissing, NoDecoder: It cannot be tried.
    """
    checked = _is_jpeg if longest_side else None
    job = _Job(decoder.POSTER, longest_side, _JOB_SECONDS, _MOST_READ_BYTES, _MOST_READS, checked, _MOST_JPEG_BYTES)
    return _children.decode(file, job, cancelled)


def decode_last_frame(file: BinaryIO, cancelled: threading.Event) -> Decoded:
    """Have a child make a PNG of the frame that a video shows last.

    Raises:
        PyAVMissing, NoDecoder: It cannot be tried.
    """
    seconds = _LAST_FRAME_TIMES * _JOB_SECONDS
    job = _Job(decoder.LAST_FRAME, 0, seconds, _MOST_READ_BYTES, _MOST_READS, _is_png, _MOST_PNG_BYTES)
    return _children.decode(file, job, cancelled)


def measure(file: BinaryIO, form: str, cancelled: threading.Event) -> Decoded:
    """Have a child measure a file.

    Args:
        file: One that can be sought in, or whose index comes first.
        form: One of `decoder.FORMATS`.
        cancelled: Ends the job, and the child with it.

    Raises:
        PyAVMissing, NoDecoder: It cannot be tried.
    """
    number, seconds = decoder.FORMATS.index(form), _MEASURE_TIMES * _JOB_SECONDS
    job = _Job(decoder.MEASURE, number, seconds, _MOST_MEASURED_BYTES, _MOST_MEASURED_READS)
    return _children.decode(file, job, cancelled)


def make_smaller(file: BinaryIO, cancelled: threading.Event) -> Decoded:
    """Have a child make a thumbnail of a JPEG.

    Raises:
        PyAVMissing, NoDecoder: It cannot be tried.
    """
    most = decoder.THUMBNAIL_BYTES
    job = _Job(decoder.THUMBNAIL, 0, _JOB_SECONDS, _MOST_SMALL_FILE_BYTES, _MOST_READS, _is_jpeg, most)
    return _children.decode(file, job, cancelled)


def lay_out(thumbnails: Sequence[bytes], cancelled: threading.Event) -> Decoded:
    """Have a child make one picture of several thumbnails; what is not one is left out.

    Raises:
        PyAVMissing, NoDecoder: It cannot be tried.
    """
    file = io.BytesIO(
        b"".join(decoder.SHEET_ENTRY.pack(len(each)) + each for each in thumbnails[: decoder.SHEET_PICTURES])
    )
    seconds, most = _SHEET_TIMES * _JOB_SECONDS, decoder.SHEET_BYTES
    job = _Job(decoder.SHEET, 0, seconds, _MOST_SMALL_FILE_BYTES, _MOST_READS, _is_jpeg, most)
    return _children.decode(file, job, cancelled)


class _Child:
    """One process, with one job at a time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._process, self._input, self._output = process, process.stdin, process.stdout
        self._unread = bytearray()
        self._jobs, self._has_spoken = 0, False
        self.worn = False

    def greet(self, cancelled: threading.Event) -> None:
        """Wait until it is ready.

        Raises:
            PyAVMissing, _Ended: It never is.
        """
        with self._limited(_START_SECONDS, cancelled):
            kind, _, length = self._message()
        if kind == decoder.NO_PYAV:
            raise PyAVMissing
        if (kind, length) != (decoder.READY, 0):
            raise _Ended("it does not speak as a decoder does")

    def do(self, pieces: _Pieces, job: _Job, cancelled: threading.Event) -> Decoded:
        """Have it read a file. Whatever becomes of the child, what it has told before is kept.

        Raises:
            _Ended: It has said nothing, as one that was dead before it was asked.
        """
        decoded = Decoded()
        self._jobs, self._has_spoken = self._jobs + 1, False
        with self._limited(job.seconds, cancelled) as limit:
            try:
                self._write(decoder.MESSAGE.pack(job.kind, job.number, pieces.size) + _data(pieces.first))
                self._follow(decoded, pieces, job)
            except (_Ended, OSError) as error:
                self.worn = True
                if not self._has_spoken and not limit.reached:
                    raise _Ended(words_of(error)) from error
                decoded.problem = limit.reached or words_of(error)
        decoded.unreadable = pieces.unreadable
        decoded.problem = words_of(pieces.unreadable) if pieces.unreadable else decoded.problem
        self.worn = self.worn or bool(limit.reached) or self._jobs >= _JOBS_PER_CHILD
        return decoded

    def end(self) -> None:
        """End it at once."""
        with suppress(OSError):
            self._process.kill()
        for pipe in (self._input, self._output):
            with suppress(OSError):
                pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_START_SECONDS)  # one that waits for a broken disk ends later

    def forget(self) -> None:
        """Let go of it in a forked process, whose child it is not: it sees the end of its parent by these pipes."""
        for pipe in (self._input, self._output):
            with suppress(OSError):
                pipe.close()
        self._process.returncode = 0  # nothing is to be waited for

    def _follow(self, decoded: Decoded, pieces: _Pieces, job: _Job) -> None:
        while True:
            kind, number, length = self._message()
            if kind == decoder.READ:
                self._write(_data(pieces.read(number, length)))
            elif kind == decoder.DONE and length <= decoder.WORDS_BYTES:
                decoded.problem = _printable(self._take(length))
                self.worn = self.worn or number > _GROWN_BYTES
                return
            else:
                self._take_answer(kind, number, length, decoded, job)

    def _take_answer(self, kind: bytes, number: int, length: int, decoded: Decoded, job: _Job) -> None:
        facts, measures = decoder.FACTS_BODY.size, decoder.MEASURES_BODY.size
        match kind, job.kind:
            case decoder.FACTS, decoder.POSTER if decoded.facts is None and length == facts:
                decoded.facts = _checked_facts(self._take(length))
            case decoder.MEASURES, decoder.MEASURE if decoded.measures is None and length == measures:
                decoded.measures = _checked_measures(self._take(length))
            case decoder.PICTURE, _ if job.checked and decoded.picture is None and length <= job.most_picture_bytes:
                body = self._take(length)
                picture, thumbnail = body[: length - number], body[length - number :]
                small = not number or (job.kind == decoder.POSTER and number <= decoder.THUMBNAIL_BYTES)
                if not (small and job.checked(picture) and (not number or job.checked(thumbnail))):
                    raise _Ended("the decoder's picture is not one of the kind that was asked for")
                decoded.picture, decoded.thumbnail = picture, thumbnail or None
            case _:
                raise _Ended("the decoder answers what it was not asked")

    def _message(self) -> tuple[bytes, int, int]:
        message = self._take(decoder.MESSAGE.size)
        self._has_spoken = True
        return decoder.MESSAGE.unpack(message)

    def _take(self, count: int) -> bytes:
        """Return the next bytes of its answers. What comes together is read together."""
        while len(self._unread) < count:
            piece = self._output.read(max(_ANSWER_BYTES, count - len(self._unread)))
            if not piece:
                raise _Ended("the decoder ended in the middle of it")
            self._unread += piece
        taken = bytes(self._unread[:count])
        del self._unread[:count]
        return taken

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._input.write(view) or 0 :]

    @contextmanager
    def _limited(self, seconds: float, cancelled: threading.Event) -> Generator[_Limit]:
        """Kill it when the time is over, which ends every reading from it and writing to it."""
        limit = _Limit(self._process, seconds, cancelled)
        try:
            yield limit
        finally:
            limit.end()


def _data(piece: bytes | None) -> bytes:
    """Return the message that hands over a piece of a file, None for one that could not be read."""
    return decoder.MESSAGE.pack(decoder.DATA, piece is not None, len(piece or b"")) + (piece or b"")


class _Limit:
    """How long a child may take for what it does: looked at now and then by the thread of all alarms.

    Attributes:
        reached: Why it was killed; "" if it was not.
    """

    def __init__(self, process: subprocess.Popen[bytes], seconds: float, cancelled: threading.Event) -> None:
        self._process, self._seconds, self._cancelled = process, seconds, cancelled
        self._ends = time.monotonic() + seconds
        self._lock, self._is_over = threading.Lock(), False
        self.reached = ""
        self._call_off = set_alarm(min(_LOOK_SECONDS, seconds), self._look)

    def end(self) -> None:
        """Let the child live from here on, which may be at its next job by then."""
        with self._lock:
            self._is_over = True
        self._call_off()

    def _look(self) -> None:
        with self._lock:
            left = self._ends - time.monotonic()
            if self._is_over:
                return
            if self._cancelled.is_set():
                self.reached = "the run was cancelled"
            elif left <= 0:
                self.reached = f"it was not done within {self._seconds:.0f} s"
            else:
                self._call_off = set_alarm(min(_LOOK_SECONDS, left), self._look)
                return
            with suppress(OSError):
                self._process.kill()


class _Pieces:
    """What a child may read of a file."""

    def __init__(self, file: BinaryIO, job: _Job) -> None:
        self._file, self._place = file, 0
        self._left, self._left_reads = job.most_read_bytes, job.most_reads
        self.unreadable: Exception | None = None
        self.size = decoder.UNKNOWN
        try:
            if file.seekable():  # one that cannot be sought in is read from where it stands
                self.size = file.seek(0, os.SEEK_END)
                file.seek(0)
        except Exception as error:
            self.unreadable = error

    @cached_property
    def first(self) -> bytes | None:
        """The first one, which no child has to ask for, and which those share that are tried one after the other."""
        return self.read(0, decoder.PIECE_BYTES)

    def read(self, place: int, size: int) -> bytes | None:
        """Return a piece, empty at the end of the file; None if it cannot be read.

        Raises:
            _Ended: More was asked for than any video needs.
        """
        self._left_reads -= 1
        if size > decoder.PIECE_BYTES or self._left_reads < 0 or self._left <= 0:
            raise _Ended("the decoder asks for more of the file than it can need")
        if self.unreadable:
            return None
        try:
            if place != self._place:
                self._file.seek(place)
            data = self._file.read(size)
        except Exception as error:
            self.unreadable = error
            return None
        self._place = place + len(data)
        self._left -= len(data)
        return data


class _Children:
    """The children of this process."""

    def __init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        self._free = threading.BoundedSemaphore(MOST_CHILDREN)
        # Also held while the process is forked: a fork in the middle of a start would keep that child's pipes open.
        self.lock = threading.RLock()
        self._changed = threading.Condition(self.lock)
        self._all: list[_Child] = []
        self._idle: list[_Child] = []
        self._next_start = -math.inf

    def decode(self, file: BinaryIO, job: _Job, cancelled: threading.Event) -> Decoded:
        free = self._free
        while not free.acquire(timeout=_LOOK_SECONDS):
            if cancelled.is_set():
                return Decoded(problem="the run was cancelled")
        try:
            pieces = _Pieces(file, job)
            while True:
                child, fresh = self._taken(cancelled)
                try:
                    if fresh:
                        self._greeted(child, cancelled)
                    decoded = child.do(pieces, job, cancelled)
                except _Ended as error:
                    self._end(child)
                    if fresh:
                        return Decoded(problem=words_of(error))
                    continue  # it had died while nobody needed it
                except BaseException:
                    self._end(child)
                    raise
                if child.worn:
                    self._end(child)
                else:
                    with self._changed:
                        self._idle.append(child)
                        self._changed.notify()
                return decoded
        finally:
            free.release()

    def _taken(self, cancelled: threading.Event) -> tuple[_Child, bool]:
        """Return a child for one job, and whether it was started for that: one that is busy is waited for a moment."""
        ends = time.monotonic() + _BUSY_SECONDS
        with self._changed:
            while not self._idle and self._all and time.monotonic() < ends and not cancelled.is_set():
                self._changed.wait(_LOOK_SECONDS)
            return (self._idle.pop(), False) if self._idle else (self._started(), True)

    def _started(self) -> _Child:
        found = importlib.util.find_spec("av")
        if found is None or not found.origin:
            raise PyAVMissing
        if time.monotonic() < self._next_start:
            raise NoDecoder("the decoder failed to start a few minutes ago")
        if getattr(sys, "frozen", False) or not _INTERPRETER.fullmatch(Path(sys.executable or "").name):
            raise NoDecoder("this application has no Python interpreter of its own to start")
        # The interpreter, the one file that it runs, and the folder of PyAV, which only the child imports.
        command = [sys.executable, "-I", "-S", decoder.__file__, str(Path(found.origin).parent.parent)]
        try:
            with self.lock:
                child = _Child(_popen([*command, str(os.getpid())]))
                self._all.append(child)
        except Exception as error:
            self._next_start = time.monotonic() + _PAUSE_SECONDS
            raise NoDecoder(words_of(error)) from error
        return child

    def _greeted(self, child: _Child, cancelled: threading.Event) -> None:
        try:
            child.greet(cancelled)
        except Exception as error:
            if cancelled.is_set():
                raise _Ended("the run was cancelled") from error
            self._next_start = time.monotonic() + _PAUSE_SECONDS
            if isinstance(error, PyAVMissing):
                raise
            raise NoDecoder(words_of(error)) from error

    def _end(self, child: _Child) -> None:
        child.end()
        with self._changed, suppress(ValueError):
            self._all.remove(child)
            self._changed.notify()

    def forget_all(self) -> None:
        """Begin anew in a forked process."""
        for child in self._all:
            child.forget()
        self._renew()

    def end_all(self) -> None:
        """End all at the end of this process."""
        with self.lock:
            ended, self._all, self._idle = self._all, [], []
        for child in ended:
            child.end()


#: The thread of this process that starts children. Linux ends a child with the thread that started it, and whoever asks
#: for a decoding may be gone while the child works for the next one.
_starters: dict[int, ThreadPoolExecutor] = {}
_starters_lock = threading.Lock()


def _popen(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a child from a thread that stays as long as this process."""
    with _starters_lock:
        if os.getpid() not in _starters:  # that of a parent is not there in a fork
            _starters.clear()
            _starters[os.getpid()] = ThreadPoolExecutor(1, thread_name_prefix="seedance-decoder-start")
        return _starters[os.getpid()].submit(_begun, command).result()


def _begun(command: list[str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        command,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=os.path.abspath(os.sep),  # nobody's folder is kept from being removed
        # glibc takes 64 MiB of addresses for each thread that allocates, unless told not to.
        env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ} | {"MALLOC_ARENA_MAX": "1"},
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    with suppress(ImportError, AttributeError, OSError):  # another system, or this user has enough of such memory
        import fcntl

        fcntl.fcntl(process.stdin or -1, fcntl.F_SETPIPE_SZ, 2 * decoder.PIECE_BYTES)  # a piece goes in one step
    return process


def _checked_facts(body: bytes) -> MediaFacts:
    width, height, seconds, codec = decoder.FACTS_BODY.unpack(body)
    return MediaFacts(_side(width), _side(height), _at_most(_MOST_SECONDS, seconds), _printable(codec.rstrip(b"\0")))


def _checked_measures(body: bytes) -> Measures:
    width, height, seconds, rate, pictures, sound, estimated = decoder.MEASURES_BODY.unpack(body)
    seconds, rate = _at_most(_MOST_SECONDS, seconds), _at_most(_MOST_FRAMES_PER_SECOND, rate)
    return Measures(_side(width), _side(height), seconds, rate, pictures, sound, estimated)


def _side(pixels: int) -> int:
    return pixels if pixels <= _MOST_PIXELS_A_SIDE else 0


def _at_most(most: float, number: float) -> float:
    return number if 0 < number <= most else 0.0  # no NaN passes


def _is_jpeg(body: bytes) -> bool:
    return body.startswith(b"\xff\xd8\xff") and body.endswith(b"\xff\xd9")


def _is_png(body: bytes) -> bool:
    if not (body.startswith(_PNG_BEGINS) and body.endswith(_PNG_ENDS) and len(body) > 24):
        return False
    width, height = struct.unpack_from("!II", body, len(_PNG_BEGINS))
    return 0 < width <= decoder.LONGEST_SIDE and 0 < height <= decoder.LONGEST_SIDE


def _printable(text: bytes) -> str:
    return "".join(each if each.isprintable() else "?" for each in text.decode("ascii", "replace")).strip()


_children = _Children()
atexit.register(_children.end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _children.lock.acquire(),
        after_in_parent=lambda: _children.lock.release(),
        after_in_child=_children.forget_all,
    )
