"""Whether this is an MP4 or MOV video, and all of it: by its bytes, not by its name or type."""

from __future__ import annotations

# Brands of the same container that are pictures or sound: HEIF, AVIF, iTunes audio.
_OTHER_BRANDS = frozenset({b"heic", b"heix", b"heim", b"hevc", b"mif1", b"msf1", b"avif", b"avis", b"M4A ", b"M4B "})
_QUICKTIME_BRAND = b"qt  "
# What an older MOV file begins with, which does not name its type. It is a video if its boxes say so in the end.
_QUICKTIME_BEGINNINGS = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})

_LOOKS = (
    (b"\x1aE\xdf\xa3", "a WebM or Matroska file"),
    (b"RIFF", "an AVI, WAV or WebP file"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"\x1f\x8b", "a gzip file without a video in it"),
    (b"<?xml", "an XML text, such as a storage service's error"),
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<", "a text with angle brackets, such as HTML or XML"),
    (b"{", "a JSON text"),
)


def video_type(head: bytes) -> str:
    """Return the media type of an MP4 or MOV file by its first bytes, or empty text if it is neither.

    Example:
        >>> video_type(bytes([0, 0, 0, 24]) + b"ftypisom")
        'video/mp4'
        >>> video_type(b"<html>")
        ''
    """
    if len(head) >= 12 and head[4:8] in _QUICKTIME_BEGINNINGS:
        return "video/quicktime"
    if len(head) < 12 or head[4:8] != b"ftyp":
        return ""
    brand = head[8:12]
    if brand in _OTHER_BRANDS:
        return ""
    return "video/quicktime" if brand == _QUICKTIME_BRAND else "video/mp4"


def looks_like(head: bytes) -> str:
    """Return what the first bytes look like, for a message; they may hold secrets and are not shown."""
    if not head:
        return "nothing"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower() or head
    if start[4:8] == b"ftyp":
        return "a picture or sound file in an MP4 container"
    return next((words for mark, words in _LOOKS if start.startswith(mark.lower())), "something unknown")


def is_page(head: bytes) -> bool:
    """Return whether this begins like a text for people or programs, such as the page of another site.

    Example:
        >>> is_page(b"<!DOCTYPE html><title>Welcome"), is_page(bytes([0, 0, 0, 24]) + b"ftypisom")
        (True, False)
    """
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<", b"{"))


# What stands before the pictures of a fragment, and so is never the last of a video.
_BEFORE_PICTURES = frozenset({b"moof", b"styp", b"sidx", b"ssix", b"emsg", b"prft"})
# What stands at the top of an MP4 or MOV file, and matters. Anything else there may be junk.
_BOXES = _BEFORE_PICTURES | {b"ftyp", b"moov", b"mdat", b"mfra", b"free", b"skip", b"wide", b"uuid", b"meta"}


class BoxWalk:
    """Follows the top-level boxes of an MP4 as its bytes pass by, in constant memory.

    A host that tells no size and closes the connection cannot be told from one that broke off, and one that tells a
    size may itself have only the beginning. The file can: its boxes carry their sizes, and among them have to be the
    index (`moov`) and the pictures (`mdat`). What stands behind them and is not a box does no harm.
    """

    def __init__(self) -> None:
        self._header = bytearray()
        self._skip: int | None = 0  # bytes to the next header; None: the last box, or junk, runs to the end
        self._kind = b""
        self._kinds: set[bytes] = set()

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        view = memoryview(data)
        while view and self._skip is not None:
            if self._skip:
                step = min(self._skip, len(view))
                self._skip -= step
            else:
                step = min(self._wanted() - len(self._header), len(view))
                self._header += view[:step]
                if len(self._header) == self._wanted():
                    self._enter_box()
            view = view[step:]

    @property
    def whole(self) -> bool:
        """Whether index and pictures are there, and no box that matters says that more should have come."""
        if not {b"moov", b"mdat"} <= self._kinds:
            return False
        # Of a video in fragments, what begins here would be the next one, unless it is a line break.
        begun = bool(self._header) and not self._header.isspace()
        cut_off = b"moof" in self._kinds and (begun or self._kind in _BEFORE_PICTURES)
        return not cut_off and not (self._skip and self._kind in _BOXES)

    def _wanted(self) -> int:
        # A size of 1 means that the real one follows, in eight bytes.
        return 16 if bytes(self._header[:4]) == b"\0\0\0\1" else 8

    def _enter_box(self) -> None:
        size = int.from_bytes(self._header[:4], "big")
        header_bytes = len(self._header)
        if size == 1:
            size = int.from_bytes(self._header[8:16], "big")
        self._kind = bytes(self._header[4:8])
        self._kinds |= {self._kind} & _BOXES
        self._header.clear()
        # What is smaller than its own header is not a box.
        self._skip = size - header_bytes if size >= header_bytes else None
