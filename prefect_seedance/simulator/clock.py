"""The simulated vendor's clock: the machine's own, and what a test lets pass at once."""

from __future__ import annotations

import time


class Clock:
    """Seconds that only grow. Safe to use from several threads.

    Example:
        >>> clock = Clock()
        >>> before = clock.now()
        >>> clock.elapse(600)
        >>> clock.now() - before >= 600
        True
    """

    def __init__(self) -> None:
        self._elapsed = 0.0

    def now(self) -> float:
        """Return the seconds since some moment."""
        return time.monotonic() + self._elapsed

    def elapse(self, seconds: float) -> None:
        """Let time pass at once."""
        self._elapsed += seconds
