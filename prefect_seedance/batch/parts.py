"""Which part of a manifest makes a video: told by the video's identity alone, so that all runs agree."""

from __future__ import annotations


def is_in_part(intent: str, part: tuple[int, int]) -> bool:
    """Return whether a video belongs to a part: to exactly one of 1/n to n/n, however the rows are sorted or edited.

    Args:
        intent: Identity of the video.
        part: Which part of how many, counted from 1; see `BatchOptions.part_of`.

    Example:
        >>> [part for part in range(1, 9) if is_in_part("2e5b2ced3957ef68973738a4277cb3f2", (part, 8))]
        [3]
    """
    number, parts = part
    return int(intent, 16) % parts == number - 1


def is_invalid_row_in_part(row: int, part: tuple[int, int]) -> bool:
    """Return whether a part reports an invalid row, which has no identity to go by: again exactly one does.

    Args:
        row: Number of the row.
        part: Which part of how many, counted from 1.
    """
    number, parts = part
    return row % parts == number - 1
