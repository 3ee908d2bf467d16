"""The body of both flows that plan a batch, which only a run imports: a form needs the parameters alone."""

from __future__ import annotations

import logging
import threading

from prefect_seedance.batch.asked import read_asked
from prefect_seedance.batch.models import BatchPlan
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.batch.plan import make_plan
from prefect_seedance.batch.plan_text import totals
from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.submit.preparation import follower_of, media_context
from prefect_seedance.pipeline.watch.history import load_history
from prefect_seedance.redaction import without_signatures
from prefect_seedance.runs.cancellation import ENDED
from prefect_seedance.runs.context.current_run import current_run
from prefect_seedance.runs.context.prefect_client import RunClientContext
from prefect_seedance.runs.context.scope import resolve_scope
from prefect_seedance.runs.events import run_observer
from prefect_seedance.runs.logs import log
from prefect_seedance.runs.money.accounts import account_of
from prefect_seedance.runs.pages.plan_page import show_plan


async def plan(
    manifest: str,
    credentials: SeedanceCredentials,
    store: VideoStore,
    requests: list[VideoRequest],
    options: BatchOptions,
) -> BatchPlan:
    """Plan a batch, and put the plan on the run's page: the body of both flows."""
    async with RunClientContext.get_or_create():
        # With reuse "run" it is the plan's own run, for which the journal has nothing, as it will have for the batch.
        scope = resolve_scope(options, await current_run())
        cancelled = threading.Event()
        follower = follower_of(run_observer("prepare"), cancelled)
        account = await account_of(credentials)

        def work() -> BatchPlan:
            destination = store.destination()
            read = read_asked(manifest, requests, options, media_context(account, destination), follower)
            return make_plan(
                read,
                account,
                destination,
                options,
                scope=scope,
                follower=follower,
                history=load_history(destination.store),
                ignored_parameters=store.ignored_link_parameters,
            )

        try:
            found = await threads.run(threads.REFERENCES, work)
        except ENDED:
            cancelled.set()  # every wait ends, and every call under way is cut
            raise
        for notice in found.notices:
            log("validate", without_signatures(notice), level=logging.WARNING)
        for name, words in totals(found):
            log("validate", f"{name}: {words}" if name else f"Nothing was paid. {words}")
        await show_plan(found)
    return found
