"""The body of the flows of a batch, made or submitted, which only a run imports: a form needs the parameters alone."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar, cast

from prefect.utilities.annotations import quote

from prefect_seedance.asides import words_of
from prefect_seedance.batch import outcomes
from prefect_seedance.batch.asked import read_asked
from prefect_seedance.batch.engine import Engine
from prefect_seedance.batch.errors import BatchIncomplete
from prefect_seedance.batch.followers import Following, following
from prefect_seedance.batch.models import BatchReport, RowResult
from prefect_seedance.batch.orders import Orders, OrderSettings, WantedVideo, place_orders
from prefect_seedance.flows.bodies.batch_end import counts_as_failed, shown_and_told, written
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.observer import Fact, Observer
from prefect_seedance.pipeline.submit.preparation import follower_of, media_context
from prefect_seedance.pipeline.submit.spending import Spending
from prefect_seedance.pipeline.video import Workshop
from prefect_seedance.pipeline.watch.history import load_history, save_history
from prefect_seedance.runs.batch.account_limit import account_limit
from prefect_seedance.runs.batch.api import wait_for_api
from prefect_seedance.runs.batch.page import show_report, show_rows
from prefect_seedance.runs.batch.progress import BatchProgress
from prefect_seedance.runs.cancellation import ENDED
from prefect_seedance.runs.context.current_run import CurrentRun, current_run, run_url
from prefect_seedance.runs.context.journal_label import hold_batch_to_its_journal
from prefect_seedance.runs.context.prefect_client import RunClientContext
from prefect_seedance.runs.context.scope import scope_of_batch
from prefect_seedance.runs.events import emit, run_observer, run_tells
from prefect_seedance.runs.logs import log
from prefect_seedance.runs.money.accounts import account_of
from prefect_seedance.runs.money.reached import telling_of_budgets
from prefect_seedance.runs.notifications.notifiers import doubts, load_notifiers
from prefect_seedance.runs.pages.play_link import report_link
from prefect_seedance.runs.run_names import take_words
from prefect_seedance.tasks.generate_row import generate_row

if TYPE_CHECKING:
    from prefect_seedance.batch.options import BatchOptions
    from prefect_seedance.batch.rows import Manifest
    from prefect_seedance.blocks.credentials import SeedanceCredentials
    from prefect_seedance.blocks.video_store import VideoStore
    from prefect_seedance.client.request.video_request import VideoRequest
    from prefect_seedance.journal.budget.budget import OnReached
    from prefect_seedance.pipeline.parties import Account, Destination

Value = TypeVar("Value")

#: How many videos must be done before the expected end is shown.
_LEAST_FOR_EXPECTATION = 5
#: Longest that a cancelled run spends on its report: Prefect ends its process after 30 s.
_LAST_WORDS_SECONDS = 8.0
_CANCELLED = (
    "The run was cancelled. Task runs that were under way end as Crashed; what became of their rows is in the report"
)
#: How many of the tasks that go on are named in the log.
_MOST_TASKS = 50
#: How often the progress is looked at.
_PROGRESS_SECONDS = 2.0
_MakeRow = Callable[[], Awaitable[RowResult]]
_submit_row = generate_row.with_options(task_run_name="submit: {label}")


async def generate(
    manifest: str,
    credentials: SeedanceCredentials,
    store: VideoStore,
    requests: list[VideoRequest],
    notify: list[str],
    options: BatchOptions,
) -> BatchReport:
    """Generate the videos of a manifest: the body of `generate_videos` and its twin."""
    return await _run(_Batch(credentials, store, notify, options, following()), manifest, requests)


async def submit(
    manifest: str,
    credentials: SeedanceCredentials,
    store: VideoStore,
    requests: list[VideoRequest],
    notify: list[str],
    options: BatchOptions,
) -> BatchReport:
    """Submit the videos of a manifest: the body of `submit_videos` and its twin."""
    return await _run(_Batch(credentials, store, notify, options, following(), waits=False), manifest, requests)


async def _run(batch: _Batch, manifest: str, requests: Sequence[VideoRequest]) -> BatchReport:
    # One client of Prefect's for all steps, which would otherwise each make their own.
    async with run_tells(), RunClientContext.get_or_create():
        await batch.read(manifest, requests)
        await batch.check()
        await batch.order()
        try:
            await batch.make()
        except ENDED:
            await batch.last_words()
            raise
        report, thumbnails = await written(batch.so_far(), batch.store, batch.manifest)
        await shown_and_told(report, batch.store, batch.notify, thumbnails)
        await wait_for_api()
    if counts_as_failed(report, batch.options):
        raise BatchIncomplete(report)
    return report


@dataclass
class _Batch:
    """One run of a batch, step by step."""

    credentials: SeedanceCredentials
    store: VideoStore
    notify: list[str]
    options: BatchOptions
    told: Following
    waits: bool = True
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    notices: list[str] = field(default_factory=list[str])

    account: Account = field(init=False)
    destination: Destination = field(init=False)
    manifest: Manifest = field(init=False)
    current: CurrentRun = field(init=False)
    scope: str = field(init=False)
    orders: Orders = field(init=False)
    engine: Engine = field(init=False)
    progress: BatchProgress = field(init=False)
    cancelled: bool = False

    async def read(self, manifest: str, requests: Sequence[VideoRequest]) -> None:
        """Read the manifest."""
        self.account = await account_of(self.credentials)
        self.destination = await threads.run(threads.RECORDS, self.store.destination)
        self.manifest = await _cancellable(
            lambda cancelled: read_asked(
                manifest,
                requests,
                self.options,
                media_context(self.account, self.destination),
                follower_of(run_observer("prepare"), cancelled),
            )
        )
        for notice in self.manifest.notices:
            self._notice(notice)
        log("validate", f"{len(self.manifest.rows)} rows from {self.manifest.source}.")

    async def check(self) -> None:
        """Check everything that all rows need, once and for free."""
        for problem in doubts(await load_notifiers(self.notify)):
            self._notice(str(problem))
        self.account.check_environment()
        for notice in await threads.run(threads.RECORDS, self.store.check):
            self._notice(notice)
        self.current = await current_run()
        self.scope = scope_of_batch(self.options, self.current)
        await hold_batch_to_its_journal(
            self.store, self.current, self.scope, batch=self.manifest.source, account=self.account.label
        )
        if self.options.preflight:
            await _cancellable(
                lambda cancelled: self.current.state.balance(self.account, "", cancelled.is_set), threads.LOOKUPS
            )

    async def order(self) -> None:
        """Work out the video of each row."""
        settings = OrderSettings(
            scope=self.scope,
            key_template=self.destination.key_template,
            run_name=self.current.run.name,
            notify=tuple(self.notify),
            posters=self.options.posters,
            ignored_parameters=tuple(self.store.ignored_link_parameters),
            preflight=self.options.preflight,
            part=self.options.part_of,
        )
        self.orders = await _cancellable(
            lambda cancelled: place_orders(
                self.manifest.rows,
                self.account,
                self.destination,
                settings,
                follower_of(run_observer("prepare"), cancelled),
            )
        )
        for notice in self.orders.notices:
            self._notice(notice)
        rows = sum(len(video.rows) for video in self.orders.videos)
        if other := len(self.orders.other_parts):
            log("validate", f"{other} rows belong to other parts than {self.options.part}.")
        self.told.planned(rows + len(self.orders.invalid))
        for row in self.orders.invalid:
            self.told.ended(outcomes.of_invalid(row))
        log(
            "validate",
            f"Rows that ask for a video: {rows}. Videos: {len(self.orders.videos)}. Invalid rows: "
            f"{len(self.orders.invalid)}.",
        )

    async def make(self) -> None:
        """Make the videos, or submit them."""
        async with telling_of_budgets(self.notify) as on_reached:
            await self._make(on_reached)

    async def _make(self, on_reached: OnReached) -> None:
        history = await threads.run(threads.RECORDS, load_history, self.destination.store)
        limit = await account_limit(self.account.label)
        run, state = self.current.run, self.current.state
        spending = Spending.of(
            self.account,
            self.destination,
            max_cost=self.options.max_cost,
            run_key=self.options.cost_key or self.current.root_id,
            on_reached=on_reached,
        )
        await threads.run(threads.RECORDS, spending.sweep)
        workshop = Workshop(self.account, self.destination, self.options, state, run, turn=limit, spending=spending)
        self.engine = Engine(workshop, self.options, self.told, _row_observer, waits=self.waits)
        progress = self.progress = BatchProgress()
        await progress.start(sum(len(video.rows) for video in self.orders.videos) + len(self.orders.invalid))
        drawing = asyncio.ensure_future(self._draw(progress))
        try:
            await self.engine.run(self.orders.videos, _as_task_run if self.waits else _as_submission)
        except Exception:  # a run that is ended goes on to its last words
            progress.stop()
            if limit is not None:  # a second is enough: what is not given back comes back by its lease
                await limit.close(1.0)
            raise
        finally:
            drawing.cancel()
        if limit is not None:
            await limit.close()
        for video in self.orders.videos:
            for result in _shared(video, self.engine.results[video.order.intent]):
                self.told.ended(result)
        await threads.run(threads.RECORDS, save_history, self.destination.store, history)
        so_far = self.so_far()
        await progress.finish(so_far.counts, so_far.spent)

    async def last_words(self) -> None:
        """Write and show what became of the rows of a cancelled run, in the little time that it has left."""
        if not hasattr(self, "progress"):
            return
        self.cancelled = True
        try:
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                if going_on := [row.task_id for row in self.so_far().rows if row.advice == outcomes.GOES_ON]:
                    log("store", _going_on_words(going_on), level=logging.WARNING)
                report, _ = await written(self.so_far(), self.store, self.manifest)
                log("store", f"The run was cancelled. {report.summary}", level=logging.WARNING)
                link = await report_link(report.report_uri, self.store)
                await asyncio.gather(
                    show_rows(report.rows),
                    show_report(report, None, link),
                    self.progress.finish(report.counts, report.spent),
                )
        except Exception as error:
            log("store", f"The report of the cancelled run is not written: {words_of(error)}", level=logging.WARNING)

    async def _draw(self, progress: BatchProgress) -> None:
        while True:
            await asyncio.sleep(_PROGRESS_SECONDS)
            results = [*map(outcomes.of_invalid, self.orders.invalid)]
            for video in self.orders.videos:
                if result := self.engine.results.get(video.order.intent):
                    results += [result, *_shared(video, result)]
            progress.update(
                Counter(each.outcome for each in results),
                self.engine.in_flight,
                sum(each.cost or 0.0 for each in results if not each.shared_with),
                self._expected_end(len(self.engine.results)),
            )

    def _expected_end(self, done: int) -> datetime | None:
        """Return when the last video will be done if all go on as those so far; None as long as these say little."""
        if done < _LEAST_FOR_EXPECTATION:
            return None
        now = datetime.now(UTC)
        return now + (now - self.started_at) / done * (len(self.orders.videos) - done)

    def so_far(self) -> BatchReport:
        """Return the report of what is known by now, with each row of this part."""
        results: list[RowResult] = [outcomes.of_invalid(row) for row in self.orders.invalid]
        for video in self.orders.videos:
            result = self.engine.results.get(video.order.intent)
            if result is None:
                result = outcomes.of_unstarted(video, "It has not been started")
            results += [result, *_shared(video, result)]
        return BatchReport(
            source=self.manifest.source,
            manifest_sha256=self.manifest.sha256,
            run_id=self.current.id,
            run_name=self.current.run.name,
            run_url=run_url(),
            account=self.account.label,
            scope=self.scope,
            part=self.options.part,
            started_at=self.started_at,
            ended_at=datetime.now(UTC),
            notices=self.notices,
            stopped=self.engine.stopped or (_CANCELLED if self.cancelled else ""),
            rows=sorted(results, key=lambda each: (each.number, each.take)),
        )

    def _notice(self, words: str) -> None:
        self.notices.append(words)
        self.told.told(words)
        log("validate", words, level=logging.WARNING)


def _shared(video: WantedVideo, result: RowResult) -> Iterator[RowResult]:
    """Return the results of the other rows that ask for a video."""
    return (outcomes.shared(result, row) for row in video.rows[1:])


def _going_on_words(task_ids: Sequence[str]) -> str:
    more = f" and {len(task_ids) - _MOST_TASKS} more" if len(task_ids) > _MOST_TASKS else ""
    return (
        f"The run was cancelled. These tasks go on at the vendor and are paid for; nothing can cancel them there: "
        f"{', '.join(task_ids[:_MOST_TASKS])}{more}. {outcomes.RUN_AGAIN}"
    )


async def _as_task_run(video: WantedVideo, make: _MakeRow) -> object:
    return await generate_row(_label(video), _quoted(make))


async def _as_submission(video: WantedVideo, make: _MakeRow) -> object:
    return await _submit_row(_label(video), _quoted(make))


def _quoted(make: _MakeRow) -> _MakeRow:
    """Hand a function to a task without Prefect looking into it for results of other tasks."""
    return cast("_MakeRow", quote(make))


def _label(video: WantedVideo) -> str:
    """Return what the task run of a video is called after: takes of one row have its name in common."""
    return f"{video.rows[0].label}{take_words(video.order.asked.take)}"


def _row_observer(video: WantedVideo) -> Observer:
    """Return the observer of one video: it emits every event, and logs only what a person should look at."""
    whole = run_observer("create")

    def write(level: int, message: str, facts: Mapping[str, Fact]) -> None:
        if level >= logging.WARNING:
            whole.write(level, message, facts)

    return Observer(write, emit)


async def _cancellable(work: Callable[[threading.Event], Value], pool: threads.Pool = threads.REFERENCES) -> Value:
    """Run blocking work in a thread, and end it when the run is ended."""
    cancelled = threading.Event()
    try:
        return await threads.run(pool, work, cancelled)
    finally:
        cancelled.set()
