"""How long something took, sleep included, for deciding whether something may still be sent; and alarms.

`time.monotonic` stands still on Linux while the machine sleeps, and every clock stands still in a paused
virtual machine until the wall clock is set right. So the largest of what several clocks say counts: a clock
that jumps ahead only keeps back what might still have been sent.

An alarm limits how long another thread takes: one that waits on a socket cannot be interrupted, so the alarm shuts the
socket down. One thread rings all alarms. A `threading.Timer` for each request would be a thread for each, which costs a
tenth of a whole request to S3.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

Stopwatch = Callable[[], float]


def _clocks() -> tuple[Callable[[], float], ...]:
    # Linux: counts through suspend. macOS: CLOCK_MONOTONIC does so by itself.
    name = next((each for each in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC") if hasattr(time, each)), "")
    if not name:
        return (time.monotonic, time.time)
    clock: int = getattr(time, name)
    return (lambda: time.clock_gettime(clock), time.monotonic, time.time)


def start_stopwatch(clocks: Sequence[Callable[[], float]] = ()) -> Stopwatch:
    """Start a stopwatch; calling what it returns yields the seconds since then.

    Args:
        clocks: What to go by, instead of this machine's clocks.
    """
    begun = [(read, read()) for read in clocks or _clocks()]
    return lambda: max(read() - start for read, start in begun)


class _Alarms:
    """The alarms of one process that are set, and the thread that waits for the next of them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        # Taken out without the lock: `pop` is one step of the interpreter.
        self._set: dict[object, tuple[float, Callable[[], object]]] = {}
        self._next = math.inf
        self._thread: threading.Thread | None = None

    def set(self, seconds: float, ring: Callable[[], object]) -> Callable[[], object]:
        name, moment = object(), time.monotonic() + seconds
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(target=self._wait, name="alarms", daemon=True)
                thread.start()  # where none can be started, that is said each time
                self._thread = thread
            self._set[name] = moment, ring
            if moment < self._next:
                self._changed.notify()
        return partial(self._set.pop, name, None)

    def _wait(self) -> None:
        while True:
            for ring in self._due():
                with suppress(Exception):  # the others wait for theirs
                    ring()

    def _due(self) -> list[Callable[[], object]]:
        """Wait until something is due, and take it out. Alarms that were called off are not waited for again."""
        with self._changed:
            while True:
                waiting, now = self._set.copy(), time.monotonic()
                due = [name for name, (moment, _) in waiting.items() if moment <= now]
                if due:
                    return [taken[1] for taken in (self._set.pop(name, None) for name in due) if taken]
                self._next = min((moment for moment, _ in waiting.values()), default=math.inf)
                self._changed.wait(None if self._next == math.inf else min(self._next - now, threading.TIMEOUT_MAX))


_alarms = _Alarms()


def set_alarm(seconds: float, ring: Callable[[], object]) -> Callable[[], object]:
    """Call a function after some seconds, by the monotonic clock, and return what calls it off.

    Args:
        seconds: From now on.
        ring: Called in the thread of all alarms, so it must not wait for anything.

    Example:
        >>> call_off = set_alarm(600, lambda: print("It took too long."))
        >>> _ = call_off()
    """
    return _alarms.set(seconds, ring)


def _anew_in_child() -> None:
    """Begin anew in a forked child: neither the thread nor those that set alarms exist there."""
    global _alarms
    _alarms = _Alarms()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_anew_in_child)
