"""The unknown storm: when one unknown outcome follows another, the run stops sending.

One unknown outcome is an accident. Three in a row mean a broken gateway or network, and each further POST
would be another bill that no one can see. Counted per run and process, by all its submissions together.
"""

from __future__ import annotations

import threading

from prefect_seedance.journal.errors import TooManyUnknowns


class UnknownStorm:
    """Counts unknown outcomes in a row. Safe to share between threads.

    Args:
        limit: How many stop the run.

    Example:
        >>> storm = UnknownStorm(limit=1)
        >>> storm.unknown()
        >>> storm.check("/data/videos")
        Traceback (most recent call last):
        prefect_seedance.journal.errors.TooManyUnknowns: Nothing was sent: the last 1 submissions ...
    """

    def __init__(self, limit: int = 3) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._in_a_row = 0

    def check(self, store_option: str) -> None:
        """Call before each POST.

        Args:
            store_option: Whose journal lists the unknown ones, as ``--store`` takes it.

        Raises:
            TooManyUnknowns: The limit was reached. It stays so for the rest of the run.
        """
        with self._lock:
            if self._in_a_row >= self._limit:
                raise TooManyUnknowns(self._limit, store_option)

    def unknown(self) -> None:
        """Count an unknown outcome."""
        with self._lock:
            self._in_a_row += 1

    def known(self) -> None:
        """Count an outcome that is known, unless the limit was reached before."""
        with self._lock:
            if self._in_a_row < self._limit:
                self._in_a_row = 0
