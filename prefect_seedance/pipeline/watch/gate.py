"""How often this process asks the vendor, per host and key: one pace for all tasks that are watched.

A gate knows no event loop: a lock and the monotonic clock. It hands out moments; whoever asks sleeps until its own, so
that a pause does not end in a burst. A rate limit pauses all tasks and halves the pace, which then rises again slowly.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from prefect_seedance.pipeline.parties import Account

#: Questions a second to the real vendor, whose limit is not documented: a round of a thousand open tasks takes 200 s.
VENDOR_RATE = 5.0
#: The same to a simulator on this machine.
LOCAL_RATE = 200.0
#: The pace never falls below this.
LEAST_RATE = 0.2
#: By how much the pace rises after each question that met no limit.
_RISE = 1.02
#: Longest pause that a limit causes here: the vendor may ask for less, never for more.
LONGEST_PAUSE_SECONDS = 120.0


class Gate:
    """Paces the questions of a process to one host with one key. Safe to share between threads and event loops.

    Args:
        rate: Maximum number of questions a second.
        clock: A monotonic clock, in seconds.

    Example:
        >>> gate = Gate(rate=2.0, clock=lambda: 100.0)
        >>> [gate.reserve(), gate.reserve(), gate.reserve()]
        [0.0, 0.5, 1.0]
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._highest = self._rate = rate
        self._next = 0.0
        self._paused_until = 0.0
        self._pauses = 0
        self._open = 0

    @property
    def rate(self) -> float:
        """Questions a second at present."""
        with self._lock:
            return self._rate

    @property
    def pauses(self) -> int:
        """How many pauses the vendor has asked for so far: answers of one pause count once."""
        with self._lock:
            return self._pauses

    def reserve(self) -> float:
        """Reserve the next moment to ask, and return how many seconds to sleep until then."""
        with self._lock:
            now = self._clock()
            moment = max(now, self._next, self._paused_until)
            self._next = moment + 1 / self._rate
            return moment - now

    def pause_left(self) -> float:
        """Return the seconds that a pause still lasts, for whoever was given a moment before it began."""
        with self._lock:
            return max(0.0, self._paused_until - self._clock())

    def take_now(self) -> None:
        """Count a question that does not wait: a submission, which has a claim that runs out. Others wait longer."""
        with self._lock:
            self._next = max(self._clock(), self._next) + 1 / self._rate

    def answered(self) -> None:
        """Note an answer that was no limit: the pace may rise again."""
        with self._lock:
            self._rate = min(self._highest, self._rate * _RISE)

    def limited(self, pause_seconds: float) -> None:
        """Note a rate limit: all tasks pause, and the pace is halved once for all answers of one pause."""
        with self._lock:
            now = self._clock()
            if now >= self._paused_until:
                self._pauses += 1
                self._rate = max(LEAST_RATE, self._rate / 2)
            self._paused_until = max(self._paused_until, now + min(pause_seconds, LONGEST_PAUSE_SECONDS))

    def joined(self) -> None:
        """Count a task that is watched."""
        with self._lock:
            self._open += 1

    def left(self) -> None:
        """Count a task that is watched no longer."""
        with self._lock:
            self._open -= 1

    def gap(self, seconds: float) -> float:
        """Return the seconds between two questions about one task: as wished, or longer where very many are open."""
        with self._lock:
            return max(seconds, self._open / self._rate)


#: The gates of this process, by host and key.
_gates: dict[tuple[str, str], Gate] = {}
_gates_lock = threading.Lock()


def gate_for(account: Account) -> Gate:
    """Return the process's gate for a host and key."""
    key = (account.settings.base_url, account.fingerprint)
    with _gates_lock:
        if key not in _gates:
            _gates[key] = Gate(LOCAL_RATE if account.settings.is_local else VENDOR_RATE)
        return _gates[key]
