"""The values that options are parsed into. A text that is not valid is refused before anything is done."""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from datetime import UTC, date, datetime, time

_SPAN_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
_LONGEST_LINK_SECONDS = 7 * 86_400  # S3 signs for no longer


def day(text: str) -> datetime:
    """Return the beginning of a day, by UTC."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a day, such as 2026-11-22") from None


def count(text: str) -> int:
    """Return a whole number from 1 on."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or not int(text):
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1 to 999999999")
    return int(text)


def span(text: str) -> int:
    """Return how long a link lives, in seconds, of a text such as 12h or 1d."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", text, re.ASCII)
    seconds = int(found[1]) * _SPAN_SECONDS[found[2]] if found else 0
    if not 0 < seconds <= _LONGEST_LINK_SECONDS:
        raise ArgumentTypeError(f"{text!r} is not a time such as 30m, 12h or 1d, of at most 7d")
    return seconds


def hours(text: str) -> int:
    """Return how long a link lives, in seconds, of a number of hours.

    Example:
        >>> hours("1"), hours("0.5")
        (3600, 1800)
    """
    try:
        seconds = float(text) * 3600 if text.isascii() else math.nan
    except ValueError:
        seconds = math.nan
    if not 1 <= seconds <= _LONGEST_LINK_SECONDS:
        raise ArgumentTypeError(f"{text!r} is not a number of hours that S3 signs a link for, up to 168 (seven days)")
    return int(seconds)


def seconds(text: str) -> float:
    """Return a length of time, from 0 on."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds")
    return found
