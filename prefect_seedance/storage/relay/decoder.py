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
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from av import VideoFrame
    from av.buffer import Buffer
    from av.container import InputContainer
    from av.video.stream import VideoStream

#: A message: its kind and two numbers, of which the second is how many bytes follow, unless the kind says otherwise.
MESSAGE = struct.Struct("!cQQ")
#: From the child. READ has no bytes: its numbers are a place in the file and how much is wanted of it. The number of
#: PICTURE is how many of its bytes, the last, are a thumbnail of it.
READY, NO_PYAV, READ, FACTS, MEASURES, PICTURE, DONE = b"H", b"N", b"R", b"F", b"M", b"P", b"D"
#: From the parent. A job has no bytes: its numbers are the longest side of the poster, 0 for none, or which of FORMATS
#: is to be measured, and the size of the file, or UNKNOWN of one that is read from its start to its end. The first
#: DATA follows it unasked: the first piece of the file. The number of DATA is 1 if it was read.
POSTER, LAST_FRAME, MEASURE, DATA = b"J", b"L", b"M", b"A"
#: The same, of pictures: a file that is one JPEG, of which a small copy is made, and one that is many, each after a
#: SHEET_ENTRY, of which one sheet is made.
THUMBNAIL, SHEET = b"T", b"C"
UNKNOWN = 2**64 - 1
#: FFmpeg's names of what is measured. All but the first are sound.
FORMATS = ("mp4", "mp3", "wav", "aac", "flac", "ogg")
#: The body of FACTS: width, height, seconds, codec.
FACTS_BODY = struct.Struct("!QQd32s")
#: The body of MEASURES: width and height as shown, seconds, frames per second; then whether there are pictures, whether
#: there is sound, and whether the seconds are an estimate.
MEASURES_BODY = struct.Struct("!QQdd???")
#: Longest text of DONE: why there is no more.
WORDS_BYTES = 400
#: How much of the file is asked for at once.
PIECE_BYTES = 128 * 1024
#: Longest side of a picture that is decoded.
LONGEST_SIDE = 8192
#: Longest side of a thumbnail, and its bytes: a thousand of them and what is said of each stay below 8 MB as base64.
THUMBNAIL_SIDE, THUMBNAIL_BYTES = 160, 4500
#: Of a picture that is made smaller. A poster has some 100 KB.
MOST_JPEG_BYTES = 4 * 1024 * 1024
#: In the file of a sheet, how many bytes of a picture follow. How many pictures it shows, and its own bytes, at most.
SHEET_ENTRY = struct.Struct("!I")
SHEET_PICTURES, SHEET_BYTES = 100, 300_000

# PyAV and its libraries take 120 MiB of addresses before the first file is opened, and 32 MiB of memory.
_ADDRESS_SPACE_BYTES = 512 * 1024 * 1024
# Of the thread that listens to the parent; by default it may be as much as all the rest.
_STACK_BYTES = 512 * 1024
# Of processor time for one file. The last frame may stand at the end of a long run of frames that need each other.
_PROCESSOR_SECONDS = {POSTER: 20, LAST_FRAME: 60, MEASURE: 20, THUMBNAIL: 10, SHEET: 30}
# Generated clips often fade in. Half a minute at 30 frames per second is more than any of them has.
_FRAMES_LOOKED_AT = 900
# A large video may take longer than that allows: then the best picture so far is taken while there is still time.
_LOOKING_SECONDS = 10.0
# Mean of luma from 0 to 255, where 0 is black whatever the file's own range is.
_BLACK_BELOW = 12.0
# The size at which brightness is judged.
_SMALL_WIDTH, _SMALL_HEIGHT = 64, 36
_JPEG_QUALITY = 4  # mjpeg's scale: 2 is best, 31 is worst
# Tried one after the other until a picture is small enough.
_FALLING_QUALITIES = (_JPEG_QUALITY, 6, 9, 13, 19, 31)
# The same, as the share of its sides that a picture keeps, where no quality is low enough.
_FALLING_SIZES = (1.0, 0.7, 0.5, 0.35, 0.2)
# Between the pictures of a sheet, and behind them: the same grey on a light page and on a dark one.
_SHEET_GAP, _SHEET_LUMA = 4, 40
# What lies on a sheet is a thumbnail, or is left out.
_MOST_SHEET_SIDE = 2 * THUMBNAIL_SIDE
# FFmpeg's AV_DISPOSITION_ATTACHED_PIC.
_ATTACHED_PICTURE = 0x400
# Later than the end of any video, in whatever unit. A file's own length may be wrong.
_FAR = 2**53
# How far before the end the last frame is looked for at first, where there is none at the very end.
_STEP_BACK_SECONDS = 2
# swscale's names of the matrices from YUV to RGB, by FFmpeg's names of those that a video may ask for.
_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
_BT601, _BT709 = 5, 1
# How stretched a picture may be shown. What asks for more is shown as it is stored.
_MOST_STRETCHED = 4
# What the first frame of an MP3 holds if the file says how long it is, and how far in.
_LENGTH_SAID, _LENGTH_SAID_WITHIN = (b"Xing", b"Info", b"VBRI"), 200
# Sound that does not say how long it is is counted up to here, which is a minute and more; the rest is estimated.
_MOST_COUNTED_BYTES = 4 * 1024 * 1024

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

