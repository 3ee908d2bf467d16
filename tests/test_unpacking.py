"""What comes compressed is unpacked by its first bytes, whatever its label says, and never without a limit."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_seedance.unpacking import DamagedPacking, UnpackedTooLong, Unpacker

TEXT = b'{"code": 20000, "data": {"task_id": "videos_1"}}' * 20
MOST = 1024 * 1024


def bare(data: bytes) -> bytes:
    return zlib.compress(data)[2:-4]


def unpacked(data: bytes, label: str = "", step: int = 65536, most: int = MOST) -> tuple[bytes, Unpacker]:
    unpacker = Unpacker(label, most)
    pieces = [piece for start in range(0, len(data), step) for piece in unpacker.feed(data[start : start + step])]
    return b"".join([*pieces, *unpacker.finish()]), unpacker


PACKED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "gzip in capitals": ("GZIP", gzip.compress),
    "gzip of no label": ("", gzip.compress),
    "gzip under another label": ("aws-chunked, identity", gzip.compress),
    "gzip in members": ("gzip", lambda data: gzip.compress(data[:99]) + gzip.compress(b"") + gzip.compress(data[99:])),
    "gzip before junk": ("gzip", lambda data: gzip.compress(data) + b"\r\n<!-- cached -->"),
    "gzip twice": ("gzip, gzip", lambda data: gzip.compress(gzip.compress(data))),
    "deflate": ("deflate", zlib.compress),
    "bare deflate": ("Deflate", bare),
    "deflate in gzip": ("deflate, gzip", lambda data: gzip.compress(data)),
}
PLAIN = ["", "gzip", "deflate", "br", "identity", "none", "UTF-8", "binary", "7bit", "aws-chunked", ",,", "gzip, gzip"]


@pytest.mark.parametrize(("label", "pack"), PACKED.values(), ids=PACKED.keys())
@pytest.mark.parametrize("step", [1, 7, 65536])
def test_what_is_compressed_is_unpacked(label: str, pack: Callable[[bytes], bytes], step: int) -> None:
    found, unpacker = unpacked(pack(TEXT), label, step)
    assert found == TEXT
    assert unpacker.is_packed and unpacker.is_whole


@pytest.mark.parametrize("label", PLAIN)
@pytest.mark.parametrize("data", [TEXT, b" \r\n" + TEXT, b"\xef\xbb\xbf" + TEXT, b"{", b"", b"\x1f", b"<html>"])
def test_what_is_plain_passes_whatever_its_label_says(label: str, data: bytes) -> None:
    for step in (1, 65536):
        found, unpacker = unpacked(data, label, step)
        assert found == data
        assert not unpacker.is_packed


@given(st.binary(max_size=300), st.sampled_from(PLAIN), st.integers(1, 50))
def test_no_bytes_raise_anything_else(data: bytes, label: str, step: int) -> None:
    with suppress(DamagedPacking):
        unpacked(data, label, step)


@given(st.integers(0, 200), st.integers(1, 50))
def test_what_came_before_the_end_is_kept(length: int, step: int) -> None:
    packed = gzip.compress(bytes(range(256)) * 3)
    found, unpacker = unpacked(packed[:length], "gzip", step)
    assert length < 2 or not unpacker.is_whole
    assert length < 2 or (bytes(range(256)) * 3).startswith(found)


def test_what_came_before_the_damage_is_kept() -> None:
    packed = bytearray(gzip.compress(TEXT))
    packed[-6] ^= 0xFF  # in the checksum
    pieces: list[bytes] = []
    with pytest.raises(DamagedPacking):
        for piece in Unpacker("gzip", MOST).feed(bytes(packed)):
            pieces.append(piece)
    assert b"".join(pieces) == TEXT


def bomb() -> bytes:
    return gzip.compress(gzip.compress(bytes(300 * MOST)))


def nothing_but_a_name() -> bytes:
    """Of its outer layer come 300 MiB that are the name of a file in the head of the inner one: nothing comes of it."""
    return gzip.compress(b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * (300 * MOST))


@pytest.mark.parametrize("harmful", [bomb, nothing_but_a_name])
def test_a_bomb_ends_at_the_limit(harmful: Callable[[], bytes]) -> None:
    unpacker, count = Unpacker("gzip, gzip", MOST), 0
    with pytest.raises(UnpackedTooLong):
        for piece in unpacker.feed(harmful()):
            assert len(piece) <= 65536
            count += len(piece)
    assert count <= MOST
