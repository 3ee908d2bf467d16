"""All parts of a batch, started, followed to their reports, and started again where one dies.

What waits here holds nothing but its own slot: one question in a few seconds for all parts, whatever they do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import PrefectHTTPStatusError

from prefect_seedance.batch.errors import PartsNotStarted
from prefect_seedance.batch.models import BatchReport
from prefect_seedance.batch.report.joined_report import days_of, find_reports
from prefect_seedance.pipeline import threads
from prefect_seedance.plain_text import one_line
from prefect_seedance.redaction import shown_text
from prefect_seedance.runs.cancellation import ENDED
from prefect_seedance.runs.logs import log
from prefect_seedance.runs.parts.part_runs import PartRuns, persistently, seen_run
from prefect_seedance.runs.parts.slots import Neighbourhood, others_run_there
from prefect_seedance.runs.parts.standing import end_of, standing_of
from prefect_seedance.storage.errors import StorageError
from prefect_seedance.storage.protocol import Store

#: How many times in a row the store may fail to answer.
_STORE_FAULTS = 60
_NO_HEARTBEAT = "It has missed three heartbeats in a row, so its process is taken for dead."
_NEVER_CAME_UP = "A worker took it, and did not start it within half an hour."


@dataclass
class BatchPart:
    """One part, over all of its runs.

    Attributes:
        name: Such as "2/8".
        number: Its number.
        runs: Those that were started for it, the latest last.
        reports: What they have left in the store, in the same order.
        may_start_again: How often it may still be started again.
        silent: Whether a run of it has ended without a report.
        missing: Why there is no report of it, once that is certain.
        done: Whether nothing more comes of it.
    """

    name: str
    number: int
    runs: list[FlowRun] = field(default_factory=list[FlowRun])
    reports: list[BatchReport] = field(default_factory=list[BatchReport])
    may_start_again: int = 0
    silent: bool = False
    missing: str = ""
    done: bool = False


@dataclass
class PartsFollowing:
    """All parts of a batch.

    Attributes:
        runs: At Prefect's server.
        store: Where each part leaves its report.
        place: Where the parts run.
        restarts: How often a part that dies is started again.
        look_seconds: How often all parts are looked at.
        start_seconds: How long to wait for the first to start, where this run may be what keeps it from starting.
        parts: As they stand.
    """

    runs: PartRuns
    store: Store
    place: Neighbourhood
    restarts: int
    look_seconds: float = 5.0
    start_seconds: float = 600.0
    parts: list[BatchPart] = field(init=False)
    _began: datetime = field(default_factory=lambda: datetime.now(UTC))
    _told: dict[UUID, str] = field(default_factory=dict[UUID, str])
    _asked_last: int = 0
    _any_started: bool = False
    _store_faults: int = 0

    def __post_init__(self) -> None:
        self.parts = [
            BatchPart(f"{number}/{self.runs.parts}", number, may_start_again=self.restarts)
            for number in range(1, self.runs.parts + 1)
        ]

    async def to_the_end(self) -> None:
        """Start what was not started before, and wait until each part has ended.

        Raises:
            PartsNotStarted: None of them is started while this run holds the only slot; they are cancelled.
            StorageError: The reports cannot be read.
        """
        try:
            await self._take_up()
            for part in self.parts:
                if not part.runs:
                    await self._start(part)
            while open_parts := [part for part in self.parts if not part.done]:
                await self._look(open_parts)
                if any(not part.done for part in self.parts):
                    await asyncio.sleep(self.look_seconds)
        except (*ENDED, PartsNotStarted):
            await self._cancel()
            raise

    async def _take_up(self) -> None:
        """Find what earlier tries have started, and start again what had ended with something missing."""
        for number, runs in (await self.runs.started_before()).items():
            part = self.parts[number - 1]
            part.runs = runs
            for run in runs[:-1]:
                part.silent |= not await self._collect(part, run)
            if runs and seen_run(runs[-1]).ended:
                await self._ended(part, runs[-1], before_this_try=True)
        if taken_up := sum(bool(part.runs) for part in self.parts):
            log("validate", f"{taken_up} of {len(self.parts)} parts were started before, and are taken up.")

    async def _look(self, open_parts: Sequence[BatchPart]) -> None:
        seen = await self.runs.seen([part.runs[-1].id for part in open_parts])
        beats_of = open_parts[self._asked_last % len(open_parts)]  # one at a time: a question per look, not per part
        self._asked_last += 1
        for part in open_parts:
            run = seen.get(part.runs[-1].id)
            self._tell(part, run)
            if seen_run(run).ended:
                await self._ended_now(part, run)
                continue
            asked = part is beats_of and run is not None and run.state is not None and run.state.is_running()
            heartbeats = await self.runs.heartbeats(part.runs[-1].id) if asked else []
            standing = standing_of(seen_run(run, heartbeats), datetime.now(UTC))
            self._any_started |= standing == "going_on"
            if standing == "dead":
                why = _NO_HEARTBEAT if asked else _NEVER_CAME_UP
                log("wait", f"Part {part.name} is dead. {why}", level=logging.WARNING)
                await self.runs.mark_crashed(part.runs[-1].id, why)
        if not self._any_started:
            await self._require_a_start()

    async def _require_a_start(self) -> None:
        waited = (datetime.now(UTC) - self._began).total_seconds()
        if waited < self.start_seconds or not self.place.beside_parent:
            return
        if await persistently(lambda client: others_run_there(client, self.place), "say what else runs there"):
            return
        raise PartsNotStarted(
            f"none of the parts was started within {waited / 60:.0f} minutes by {self.place.pool_words}, which runs "
            "this run as well: a worker that takes one run at a time is busy with this one, which waits for the parts",
            "Start another worker, or let it take more runs at a time. The parts are cancelled",
        )

    async def _ended_now(self, part: BatchPart, run: FlowRun | None) -> None:
        """Take note of the end of a run; a store that does not answer is asked again at the next look."""
        try:
            await self._ended(part, run, before_this_try=False)
            self._store_faults = 0
        except StorageError as error:
            self._store_faults += 1
            if self._store_faults > _STORE_FAULTS:
                raise
            log("wait", f"The report of part {part.name} cannot be read yet: {error}", level=logging.WARNING)

    async def _ended(self, part: BatchPart, run: FlowRun | None, *, before_this_try: bool) -> None:
        last = part.runs[-1]
        reports = await self._collect(part, run or last)
        standing = end_of(seen_run(run), reports, before_this_try=before_this_try)
        if standing == "to_run_again" and (before_this_try or part.may_start_again > 0):
            part.may_start_again -= not before_this_try
            part.silent |= not reports
            return await self._start(part)
        part.done = True
        if not reports:
            said = run.state.message if run and run.state else "Prefect has deleted its run"
            part.missing = (
                f"its run {last.name!r} ended as {run.state.name if run and run.state else 'deleted'} and left no "
                f"report. {shown_text(one_line(said or ''), longest=500)}".strip()
            )
            part.silent = False

    async def _collect(self, part: BatchPart, run: FlowRun) -> list[BatchReport]:
        """Return what a run has left in the store."""
        days = days_of(run.start_time or run.created or self._began, run.end_time or datetime.now(UTC))
        found = await threads.run(threads.RECORDS, find_reports, self.store, str(run.id), run.name, days)
        part.reports += found
        return found

    async def _start(self, part: BatchPart) -> None:
        attempt = len(part.runs) + 1
        try:
            part.runs.append(await self.runs.start(part.number, attempt))
        except PrefectHTTPStatusError as error:
            if any(each.runs for each in self.parts):
                raise
            said = shown_text(one_line(error.response.text), longest=500)
            raise PartsNotStarted(
                f"Prefect's server does not take the parameters of a part: {said}",
                "Deploy generate_videos anew with this version, and run this again",
            ) from None
        again = " again" if attempt > 1 else ""
        log("wait", f"Part {part.name} is started{again}: {part.runs[-1].name}.")

    async def _cancel(self) -> None:
        open_parts = [part for part in self.parts if part.runs and not part.done]
        await self.runs.cancel(part.runs[-1].id for part in open_parts)
        log(
            "wait",
            f"{len(open_parts)} parts are cancelled. Each writes its own report. What they have submitted goes on at "
            "the vendor and is paid for. Run the same batch again: what is paid for is not paid again.",
            level=logging.WARNING,
        )

    def _tell(self, part: BatchPart, run: FlowRun | None) -> None:
        """Log what has changed."""
        if run is None or run.state is None or self._told.get(run.id) == run.state.name:
            return
        self._told[run.id] = str(run.state.name)
        log("wait", f"Part {part.name} ({run.name}): {run.state.name}.")