# To begin a poster, a file's index says enough. Else FFmpeg decodes a frame to learn more, which costs as much as the
# one that is shown.
_INDEX_ALONE = {"skip_frame": "all", "probesize": "4096"}

# AAC alone does not tell how long its frames are without its decoder.
_FORMAT_OPTIONS = {"aac": {"codec_whitelist": "aac"}}


class _Packet(Protocol):
    def __buffer__(self, flags: int, /) -> memoryview: ...


class _Encoder(Protocol):
    """What is used of PyAV's encoder, whose own types leave the packet's parameter open."""

    def encode(self, frame: VideoFrame | None) -> list[_Packet]: ...


class _Decoder(Protocol):
    """What is used of PyAV's decoder, whose own types leave the packet's parameter open."""

    def decode(self, packet: None, /) -> list[VideoFrame]: ...


class _Photos(Protocol):
    """The same, of one that is given each packet."""

    def decode(self, packet: object, /) -> list[VideoFrame]: ...


class _Parent:
    """The line to the parent, at whose end this process ends, whatever it is busy with."""

    def __init__(self) -> None:
        self._output = os.dup(1)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)  # what a library prints is not a message
        os.close(nowhere)
        self._pieces: SimpleQueue[bytes] = SimpleQueue()
        self._rest = self._unsent = b""
        #: The first piece of the file, which is come back to where its index stands at the end.
        self.beginning = b""
        threading.stack_size(_STACK_BYTES)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(OSError):
            while piece := os.read(0, 2 * PIECE_BYTES):
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

    def next_job(self) -> tuple[bytes, int, int]:
        """Wait for a job and the beginning of its file; return its kind, its number and the size of the file."""
        job: tuple[bytes, int, int] = MESSAGE.unpack(self._take(MESSAGE.size))
        self.beginning = self._data() or b""
        return job

    def tell(self, kind: bytes, number: int = 0, body: bytes = b"", *, more: bool = False) -> None:
        """Send a message; where another one follows at once, together with that."""
        self._unsent += MESSAGE.pack(kind, number, len(body)) + body
        if not more:
            self._send()

    def read(self, place: int, size: int) -> bytes:
        """Ask for a piece of the file."""
        self._unsent += MESSAGE.pack(READ, place, size)
        self._send()
        data = self._data()
        if data is None:
            raise OSError("the file could not be read")
        return data

    def _data(self) -> bytes | None:
        _, was_read, length = MESSAGE.unpack(self._take(MESSAGE.size))
        data = self._take(length)
        return data if was_read else None

    def _send(self) -> None:
        data, self._unsent = memoryview(self._unsent), b""
        while data:
            data = data[os.write(self._output, data) :]


class _File:
    """The parent's file, as PyAV reads it."""

    def __init__(self, parent: _Parent, size: int) -> None:
        self._parent, self._size, self._place = parent, size, 0

    def read(self, size: int = -1) -> bytes:
        most = min(size, PIECE_BYTES) if size >= 0 else PIECE_BYTES
        data = self._parent.beginning[self._place : self._place + most] or self._parent.read(self._place, most)
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
        kind, number, size = parent.next_job()
        _limit_processor_time(_PROCESSOR_SECONDS[kind])
        words = ""
        try:
            if kind == LAST_FRAME:
                _last_frame(parent, size)
            elif kind == MEASURE:
                _measure(parent, FORMATS[number], size)
            elif kind == THUMBNAIL:
                parent.tell(PICTURE, body=_thumbnail(_photo(_whole(parent, size))))
            elif kind == SHEET:
                parent.tell(PICTURE, body=_sheet(_whole(parent, size)))
            else:
                _decode(parent, number, size)
        except Exception as error:  # AttributeError among it, for a codec that this FFmpeg does not know
            words = getattr(error, "strerror", None) or f"{error}" or type(error).__name__
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


