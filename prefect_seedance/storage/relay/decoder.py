"""What the decoding child runs: PyAV on files that anybody may have made, in a process that has nothing to lose.

    python -I -S decoder.py FOLDER_OF_PYAV PID_OF_THE_PARENT

Started by `decoder_process`, never imported in the child: it needs the standard library and PyAV alone. The file stays
with the parent and is asked for piece by piece. The limits below hold the child; the parent believes nothing it says.
"""

from __future__ import annotations

import math
import os
import signal
import struct
import sys
import threading
import time
from contextlib import suppress
from fractions import Fraction
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

#: A message: its kind and two numbers, of which the second is how many bytes follow, unless the kind says otherwise.
MESSAGE = struct.Struct("!cQQ")
#: From the child. READ has no bytes: its numbers are a place in the file and how much is wanted of it.
READY, NO_PYAV, READ, FACTS, POSTER, DONE = b"H", b"N", b"R", b"F", b"P", b"D"
#: From the parent. JOB has no bytes: its numbers are the longest side of the poster, 0 for none, and the size of the
#: file, or UNKNOWN of one that is read from its start to its end. The number of DATA is 1 if it was read.
JOB, DATA = b"J", b"A"
UNKNOWN = 2**64 - 1
#: The body of FACTS: width, height, seconds, codec.
FACTS_BODY = struct.Struct("!QQd32s")
#: Longest text of DONE: why there is no more.
WORDS_BYTES = 400
#: How much of the file is asked for at once.
PIECE_BYTES = 128 * 1024
#: Longest side of a picture that is decoded.
LONGEST_SIDE = 8192

# PyAV and its libraries take 120 MiB of addresses before the first file is opened, and 32 MiB of memory.
_ADDRESS_SPACE_BYTES = 512 * 1024 * 1024
# Of the thread that listens to the parent; by default it may be as much as all the rest.
_STACK_BYTES = 512 * 1024
# Of processor time for one file.
_PROCESSOR_SECONDS = 20
# Generated clips often fade in. Half a minute at 30 frames per second is more than any of them has.
_FRAMES_LOOKED_AT = 900
# A large video may take longer than that allows: then the best picture so far is taken while there is still time.
_LOOKING_SECONDS = 10.0
# Mean of luma from 0 to 255, where 0 is black whatever the file's own range is.
_BLACK_BELOW = 12.0
# The size at which brightness is judged.
_SMALL_WIDTH, _SMALL_HEIGHT = 64, 36
_JPEG_QUALITY = 4  # mjpeg's scale: 2 is best, 31 is worst

# FFmpeg's names of the decoders; which of them there are depends on how it was built.
_DECODERS = ("h264", "hevc", "av1", "libdav1d", "libaom-av1", "vp9", "libvpx-vp9", "vp8", "libvpx", "mpeg4")
_DECODER_OPTIONS = {
    "codec_whitelist": ",".join(_DECODERS),
    # Of every frame, whatever the file's index says, and before its memory is taken.
    "max_pixels": str(LONGEST_SIDE * LONGEST_SIDE),
    # With more, FFmpeg decodes several frames at once before it gives out the first.
    "threads": "1",
}
_FILE_OPTIONS = _DECODER_OPTIONS | {
    # Nothing else is opened, whatever the file refers to.
    "protocol_whitelist": "",
    "enable_drefs": "0",
    "max_streams": "32",
    # The index says all that is asked for. Without a limit FFmpeg decodes the beginning of every track to learn more.
    "probesize": str(PIECE_BYTES),
}


class _Packet(Protocol):
    def __buffer__(self, flags: int, /) -> memoryview: ...


class _Encoder(Protocol):
    """What is used of PyAV's encoder, whose own types leave the packet's parameter open."""

    def encode(self, frame: VideoFrame | None) -> list[_Packet]: ...


class _Parent:
    """The line to the parent, at whose end this process ends, whatever it is busy with."""

    def __init__(self) -> None:
        self._output = os.dup(1)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)  # what a library prints is not a message
        os.close(nowhere)
        self._pieces: SimpleQueue[bytes] = SimpleQueue()
        self._rest = b""
        threading.stack_size(_STACK_BYTES)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(OSError):
            while piece := os.read(0, PIECE_BYTES):
                self._pieces.put(piece)
        os._exit(0)

    def _take(self, count: int) -> bytes:
        taken = [self._rest]
        missing = count - len(self._rest)
        while missing > 0:
            taken.append(self._pieces.get())
            missing -= len(taken[-1])
        whole = b"".join(taken)
        self._rest = whole[count:]
        return whole[:count]

    def next_job(self) -> tuple[int, int]:
        """Wait for a job, and return the longest side of its poster and the size of its file."""
        _, longest_side, size = MESSAGE.unpack(self._take(MESSAGE.size))
        return longest_side, size

    def tell(self, kind: bytes, number: int = 0, body: bytes = b"") -> None:
        """Send a message."""
        self._write(MESSAGE.pack(kind, number, len(body)) + body)

    def read(self, place: int, size: int) -> bytes:
        """Ask for a piece of the file."""
        self._write(MESSAGE.pack(READ, place, size))
        _, was_read, length = MESSAGE.unpack(self._take(MESSAGE.size))
        data = self._take(length)
        if not was_read:
            raise OSError("the file could not be read")
        return data

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._output, view) :]


class _File:
    """The parent's file, as PyAV reads it."""

    def __init__(self, parent: _Parent, size: int) -> None:
        self._parent, self._size, self._place = parent, size, 0

    def read(self, size: int = -1) -> bytes:
        data = self._parent.read(self._place, min(size, PIECE_BYTES) if size >= 0 else PIECE_BYTES)
        self._place += len(data)
        return data

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        self._place = place + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        return self._place

    def tell(self) -> int:
        return self._place

    def seekable(self) -> bool:
        return self._size != UNKNOWN


