"""What the threads of one process share of their memos: one piece of work at a time, and what came of the last ones.

It belongs to one store. A forked child begins with nothing: the threads that work in the parent do not exist in it.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

from prefect_seedance.media.context import NOTICED_SECONDS, Follower
from prefect_seedance.media.memos.memo import Kept
from prefect_seedance.stopwatch import Stopwatch, start_stopwatch
from prefect_seedance.storage.protocol import Store

#: How long what was read or made is gone by without a look into the store.
REMEMBERED_SECONDS = 60.0
_MOST_REMEMBERED = 4096


@dataclass(frozen=True)
class Landed:
    """What came of a piece of work.

    Attributes:
        kept: What is kept now.
        fresh: Whether it was made just now, so that there is none better to be had.
    """

    kept: Kept
    fresh: bool


@dataclass(frozen=True)
class ContentOwner:
    """The content for which something is kept.

    Attributes:
        name: Of its memo.
        by_content: Whether the name tells its content: another name then is another content.
    """

    name: str
    by_content: bool


#: None for a maker that was stopped: that says nothing of the work, and the next one does it.
Flight = Future[Landed | None]


@dataclass
class _State:
    guard: threading.Lock = field(default_factory=threading.Lock)
    flights: dict[str, Flight] = field(default_factory=dict[str, Flight])
    remembered: dict[str, tuple[Kept, Stopwatch]] = field(default_factory=dict[str, tuple[Kept, Stopwatch]])
    owners: dict[tuple[str, str], ContentOwner] = field(default_factory=dict["tuple[str, str]", "ContentOwner"])


class Sharing:
    """What is under way in this process, and what it knows."""

    def __init__(self) -> None:
        self._by_process: dict[int, _State] = {}

    @property
    def _state(self) -> _State:
        process = os.getpid()
        return self._by_process.get(process) or self._by_process.setdefault(process, _State())  # atomic

    def join(self, key: str) -> tuple[Flight, bool]:
        """Return the work on a key that is under way, or begin it, and whether the caller is to do it."""
        state = self._state
        with state.guard:
            flight = state.flights.get(key)
            if flight is not None:
                return flight, False
            flight = state.flights[key] = Flight()
            return flight, True

    def land(self, key: str, flight: Flight, came: Landed | Exception | None) -> None:
        """End a piece of work: tell those who wait for it what came of it."""
        state = self._state
        with state.guard:
            if state.flights.get(key) is flight:
                del state.flights[key]
        if isinstance(came, Exception):
            flight.set_exception(came)
        else:
            flight.set_result(came)

    @staticmethod
    def wait(flight: Flight, follower: Follower) -> Landed | None:
        """Wait for a piece of work; None if it has to be done by somebody else.

        Raises:
            PreparationCancelled: The run of the one who waits was cancelled.
            Exception: What the work raised.
        """
        while not wait([flight], timeout=NOTICED_SECONDS).done:
            follower.check()
        return flight.result()

    def remember(self, key: str, kept: Kept) -> None:
        """Go by what was read or made for a while."""
        state = self._state
        with state.guard:
            if len(state.remembered) >= _MOST_REMEMBERED:
                state.remembered.clear()
            state.remembered[key] = (kept, start_stopwatch())

    def recall(self, key: str) -> Kept | None:
        """Return what was read or made a moment ago, as old as it is now."""
        found = self._state.remembered.get(key)
        if found is None:
            return None
        kept, stopwatch = found
        passed = stopwatch()
        return replace(kept, age_seconds=kept.age_seconds + passed) if passed <= REMEMBERED_SECONDS else None

    def drop(self, key: str) -> None:
        """Look into the store the next time."""
        self._state.remembered.pop(key, None)

    def owner(self, folder: str, mark: str, owner: ContentOwner) -> ContentOwner:
        """Return for which content something in a folder was first seen, by its mark; from now on for this one."""
        state = self._state
        with state.guard:
            if len(state.owners) >= _MOST_REMEMBERED:
                state.owners.clear()
            return state.owners.setdefault((folder, mark), owner)

    def disown(self, folder: str, mark: str) -> None:
        """Know of no content for which something is kept."""
        self._state.owners.pop((folder, mark), None)


_guard = threading.Lock()
_of_stores: WeakKeyDictionary[Store, Sharing] = WeakKeyDictionary()


def sharing_of(store: Store) -> Sharing:
    """Return what the threads of this process share of a store; a process opens each store once."""
    with _guard:
        return _of_stores.setdefault(store, Sharing())
