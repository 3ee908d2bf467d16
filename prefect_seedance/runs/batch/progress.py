"""One progress artifact for a whole batch, drawn in the background: no row ever waits for Prefect.

Where Prefect's API does not answer, a drawing is left out, and the next one, a little later, shows the state of then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.runtime import flow_run

from prefect_seedance.asides import words_of
from prefect_seedance.batch.models import WORST_FIRST, Outcome, outcome_words
from prefect_seedance.plain_text import coin_words
from prefect_seedance.runs.logs import note
from prefect_seedance.runs.notifications.escaping import markdown

#: Of the artifact: a batch is a run of its own, and the key keeps the history of its runs.
KEY = "seedance-batch-progress"
#: The artifact is drawn anew no more often than this.
LEAST_SECONDS = 4.0
#: Longest pause after drawings that failed.
_LONGEST_PAUSE_SECONDS = 60.0
#: Longest that one drawing may take, and the last one with its repeats.
_DRAWING_SECONDS, _LAST_SECONDS = 10.0, 15.0


class BatchProgress:
    """What the reader of the run is shown while a batch is being made. For the loop that the batch runs in."""

    def __init__(self) -> None:
        self._total = 0
        self._now: tuple[float, str] = (0.0, "")
        self._drawn: tuple[float, str] | None = None
        self._artifact: UUID | None = None
        self._may_be_there = False
        self._changed = asyncio.Event()
        self._drawing: asyncio.Task[None] | None = None

    async def start(self, total: int) -> None:
        """Begin. Returns at once.

        Args:
            total: Number of rows.
        """
        self._total = total
        # A try before this one has drawn it already, and it goes on in place.
        self._may_be_there = (flow_run.get_run_count() or 0) > 1
        self.update({}, 0, 0.0, None)
        if flow_run.get_id():
            self._drawing = asyncio.create_task(self._draw_changes(), name=KEY)

    def update(
        self, counts: Mapping[Outcome, int], in_flight: int, spent: float, expected_end: datetime | None
    ) -> None:
        """Note where the batch is; it is drawn in a while.

        Args:
            counts: How many rows have each outcome by now.
            in_flight: How many videos are being made, or stored.
            spent: What was paid so far, in coins.
            expected_end: When the last row is likely to be done; None if that is not known.
        """
        done = _done(counts)
        # Whole, for the UI shows every digit, and not rounded up: 100 % is when all are done.
        progress = float(100 * done // self._total) if self._total else 100.0
        self._now = (min(progress, 100.0), progress_words(self._total, counts, in_flight, spent, expected_end))
        self._changed.set()

    async def finish(self, counts: Mapping[Outcome, int], spent: float) -> None:
        """Draw the last state, within 15 s. Never raises, unless the run is being ended.

        Args:
            counts: How many rows have each outcome.
            spent: What was paid, in coins.
        """
        self.update(counts, 0, spent, None)
        if (drawing := self.stop()) is None:
            return
        await asyncio.wait([drawing])
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                while not await self._draw():
                    await asyncio.sleep(LEAST_SECONDS / 2)

    def stop(self) -> asyncio.Task[None] | None:
        """End the drawing as it stands, for a run that is being ended; return what is still under way."""
        drawing, self._drawing = self._drawing, None
        if drawing is not None:
            drawing.cancel()
        return drawing

    async def _draw_changes(self) -> None:
        pause = LEAST_SECONDS
        while True:
            await asyncio.sleep(pause)
            await self._changed.wait()
            self._changed.clear()
            if await self._draw():
                pause = LEAST_SECONDS
            else:
                self._changed.set()
                pause = min(_LONGEST_PAUSE_SECONDS, 2 * pause)

    async def _draw(self) -> bool:
        """Draw the state of now, unless it is what was drawn last; return whether it is there now."""
        now = self._now
        if now == self._drawn:
            return True
        started = time.monotonic()
        try:
            async with asyncio.timeout(_DRAWING_SECONDS):
                await self._write(*now)
        except Exception as error:
            if _is_gone(error):
                self._artifact = None  # somebody has deleted it
            seconds = time.monotonic() - started
            note(f"The progress was not drawn ({seconds:.0f} s): {words_of(error)}", level=logging.DEBUG)
            return False
        self._drawn = now
        return True

    async def _write(self, progress: float, description: str) -> None:
        from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact

        if self._artifact is None and self._may_be_there:
            self._artifact = await self._drawn_before()
        if self._artifact is not None:
            await aupdate_progress_artifact(self._artifact, progress, description=description)
            return
        self._may_be_there = True  # also if only the answer is lost
        self._artifact = await acreate_progress_artifact(progress, key=KEY, description=description)

    async def _drawn_before(self) -> UUID | None:
        run_id: str | None = flow_run.get_id()
        if run_id is None:
            return None
        ours = ArtifactFilter(
            key=ArtifactFilterKey(any_=[KEY]), flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run_id)])
        )
        async with get_client() as client:
            found = await client.read_artifacts(artifact_filter=ours, sort=ArtifactSort.UPDATED_DESC, limit=1)
        return found[0].id if found else None


def progress_words(
    total: int, counts: Mapping[Outcome, int], in_flight: int, spent: float, expected_end: datetime | None
) -> str:
    """Word where a batch is, as Markdown.

    Example:
        >>> progress_words(8, {"stored": 3, "unknown": 1}, 2, 1.25, None)
        '4 of 8 rows done: 1 unknown, 3 stored. 2 in flight. Paid so far: 1.25 coins.'
    """
    found = ", ".join(f"{counts[each]} {outcome_words(each)}" for each in WORST_FIRST if counts.get(each))
    done = _done(counts)
    parts = [f"{done} of {total} rows done{f': {found}' if found else ''}."]
    if in_flight:
        parts.append(f"{in_flight} in flight.")
    parts.append(f"Paid so far: {coin_words(spent)}.")
    if expected_end is not None and done < total:
        parts.append(f"Expected to end at {expected_end.astimezone(UTC):%Y-%m-%d %H:%M} UTC.")
    return markdown(" ".join(parts))


def _done(counts: Mapping[Outcome, int]) -> int:
    return sum(count for outcome, count in counts.items() if outcome != "not_started")


def _is_gone(error: Exception) -> bool:
    if isinstance(error, PrefectHTTPStatusError):
        return error.response.status_code == 404
    return isinstance(error, ObjectNotFound)
