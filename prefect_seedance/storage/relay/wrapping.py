"""What a video may be wrapped in where a host sends, or keeps, other bytes than those of the file.

The first bytes decide. Labels such as `Content-Encoding` stand on plain bytes too, and what a store was once sent in
signed chunks some of them keep with the signatures inside. A video that nobody can ask for again is unwrapped; what is
not a video, wrapped or not, is left as it came.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial

from prefect_seedance.storage.errors import SourceError, SourceTooLarge, TruncatedSource
from prefect_seedance.storage.relay.file_type import video_type
from prefect_seedance.unpacking import DamagedPacking, UnpackedTooLong, Unpacker

#: Takes the pieces of something wrapped, and yields those of what is in it.
Unwrap = Callable[[Iterable[bytes]], Iterator[bytes]]

_MOST_WRAPPINGS = 2
_HEAD_BYTES = 64
# The signed streams of S3: `10000;chunk-signature=...`, or the size alone where only a checksum follows.
_CHUNK_HEAD = re.compile(rb"([0-9a-fA-F]{1,12})(?:;[\x20-\x7e]{0,200})?\r\n")
_LONGEST_CHUNK_HEAD = 256


def unwrapping_of(head: bytes, label: str, most_bytes: int) -> tuple[Unwrap, ...]:
    """Return what has to be done, in order, to get at a video that begins like this; nothing if it is one, or none.

    Args:
        head: Its first bytes.
        label: Its Content-Encoding, whatever it says.
        most_bytes: More than this is not unpacked.

    Example:
        >>> import gzip
        >>> video = bytes([0, 0, 0, 24]) + b"ftypisom" + bytes(100)
        >>> len(unwrapping_of(video, "gzip", 1000)), len(unwrapping_of(gzip.compress(video), "", 1000))
        (0, 1)
    """
    unpacked = partial(_unpacked, label=label, most_bytes=most_bytes)
    return _ways_in(head, (unpacked, _without_chunk_heads), _MOST_WRAPPINGS) or ()


def unwrapped(pieces: Iterable[bytes], unwrapping: Iterable[Unwrap]) -> Iterator[bytes]:
    """Yield the pieces of what is in the wrapping.

    Raises:
        TruncatedSource: It ends too early, or is damaged.
        SourceTooLarge: More comes of it than is allowed.
    """
    for unwrap in unwrapping:
        pieces = unwrap(pieces)
    return iter(pieces)


def _ways_in(head: bytes, known: tuple[Unwrap, ...], most: int) -> tuple[Unwrap, ...] | None:
    if video_type(head):
        return ()
    for unwrap in known if most else ():
        further = _ways_in(_beginning(unwrap((head,))), known, most - 1)
        if further is not None:
            return (unwrap, *further)
    return None


def _beginning(pieces: Iterator[bytes]) -> bytes:
    head = b""
    with suppress(SourceError):
        for piece in pieces:
            head += piece
            if len(head) >= _HEAD_BYTES:
                break
    return head


def _unpacked(pieces: Iterable[bytes], label: str, most_bytes: int) -> Iterator[bytes]:
    unpacker, count = Unpacker(label, most_bytes), 0
    try:
        for piece in pieces:
            for unpacked in unpacker.feed(piece):
                count += len(unpacked)
                yield unpacked
    except DamagedPacking as error:
        raise TruncatedSource(count, None) from error
    except UnpackedTooLong as error:
        raise SourceTooLarge(most_bytes + 1, most_bytes) from error
    if not unpacker.is_whole:
        raise TruncatedSource(count, None)


def _without_chunk_heads(pieces: Iterable[bytes]) -> Iterator[bytes]:
    buffer, left, count = bytearray(), 0, 0
    for piece in pieces:
        buffer += piece
        while buffer:
            if left:
                part = bytes(buffer[:left])
                del buffer[:left]
                left -= len(part)
                count += len(part)
                yield part
                continue
            # The line break behind a chunk belongs to the next one's head; the first has none.
            start = 2 if count and buffer.startswith(b"\r\n") else 0
            found = _CHUNK_HEAD.match(buffer, start)
            if found is None:
                if len(buffer) > _LONGEST_CHUNK_HEAD:
                    raise TruncatedSource(count, None)
                break
            left = int(found[1], 16)
            if not left:  # the last one; what follows are checksums
                return
            del buffer[: found.end()]
    raise TruncatedSource(count, None)
