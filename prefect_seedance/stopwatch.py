"""How long something took, sleep included: for deciding whether something may still be sent.

`time.monotonic` stands still on Linux while the machine sleeps, and every clock stands still in a paused
virtual machine until the wall clock is set right. So the largest of what several clocks say counts: a clock
that jumps ahead only keeps back what might still have been sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

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
