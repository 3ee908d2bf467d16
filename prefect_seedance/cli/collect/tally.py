"""What is known of a collection while it runs."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from prefect_seedance.pipeline.observer import Event, EventKind
from prefect_seedance.plain_text import one_line

#: How many of the videos that have moved are remembered, and of the messages: no terminal shows more.
_MOST_SHOWN = 100


@dataclass(frozen=True)
class CollectionStatus:
    """How far a collection is, at one moment.

    Attributes:
        counts: How many videos have got where.
        seconds: Since it began.
        recent: What the videos are called that moved last, with where they have got; the newest first.
        messages: What else was told, the newest last.
    """

    counts: dict[EventKind, int]
    seconds: float
    recent: tuple[tuple[str, Event], ...]
    messages: tuple[str, ...]


class CollectionTally:
    """Follows a collection and counts. It is told by many threads and read by another.

    Args:
        clock: Seconds that pass.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began = clock, clock()
        self._lock = threading.Lock()
        self._counts: Counter[EventKind] = Counter()
        self._recent: deque[tuple[str, Event]] = deque(maxlen=_MOST_SHOWN)
        self._messages: deque[str] = deque(maxlen=_MOST_SHOWN)

    def moved(self, label: str, event: Event) -> None:
        """Take where a video has got to."""
        with self._lock:
            self._counts[event.kind] += 1
            self._recent.appendleft((label, event))

    def told(self, message: str) -> None:
        """Take something else that a person should know."""
        with self._lock:
            self._messages.append(one_line(message))

    def now(self) -> CollectionStatus:
        """Return how far it is."""
        with self._lock:
            seconds = self._clock() - self._began
            return CollectionStatus(dict(self._counts), seconds, tuple(self._recent), tuple(self._messages))