def main() -> None:
    """Do jobs for the parent until it is gone."""
    with suppress(ValueError, OSError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the parent
    _end_with(int(sys.argv[2]))
    parent = _Parent()
    sys.path.append(sys.argv[1])
    try:
        import av.logging

        av.logging.set_level(None)
    except Exception:  # its libraries do not fit this system
        parent.tell(NO_PYAV)
        return
    _limit()
    parent.tell(READY)
    while True:
        longest_side, size = parent.next_job()
        _limit_processor_time()
        words = ""
        try:
            _decode(parent, longest_side, size)
        except Exception as error:  # AttributeError among it, for a codec that this FFmpeg does not know
            words = f"{error}" or type(error).__name__
        parent.tell(DONE, _resident_bytes(), words.encode("utf-8", "replace")[:WORDS_BYTES])


def _end_with(parent: int) -> None:
    """Have Linux end this process with the thread that started it: also one that is stopped, or decodes for ever."""
    with suppress(Exception):
        if sys.platform == "linux":
            import ctypes

            ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
            if os.getppid() != parent:
                os._exit(0)


def _limit() -> None:
    """Set what this process may use, as far as the system knows such limits."""
    with suppress(ImportError):
        import resource

        limits = {
            "RLIMIT_AS": _ADDRESS_SPACE_BYTES,
            "RLIMIT_CORE": 0,
            "RLIMIT_FSIZE": 0,
            "RLIMIT_NOFILE": 32,
        }
        for name, most in limits.items():
            with suppress(AttributeError, ValueError, OSError):
                resource.setrlimit(getattr(resource, name), (most, most))


def _limit_processor_time() -> None:
    with suppress(ImportError, AttributeError, ValueError, OSError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + _PROCESSOR_SECONDS, most))


def _resident_bytes() -> int:
    """Return how much memory this process holds; 0 where it cannot be told."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _decode(parent: _Parent, longest_side: int, size: int) -> None:
    import av

    # The format is named: left to guess, FFmpeg follows the links of a playlist that poses as a video.
    with av.open(
        _File(parent, size),
        mode="r",
        format="mp4",
        options=_FILE_OPTIONS,
        metadata_errors="replace",
        buffer_size=PIECE_BYTES,
    ) as container:
        parent.tell(FACTS, body=_facts(container))
        if longest_side:
            parent.tell(POSTER, body=_poster(container, longest_side))


def _facts(container: InputContainer) -> bytes:
    stream = container.streams.video[0]
    seconds = 0.0
    if stream.duration is not None and stream.time_base is not None:
        seconds = float(stream.duration * stream.time_base)
    # What no video can be is as good as not said.
    width, height = max(0, stream.width), max(0, stream.height)
    return FACTS_BODY.pack(width, height, max(0.0, seconds), stream.codec_context.name.encode("ascii", "replace"))


def _poster(container: InputContainer, longest_side: int) -> bytes:
    stream = container.streams.video[0]
    codec = stream.codec_context
    if codec.name not in _DECODERS:
        raise ValueError(f"pictures of the codec {codec.name} are not decoded")
    _check_sides(stream.width, stream.height)
    stream.thread_type = "NONE"
    codec.options = _DECODER_OPTIONS
    best: VideoFrame | None = None
    best_brightness = -1.0
    ends = time.monotonic() + _LOOKING_SECONDS
    try:
        for _, frame in zip(range(_FRAMES_LOOKED_AT), container.decode(stream), strict=False):
            _check_sides(frame.width, frame.height)
            brightness = _brightness(frame)
            if brightness > best_brightness:
                best, best_brightness = frame, brightness
            if brightness >= _BLACK_BELOW or time.monotonic() > ends:
                break
    except Exception:
        if best is None:
            raise
    if best is None:
        raise LookupError("it has no frame")
    return _jpeg(best, longest_side)


def _check_sides(width: int, height: int) -> None:
    if not (0 < width <= LONGEST_SIDE and 0 < height <= LONGEST_SIDE):
        raise ValueError(f"a picture of {width} x {height} pixels; at most {LONGEST_SIDE} a side are decoded")


def _brightness(frame: VideoFrame) -> float:
    small = _scaled(frame, _SMALL_WIDTH, _SMALL_HEIGHT, "gray")
    plane = small.planes[0]
    data = bytes(plane)
    # Rows are padded; the padding is not picture.
    return sum(
        sum(data[row * plane.line_size : row * plane.line_size + _SMALL_WIDTH]) for row in range(_SMALL_HEIGHT)
    ) / (_SMALL_WIDTH * _SMALL_HEIGHT)


def _scaled(frame: VideoFrame, width: int, height: int, pixels: str) -> VideoFrame:
    try:
        # By itself it takes a thread for each core, and the stacks of many take more addresses than there are.
        return frame.reformat(width, height, format=pixels, dst_color_range="JPEG", threads=1)
    except TypeError:  # an earlier PyAV, which always takes one
        return frame.reformat(width, height, format=pixels, dst_color_range="JPEG")


def _jpeg(frame: VideoFrame, longest_side: int) -> bytes:
    import av

    scale = min(1.0, longest_side / max(frame.width, frame.height))
    width, height = (max(2, round(scale * side) // 2 * 2) for side in (frame.width, frame.height))
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height = width, height
    encoder.pix_fmt = "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    encoder.qmin = encoder.qmax = _JPEG_QUALITY
    packets = cast(_Encoder, encoder)
    picture = _scaled(frame, width, height, "yuvj420p")
    picture.pts = 0
    return b"".join(bytes(packet) for packet in [*packets.encode(picture), *packets.encode(None)])


if __name__ == "__main__":
    main()
