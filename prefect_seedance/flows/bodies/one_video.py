"""The body of both flows of one video, which only a run imports: a form or a deployment needs the parameters alone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVarTuple, cast

from prefect.context import FlowRunContext
from prefect.runtime import flow_run
from prefect.states import Completed
from prefect.utilities.annotations import quote

from prefect_seedance.asides import aside
from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.errors import OutcomeUnknown, VideoFailed
from prefect_seedance.client.failures import WORTH_RESUBMITTING
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.pipeline.observer import Event
from prefect_seedance.pipeline.options import RunOptions
from prefect_seedance.pipeline.record_lookup import Standing, look_up
from prefect_seedance.pipeline.steps import place_order
from prefect_seedance.pipeline.submit.headway import Headway
from prefect_seedance.pipeline.watch.history import save_in_background
from prefect_seedance.plain_text import one_line
from prefect_seedance.runs.cancellation import ENDED
from prefect_seedance.runs.context.current_run import CurrentRun, current_run, run_url
from prefect_seedance.runs.context.journal_label import hold_to_its_journal
from prefect_seedance.runs.context.prefect_client import RunClientContext
from prefect_seedance.runs.context.scope import scope_of_only_video
from prefect_seedance.runs.context.source_identities import source_identities
from prefect_seedance.runs.ends.state import failed_state
from prefect_seedance.runs.events import emit, emit_no_video, run_observer, run_tells
from prefect_seedance.runs.logs import log
from prefect_seedance.runs.notifications.messages import (
    NoVideo,
    expected_price,
    failure_message,
    reuse_message,
    success_message,
)
from prefect_seedance.runs.pages.play_link import play_link
from prefect_seedance.runs.pages.run_page import show_cancelled, show_failure, show_stored, tag_run
from prefect_seedance.tasks.create import create_video
from prefect_seedance.tasks.notify import told
from prefect_seedance.tasks.prepare import prepare_media
from prefect_seedance.tasks.store import store_video
from prefect_seedance.tasks.validate import validate_request
from prefect_seedance.tasks.wait import wait_for_video

if TYPE_CHECKING:
    from prefect_seedance.journal.record import Run
    from prefect_seedance.journal.submit.pointer import SubmittedVideo
    from prefect_seedance.pipeline.order import Order

Values = TypeVarTuple("Values")

#: How long the journal is asked at the end: a cancelled run has 30 s in all, and its page is worth more.
_LOOKING_SECONDS = 5.0


async def generate(
    request: VideoRequest,
    credentials: SeedanceCredentials,
    store: VideoStore,
    notify: list[str],
    options: RunOptions,
) -> StoredVideo:
    """Generate one video and store it: the body of both flows."""
    # One client of Prefect's for all steps, which would otherwise each make their own.
    async with run_tells(), RunClientContext.get_or_create():
        await tag_run(request)
        progress = Progress()
        try:
            await validate_request(*as_they_are(request, credentials, store), notify)
            current = await current_run()
            progress.is_retry = current.is_retry
            if count := len(request.references()):
                log("prepare", f"Preparing {count} reference{'s' if count > 1 else ''} for {request.model_name}.")
            order = place_order(
                request,
                scope=scope_of_only_video(options, current),
                account=credentials.account,
                key_template=store.key_template,
                run_name=current.run.name,
                notify=notify,
                sources=await source_identities(
                    request,
                    credentials,
                    store,
                    preflight=options.preflight,
                    labels=current.labels if current.is_retry else {},
                ),
                ignored_parameters=store.ignored_link_parameters,
            )
            journal_id = await hold_to_its_journal(
                store, current, order.identity, only_video=True, sources=order.sources
            )
            if request.references():
                await prepare_media(*as_they_are(request, credentials, store), options, order)
            progress.order = order
            stored = await _made(order, credentials, store, options, current, journal_id, progress)
        except ENDED:
            now = await _standing(progress, store)
            await show_cancelled(request, now)
            if now.unknown:
                await _tell_of_none(notify, NoVideo(now.unknown), request)
            raise
        except Exception as error:
            says_it = isinstance(error, OutcomeUnknown) or bool(getattr(error, "task_id", ""))
            now = Standing() if says_it else await _standing(progress, store)
            end = NoVideo(error, now.task_id, progress.may_have_paid, now.advice)
            page = await show_failure(end, request, _as_asked())
            await _tell_of_none(notify, end, request)
            return cast("StoredVideo", failed_state(error, page))
        play = await play_link(stored, store)
        await show_stored(stored, request, store, play, order.sources, progress.price, progress.headway.watched_words)
        if store.assets:
            from prefect_seedance.runs.pages.assets import materialize_asset

            await materialize_asset(stored, store)
        await told(notify, success_message(stored, request, run_url=run_url(), play=play))
        aside(lambda: save_in_background(store.destination()))
    return _announced(stored) if stored.reused else stored


@dataclass
class Progress:
    """How far a run has come: tells what may have been paid when it ends without its video.

    Attributes:
        order: Set once nothing more can be refused for free.
        task_id: The vendor's task as Prefect knows it, "" before it is accepted and after it failed.
        is_retry: Whether this run, or one that it is a part of, was tried before.
        price: What the video was expected to cost when it was submitted, in words.
        headway: How often the vendor was asked about it, and how late it was seen.
    """

    order: Order | None = None
    task_id: str = ""
    is_retry: bool = False
    price: str = ""
    headway: Headway = field(default_factory=Headway)

    @property
    def may_have_paid(self) -> bool:
        """Whether this try of the run, or one before, got past what is checked for free."""
        return self.order is not None or self.is_retry or (flow_run.get_run_count() or 0) > 1


async def _made(
    order: Order,
    credentials: SeedanceCredentials,
    store: VideoStore,
    options: RunOptions,
    current: CurrentRun,
    journal_id: str,
    progress: Progress,
) -> StoredVideo:
    request = order.asked
    for attempt in range(1, options.max_submissions + 1):
        submitted = await create_video(*as_they_are(request, credentials, store), options, order, journal_id, attempt)
        submitted = _reuse_told(submitted, current.run)
        progress.task_id, progress.price = submitted["task_id"], expected_price(submitted)
        try:
            completed = await wait_for_video(
                *as_they_are(submitted, request, credentials, store), options, *as_they_are(progress.headway)
            )
        except VideoFailed as failed:
            progress.task_id = ""
            if failed.failure not in WORTH_RESUBMITTING or attempt == options.max_submissions:
                raise
            log("wait", f"{failed} Attempt {attempt} of {options.max_submissions}; another follows.")
        else:
            return await store_video(*as_they_are(completed, submitted, request, credentials, store))
    raise AssertionError("unreachable: the last attempt returns or raises")


def as_they_are(*values: *Values) -> tuple[*Values]:
    """Hand values to a task without Prefect looking into each of their fields for results of other tasks."""
    return cast("tuple[*Values]", tuple(quote(value) for value in values))


def _reuse_told(submitted: SubmittedVideo, run: Run) -> SubmittedVideo:
    """Mark what another run than this one submitted (a cached result does not know who asks), and log it."""
    if not (submitted["reused"] or submitted["run_id"] != run.id):
        return submitted
    if not submitted["reused"]:  # Prefect's persisted result answered, so the journal was not asked
        facts = {"decision": "attach", "reason": "persisted result"}
        emit(Event("attached", submitted["intent"], submitted["task_id"], facts=facts))
    by = f" (by {submitted['run_name']})" if submitted["run_name"] else ""
    log("create", f"{reuse_message(submitted['task_id'])}{by}", task_id=submitted["task_id"])
    return {**submitted, "reused": True}


async def _standing(progress: Progress, store: VideoStore) -> Standing:
    """Look up what goes on at the vendor. The journal knows best, for example of a later task than Prefect's result."""
    order = progress.order
    if order is None:
        return Standing()
    known = Standing(progress.task_id, scope=order.identity.scope)
    looking = threads.run(threads.RECORDS, lambda: look_up(store.destination(), order.identity, run_observer("create")))
    try:
        async with asyncio.timeout(_LOOKING_SECONDS):
            found = await looking
    except Exception:  # too slow, or no store at all: the error of the run says why
        return known
    return found if found.task_id or found.unknown else known


def _as_asked() -> Mapping[str, object]:
    """Return the parameters of this run as Prefect's server has them: with saved blocks as references."""
    context = FlowRunContext.get()
    return context.flow_run.parameters if context and context.flow_run else {}


async def _tell_of_none(notify: list[str], end: NoVideo, request: VideoRequest) -> None:
    """Tell people that there is no video; if nobody can be told, an automation may do it."""
    address = run_url()
    if not await told(notify, failure_message(end, request, run_url=address)):
        emit_no_video(address, end.headline, end.words, end.paid)


def _announced(stored: StoredVideo) -> StoredVideo:
    # A state with data: Prefect shows the message on the run and hands the data to the caller.
    return cast("StoredVideo", Completed(data=stored, message=one_line(reuse_message(stored.task_id))))
