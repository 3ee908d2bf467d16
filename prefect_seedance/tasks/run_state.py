"""What all submissions of one run share: the unknown storm and the preflight."""

from __future__ import annotations

import threading
from functools import lru_cache

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.client.errors import RateLimited, SeedanceError
from prefect_seedance.journal.storm import UnknownStorm


class RunState:
    """Shared by the submissions of one run in one process. Safe to share between threads.

    Attributes:
        storm: Stops the run after several unclear answers in a row.
    """

    def __init__(self) -> None:
        self.storm = UnknownStorm()
        self._lock = threading.Lock()
        self._balances: dict[str, float | None] = {}

    def preflight(self, credentials: SeedanceCredentials) -> float | None:
        """Ask for the balance, once per run and key: it is free, and finds a wrong key or host at once.

        Returns:
            Coins that are available, None if the vendor did not say.

        Raises:
            SeedanceError: Key, host or network do not work. Nothing was sent.
        """
        with self._lock:
            if credentials.fingerprint not in self._balances:
                self._balances[credentials.fingerprint] = _available(credentials)
            return self._balances[credentials.fingerprint]


def _available(credentials: SeedanceCredentials) -> float | None:
    try:
        return credentials.verify().available
    except RateLimited:
        return None  # the key and the host work
    except SeedanceError as error:
        error.add_note("This was the free check before the first submission; options.preflight=False leaves it out.")
        raise


@lru_cache(maxsize=64)
def run_state(root_run_id: str) -> RunState:
    """Give the state of a run; the same one for each call within it."""
    return RunState()
