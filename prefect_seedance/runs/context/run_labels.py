"""The labels of a flow run in Prefect: what its retries must find again, on whichever machine they run.

They are there at once and for certain, unlike task runs, of which Prefect's server learns later, from events.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from prefect_seedance.asides import words_of
from prefect_seedance.journal.errors import RunNotLabelled


class RunLabels:
    """The labels of one flow run. Safe to share between threads and event loops.

    Prefect's server reads labels and writes them back without a condition, so of two requests at one moment one may be
    lost. Within a process there is one at a time, and it takes along what has come up meanwhile.

    Attributes:
        run_id: Of the flow run.
        known: What was read or written, by name. Replaced by each change, never changed in place.
    """

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.known: Mapping[str, str] = {}
        self._waiting: dict[str, str] = {}
        self._turn: Future[None] | None = None
        self._lock = threading.Lock()

    def learn(self, labels: Mapping[str, str]) -> None:
        """Remember what the server has."""
        with self._lock:
            self.known = {**self.known, **labels}

    async def write(self, labels: Mapping[str, str]) -> None:
        """Write labels, unless they are there already; the others are left alone.

        A run that Prefect has deleted takes none, and needs none: nobody can retry it.

        Raises:
            RunNotLabelled: They could not be written.
        """
        with self._lock:
            new = {name: value for name, value in labels.items() if self.known.get(name) != value}
            self._waiting.update(new)
        while any(name in self._waiting for name in new):
            mine = Future[None]()
            with self._lock:
                turn = self._turn = self._turn or mine
                taken = dict(self._waiting)
            if turn is not mine:  # that of another, which may take these along
                await asyncio.shield(asyncio.wrap_future(turn))
                continue
            try:
                await self._patch(taken)
                with self._lock:
                    self.known = {**self.known, **taken}
                    # Another value of the same name may have come up meanwhile, and is not written yet.
                    self._waiting = {name: value for name, value in self._waiting.items() if taken.get(name) != value}
            finally:
                with self._lock:
                    self._turn = None
                mine.set_result(None)

    async def _patch(self, labels: dict[str, str]) -> None:
        try:
            async with get_client() as client:
                await client.update_flow_run_labels(UUID(self.run_id), {**labels})
        except Exception as error:
            if not _is_deleted(error):
                raise RunNotLabelled(self.run_id, f"{type(error).__name__}: {words_of(error)[:300]}") from error


def _is_deleted(error: Exception) -> bool:
    if isinstance(error, PrefectHTTPStatusError):
        return error.response.status_code == 404
    return isinstance(error, ObjectNotFound)
