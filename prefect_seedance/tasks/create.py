"""Second step: submit, which costs money. Prefect never retries it; the journal makes it safe to run again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import task

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.pipeline.options import RunOptions
from prefect_seedance.runs.cache_policy import IntentPolicy
from prefect_seedance.runs.context.current_run import current_run
from prefect_seedance.runs.context.journal_label import hold_to_its_journal
from prefect_seedance.runs.context.scope import resolve_scope
from prefect_seedance.runs.context.source_identities import source_identities
from prefect_seedance.runs.events import run_observer
from prefect_seedance.runs.link_notices import tell_of_links
from prefect_seedance.runs.money.accounts import account_of
from prefect_seedance.runs.money.reached import telling_of_budgets
from prefect_seedance.runs.run_names import step_name

if TYPE_CHECKING:
    from prefect_seedance.journal.submit.pointer import SubmittedVideo
    from prefect_seedance.pipeline.order import Order


@task(
    name="create-video",
    task_run_name=step_name("create-video"),
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
    order: Order | None = None,
    journal_id: str = "",
    attempt: int = 1,
) -> SubmittedVideo:
    """Return the vendor's task of a video: the one that is there, or a new one if that is allowed.

    Running it again is safe: the journal in the store knows what was submitted, and Prefect's persisted result is the
    second copy. The POST runs in a thread, so that cancelling the run cannot lose its answer.

    Args:
        request: The video.
        credentials: Who pays.
        store: Where it will go, and where its journal is.
        options: How often it may be paid for, and what it is shared within.
        order: What an outer flow has worked out about the request; None to work it out here.
        journal_id: Which journal the order is for; part of the persisted result's key.
        attempt: Which attempt of the run this is; part of the persisted result's key.

    Returns:
        Points to the vendor's task, with its attempt and what it is expected to cost.

    Raises:
        InvalidRequest: The request breaks a rule; nothing was sent.
        StorageError: The store does not keep writers apart, or does not answer; nothing was sent.
        ConfigurationError: The budget store of the credentials cannot be used; nothing was sent.
        SubmissionUnknown: Perhaps accepted, perhaps billed: a person settles it with ``resolve_submission``.
        SubmissionStopped: Nothing was sent; the message says why.
        JournalGone: Nothing was sent: it is not the journal that the run began with.
        RunNotLabelled: Nothing was sent: Prefect does not keep what a retry must find again.
        SeedanceError: The vendor refused or could not be reached; nothing was bought.

    Examples:
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
    from prefect_seedance.pipeline.steps import in_background, place_order, submit
    from prefect_seedance.pipeline.submit.spending import Spending

    current = await current_run()
    if order is None:
        tell_of_links("create", request, store)
        order = place_order(
            request,
            scope=resolve_scope(options, current),
            account=credentials.account,
            key_template=store.key_template,
            run_name=current.run.name,
            sources=await source_identities(request, credentials, store, preflight=options.preflight),
            ignored_parameters=store.ignored_link_parameters,
        )
        journal_id = await hold_to_its_journal(store, current, order.identity)
        # A task run of its own, whose result is kept under the order: this one had none when its key was computed.
        return await create_video(request, credentials, store, options, order, journal_id, attempt)

    account, observer, destination = await account_of(credentials), run_observer("create"), store.destination()
    async with telling_of_budgets(order.delivery.notify) as on_reached:
        return await in_background(
            lambda cancelled: submit(
                order,
                account,
                destination,
                run=current.run,
                state=current.state,
                max_submissions=options.max_submissions,
                preflight=options.preflight,
                watch_seconds=options.wait_seconds(request.duration),
                observer=observer,
                cancelled=cancelled,
                spending=Spending.of(account, destination, on_reached=on_reached),
            ),
            observer,
        )
