"""Bodies that come compressed although nobody asked for it, unpacked piece by piece, in bounded memory and time.

Gateways and media hosts are asked for bytes as they are, and some compress all the same. What they say of it proves
nothing: labels stand on plain bytes, and are missing on compressed ones. So the first bytes decide. Only a bare
deflate, which begins like anything, is taken for one because of its label.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Generator, Iterator

# As much as is unpacked at once.
_PIECE_BYTES = 64 * 1024
# Gateways pack what was packed already. Whoever packs more than twice means harm.
_MOST_LAYERS = 2
_GZIP_MARK = b"\x1f\x8b"
# 15 is the largest window; zlib adds these numbers to it for the three forms.
_GZIP, _ZLIB, _BARE = 15 + 16, 15, -15
# The first box of an MP4 is named in its second four bytes.
_FTYP_END = 8
# How plain texts and MP4 files begin, whatever the label says.
_PLAIN_TEXT = re.compile(rb"[\s\0\xef\xbb\xbf]*[{\[<\"]")


class UnpackedTooLong(Exception):
    """More than the allowed number of bytes came of it."""


class DamagedPacking(Exception):
    """It cannot be unpacked any further; what came before was yielded."""


class Unpacker:
    """Unpacks a body of gzip or deflate, also twice; anything else passes as it is.

    Args:
        label: Its Content-Encoding, right or wrong.
        most_bytes: How many bytes each layer may unpack to.

    Example:
        >>> import gzip
        >>> unpacker = Unpacker("identity", 1000)
        >>> b"".join(unpacker.feed(gzip.compress(b"paper boat"))), unpacker.is_packed
        (b'paper boat', True)
    """

    def __init__(self, label: str, most_bytes: int) -> None:
        named = "deflate" in re.split(r"[\s,]+", label.lower())
        self._layers = [_Layer(named and not number, most_bytes) for number in range(_MOST_LAYERS)]

    @property
    def is_packed(self) -> bool:
        """Whether the bytes that came are not those of the content."""
        return self._layers[0].is_packed

    @property
    def is_whole(self) -> bool:
        """Whether everything that was packed came to its end, checksum included."""
        return all(layer.is_whole for layer in self._layers)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what comes of the next bytes.

        Raises:
            UnpackedTooLong: It is too much.
            DamagedPacking: It cannot be unpacked.
        """
        return self._through(data, 0)

    def finish(self) -> Iterator[bytes]:
        """Yield what was held back, as too little to decide on, once there is no more."""
        for number, layer in enumerate(self._layers):
            yield from self._through(layer.held_back(), number + 1)

    def _through(self, data: bytes, number: int) -> Iterator[bytes]:
        if number == _MOST_LAYERS:
            if data:
                yield data
            return
        for piece in self._layers[number].feed(data):
            yield from self._through(piece, number + 1)


class _Layer:
    def __init__(self, may_be_bare: bool, most_bytes: int) -> None:
        self._may_be_bare, self._most_bytes = may_be_bare, most_bytes
        self._held = b""
        self._form: int | None = None
        self._is_decided = self._is_over = False
        self._stream = zlib.decompressobj()
        self._count = 0

    @property
    def is_packed(self) -> bool:
        return self._form is not None

    @property
    def is_whole(self) -> bool:
        return self._form is None or self._stream.eof

    def held_back(self) -> bytes:
        held, self._held = self._held, b""
        return b"" if self._is_decided else held

    def feed(self, data: bytes) -> Iterator[bytes]:
        data, self._held = self._held + data, b""
        while data and not self._is_over:
            if self._form is None and self._is_decided:
                yield self._counted(data)
                return
            if not self._is_decided or self._stream.eof:
                if len(data) < (_FTYP_END if self._may_be_bare and not self._is_decided else len(_GZIP_MARK)):
                    self._held = data
                    return
                self._begin(data)
                continue
            data = yield from self._unpack(data)

    def _begin(self, data: bytes) -> None:
        """Decide on a beginning, or on what stands behind the end of one: another member of a gzip, or junk."""
        form = _form_of(data, self._may_be_bare)
        if self._is_decided and (form != _GZIP or self._form != _GZIP):
            self._is_over = True
            return
        self._form, self._is_decided = form, True
        if form is not None:
            self._stream = zlib.decompressobj(form)

    def _unpack(self, data: bytes) -> Generator[bytes, None, bytes]:
        """Yield what comes of these bytes, and return those behind the end."""
        stream, piece = self._stream, b""
        while data or len(piece) == _PIECE_BYTES:
            before = stream.copy()
            try:
                piece = stream.decompress(data, _PIECE_BYTES)
            except zlib.error as error:
                yield self._counted(_until_damage(before.decompress, data))
                raise DamagedPacking(f"compressed, and damaged: {error}") from error
            if piece:
                yield self._counted(piece)
            if stream.eof:
                return stream.unused_data
            data = stream.unconsumed_tail
        return b""

    def _counted(self, piece: bytes) -> bytes:
        room = self._most_bytes - self._count
        self._count += len(piece)
        if len(piece) > room:
            raise UnpackedTooLong(f"more than {self._most_bytes} bytes came of it")
        return piece


def _form_of(head: bytes, may_be_bare: bool) -> int | None:
    if head.startswith(_GZIP_MARK):
        return _GZIP
    if not may_be_bare or _PLAIN_TEXT.match(head) or head[4:_FTYP_END] == b"ftyp":
        return None
    return _ZLIB if head[0] & 0x0F == 8 and int.from_bytes(head[:2], "big") % 31 == 0 else _BARE


def _until_damage(decompress: Callable[[bytes], bytes], data: bytes) -> bytes:
    """Return what comes of the bytes before the one on which the stream breaks."""
    unpacked = bytearray()
    try:
        for start in range(len(data)):
            unpacked += decompress(data[start : start + 1])
    except zlib.error:
        pass
    return bytes(unpacked)
