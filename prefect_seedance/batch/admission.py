"""How many videos are on their way at the same time: fewer for a while where the vendor says that it is too many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Admission:
    """Limits how many videos are on their way at the same time. For one event loop.

    A rate limit of the vendor halves the number, once for each pause of the gate. Whenever as many videos as fit have
    ended without another rate limit, there is room for one more, up to the maximum.

    Args:
        maximum: Most videos at the same time.
        limits_met: Returns how many pauses the vendor has asked for so far, see `Gate.pauses`.

    Example:
        >>> met = 0
        >>> admission = Admission(8, lambda: met)
        >>> met = 1
        >>> admission.limit
        4
    """

    def __init__(self, maximum: int, limits_met: Callable[[], int]) -> None:
        self._maximum: int = maximum
        self._limit: int = maximum
        self._limits_met = limits_met
        self._seen: int = limits_met()
        self._inside = 0
        self._ended = 0
        self._left = asyncio.Event()

    @property
    def limit(self) -> int:
        """How many may be inside at present."""
        self._look()
        return self._limit

    @property
    def inside(self) -> int:
        """How many are inside."""
        return self._inside

    async def enter(self) -> None:
        """Wait until there is room, and take it."""
        while self._inside >= self.limit:
            self._left.clear()
            await self._left.wait()
        self._inside += 1

    def leave(self) -> None:
        """Make room again."""
        self._inside -= 1
        self._look()
        self._ended += 1
        if self._ended >= self._limit:
            self._ended = 0
            self._limit = min(self._maximum, self._limit + 1)
        self._left.set()

    def _look(self) -> None:
        met = self._limits_met()
        if met == self._seen:
            return
        self._limit = max(1, self._limit >> min(met - self._seen, 16))
        self._seen, self._ended = met, 0
