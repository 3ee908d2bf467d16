"""What is known of a batch while it runs."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from prefect_seedance.batch.models import GOOD, HAVE_VIDEO, WORST_FIRST, Outcome, RowResult
from prefect_seedance.plain_text import one_line

#: How many of the rows that have ended, and of the worst of them, are remembered: no terminal shows more.
_MOST_SHOWN = 100
#: How many videos this run must have made before its end is predicted.
_FEWEST_TIMED = 3


@dataclass(frozen=True)
class BatchStatus:
    """How far a batch is, at one moment.

    Attributes:
        total: How many rows there are; 0 until that is known.
        ended: How many have their result.
        counts: How many have which outcome, worst first.
        in_flight: Labels of the rows that are being made, with their numbers, the oldest first.
        open: How many were submitted by this run, have no video, and may still get one.
        spent: What was paid, in coins, as far as it is known.
        seconds: Since it began.
        seconds_left: How long it is likely to go on; None while nobody knows.
        recent: The rows that ended last, the newest first.
        worst: The rows without a video, worst first and the newest first.
        messages: What else was told, the newest last.
    """

    total: int
    ended: int
    counts: dict[Outcome, int]
    in_flight: tuple[tuple[int, str], ...]
    open: int
    spent: float
    seconds: float
    seconds_left: float | None
    recent: tuple[RowResult, ...]
    worst: tuple[RowResult, ...]
    messages: tuple[str, ...]


class Tally:
    """Follows a batch and counts. It is told by one thread and read by another.

    Args:
        clock: Seconds that pass.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began = clock, clock()
        self._lock = threading.Lock()
        self._total = 0
        self._counts: Counter[Outcome] = Counter()
        self._in_flight: list[tuple[int, str]] = []
        self._open, self._spent = 0, 0.0
        self._first_start: float | None = None
        self._made = 0
        self._recent: deque[RowResult] = deque(maxlen=_MOST_SHOWN)
        self._worst: list[RowResult] = []
        self._messages: deque[str] = deque(maxlen=_MOST_SHOWN)

    def planned(self, total: int) -> None:
        """Take the number of rows."""
        with self._lock:
            self._total = total

    def started(self, number: int, label: str) -> None:
        """Take a row that is being made."""
        with self._lock:
            if self._first_start is None:
                self._first_start = self._clock()
            self._in_flight.append((number, label))

    def ended(self, result: RowResult) -> None:
        """Take the result of a row."""
        with self._lock:
            # Takes of one row have its number; one of them is as good as another here.
            place = next((place for place, (number, _) in enumerate(self._in_flight) if number == result.number), None)
            if place is not None and not result.shared_with:
                del self._in_flight[place]
                self._made += 1
            self._counts[result.outcome] += 1
            if not result.shared_with:
                self._spent += result.cost or 0.0
                # The rows under way of an interrupted run end like this.
                without_video = result.retryable and result.outcome not in HAVE_VIDEO
                self._open += without_video and bool(result.task_id or result.submissions)
            self._recent.appendleft(result)
            if result.outcome not in GOOD:
                self._worst.insert(0, result)
                self._worst.sort(key=lambda row: WORST_FIRST.index(row.outcome))
                del self._worst[_MOST_SHOWN:]

    def told(self, message: str) -> None:
        """Take something else that a person should know."""
        with self._lock:
            self._messages.append(one_line(message))

    def now(self) -> BatchStatus:
        """Return how far it is."""
        with self._lock:
            moment, ended = self._clock(), self._counts.total()
            return BatchStatus(
                total=self._total,
                ended=ended,
                counts={each: self._counts[each] for each in WORST_FIRST if self._counts[each]},
                in_flight=tuple(self._in_flight),
                open=self._open,
                spent=round(self._spent, 6),
                seconds=moment - self._began,
                seconds_left=self._left(moment, self._total - ended),
                recent=tuple(self._recent),
                worst=tuple(self._worst),
                messages=tuple(self._messages),
            )

    def _left(self, moment: float, rows: int) -> float | None:
        """Return how long the rest takes at the pace of the videos until now."""
        if self._first_start is None or self._made < _FEWEST_TIMED or rows < 0:
            return None
        return rows * (moment - self._first_start) / self._made
