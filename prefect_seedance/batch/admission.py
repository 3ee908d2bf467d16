"""How many videos the vendor makes at the same time: fewer for a while where it says that it is too many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

#: Videos beyond the maximum that may be on their way into the store: two for each thread that stores. While they are
#: stored, the vendor makes the next. More would only be held in memory, and paid for before a broken store shows.
_MOST_BEHIND = 32


class Place:
    """A video's place, from before it is submitted until it has ended."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._at_vendor = self._inside = True

    def made(self) -> None:
        """Make room for the next at the vendor: this one has only to be stored. However often it is called."""
        if self._at_vendor:
            self._at_vendor = False
            self._admission.left_vendor()

    def leave(self) -> None:
        """Make all room again."""
        self.made()
        if self._inside:
            self._inside = False
            self._admission.left()


class Admission:
    """Limits how many videos the vendor makes at the same time. For one event loop.

    A rate limit of the vendor halves the number, once for each pause of the gate. Whenever as many videos as fit have
    been made without another rate limit, there is room for one more, up to the maximum. Videos that are made and not
    yet stored take no room from those, but are few.

    Args:
        maximum: Most videos at the vendor at the same time.
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
        self._most_inside: int = maximum + min(maximum, _MOST_BEHIND)
        self._limit: int = maximum
        self._limits_met = limits_met
        self._seen: int = limits_met()
        self._at_vendor = self._inside = 0
        self._made = 0
        self._room = asyncio.Event()

    @property
    def limit(self) -> int:
        """How many may be at the vendor at present."""
        self._look()
        return self._limit

    @property
    def at_vendor(self) -> int:
        """How many have entered, and are not made yet."""
        return self._at_vendor

    @property
    def inside(self) -> int:
        """How many have entered, and have not left."""
        return self._inside

    async def enter(self) -> Place:
        """Wait until there is room, and take it."""
        while self._at_vendor >= self.limit or self._inside >= self._most_inside:
            self._room.clear()
            await self._room.wait()
        self._at_vendor += 1
        self._inside += 1
        return Place(self)

    def left_vendor(self) -> None:
        """Count one as made; called by its place, once."""
        self._at_vendor -= 1
        self._look()
        self._made += 1
        if self._made >= self._limit:
            self._made = 0
            self._limit = min(self._maximum, self._limit + 1)
        self._room.set()

    def left(self) -> None:
        """Count one as ended; called by its place, once."""
        self._inside -= 1
        self._room.set()

    def _look(self) -> None:
        met = self._limits_met()
        if met == self._seen:
            return
        self._limit = max(1, self._limit >> min(met - self._seen, 16))
        self._seen, self._made = met, 0
