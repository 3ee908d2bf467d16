"""The CRC32 of two pieces put together, from the CRC32 of each. zlib can do it; Python's zlib does not offer it."""

from __future__ import annotations

_POLYNOMIAL = 0xEDB88320  # reflected, as zlib has it


def joined_crc32(first: int, second: int, second_bytes: int) -> int:
    """The CRC32 of a piece and a second one that follows it.

    Args:
        first: CRC32 of the first piece.
        second: CRC32 of the second piece.
        second_bytes: length of the second piece.

    Example:
        >>> import zlib
        >>> joined_crc32(zlib.crc32(b"to"), zlib.crc32(b"gether"), 6) == zlib.crc32(b"together")
        True
    """
    return _product(_power(8 * second_bytes), first) ^ second


def _product(left: int, right: int) -> int:
    """Of two polynomials over GF(2), modulo the CRC's own. The highest bit is the lowest power."""
    result, bit = 0, 1 << 31
    while left:
        if left & bit:
            result ^= right
            left ^= bit
        bit >>= 1
        right = (right >> 1) ^ _POLYNOMIAL if right & 1 else right >> 1
    return result


def _power(exponent: int) -> int:
    """X to this power, modulo the CRC's polynomial, by repeated squaring."""
    result, square = 1 << 31, 1 << 30
    while exponent:
        if exponent & 1:
            result = _product(result, square)
        square = _product(square, square)
        exponent >>= 1
    return result
