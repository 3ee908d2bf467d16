"""The body of both flows that collect, which only a run imports."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from prefect.states import Completed

from prefect_seedance.asides import aside
from prefect_seedance.client.errors import ConfigurationError
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.store_identity import known_name
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.collect import collector
from prefect_seedance.pipeline.submit.spending import Spending
from prefect_seedance.plain_text import one_line
from prefect_seedance.runs.batch.api import wait_for_api
from prefect_seedance.runs.collect.followers import collection_follower
from prefect_seedance.runs.collect.page import show_collection, show_orphans, store_mark
from prefect_seedance.runs.collect.teller import Teller
from prefect_seedance.runs.collect.words import changed_by, collection_message, summary
from prefect_seedance.runs.context.current_run import current_run, run_url
from prefect_seedance.runs.context.last_journal import warn_of_another
from prefect_seedance.runs.context.prefect_client import RunClientContext
from prefect_seedance.runs.events import emit_orphans
from prefect_seedance.runs.logs import log
from prefect_seedance.runs.money.accounts import account_of
from prefect_seedance.runs.notifications.notifiers import doubts, load_notifiers
from prefect_seedance.tasks.notify import send_notifications, told

if TYPE_CHECKING:
    from prefect_seedance.blocks.credentials import SeedanceCredentials
    from prefect_seedance.blocks.video_store import VideoStore
    from prefect_seedance.pipeline.collect.models import CollectReport
    from prefect_seedance.pipeline.collect.options import CollectOptions
    from prefect_seedance.pipeline.parties import Account


async def collect(
    credentials: SeedanceCredentials, store: VideoStore, notify: list[str], options: CollectOptions
) -> CollectReport:
    """Take up what is open in a store, and show and tell what came of it: the body of both flows."""
    # One client of Prefect's for all steps, which would otherwise each make their own.
    async with RunClientContext.get_or_create():
        for problem in doubts(await load_notifiers(notify)):
            _say(str(problem), level=logging.WARNING)
        account = await _account_of(credentials)
        account.check_environment()
        destination = await threads.run(threads.RECORDS, store.destination)
        journal_id = await threads.run(threads.RECORDS, known_name, destination.journal)
        await warn_of_another(store.place, journal_id)
        if not journal_id:
            _say(f"No record of a submission by a flow was found at {store.place}.")
        current = await current_run()
        async with Teller(store, destination, run_url(), send_notifications) as teller:
            report = await collector.collect(
                account, destination, options, observer_of=teller.observer_of, told=_say, run=current.run
            )
        # What was settled meanwhile no longer counts as held.
        await threads.run(threads.RECORDS, Spending.of(account, destination).sweep)
        await _show(report, store, notify)
        await wait_for_api()
    return _announced(report)


async def _account_of(credentials: SeedanceCredentials) -> Account:
    """Return whose records are collected: a budget store that is broken keeps no paid video from being fetched."""
    try:
        return await account_of(credentials)
    except ConfigurationError as error:
        _say(f"Budgets are not settled in this run. {error}", level=logging.WARNING)
        return replace(credentials.vendor_account(), limits=Limits())


async def _show(report: CollectReport, store: VideoStore, notify: list[str]) -> None:
    """Put on pages what came of it, and tell people if anything has changed."""
    new, _ = await asyncio.gather(show_orphans(report.orphans, store.place), show_collection(report, store.place))
    if report.orphans:
        emit_orphans(store_mark(store.place), store.place, report.orphans, new)
    log("store", summary(report))
    if new or changed_by(report):
        await told(notify, collection_message(report, store.place, run_url()))


def _say(message: str, *, level: int = logging.INFO) -> None:
    log("wait", message, level=level)
    aside(collection_follower().told, message)


def _announced(report: CollectReport) -> CollectReport:
    # A state with data: Prefect shows the message in the list of runs and hands the data to the caller.
    return cast("CollectReport", Completed(data=report, message=one_line(summary(report))))
