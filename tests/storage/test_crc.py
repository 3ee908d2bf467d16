from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from prefect_seedance.storage.crc import joined_crc32


@given(st.lists(st.binary(max_size=3000), max_size=5))
def test_the_crc_of_pieces_is_the_crc_of_the_whole(pieces: list[bytes]) -> None:
    crc32 = 0
    for piece in pieces:
        crc32 = joined_crc32(crc32, zlib.crc32(piece), len(piece))
    assert crc32 == zlib.crc32(b"".join(pieces))


def test_long_pieces_are_joined_as_well() -> None:
    first, second = bytes(8 * 1024 * 1024), b"\xff" * 5_000_001
    assert joined_crc32(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)
