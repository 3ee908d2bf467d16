"""The name under which content is uploaded: the vendor's upload looks at the suffix, and the suffix must be true."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from prefect_seedance.storage.relay.file_type import video_type

#: So many first bytes tell the type.
HEAD_BYTES = 1024
_UNKNOWN = ".bin"
_LONGEST_STEM = 60

#: What content begins with, and its suffix. Those that the vendor does not take (.heic, .tiff) are said as they are.
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF87a", ".gif"),
    (b"GIF89a", ".gif"),
    (b"II*\0", ".tiff"),
    (b"MM\0*", ".tiff"),
    (b"BM", ".bmp"),
    (b"FLV\1", ".flv"),
    (b"fLaC", ".flac"),
    (b"OggS", ".ogg"),
    (b"ID3", ".mp3"),
)
_RIFF = {b"WEBP": ".webp", b"WAVE": ".wav", b"AVI ": ".avi"}
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"hevc", b"mif1", b"msf1"), ".heic"),
    **dict.fromkeys((b"avif", b"avis"), ".avif"),
    **dict.fromkeys((b"M4A ", b"M4B "), ".m4a"),
    b"M4V ": ".m4v",
}
_SVG = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg[\s>]", re.DOTALL)
_VIDEOS = {"video/mp4": ".mp4", "video/quicktime": ".mov"}


def suffix_of(head: bytes) -> str:
    r"""Return the suffix that fits content by its first bytes; ``.bin`` where they do not tell.

    Example:
        >>> suffix_of(b"\x89PNG\r\n\x1a\n"), suffix_of(bytes([0, 0, 0, 24]) + b"ftypM4A "), suffix_of(b"<html>")
        ('.png', '.m4a', '.bin')
    """
    if head[4:8] == b"ftyp" and head[8:12] in _BRANDS:
        return _BRANDS[head[8:12]]
    if video := video_type(head):
        return _VIDEOS[video]
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], _UNKNOWN)
    if head[:4] == b"\x1aE\xdf\xa3":
        return ".webm" if b"webm" in head[:64] else ".mkv"
    found = next((suffix for beginning, suffix in _BEGINNINGS if head.startswith(beginning)), "")
    return found or _by_frame(head) or (".svg" if _SVG.match(head) else _UNKNOWN)


def _by_frame(head: bytes) -> str:
    """Tell MP3 from AAC where a file begins with a frame: eleven bits are set, and two say which layer."""
    if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return ""
    layer = head[1] & 0x06
    return ".mp3" if layer else ".aac" if head[1] & 0xF0 == 0xF0 else ""


def upload_name(given: str, head: bytes) -> str:
    r"""Return a file name of plain letters, with the suffix that fits the content.

    Args:
        given: The name that it has, or its key.
        head: Its first bytes.

    Example:
        >>> upload_name("fotos/Mein Becher.PNG", b"\xff\xd8\xff\xe0")
        'Mein-Becher.jpg'
    """
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", PurePosixPath(given).stem).strip("-")
    return (stem[:_LONGEST_STEM] or "reference") + suffix_of(head)