def _limit_processor_time(seconds: int) -> None:
    with suppress(ImportError, AttributeError, ValueError, OSError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + seconds, most))


def _resident_bytes() -> int:
    """Return how much memory this process holds; 0 where it cannot be told."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _opened(
    parent: _Parent, size: int, form: str = "mp4", options: Mapping[str, str] = MappingProxyType({})
) -> InputContainer:
    import av

    # The format is named: left to guess, FFmpeg follows the links of a playlist that poses as a video.
    return av.open(
        _File(parent, size),
        mode="r",
        format=form,
        options=_FILE_OPTIONS | _FORMAT_OPTIONS.get(form, {}) | {**options},
        buffer_size=PIECE_BYTES,
        **_lenient(av.__version__),
    )


def _lenient(version: str) -> dict[str, Any]:
    """Return what has PyAV bear metadata that is not UTF-8. From 19 on it does so by itself, and has no word for it."""
    return {"metadata_errors": "replace"} if int(version.partition(".")[0]) < 19 else {}


def _decode(parent: _Parent, longest_side: int, size: int) -> None:
    if longest_side:
        with _opened(parent, size, options=_INDEX_ALONE) as container:
            if container.streams.video[0].width:
                _tell_of(container, parent, longest_side)
                return
    with _opened(parent, size) as container:  # no frame is shown, or its index alone does not say how large it is
        _tell_of(container, parent, longest_side)


def _tell_of(container: InputContainer, parent: _Parent, longest_side: int) -> None:
    if not longest_side:
        parent.tell(FACTS, body=_facts(container))
        return
    frames = _frames(container)
    try:
        first = next(frames, None)
    finally:  # the index may be wrong, and the decoder knows by now
        parent.tell(FACTS, body=_facts(container))
    if first is None:
        raise LookupError("it has no frame")
    picture = _shrunk(_best_frame(first, frames), longest_side)
    poster, thumbnail = _encoded(picture, _JPEG_QUALITY), b""
    with suppress(Exception):
        thumbnail = _thumbnail(picture)  # of the poster, which is a quarter of the frame or less
    parent.tell(PICTURE, len(thumbnail), poster + thumbnail, more=True)


def _facts(container: InputContainer) -> bytes:
    stream = container.streams.video[0]
    seconds = 0.0
    if stream.duration is not None and stream.time_base is not None:
        seconds = float(stream.duration * stream.time_base)
    # What no video can be is as good as not said.
    width, height = max(0, stream.width), max(0, stream.height)
    return FACTS_BODY.pack(width, height, max(0.0, seconds), stream.codec_context.name.encode("ascii", "replace"))


def _frames(container: InputContainer) -> Iterator[VideoFrame]:
    stream = container.streams.video[0]
    _prepare(stream, _DECODER_OPTIONS)
    for frame in container.decode(stream):
        _check_sides(frame.width, frame.height)
        yield frame


def _best_frame(first: VideoFrame, more: Iterator[VideoFrame]) -> VideoFrame:
    best, best_brightness = first, _brightness(first)
    ends = time.monotonic() + _LOOKING_SECONDS
    with suppress(Exception):
        for _ in range(1, _FRAMES_LOOKED_AT):
            if best_brightness >= _BLACK_BELOW or time.monotonic() > ends or (frame := next(more, None)) is None:
                break
            brightness = _brightness(frame)
            if brightness > best_brightness:
                best, best_brightness = frame, brightness
    return best


def _prepare(stream: VideoStream, options: dict[str, str]) -> None:
    """Make ready to decode the pictures of a stream.

    Raises:
        ValueError: They are not decoded.
    """
    codec = stream.codec_context
    if codec.name not in _DECODERS:
        raise ValueError(f"pictures of the codec {codec.name} are not decoded")
    _check_sides(stream.width, stream.height)
    stream.thread_type = "NONE"
    codec.options = options


def _pictures(container: InputContainer) -> VideoStream | None:
    """Return the stream that is shown; a picture that belongs to a song is not one."""
    streams = container.streams.video
    # An earlier PyAV does not tell them apart.
    return next((each for each in streams if not getattr(each, "disposition", 0) & _ATTACHED_PICTURE), None)


def _last_frame(parent: _Parent, size: int) -> None:
    with _opened(parent, size) as container:
        stream = _pictures(container)
        if stream is None:
            raise LookupError("it has no pictures")
        # What does not decode cleanly ends the video: what comes after it is a guess of the decoder.
        _prepare(stream, _DECODER_OPTIONS | {"err_detect": "explode"})
        frame = _last_shown(container, stream)
        if frame is None:
            raise LookupError("it has no frame that can be decoded")
        parent.tell(PICTURE, body=_png(frame, stream))


def _last_shown(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    """Decode from the last key frame to the end; from an earlier one, where nothing comes of it."""
    start = max(stream.start_time or 0, -_FAR)
    end = start + (stream.duration or 0)
    step = max(1, round(_STEP_BACK_SECONDS / stream.time_base)) if stream.time_base else 1
    place = _FAR
    while True:
        with suppress(OSError, ValueError):  # of FFmpeg too: then it is read on from where it stands
            container.seek(place, stream=stream)
        last: VideoFrame | None = None
        # The index may call any frame a key frame; what is decoded from there on is made of nothing.
        key_seen = False
        for frame in _frames_until_broken(container, stream):
            _check_sides(frame.width, frame.height)
            key_seen = key_seen or frame.key_frame
            later = last is None or last.pts is None or frame.pts is None or frame.pts >= last.pts
            if later and not frame.is_corrupt:
                last = frame
        if last and key_seen:
            return last
        if place <= start:
            return None
        place = max(start, end - step)
        step *= 4


def _frames_until_broken(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Yield the frames from here on, in the order in which they are shown, up to the first packet that is broken."""
    from av.error import FFmpegError

    with suppress(FFmpegError):
        for packet in container.demux(stream):
            if packet.is_corrupt:  # the file ends in the middle of it
                break
            yield from packet.decode()
    with suppress(FFmpegError):  # those that wait to be shown, unless the end was reached above
        yield from cast(_Decoder, stream.codec_context).decode(None)


