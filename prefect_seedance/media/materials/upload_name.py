"""The name under which content is uploaded: the vendor's upload looks at the suffix, and the suffix must be true."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from prefect_seedance.media.inspection import recognized

#: So many first bytes tell the type.
HEAD_BYTES = 1024
_UNKNOWN = ".bin"
_LONGEST_STEM = 60

#: Suffixes of formats that are not called like them.
_SUFFIXES = {"jpeg": ".jpg", "3gp": ".mp4"}


def suffix_of(head: bytes) -> str:
    r"""Return the suffix that fits content by its first bytes; ``.bin`` where they tell of no medium.

    Example:
        >>> suffix_of(b"\x89PNG\r\n\x1a\n"), suffix_of(bytes([0, 0, 0, 24]) + b"ftypM4A "), suffix_of(b"<html>")
        ('.png', '.m4a', '.bin')
    """
    kind, form = recognized(head)
    return _UNKNOWN if kind == "other" and form != "svg" else _SUFFIXES.get(form, f".{form}")


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
