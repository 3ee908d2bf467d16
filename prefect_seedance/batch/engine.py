"""The rows on their way: several at the same time, until all are done or a rule stops further submitting."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from prefect_seedance.batch import outcomes
from prefect_seedance.batch.admission import Admission, Place
from prefect_seedance.batch.models import RowResult
from prefect_seedance.client.errors import InsufficientBalance
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.pipeline.submit.headway import Headway
from prefect_seedance.pipeline.threads import share_heaps
from prefect_seedance.pipeline.watch.gate import gate_for
from prefect_seedance.pipeline.watch.watcher import open_watcher

if TYPE_CHECKING:
    from prefect_seedance.batch.followers import Following
    from prefect_seedance.batch.options import BatchOptions
    from prefect_seedance.batch.orders import WantedVideo
    from prefect_seedance.pipeline.observer import Observer
    from prefect_seedance.pipeline.video import Workshop

#: Calls what makes a video and returns once that has: in a task run of its own, for example.
Wrapped = Callable[["WantedVideo", Callable[[], Awaitable[RowResult]]], Awaitable[object]]

#: `BatchOptions.stop_after_share` counts only once so many rows are submitted: one failure of two says nothing.
LEAST_FOR_SHARE = 10
CANCELLED = "The run was cancelled before anything was sent for it"


class Engine:
    """Makes the videos of a batch, and remembers what became of each.

    Args:
        workshop: Makes one video. What ends the submitting of this batch ends no other of its run.
        options: How the batch behaves.
        follower: Is told of each video.
        observer: Returns who follows one video.
        waits: Whether the videos are made, to their end; otherwise they are submitted, and left to a collector.
    """

    def __init__(
        self,
        workshop: Workshop,
        options: BatchOptions,
        follower: Following,
        observer: Callable[[WantedVideo], Observer],
        *,
        waits: bool = True,
    ) -> None:
        self._state = workshop.state.of_a_batch()
        self._workshop = replace(workshop, state=self._state)
        self._options, self._follower, self._observer, self._waits = options, follower, observer, waits
        self._gate = gate_for(workshop.account)
        self._admission: Admission | None = None
        self._headways: dict[str, Headway] = {}
        # Of what this run submitted. Counted as it ends: the rules are looked at after each row.
        self._submitted = self._failures = 0
        #: What became of each video that has ended, by intent.
        self.results: dict[str, RowResult] = {}

    @property
    def stopped(self) -> str:
        """Why no further video is submitted, or none at or above some price; "" while all are."""
        return self._state.stopped or self._state.short

    @property
    def in_flight(self) -> int:
        """How many videos are on their way: at the vendor, or into the store."""
        return self._admission.inside if self._admission else 0

    async def run(self, videos: Sequence[WantedVideo], wrapped: Wrapped) -> None:
        """Make all videos, several at the same time, and return when each has a result.

        Args:
            videos: In the order in which they are begun.
            wrapped: Calls what makes a video, for example in a task run of its own. Whatever it raises of its own
                account loses no result.

        Raises:
            BaseException: What ends the run, such as a cancellation, once all videos have come to rest.
        """
        share_heaps()
        async with open_watcher(self._workshop.account):  # one for all, also where no video is watched for a moment
            await self._run(videos, wrapped)

    async def _run(self, videos: Sequence[WantedVideo], wrapped: Wrapped) -> None:
        admission = self._admission = Admission(self._options.max_in_flight, lambda: self._gate.pauses)
        under_way: set[asyncio.Task[None]] = set()
        this = asyncio.current_task()
        ended_by: list[BaseException] = []

        def done(task: asyncio.Task[None], place: Place) -> None:
            under_way.discard(task)
            place.leave()
            failure = None if task.cancelled() else task.exception()
            if failure is not None and not ended_by and this is not None:
                ended_by.append(failure)  # a signal of Prefect's is raised in whatever code runs at that moment
                this.cancel()

        try:
            for video in videos:
                place = await admission.enter()
                await self._pause_over()
                task = asyncio.ensure_future(self._one(video, wrapped, place))
                under_way.add(task)
                task.add_done_callback(partial(done, place=place))
            while under_way:
                await asyncio.wait(under_way)
        except BaseException as error:
            while under_way:
                for task in [*under_way]:
                    task.cancel()
                with suppress(asyncio.CancelledError):  # once more: what a POST answers is still worth waiting for
                    await asyncio.wait(under_way)
            self._rest_cancelled(videos)
            if ended_by and isinstance(error, asyncio.CancelledError):
                raise ended_by[0] from None
            raise
        self._rest_cancelled(videos)

    async def _pause_over(self) -> None:
        """Wait until the vendor takes questions again: what is sent during a pause is refused, row after row."""
        while (seconds := self._gate.pause_left()) > 0:
            await asyncio.sleep(seconds)

    async def _one(self, video: WantedVideo, wrapped: Wrapped, place: Place) -> None:
        async def made() -> RowResult:
            return self._ended(video, await self._made(video, place))

        problem = "it was not started"
        try:
            await wrapped(video, made)
        except Exception as error:  # Prefect's own: the video was made without its task run, or is made now
            problem = outcomes.reason_of(error)
        if video.order.intent not in self.results:
            self._follower.told(f"{video.rows[0].label} has no task run of its own: {problem}")
            await made()

    async def _made(self, video: WantedVideo, place: Place) -> RowResult:
        self._follower.started(video.rows[0].number, video.rows[0].label)
        headway = self._headways[video.order.intent] = Headway()
        try:
            if not self._waits:
                submitted = await self._workshop.submit(video.order, headway, self._observer(video))
                if not isinstance(submitted, StoredVideo):
                    return outcomes.of_submitted(video, submitted, headway)
                stored = submitted
            else:
                stored = await self._workshop.make(video.order, headway, self._observer(video), place.made)
        except Exception as error:
            if details := outcomes.details_of(error):
                self._observer(video).log(details, level=logging.ERROR, task_id=headway.task_id)
            verdict = outcomes.verdict_of(error, task_id=headway.task_id)
            if verdict.ends_submitting:
                why = f"{verdict.ends_submitting}: {outcomes.reason_of(error)}"
                prices = [headway.price, error.required] if isinstance(error, InsufficientBalance) else []
                known = [price for price in prices if price is not None]
                if known:
                    self._stop_from(min(known), why)
                else:
                    self._stop(why)
            return outcomes.of_error(video, error, headway)
        return outcomes.of_video(video, stored, headway)

    def _ended(self, video: WantedVideo, result: RowResult) -> RowResult:
        intent = video.order.intent
        if intent in self.results:
            return self.results[intent]
        self.results[intent] = result
        if result.submissions:
            self._submitted += 1
            self._failures += result.outcome in ("failed", "moderated", "unknown")
        self._follower.ended(result)
        if why := self._why_to_stop():
            self._stop(why)
        return result

    def _stop(self, why: str) -> None:
        """Submit nothing more. What is submitted or stored already still comes."""
        if not self._state.stopped:
            self._state.stopped = why
            self._follower.told(f"No further row is submitted. {why}")

    def _stop_from(self, price: float, why: str) -> None:
        """Submit nothing more that costs as much. There may be enough for what is cheaper, and a refusal is free."""
        if price < self._state.short_from:
            self._state.short_from, self._state.short = price, f"No row of {price:g} coins or more is submitted. {why}"
            self._follower.told(self._state.short)

    def _why_to_stop(self) -> str:
        """Return why a rule of the options stops further submitting. Only what this run submitted counts."""
        submitted, failures = self._submitted, self._failures
        options = self._options
        if options.stop_after_failures and failures >= options.stop_after_failures:
            return f"{failures} rows of this run failed, and stop_after_failures is {options.stop_after_failures}"
        share = failures / submitted if submitted >= LEAST_FOR_SHARE else 0.0
        if options.stop_after_share and share >= options.stop_after_share:
            return (
                f"{failures} of {submitted} rows that this run submitted failed, and stop_after_share is "
                f"{options.stop_after_share:g}"
            )
        return ""

    def _rest_cancelled(self, videos: Sequence[WantedVideo]) -> None:
        """Have a result for each video: for those whose way was ended from outside as well."""
        for video in videos:
            if video.order.intent not in self.results:
                self._ended(video, self._cancelled(video))

    def _cancelled(self, video: WantedVideo) -> RowResult:
        """Return the result of a video that had none when the run was ended."""
        headway = self._headways.get(video.order.intent, Headway())
        unstarted = outcomes.of_unstarted(video, CANCELLED)
        if not (headway.submissions or headway.task_id or headway.perhaps_sent):
            return unstarted
        submissions = max(headway.submissions, int(headway.perhaps_sent))
        advice = outcomes.RUN_AGAIN
        if headway.task_id and not self._waits:
            advice = outcomes.COLLECT
            outcome, reason = "submitted", f"task {headway.task_id} goes on at the vendor, as it would anyway"
        elif headway.task_id:
            advice = outcomes.GOES_ON
            outcome, reason = "failed", f"task {headway.task_id} goes on at the vendor and is paid for"
        elif headway.perhaps_sent:
            outcome, reason = "unknown", "the vendor's answer was on its way, and the journal knows what became of it"
        else:
            outcome, reason = "failed", "the vendor had made no video of what was submitted before"
        return unstarted.model_copy(
            update={
                "outcome": outcome,
                "reason": f"The run was cancelled; {reason}",
                "advice": advice,
                "task_id": headway.task_id,
                "submissions": submissions,
                "price": headway.price,
                "cost": None if submissions else 0.0,
                "polls": headway.polls,
            }
        )
