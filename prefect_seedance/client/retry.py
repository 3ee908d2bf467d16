"""When to send a call again, and when to stop: pure decisions, the clients only sleep.

This is for calls that buy nothing. Creates have rules of their own, in ``submission.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from prefect_seedance.client.errors import (
    ApiError,
    ConnectionFailed,
    RateLimited,
    SeedanceError,
    UnexpectedAnswer,
    VendorBusy,
)

# A server that wants more than this is not having a hiccup: give up, say so, and let the caller decide.
MAX_SERVER_DELAY_SECONDS = 120.0
# With the delays below: about half a minute of trouble is bridged, more is the business of whoever polls.
CALL_TRIES = 5
# For lost connections and gateway pages, which pass quickly.
FIRST_DELAY_SECONDS = 1.0
# For a vendor that is busy or counts our requests. It documents 5, 10, 20 s for its code -1.
FIRST_BUSY_DELAY_SECONDS = 5.0
MAX_DELAY_SECONDS = 30.0
# Many workers are told the same delay: spread their return over a quarter more.
SERVER_DELAY_SPREAD = 0.25

Random = Callable[[], float]


def retry_after_seconds(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Read how long the server asks to wait: ``retry-after-ms``, else ``retry-after`` as seconds or a date.

    Args:
        headers: The answer's headers, in any case.
        now: What a date is compared with; by default the server's own ``Date``, else this machine's clock.

    Returns:
        Seconds, at least 0; None if it does not ask, or not readably.

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
    moment = _date(asked)
    if moment is None:
        return None
    start = now or _date(lower.get("date", "")) or datetime.now(UTC)
    return max(0.0, (moment - start).total_seconds())


def _plain_number(text: str) -> float | None:
    # The limit keeps a silly number finite; it is far above every cap.
    return min(float(text), 1e9) if re.fullmatch(r"[0-9]{1,100}(\.[0-9]{1,100})?", text) else None


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def backoff_seconds(tries: int, first: float, random: Random) -> float:
    """Give the pause after so many tries: doubling from ``first``, cut at 30 s, the upper half at random.

    Example:
        >>> [backoff_seconds(tries, 1.0, lambda: 1.0) for tries in (1, 2, 3, 10)]
        [1.0, 2.0, 4.0, 30.0]
    """
    whole: float = min(MAX_DELAY_SECONDS, first * 2 ** min(tries - 1, 16))
    return whole * (0.5 + random() / 2)


def server_delay(retry_after: float, random: Random) -> float | None:
    """Spread a pause that the server asked for; None if it is above the cap, which means give up."""
    if retry_after > MAX_SERVER_DELAY_SECONDS:
        return None
    return retry_after * (1 + SERVER_DELAY_SPREAD * random())


class CallRetries:
    """Counts the tries of one call and says how long to pause before the next.

    Args:
        repeatable: Whether the call only reads. One that does not is repeated only if it had no effect.
        random: Gives numbers from 0 to 1, for the jitter.
    """

    def __init__(self, *, repeatable: bool, random: Random) -> None:
        self._repeatable = repeatable
        self._random = random
        self._tries = 0

    def delay_after(self, error: SeedanceError) -> float:
        """Give the seconds to pause before the next try, or raise the error for good."""
        self._tries += 1
        if not self._may_repeat(error):
            raise error
        if self._tries >= CALL_TRIES:
            error.add_note(f"Given up after {self._tries} tries.")
            raise error
        retry_after = error.retry_after if isinstance(error, ApiError) else None
        if retry_after is not None:
            delay = server_delay(retry_after, self._random)
            if delay is None:
                error.add_note(too_long(retry_after))
                raise error
            return delay
        slow = isinstance(error, RateLimited | VendorBusy)
        first = FIRST_BUSY_DELAY_SECONDS if slow else FIRST_DELAY_SECONDS
        return backoff_seconds(self._tries, first, self._random)

    def _may_repeat(self, error: SeedanceError) -> bool:
        if isinstance(error, RateLimited) or (isinstance(error, ConnectionFailed) and not error.sent):
            return True
        if not self._repeatable:
            return False
        if isinstance(error, UnexpectedAnswer):
            return error.transient
        return isinstance(error, ConnectionFailed | VendorBusy)


def too_long(retry_after: float) -> str:
    """Word why a server's wish ends the tries."""
    return (
        f"Not repeated: the server asks to wait {retry_after:g} s, and the client waits at most "
        f"{MAX_SERVER_DELAY_SECONDS:g} s by itself."
    )
