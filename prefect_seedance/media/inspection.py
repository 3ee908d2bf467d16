"""What a file is and what it measures, by its content alone: its name and its announced type are never looked at.

Sides of pictures come from their headers by imagesize, so no pixel is decoded in this process, however many a header
claims. Containers of video and sound are measured by PyAV in the child with limits (`storage.relay.decoder_process`).
Little of a file is read, since it may lie behind a network:

- of a picture at most 128 KiB from its start, 512 KiB elsewhere, in at most 65 readings, and 4 KiB at its end;
- of video and sound at most 24 MiB in 256 readings, mostly well under 1 MiB in a few, forward but for an index at the
  end;
- of anything else 128 KiB in one reading.
"""

from __future__ import annotations

import io
import os
import re
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, Literal, cast

from prefect_seedance.media.errors import PreparationCancelled
from prefect_seedance.media.facts import ReferenceFacts
from prefect_seedance.storage.positioned_reader import PositionedReader
from prefect_seedance.storage.relay.decoder_process import Measures, NoDecoder, PyAVMissing, measure

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_Kind = Literal["image", "video", "audio", "other"]

_HEAD_BYTES = 128 * 1024
# Of a picture beyond its head: its header may stand behind a large colour profile, or at the end.
_MOST_HEADER_BYTES = 512 * 1024
_MOST_HEADER_READS = 64
_AT_ONCE_BYTES = 8 * 1024
# By so many bytes at its end a picture is told that stops before its end.
_TAIL_BYTES = 4 * 1024
# What never stands among the pixels of a JPEG: a mark that is neither of a restart nor of what precedes more pixels.
_JPEG_MARK = re.compile(rb"\xff[^\0\xff\xc4\xd0-\xd7\xda-\xdd]")
# Boxes or chunks of a picture that are gone through before it is given up.
_MOST_BOXES = 60
_MOST_META_BYTES = 256 * 1024
# Where no file goes on.
_NOWHERE = 2**62
# Tags of a song that are gone through; one is usual.
_MOST_TAGS = 4

