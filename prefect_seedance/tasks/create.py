"""Second step: the one that costs money. Never retried by Prefect; safe to run again, by the journal."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextvars import copy_context
from datetime import UTC, datetime

from prefect import task
from prefect.runtime import flow_run

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.client.outcome import Accepted, Outcome
from prefect_seedance.client.prices import estimate
from prefect_seedance.client.references import require_valid
from prefect_seedance.client.request import VideoRequest
from prefect_seedance.journal.callbacks import Callbacks, Notice
from prefect_seedance.journal.critical import Evidence, Sender
from prefect_seedance.journal.decision import SubmissionPolicy, decide
from prefect_seedance.journal.identity import how_to_go_on, identify
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.pointer import Submitted
from prefect_seedance.journal.submission import resume_or_submit
from prefect_seedance.storage.templates import KeyFacts, render
from prefect_seedance.tasks.caching import IntentPolicy
from prefect_seedance.tasks.ending import ENDED
from prefect_seedance.tasks.events import emit_notice
from prefect_seedance.tasks.logs import log, note
from prefect_seedance.tasks.models import SubmittedVideo
from prefect_seedance.tasks.options import RunOptions
from prefect_seedance.tasks.run_state import RunState, run_state
from prefect_seedance.tasks.same_journal import hold_to_its_journal
from prefect_seedance.tasks.scope import resolve_scope, this_run


@task(
    name="create-video",
    task_run_name="create-video: {request.model_name}",
    retries=0,
    persist_result=True,
    result_serializer="json",
    cache_policy=IntentPolicy(),
)
async def create_video(
    request: VideoRequest,
    credentials: SeedanceCredentials,
    store: VideoStore,
    options: RunOptions = RunOptions(),
    scope: str | None = None,
    attempt: int = 1,
) -> SubmittedVideo:
    """Give the vendor's task of a video: the one that is there, or a new one if that is allowed.

    Running it again is safe: the journal in the store knows what was submitted, and Prefect's persisted result is the
    second copy. The POST runs in a thread, so that cancelling the run cannot lose its answer.

    Args:
        request: The video.
        credentials: Who pays.
        store: Where it will go, and where its journal is.
        options: How often it may be paid for, and what it is shared within.
        scope: What ``options.reuse`` was resolved to by an outer flow; None to resolve it here.
        attempt: Which attempt of the run this is; part of the persisted result's key.

    Raises:
        InvalidRequest: The request breaks a rule; nothing was sent.
        StorageError: The store does not keep writers apart, or does not answer; nothing was sent.
        SubmissionUnknown: Perhaps accepted, perhaps billed: a person settles it with ``resolve_submission``.
        SubmissionStopped: Nothing was sent, and why.
        JournalGone: Nothing was sent: it is not the journal that the run began with.
        SeedanceError: The vendor refused or could not be reached; nothing was bought.

    Example:
        The steps one by one, in a flow of your own:
        ```python
        import asyncio

        from prefect import flow
        from prefect_seedance import (
            SeedanceCredentials,
            VideoRequest,
            VideoStore,
            create_video,
            store_video,
            validate_request,
            wait_for_video,
        )


        @flow
        async def step_by_step(request: VideoRequest) -> str:
            credentials = await SeedanceCredentials.aload("studio")
            store = await VideoStore.aload("catalogue")
            await validate_request(request, credentials, store, [])
            submitted = await create_video(request, credentials, store)
            completed = await wait_for_video(submitted, request, credentials, store)
            video = await store_video(completed, submitted, request, credentials, store)
            return video.uri


        asked = VideoRequest(prompt="A paper boat", model="seedance2.0-mini", resolution="480p", duration=4)
        print(asyncio.run(step_by_step(asked)))
        ```
    """
    cancelled = threading.Event()
    # A future of the executor and no task: when a run is ended by a signal, asyncio cancels every task there is, and
    # the answer of a POST that is under way would have nobody to come to.
    context = copy_context()
    submission = asyncio.get_running_loop().run_in_executor(
        None, lambda: context.run(_submit, request, credentials, store, options, scope, cancelled)
    )
    try:
        submitted = await asyncio.shield(submission)
    except ENDED:
        # The thread ends by itself: before the POST at once, within it when the answer is in the record.
        cancelled.set()
        await _after_cancel(submission)
        raise
    return submitted


def _submit(
    request: VideoRequest,
    credentials: SeedanceCredentials,
    store: VideoStore,
    options: RunOptions,
    scope: str | None,
    cancelled: threading.Event,
) -> SubmittedVideo:
    if scope is None:
        hold_to_its_journal(store)
        scope = resolve_scope(options)
    identity = identify(request, scope=scope, account=credentials.account)
    journal, run = store.journal(), this_run()
    store.journal_id()
    shared = run_state(run.id) if run.id else RunState()
    policy = SubmissionPolicy(max_submissions=options.max_submissions, post_seconds=credentials.submit_timeout_seconds)
    run_name = flow_run.get_name() or "run"

    def key_of(answer: Accepted) -> str:
        created = datetime.fromtimestamp(answer.created_at, UTC) if answer.created_at else datetime.now(UTC)
        return render(store.key_template, key_facts(request, answer.task_id, identity.intent, run_name, created))

    def emit(notice: Notice) -> None:
        emit_notice(notice, request, journal.store_option)

    with credentials.get_client() as client:

        def post(total_seconds: float) -> Outcome:
            return client.submit_video(request, timeout=total_seconds)

        evidence = Evidence()
        if _will_send(journal, identity.intent, policy):
            # Once more for those who use the steps one by one: a copy of a request with a change is not validated.
            require_valid(request)
            store.open().require_conditions()
            evidence = _evidence(request, credentials, options, shared)
        submitted = resume_or_submit(
            journal,
            identity,
            post,
            sender=Sender(run, credentials.fingerprint, credentials.settings.host),
            policy=policy,
            evidence=evidence,
            callbacks=Callbacks(
                log=lambda level, message: log("create", message, level=level),
                emit=emit,
                key_of=key_of,
                balance=lambda: client.user_balance().available,
                cancelled=cancelled.is_set,
            ),
            storm=shared.storm,
        )
    return _pointer(submitted, scope)


def key_facts(request: VideoRequest, task_id: str, intent: str, run_name: str, created: datetime) -> KeyFacts:
    """Gather what a key template may name."""
    return KeyFacts(
        task_id=task_id,
        intent=intent,
        request_digest=intent[:12],
        model=request.model_name,
        take=request.take,
        flow_run_name=run_name,
        created=created,
    )


def _will_send(journal: Journal, intent: str, policy: SubmissionPolicy) -> bool:
    """Look whether this is going to cost anything: what is already there needs no preflight."""
    entry = journal.read(intent)
    verdict = decide(entry.record if entry else None, age_seconds=entry.age_seconds if entry else 0, policy=policy)
    return verdict.decision.sends


def _evidence(
    request: VideoRequest, credentials: SeedanceCredentials, options: RunOptions, shared: RunState
) -> Evidence:
    balance = shared.preflight(credentials) if options.preflight else None
    try:
        with credentials.get_client() as client:
            price = estimate(request, client.catalog())
    except SeedanceError as error:
        note(f"The vendor's price catalog could not be read: {error}")
        price = None
    if price is None:
        return Evidence(balance_before=balance)
    return Evidence(price=price.coins, price_source=price.source, balance_before=balance)


async def _after_cancel(submission: asyncio.Future[SubmittedVideo]) -> None:
    """Let the thread finish, and say what goes on. A cancelled run is given 30 s; an answer needs less."""
    while not submission.done():
        try:
            await asyncio.wait([submission])
        except asyncio.CancelledError:
            continue  # cancelled once more: the answer is still worth waiting for
    if error := submission.exception():
        log("create", f"The run was cancelled. {error}", level=logging.WARNING)
        return
    submitted = submission.result()
    task_id = submitted["task_id"]
    log(
        "create",
        f"The run was cancelled. Task {task_id} goes on at the vendor and is paid for; nothing can cancel it there. "
        f"{how_to_go_on(submitted['scope'])}",
        level=logging.WARNING,
        task_id=task_id,
    )


def _pointer(submitted: Submitted, scope: str) -> SubmittedVideo:
    return {
        "intent": submitted.intent,
        "task_id": submitted.task_id,
        "attempt": submitted.attempt,
        "nonce": submitted.nonce,
        "scope": scope,
        "decision": str(submitted.decision),
        "reused": submitted.reused,
        "run_id": submitted.run.id,
        "run_name": submitted.run.name,
        "model": submitted.model,
        "created_at": submitted.created_at or 0,
        "cost": submitted.cost,
        "price": submitted.price,
        "price_source": submitted.price_source,
        "submissions": submitted.submissions,
    }
