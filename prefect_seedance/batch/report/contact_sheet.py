"""One picture of many posters, for a page that shows a batch at a glance."""

from __future__ import annotations

from collections.abc import Sequence

from prefect_seedance.storage.relay.poster import contact_sheet_jpeg


def contact_sheet(thumbnails: Sequence[bytes]) -> bytes | None:
    """Return thumbnails as one JPEG: at most 100 of them, spread over all, and at most 300 kB. None without any.

    Args:
        thumbnails: In the order in which they are shown.

    Example:
        >>> contact_sheet([]) is None
        True
    """
    return contact_sheet_jpeg(spread(thumbnails))


def spread(thumbnails: Sequence[bytes], most: int = 100) -> list[bytes]:
    """Return at most so many, from the first to the last.

    Example:
        >>> spread([b"a", b"b", b"c", b"d", b"e"], 3)
        [b'a', b'c', b'e']
    """
    if len(thumbnails) <= most:
        return [*thumbnails]
    return [thumbnails[round(number * (len(thumbnails) - 1) / (most - 1))] for number in range(most)]