def _measure(parent: _Parent, form: str, size: int) -> None:
    with _opened(parent, size, form) as container:
        stream = _pictures(container) if form == FORMATS[0] else None
        width, height, rate = 0, 0, 0.0
        problem: Exception | None = None
        if stream:
            rate = float(stream.average_rate or 0)
            try:
                width, height = _shown_sides(container, stream)
            except Exception as error:
                problem = error
                width, height = max(0, stream.width), max(0, stream.height)
        seconds, estimated = _length(parent, container, form, size)
        body = MEASURES_BODY.pack(
            width, height, seconds, rate, stream is not None, bool(container.streams.audio), estimated
        )
        parent.tell(MEASURES, body=body)
    if problem:
        raise problem


def _shown_sides(container: InputContainer, stream: VideoStream) -> tuple[int, int]:
    """Return the sides of the first frame as it is shown. PyAV tells of a turn with a frame alone."""
    _prepare(stream, _DECODER_OPTIONS)
    frame = next(container.decode(stream), None)
    if frame is None:
        raise LookupError("it has no frame that can be decoded")
    width, height = _shown_width(frame, stream), frame.height
    return (height, width) if _upended(_matrix(frame)) else (width, height)


def _length(parent: _Parent, container: InputContainer, form: str, size: int) -> tuple[float, bool]:
    """Return the seconds of a file, 0 if they cannot be told, and whether they are an estimate."""
    import av

    said = (container.duration or 0) / av.time_base
    sound = next(iter(container.streams.audio), None)
    # For these FFmpeg takes the rate of the beginning for that of the whole, unless the file says how long it is.
    if sound is None or form not in ("mp3", "aac"):
        return said, False
    if form == "mp3" and any(mark in parent.read(0, _LENGTH_SAID_WITHIN) for mark in _LENGTH_SAID):
        return said, False
    counted, seconds = 0, 0.0
    for packet in container.demux(sound):
        if packet.size and packet.duration and packet.time_base:
            seconds += float(packet.duration * packet.time_base)
        counted += packet.size
        if counted > _MOST_COUNTED_BYTES:
            return (said if size == UNKNOWN else seconds * size / counted), True
    return seconds, False


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


