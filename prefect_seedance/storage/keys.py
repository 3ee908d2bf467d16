"""The names that are allowed inside a store, the same for a folder and for S3.

A key is a relative path with `/` between its segments. Segments that start with a dot are refused: that rules
out `.` and `..`, and leaves `.tmp`, `.lock` and `.clock` of the folder store to itself.
"""

from __future__ import annotations

import unicodedata

from prefect_seedance.storage.errors import BadKey

#: Where what came in the place of a video is kept.
QUARANTINE = "quarantine/"

# S3 allows 1024 bytes for the whole key; the rest is room for the prefix of the store's location.
LONGEST_KEY_BYTES = 800
# The limit of ext4, xfs, btrfs, APFS and NTFS (there in UTF-16 units, which never are more than the bytes).
LONGEST_SEGMENT_BYTES = 255

# Control characters, lone surrogates, line and paragraph separators.
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


def check_key(key: str) -> str:
    """Return the key unchanged if it can be used in every store.

    Raises:
        BadKey: It cannot; the message says why.

    Example:
        >>> check_key("videos/2026-11/abc.mp4")
        'videos/2026-11/abc.mp4'
    """
    _check_text(key)
    _check_segments(key, key.split("/"))
    return key


def check_prefix(prefix: str) -> str:
    """Return the prefix unchanged: empty, or the beginning of a key (`journal/`, `journal/ab`).

    Raises:
        BadKey: It cannot; the message says why.
    """
    _check_text(prefix)
    segments = prefix.split("/")
    _check_segments(prefix, segments[:-1] if segments[-1] == "" else segments)
    return prefix


def _check_text(text: str) -> None:
    if "\\" in text:
        raise BadKey(text, "it has a backslash")
    # What is printable has none of them, and that is known at once: a listing checks each key of it.
    if not text.isprintable() and any(unicodedata.category(each) in _FORBIDDEN_CATEGORIES for each in text):
        raise BadKey(text, "it has a control character")
    if len(text.encode()) > LONGEST_KEY_BYTES:
        raise BadKey(text, f"it is longer than {LONGEST_KEY_BYTES} bytes")


def _check_segments(text: str, segments: list[str]) -> None:
    for segment in segments:
        if not segment:
            raise BadKey(text, "it is empty, absolute, or has an empty part between slashes")
        if segment.startswith("."):
            raise BadKey(text, "a part of it starts with a dot")
        if len(segment.encode()) > LONGEST_SEGMENT_BYTES:
            raise BadKey(text, f"a part of it is longer than {LONGEST_SEGMENT_BYTES} bytes")
