"""The whole way of one video without Prefect: prepared, submitted, watched and delivered, all by the other steps.

Or its first half alone, for whoever leaves the rest to a collector.

For whoever makes many: each step is a thread's or the watcher's, and only the way between them is here.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prefect_seedance.client.errors import VideoFailed
from prefect_seedance.client.failures import WORTH_RESUBMITTING
from prefect_seedance.journal.changes import STORING_SECONDS
from prefect_seedance.journal.record import Run
from prefect_seedance.journal.submit.adoption import adopt
from prefect_seedance.journal.submit.decision import Decision
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.deliver import deliver
from prefect_seedance.pipeline.observer import Event, Observer
from prefect_seedance.pipeline.submit.background import in_background
from prefect_seedance.pipeline.submit.headway import Headway
from prefect_seedance.pipeline.submit.pacing import Pacing
from prefect_seedance.pipeline.submit.preparation import follower_of, prepare_ahead
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.pipeline.watch.watcher import watch_and_hand_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect_seedance.client.models import VideoTask
    from prefect_seedance.journal.submit.pointer import SubmittedVideo
    from prefect_seedance.pipeline.models import StoredVideo
    from prefect_seedance.pipeline.options import RunOptions
    from prefect_seedance.pipeline.order import Order
    from prefect_seedance.pipeline.parties import Account, Destination
    from prefect_seedance.pipeline.submit.run_state import RunState
    from prefect_seedance.pipeline.submit.spending import Spending
    from prefect_seedance.pipeline.submit.submit import Turn


@dataclass(frozen=True)
class Workshop:
    """Where videos are made: what all of a run have in common.

    Attributes:
        account: Who pays.
        destination: Where they go.
        options: How the run behaves.
        run: Which run it is, for records and provenance.
        state: What its submissions share.
        turn: Waited for right before each claim; None for no waiting.
        spending: The budgets that each submission has to fit into; None for those of the account.
        pacing: Lets few submissions work at the same time.
    """

    account: Account
    destination: Destination
    options: RunOptions
    state: RunState
    run: Run = field(default_factory=Run)
    turn: Turn | None = None
    spending: Spending | None = None
    pacing: Pacing = field(default_factory=Pacing)

    async def make(
        self, order: Order, headway: Headway, observer: Observer, when_made: Callable[[], None] = lambda: None
    ) -> StoredVideo:
        """Make a video, or take it up wherever it has got to.

        Args:
            order: What is asked for.
            headway: Is kept up to date.
            observer: Follows it.
            when_made: Called once nothing is left for the vendor to do, before the video is stored.

        Raises:
            InvalidRequest: It can be refused for free; nothing was sent.
            SubmissionUnknown: Perhaps accepted: a person has to settle it.
            SubmissionStopped: Nothing was sent; the message says why.
            TaskError, VideoNotStored: It is paid for, and there is no video yet; carries the task id.
            SeedanceError, StorageError: As the steps raise them.
        """
        counting = _counting(observer, headway)
        await self._prepared(order, counting)
        # The record says nothing between the submission and `stored`: a collector is to leave it alone for both.
        at_it = self._wait_seconds(order) + STORING_SECONDS
        for attempt in range(1, self.options.max_submissions + 1):
            submitted = await self._submitted(order, headway, counting, watch_seconds=at_it)
            try:
                completed, unwritten = await self._watched(order, submitted, headway, counting)
            except VideoFailed as failed:
                headway.task_id = ""
                if failed.failure not in WORTH_RESUBMITTING or attempt == self.options.max_submissions:
                    raise
                observer.log(f"{failed} Attempt {attempt} of {self.options.max_submissions}; another follows.")
            else:
                when_made()
                return await self._delivered(completed, submitted, counting, unwritten)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def submit(self, order: Order, headway: Headway, observer: Observer) -> StoredVideo | SubmittedVideo:
        """Submit a video, and leave it to a collector: the first half of `make`. Nothing is waited for.

        Args:
            order: What is asked for.
            headway: Is kept up to date.
            observer: Follows it.

        Returns:
            The vendor's task, which the journal has; the video where that is in the store.

        Raises:
            TaskNotRecorded: It is paid for, and the journal cannot be written; carries the task id.
            SeedanceError, StorageError: As `make` raises them.
        """
        counting = _counting(observer, headway)
        await self._prepared(order, counting)
        submitted = await self._submitted(order, headway, counting, watch_seconds=0.0)
        if submitted["decision"] == Decision.ALREADY_STORED:  # as the record says: whether it is there is looked at
            completed, unwritten = await self._watched(order, submitted, headway, counting)
            return await self._delivered(completed, submitted, counting, unwritten)
        # A collector knows the record alone.
        await threads.run(threads.RECORDS, adopt, self.destination.journal, submitted)
        return submitted

    async def _prepared(self, order: Order, observer: Observer) -> None:
        if not order.asked.references() or self.state.stopped:
            return
        cancelled = threading.Event()
        try:
            await threads.run(
                threads.REFERENCES,
                lambda: prepare_ahead(
                    order,
                    self.account,
                    self.destination,
                    follower_of(observer, cancelled),
                    preflight=self.options.preflight,
                    wait_seconds=self._wait_seconds(order),
                    max_submissions=self.options.max_submissions,
                    state=self.state,
                ),
            )
        finally:
            cancelled.set()  # where the run is ended, every wait ends, and every call under way is cut

    async def _submitted(
        self, order: Order, headway: Headway, observer: Observer, *, watch_seconds: float
    ) -> SubmittedVideo:
        async with self.pacing.place() as give_up_place:
            submitted = await in_background(
                lambda cancelled: submit(
                    order,
                    self.account,
                    self.destination,
                    run=self.run,
                    state=self.state,
                    max_submissions=self.options.max_submissions,
                    preflight=self.options.preflight,
                    watch_seconds=watch_seconds,
                    reference_seconds=self._wait_seconds(order),
                    observer=observer,
                    cancelled=cancelled,
                    turn=self.turn,
                    spending=self.spending,
                    headway=headway,
                    before_waiting=give_up_place,
                ),
                observer,
            )
        headway.task_id, headway.perhaps_sent = submitted["task_id"], False
        headway.price, headway.price_source = submitted["price"], submitted["price_source"]
        return submitted

    async def _watched(
        self, order: Order, submitted: SubmittedVideo, headway: Headway, observer: Observer
    ) -> tuple[VideoTask, Event | None]:
        return await watch_and_hand_on(
            submitted,
            self.account,
            self.destination,
            limit_seconds=self._wait_seconds(order),
            max_submissions=self.options.max_submissions,
            observer=observer,
            headway=headway,
        )

    async def _delivered(
        self, completed: VideoTask, submitted: SubmittedVideo, observer: Observer, unwritten: Event | None
    ) -> StoredVideo:
        cancelled = threading.Event()
        try:
            return await threads.run(
                threads.RELAYS,
                deliver,
                completed,
                submitted,
                self.account,
                self.destination,
                run=self.run,
                observer=observer,
                cancelled=cancelled,
                unwritten=unwritten,
            )
        finally:
            cancelled.set()

    def _wait_seconds(self, order: Order) -> float:
        return self.options.wait_seconds(order.asked.duration)


def _counting(observer: Observer, headway: Headway) -> Observer:
    """Return an observer that counts submissions before it tells of them."""

    def emit(event: Event) -> None:
        if event.kind in ("submitted", "unknown"):
            headway.submissions += 1
        if event.task_id:
            headway.task_id = event.task_id
        observer.emit(event)

    return Observer(observer.write, emit)