def _shrunk(frame: VideoFrame, longest_side: float) -> VideoFrame:
    """Return a frame whose sides are even and at most so long."""
    scale = min(1.0, longest_side / max(frame.width, frame.height))
    width, height = (max(2, round(scale * side) // 2 * 2) for side in (frame.width, frame.height))
    return _scaled(frame, width, height, "yuvj420p")


def _encoded(picture: VideoFrame, quality: int) -> bytes:
    """Return what `_shrunk` made as a JPEG."""
    import av

    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height = picture.width, picture.height
    encoder.pix_fmt = "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    encoder.qmin = encoder.qmax = quality
    packets = cast(_Encoder, encoder)
    picture.pts = 0
    return b"".join(bytes(packet) for packet in [*packets.encode(picture), *packets.encode(None)])


def _thumbnail(frame: VideoFrame) -> bytes:
    return _fitted(_shrunk(frame, THUMBNAIL_SIDE), THUMBNAIL_BYTES)


def _fitted(picture: VideoFrame, most_bytes: int) -> bytes:
    """Return a picture as a JPEG of at most so many bytes: of lower quality, and at last smaller.

    Raises:
        ValueError: Nothing is small enough.
    """
    longest_side = max(picture.width, picture.height)
    for share in _FALLING_SIZES:
        smaller = picture if share == 1 else _shrunk(picture, share * longest_side)
        for quality in _FALLING_QUALITIES:
            if len(jpeg := _encoded(smaller, quality)) <= most_bytes:
                return jpeg
    raise ValueError(f"it does not become smaller than {most_bytes} bytes")


def _whole(parent: _Parent, size: int) -> bytes:
    """Read a file that is to be small."""
    if size == UNKNOWN:
        size = MOST_JPEG_BYTES + 1
    file, pieces, length = _File(parent, size), list[bytes](), 0
    while length < size and length <= MOST_JPEG_BYTES and (piece := file.read()):
        pieces.append(piece)
        length += len(piece)
    if length > MOST_JPEG_BYTES:
        raise ValueError(f"it is larger than {MOST_JPEG_BYTES} bytes")
    return b"".join(pieces)


def _photo(data: bytes, longest_side: int = LONGEST_SIDE) -> VideoFrame:
    """Decode a JPEG, and nothing else that poses as one."""
    import av

    codec = av.CodecContext.create("mjpeg", "r")
    codec.thread_count = 1
    # Before the memory of a picture is taken.
    codec.options = {"max_pixels": str(longest_side * longest_side), "err_detect": "explode"}
    codec.open()
    frames = cast(_Photos, codec).decode(av.Packet(data)) + cast(_Photos, codec).decode(None)
    if not frames:
        raise LookupError("it has no picture")
    if not (0 < frames[0].width <= longest_side and 0 < frames[0].height <= longest_side):
        raise ValueError(f"a picture of {frames[0].width} x {frames[0].height} pixels")
    return frames[0]


def _sheet(data: bytes) -> bytes:
    """Lay pictures beside and below each other, in rows that are about as wide as the whole is high."""
    import av

    pictures = [_shrunk(frame, THUMBNAIL_SIDE) for frame in _photos(data)]
    if not pictures:
        raise LookupError("none of its pictures can be decoded")
    width, height = max(each.width for each in pictures), max(each.height for each in pictures)
    columns = min(len(pictures), max(1, math.ceil(math.sqrt(len(pictures) * height / width))))
    rows = math.ceil(len(pictures) / columns)
    sheet = av.VideoFrame(
        columns * (width + _SHEET_GAP) + _SHEET_GAP, rows * (height + _SHEET_GAP) + _SHEET_GAP, "yuvj420p"
    )
    grey = (_SHEET_LUMA, 128, 128)
    planes = [bytearray([value]) * plane.buffer_size for value, plane in zip(grey, sheet.planes, strict=True)]
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        # Colours are half as many as pixels: every place is even.
        left = _SHEET_GAP + column * (width + _SHEET_GAP) + (width - picture.width) // 4 * 2
        top = _SHEET_GAP + row * (height + _SHEET_GAP) + (height - picture.height) // 4 * 2
        for plane, source, target in zip(planes, picture.planes, sheet.planes, strict=True):
            share = 2 if source.width < picture.width else 1
            pixels = bytes(source)
            for line in range(source.height):
                start = (top // share + line) * target.line_size + left // share
                plane[start : start + source.width] = pixels[
                    line * source.line_size : line * source.line_size + source.width
                ]
    for plane, target in zip(planes, sheet.planes, strict=True):
        target.update(bytes(plane))
    return _fitted(sheet, SHEET_BYTES)


def _photos(data: bytes) -> Iterator[VideoFrame]:
    """Decode the pictures of a sheet; one that cannot be decoded is left out."""
    place = 0
    for _ in range(SHEET_PICTURES):
        if place + SHEET_ENTRY.size > len(data):
            return
        (length,) = SHEET_ENTRY.unpack_from(data, place)
        place += SHEET_ENTRY.size
        with suppress(Exception):
            yield _photo(data[place : place + length], _MOST_SHEET_SIDE)
        place += length


def _shown_width(frame: VideoFrame, stream: VideoStream) -> int:
    """Return the width of a frame with square pixels."""
    ratio = stream.sample_aspect_ratio or Fraction(1)
    return round(frame.width * ratio) if 1 <= _MOST_STRETCHED * ratio <= _MOST_STRETCHED**2 else frame.width


def _in_rgb(frame: VideoFrame, width: int) -> VideoFrame:
    """Return a frame of this width in the colours that the video asks for."""
    from av.video.reformatter import Interpolation

    # Players take a large video that names no matrix for one of BT.709.
    unnamed = _BT709 if frame.width >= 1280 or frame.height > 576 else _BT601
    matrix = _MATRICES.get(frame.colorspace, unnamed)
    try:
        exactly = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
        return frame.reformat(width, None, "rgb24", matrix, dst_color_range="JPEG", interpolation=exactly, threads=1)
    except (AttributeError, TypeError):  # an earlier PyAV, which knows fewer of these
        return frame.reformat(width, None, "rgb24", matrix, dst_color_range="JPEG", interpolation=Interpolation.BICUBIC)


def _png(frame: VideoFrame, stream: VideoStream) -> bytes:
    """Return a frame as it is shown: with square pixels, turned, in the colours that the video asks for."""
    import av

    width = _shown_width(frame, stream)
    _check_sides(width, frame.height)
    flat = _in_rgb(frame, width)
    # A frame of its own, which says nothing of colours: the encoder would write down what no longer holds.
    picture = _turned(flat, _matrix(frame))
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, "rgb24"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    encoder.options = {"pred": "paeth"}
    packets = cast(_Encoder, encoder)
    return b"".join(bytes(packet) for packet in [*packets.encode(picture), *packets.encode(None)])


def _matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """Return where the sides of a frame point to as it is shown: those of x in x and y, those of y in x and y."""
    side_data = cast("Mapping[str, Buffer]", frame.side_data)
    try:
        a, b, _, c, d, *_ = struct.unpack_from("9i", bytes(side_data["DISPLAYMATRIX"]))
    except (KeyError, struct.error):
        return 1, 0, 0, 1
    return a, b, c, d


def _upended(matrix: tuple[int, int, int, int]) -> bool:
    """Return whether what is stored as a row is shown as a column."""
    xx, xy, yx, yy = matrix
    return abs(xy) + abs(yx) > abs(xx) + abs(yy)


def _turned(frame: VideoFrame, matrix: tuple[int, int, int, int]) -> VideoFrame:
    """Return a copy of an RGB frame, turned and mirrored by quarters."""
    import av

    xx, xy, yx, yy = matrix
    upended = _upended(matrix)
    width, height = (frame.height, frame.width) if upended else (frame.width, frame.height)
    picture = av.VideoFrame(width, height, "rgb24")
    picture.pts = 0
    source, line = bytes(frame.planes[0]), frame.planes[0].line_size
    plane = picture.planes[0]
    target = bytearray(plane.buffer_size)
    from_below, from_right = (xy < 0, yx < 0) if upended else (yy < 0, xx < 0)
    for row in range(height):
        taken = height - 1 - row if from_below else row
        for colour in range(3):
            if upended:
                pixels = source[taken * 3 + colour : line * frame.height : line]
            else:
                pixels = source[taken * line + colour : taken * line + width * 3 : 3]
            start = row * plane.line_size
            target[start + colour : start + width * 3 : 3] = pixels[::-1] if from_right else pixels
    plane.update(bytes(target))
    return picture


if __name__ == "__main__":
    main()
