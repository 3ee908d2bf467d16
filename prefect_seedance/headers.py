"""Numbers and moments in an answer's headers, for everything here that speaks HTTP.

A header is a stranger's text, with thousands of digits or a year that no calendar has. Nothing here raises on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: What a larger number is read as: above every size and every pause, and far below what an `int` or a clock takes.
LARGEST_NUMBER = 10**15
_LONGEST_PAUSE_SECONDS = 1e9
_LONGEST_DATE = 100


def whole_number(text: str) -> int | None:
    """Read a number that is written in digits alone, cut at `LARGEST_NUMBER`; None for any other text.

    Python refuses to read an integer of more than 4,300 digits, so the length is looked at first.

    Example:
        >>> whole_number("0042"), whole_number("9" * 5000) == LARGEST_NUMBER, whole_number("-1")
        (42, True, None)
    """
    if re.fullmatch("[0-9]+", text) is None:
        return None
    digits = text.lstrip("0")
    return int(digits or "0") if len(digits) <= 15 else LARGEST_NUMBER


def retry_after_seconds(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Read how long the server asks to wait: ``retry-after-ms``, else ``retry-after`` as seconds or a date.

    Args:
        headers: The answer's headers, in any case.
        now: What a date is compared with; by default the server's own ``Date``, else this machine's clock.

    Returns:
        Seconds, at least 0; None if it does not ask, or not in a form that can be read.

    Example:
        >>> retry_after_seconds({"Retry-After": "7"})
        7.0
    """
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    milliseconds = _plain_number(lower.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    asked = lower.get("retry-after", "")
    seconds = _plain_number(asked)
    if seconds is not None:
        return seconds
    moment = http_date(asked)
    if moment is None:
        return None
    start = now or http_date(lower.get("date", "")) or datetime.now(UTC)
    return max(0.0, (moment - start).total_seconds())


def _plain_number(text: str) -> float | None:
    # `float` reads any number of digits; the limit keeps a silly one finite and is far above every cap.
    readable = re.fullmatch(r"[0-9]+(\.[0-9]+)?", text)
    return min(float(text), _LONGEST_PAUSE_SECONDS) if readable else None


def http_date(text: str) -> datetime | None:
    """Read a moment as ``Date`` and ``Last-Modified`` write it; None for any other text."""
    if len(text) > _LONGEST_DATE:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, LookupError, AttributeError):  # by the parts that are missing
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