# Where a mark stands, what it is, and what it says. The first that fits is taken.
_MARKS: tuple[tuple[int, bytes, _Kind, str], ...] = (
    (0, b"\xff\xd8\xff", "image", "jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image", "png"),
    (0, b"GIF87a", "image", "gif"),
    (0, b"GIF89a", "image", "gif"),
    (0, b"II*\0", "image", "tiff"),
    (0, b"MM\0*", "image", "tiff"),
    (0, b"II+\0", "image", "tiff"),
    (0, b"MM\0+", "image", "tiff"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "image", "jp2"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "image", "jxl"),
    (0, b"\xff\x0a", "image", "jxl"),
    (0, b"8BPS\0", "image", "psd"),
    (0, b"\0\0\1\0", "image", "ico"),
    (8, b"WEBPVP8", "image", "webp"),
    (8, b"WAVE", "audio", "wav"),
    (8, b"AVI ", "video", "avi"),
    (0, b"FLV\1", "video", "flv"),
    (0, b"\0\0\1\xba", "video", "mpeg"),
    (0, b"\0\0\1\xb3", "video", "mpeg"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "video", "asf"),
    (0, b"fLaC", "audio", "flac"),
    (0, b"#!AMR", "audio", "amr"),
    (8, b"AIFF", "audio", "aiff"),
    (8, b"AIFC", "audio", "aiff"),
    (0, b"MThd", "audio", "midi"),
    (0, b"%PDF-", "other", "pdf"),
    (0, b"%!PS", "other", "postscript"),
    (0, b"PK\3\4", "other", "zip"),
    (0, b"PK\5\6", "other", "zip"),
    (0, b"\x1f\x8b\x08", "other", "gzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "other", "7z"),
    (0, b"Rar!\x1a\7", "other", "rar"),
    (0, b"\x28\xb5\x2f\xfd", "other", "zstd"),
    (0, b"\xfd7zXZ\0", "other", "xz"),
)
# What has to stand before a mark at byte 8.
_BEFORE_MARKS = {"webp": (b"RIFF",), "wav": (b"RIFF", b"RF64"), "avi": (b"RIFF",), "aiff": (b"FORM",)}
# Brands of files in boxes that are pictures. Of one that says no more than "heif" its other brands are looked at.
_PICTURE_BRANDS: dict[bytes, str] = {
    **dict.fromkeys([b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"], "heic"),
    **dict.fromkeys([b"avif", b"avis"], "avif"),
    **dict.fromkeys([b"mif1", b"mif2", b"msf1"], "heif"),
    b"crx ": "cr3",
}
_SONG_BRANDS = (b"M4A ", b"M4B ", b"M4P ")
# What a MOV begins with that does not name its type.
_OLD_MOV = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
#: Boxes that hold pictures, sound and the index: without the end of one nothing can be played to its end.
_GREAT_BOXES = (b"mdat", b"moov")
_BITMAP_HEADERS = (12, 40, 52, 56, 64, 108, 124)

_HTML = re.compile(rb"<!doctype\s+html|\A<(?:html|head|body|title|meta|script|style|div|p|h1|center|a|table|form)\b")
_UNSEEN = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)
_FIRST_TAG = re.compile(rb"<(?:[a-z][\w.-]*:)?([a-z][\w.-]*)")
_CONTROLS = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")

#: FFmpeg's name of a format that is measured, by ours.
_MEASURED = {
    **dict.fromkeys(["mp4", "mov", "3gp", "m4a"], "mp4"),
    **{each: each for each in ("mp3", "wav", "aac", "flac", "ogg")},
}
#: Formats of pictures whose headers are read.
_SIZED = frozenset({"jpeg", "png", "gif", "tiff", "jp2", "webp", "bmp", "heic", "heif", "avif"})
#: Those of them with a header so plain that whoever cannot find the sides in it cannot read the picture.
_PLAIN = frozenset({"jpeg", "png", "gif", "webp", "bmp"})


def inspect(file: BinaryIO, *, size: int | None = None, cancelled: threading.Event | None = None) -> ReferenceFacts:
    """Return what a file is and what it measures.

    Hostile content never raises: `ReferenceFacts.unread` says what could not be read. Of a long MP3 or AAC that does
    not say how long it is the seconds are an estimate, which `unread` says too.

    Args:
        file: Where it stands does not matter. The top of this module says how little of it is read. What it
            raises when it is read, this raises.
        size: Number of its bytes, if it is known; else it is asked of the file.
        cancelled: Ends the reading within a moment.

    Raises:
        PreparationCancelled: The run was cancelled.

    Example:
        >>> page = inspect(io.BytesIO(b"<!DOCTYPE html><title>Please log in"))
        >>> page.kind, page.format, page.size
        ('other', 'html', 35)
    """
    window = _Window(file, size, cancelled or threading.Event())
    kind, form = recognized(window.head)
    start = 0
    if window.head.startswith(b"ID3"):
        kind, (start, form) = "audio", _behind_tags(window)
    facts = ReferenceFacts(kind, form, window.size)
    if not window.head:
        return replace(facts, unread="it is empty")
    if kind == "image":
        return _image(facts, window)
    if form in _MEASURED:
        return _container(facts, window.part_from(start), window.cancelled)
    if kind == "other":
        return facts
    return replace(facts, unread=f"files of the format {form} are not measured")


class _TooFar(Exception):
    """More of a picture would have to be read than is allowed."""


class _Window(PositionedReader):
    """A file of which the beginning is read once, and nothing once the run is cancelled.

    Attributes:
        head: Its beginning.
        failure: What reading the file raised.
        most_bytes, most_reads: What may be read beyond the head; None if it is limited elsewhere.
    """

    def __init__(
        self, file: BinaryIO, size: int | None, cancelled: threading.Event, *, start: int = 0, head: bytes | None = None
    ) -> None:
        super().__init__()
        self._file, self._start, self._stands = file, start, -1
        self.cancelled = cancelled
        self.failure: Exception | None = None
        self.most_bytes: int | None = None
        self.most_reads = _MOST_HEADER_READS
        if size is None:
            try:
                size = file.seek(0, os.SEEK_END)
            except (OSError, ValueError):  # it tells no end, and is read forward
                size = None
        self.size = size
        self.head = b""
        self.head = self._whole(0, _HEAD_BYTES) if head is None else head

    def part_from(self, start: int) -> _Window:
        """Return what follows a place, as a file of its own."""
        size = None if self.size is None else max(0, self.size - start)
        return _Window(self._file, size, self.cancelled, start=start, head=self.head[start:])

    def at(self, place: int, count: int) -> bytes:
        """Return so many bytes, or fewer at the end."""
        if place + count <= len(self.head):
            return self.head[place : place + count]
        return self._whole(place, count)

    def seekable(self) -> bool:
        return self.size is not None or self.most_bytes is not None  # of a picture the end is not asked for

    def _file_size(self) -> int | None:
        return self.size

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self.head[self._position : self._position + len(view)] or self._read(self._position, len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _whole(self, place: int, count: int) -> bytes:
        parts: list[bytes] = []
        while count > 0 and (part := self._read(place, count)):
            parts.append(part)
            place, count = place + len(part), count - len(part)
        return b"".join(parts)

    def _read(self, place: int, count: int) -> bytes:
        if place >= (_NOWHERE if self.size is None else self.size):
            return b""
        if self.cancelled.is_set():
            raise PreparationCancelled("the run was cancelled")
        if self.most_bytes is not None:
            self.most_bytes, self.most_reads = self.most_bytes - count, self.most_reads - 1
            if self.most_bytes < 0 or self.most_reads < 0:
                raise _TooFar("its header stands behind more than is read of a picture")
        try:
            if place + self._start != self._stands:
                self._file.seek(place + self._start)
            data = self._file.read(count)
        except Exception as error:
            self.failure = error
            raise
        self._stands = place + self._start + len(data)
        return data


# What it is.


def recognized(head: bytes) -> tuple[_Kind, str]:
    """Return what content is by its first bytes, and its format; see `ReferenceFacts`."""
    if head.startswith(b"ID3"):
        return "audio", "mp3"  # unless what follows says more, see `_behind_tags`
    if head[4:8] == b"ftyp":
        return _in_boxes(head)
    for place, mark, kind, form in _MARKS:
        if head.startswith(mark, place) and (not place or head.startswith(_BEFORE_MARKS[form])):
            return kind, form
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BITMAP_HEADERS:
        return "image", "bmp"
    if head[:4] == b"\x1aE\xdf\xa3":
        return "video", "webm" if b"webm" in head[:64] else "mkv"
    if head[:4] == b"OggS":
        return ("video", "ogv") if b"\x80theora" in head[:200] else ("audio", "ogg")
    if head[4:8] in _OLD_MOV:
        return "video", "mov"
    if len(head) > 376 and head[0] == head[188] == head[376] == 0x47:
        return "video", "ts"
    if form := _sound_frame(head):
        return "audio", form
    return "other", _text(head)


def _in_boxes(head: bytes) -> tuple[_Kind, str]:
    brand = head[8:12]
    if brand in _PICTURE_BRANDS:
        form = _PICTURE_BRANDS[brand]
        if form == "heif":
            end = min(int.from_bytes(head[:4], "big"), 256)
            others = (_PICTURE_BRANDS.get(head[place : place + 4], "") for place in range(16, end, 4))
            form = next((each for each in others if each not in ("", "heif")), form)
        return "image", form
    if brand in _SONG_BRANDS:
        return "audio", "m4a"
    if brand == b"qt  ":
        return "video", "mov"
    return "video", "3gp" if brand.startswith((b"3gp", b"3g2")) else "mp4"


def _sound_frame(head: bytes) -> str:
    """Return the format of sound that begins with one of its frames; "" if it does not."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return ""
    if head[1] & 0xF6 == 0xF0:
        return "aac" if head[2] >> 2 & 15 < 13 else ""
    version, layer, bits, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    return "mp3" if version != 1 and layer == 1 and bits not in (0, 15) and rate != 3 else ""


def _behind_tags(window: _Window) -> tuple[int, str]:
    """Return where the sound behind ID3 tags begins, and its format. A cover in them, of any size, is skipped."""
    place = 0
    for _ in range(_MOST_TAGS):
        tag = window.at(place, 10)
        if tag[:3] != b"ID3" or len(tag) < 10:
            break
        place += 10 + sum((each & 127) << 7 * (3 - number) for number, each in enumerate(tag[6:10]))
        place += 10 if tag[5] & 16 else 0
    kind, form = recognized(window.at(place, 4096).lstrip(b"\0"))
    return place, form if kind == "audio" else "mp3"


def _text(head: bytes) -> str:
    """Return what a text is, "text" if nothing more is known of it, and "" if it is not a text."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head[: len(head) // 2 * 2].decode("utf-16", "replace").encode()
    if _CONTROLS.search(head):
        return ""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(b"<"):
        start = _UNSEEN.sub(b"", start[:16384]).lstrip()
        first = _FIRST_TAG.search(start)
        if _HTML.search(start, 0, 1024) or (first and first[1] == b"html"):
            return "html"
        return "svg" if first and first[1] == b"svg" else "xml"
    if start.startswith((b"{", b"[")):
        return "json"
    try:
        head[:1024].decode()
    except UnicodeDecodeError as error:
        return "text" if start and error.start >= 1020 else ""  # a character that is cut in two
    return "text" if start else ""


# What it measures.


def _image(facts: ReferenceFacts, window: _Window) -> ReferenceFacts:
    if facts.format not in _SIZED:
        return replace(facts, unread=f"pictures of the format {facts.format} are not measured")
    window.most_bytes = _MOST_HEADER_BYTES
    try:
        width, height = _sides(facts.format, window)
    except PreparationCancelled:
        raise
    except _TooFar as error:
        return replace(facts, unread=str(error))
    except Exception:  # imagesize raises whatever broken numbers lead to
        if window.failure is not None:
            raise window.failure from None
        return _without_sides(facts, "its header is broken")
    if width <= 0 or height <= 0:
        return _without_sides(facts, "its header names no sides")
    return replace(facts, width=width, height=height, doubt=_end_missing(facts.format, window))


def _end_missing(form: str, window: _Window) -> str:
    """Return in words that a picture stops before its end; "" where it does not, or where that cannot be told cheaply.

    A file that was copied or downloaded half has a whole header. Bytes behind the end are common, for example the film
    of a moving photo: so a JPEG is in doubt only if its last bytes are those of its pixels.
    """
    size = window.size
    if size is None or form not in ("png", "jpeg", "webp"):
        return ""
    if form == "webp":
        told = int.from_bytes(window.head[4:8], "little") + 8
        return f"it is cut short: {size} of {told} bytes are there" if told > size else ""
    start = max(0, size - _TAIL_BYTES)
    window.most_bytes, window.most_reads = _TAIL_BYTES, _MOST_HEADER_READS
    try:
        tail = window.at(start, size - start)
    except PreparationCancelled:
        raise
    except Exception:  # its end is not in reach, and its header was
        return ""
    scan = tail.rfind(b"\xff\xda")
    if form == "png":
        has_end = b"IEND" in tail
    else:
        has_end = (start > 0 or scan >= 0) and bool(_JPEG_MARK.search(tail, scan + 2 if scan >= 0 else 0))
    return "" if has_end else "the mark of its end is missing"


def _without_sides(facts: ReferenceFacts, why: str) -> ReferenceFacts:
    return replace(facts, unread=why, damaged=why if facts.format in _PLAIN else "")


def _sides(form: str, window: _Window) -> tuple[int, int]:
    """Return the sides of a picture as it is shown.

    What imagesize does not do is done here: HEIF pictures, the short header of old bitmaps, sides of a GIF above 32767,
    and the turn that a PNG or a WebP asks for by EXIF.
    """
    head = window.head
    if form in ("heic", "heif", "avif"):
        return _heif_sides(_meta_box(window))
    if form == "bmp" and head[14] == 12:
        return int.from_bytes(head[18:20], "little"), int.from_bytes(head[20:22], "little")
    window.seek(0)
    width, height = _shown_by_imagesize(cast(BinaryIO, io.BufferedReader(window, _AT_ONCE_BYTES)))
    if form == "gif":
        return width % 65536, height % 65536
    exif = _exif_of_png(window) if form == "png" else _exif_of_webp(window) if form == "webp" else b""
    return (height, width) if exif and _upended(exif) else (width, height)


def _shown_by_imagesize(file: BinaryIO) -> tuple[int, int]:
    import imagesize  # pyright: ignore[reportMissingTypeStubs]

    # Not `get`, which takes a run that is cancelled for a broken header.
    info = imagesize.get_info(file, dpi=False, colors=False, channels=False)  # pyright: ignore[reportUnknownMemberType]
    return info.width, info.height


def _meta_box(window: _Window) -> bytes:
    """Return the box that tells of a HEIF picture, without its own head."""
    place = 0
    for _ in range(_MOST_BOXES):
        head = window.at(place, 16)
        wide = head[:4] == b"\0\0\0\1"
        size = int.from_bytes(head[8:16] if wide else head[:4], "big")
        if head[4:8] == b"meta" and size <= _MOST_META_BYTES:
            return window.at(place, size)[16 if wide else 8 :]
        if size < 8:
            break
        place += size
    raise ValueError("it has no box with the facts of its picture")


def _heif_sides(meta: bytes) -> tuple[int, int]:
    """Return the sides of the main picture of a HEIF file as it is shown: cropped and turned by its own properties.

    Read by hand, since imagesize 2.0 gives up every picture with the property `irot` (it takes the box for four bytes
    longer than it is), heeds EXIF, which does not turn such a picture, and goes through a table in which a few bytes
    can claim thousands of millions of entries.
    """
    inside = dict(_boxes(meta[4:]))
    main = inside[b"pitm"][4:]
    properties: list[tuple[bytes, bytes]] = []
    owned: list[int] = []
    for kind, body in _boxes(inside[b"iprp"]):
        if kind == b"ipco":
            properties += _boxes(body)
        elif kind == b"ipma":
            owned += _owned(body, int.from_bytes(main[: 2 if inside[b"pitm"][0] == 0 else 4], "big"))
    width = height = 0
    for number in owned:
        kind, body = properties[number - 1] if 0 < number <= len(properties) else (b"", b"")
        if kind == b"ispe":
            width, height = struct.unpack_from("!4xII", body)
        elif kind == b"clap":
            wide, of_wide, high, of_high = struct.unpack_from("!4I", body)
            width, height = wide // of_wide, high // of_high
        elif kind == b"irot" and body[-1] & 1:
            width, height = height, width
    return width, height


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the content of each box."""
    place = 0
    while place + 8 <= len(data):
        size, kind = struct.unpack_from("!I4s", data, place)
        if size < 8:
            break
        yield kind, data[place + 8 : place + size]
        place += size


def _owned(table: bytes, item: int) -> list[int]:
    """Return the numbers of the properties that an item has, as a box `ipma` tells them."""
    long_item, long_number = table[0] > 0, table[3] & 1
    place = 8
    for _ in range(int.from_bytes(table[4:8], "big")):
        owner = int.from_bytes(table[place : place + (4 if long_item else 2)], "big")
        place += 4 if long_item else 2
        end = place + 1 + table[place] * (2 if long_number else 1)
        if owner == item:
            numbers = table[place + 1 : end]
            if long_number:
                return [number & 0x7FFF for (number,) in struct.iter_unpack("!H", numbers)]
            return [number & 0x7F for number in numbers]
        place = end
    return []


def _exif_of_png(window: _Window) -> bytes:
    place = 8
    for _ in range(_MOST_BOXES):
        head = window.at(place, 8)
        if len(head) < 8 or head[4:] == b"IDAT":
            break
        size = int.from_bytes(head[:4], "big")
        if head[4:] == b"eXIf":
            return window.at(place + 8, min(size, _AT_ONCE_BYTES))
        place += 12 + size
    return b""


def _exif_of_webp(window: _Window) -> bytes:
    if window.head[12:16] != b"VP8X" or not window.head[20] & 8:
        return b""
    place = 12
    for _ in range(_MOST_BOXES):
        head = window.at(place, 8)
        if len(head) < 8:
            break
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"EXIF":
            return window.at(place + 8, min(size, _AT_ONCE_BYTES)).removeprefix(b"Exif\0\0")
        place += 8 + size + size % 2
    return b""


def _upended(exif: bytes) -> bool:
    """Return whether EXIF says that rows are shown as columns: read by imagesize, from a JPEG made of it alone."""
    segment = b"Exif\0\0" + exif
    jpeg = b"\xff\xd8\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + b"\xff\xc0\0\x08\x08\0\1\0\2\1"
    return _shown_by_imagesize(io.BytesIO(jpeg)) == (1, 2)


def _container(facts: ReferenceFacts, window: _Window, cancelled: threading.Event) -> ReferenceFacts:
    try:
        decoded = measure(cast(BinaryIO, window), _MEASURED[facts.format], cancelled)
    except PyAVMissing:
        why = "PyAV cannot be loaded; install the extra 'media' of prefect-seedance for it"
        return replace(facts, unread=why, unread_here=True)
    except NoDecoder as error:
        return replace(facts, unread=f"media cannot be measured here: {error}", unread_here=True)
    if cancelled.is_set():
        raise PreparationCancelled("the run was cancelled")
    if decoded.unreadable:
        raise decoded.unreadable
    measures = decoded.measures
    cut = _cut_short(window, measures is None) if _MEASURED[facts.format] == "mp4" else ""
    if measures is None:
        why = (
            f"its container cannot be read ({decoded.problem})" if decoded.problem else "nothing in it can be measured"
        )
        return replace(facts, unread=cut or why, damaged=cut)
    measured = _measured(facts, measures, decoded.problem)
    return replace(measured, doubt=cut)


def _cut_short(window: _Window, search: bool) -> str:
    """Return in words that a file in boxes ends before its end, or has no index; "" if it has all of its boxes.

    Args:
        window: The file.
        search: Whether also boxes behind what has been read are looked at.
    """
    place, kinds = 0, set[bytes]()
    for _ in range(_MOST_BOXES):
        if window.size is None or not (search or place + 16 <= len(window.head)):
            return ""
        head = window.at(place, 16)
        if len(head) < 8:
            break
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        size = int.from_bytes(head[8:16], "big") if size == 1 else size or window.size - place
        kinds.add(kind)
        if kind in _GREAT_BOXES and place + size > window.size:
            return f"it is cut short: {window.size} of at least {place + size} bytes are there"
        if size < 8:
            return ""
        place += size
    else:
        return ""
    return "" if kinds & {b"moov", b"moof"} else "it is cut short: its index is missing"


def _measured(facts: ReferenceFacts, found: Measures, problem: str) -> ReferenceFacts:
    kind, form = facts.kind, facts.format
    if _MEASURED[form] == "mp4" and (found.pictures or found.sound):
        kind = "video" if found.pictures else "audio"
        form = {("video", "m4a"): "mp4", ("audio", "mp4"): "m4a"}.get((kind, form), form)
    unread = f"its pictures cannot be decoded: {problem}" if problem else ""
    if not found.seconds:
        unread = unread or "it does not say how long it is"
    elif found.estimated:
        unread = unread or "it does not say how long it is, so its length is an estimate"
    return replace(
        facts,
        kind=kind,
        format=form,
        width=found.width,
        height=found.height,
        seconds=found.seconds,
        frames_per_second=round(found.frames_per_second, 3),
        unread=unread,
    )
