"""The body of both flows that settle a submission, which only a run imports: a form needs the parameters alone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from prefect.runtime import flow_run

from prefect_seedance.client.models import VideoTask
from prefect_seedance.journal.commands import how_to_go_on, how_to_repeat
from prefect_seedance.journal.record import Entry, Run
from prefect_seedance.journal.resolution import Resolution, remarks, resolve_unknown
from prefect_seedance.journal.states import State
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.by_hand import Brought, bring_in
from prefect_seedance.runs.cancellation import ENDED
from prefect_seedance.runs.ends.settled_page import show_settled
from prefect_seedance.runs.events import run_observer
from prefect_seedance.runs.logs import log
from prefect_seedance.runs.money.accounts import account_of

if TYPE_CHECKING:
    from pydantic import SecretStr

    from prefect_seedance.blocks.credentials import SeedanceCredentials
    from prefect_seedance.blocks.video_store import VideoStore
    from prefect_seedance.pipeline.parties import Account


async def resolve(
    intent: str,
    store: VideoStore,
    credentials: SeedanceCredentials,
    resolution: Resolution,
    url: SecretStr,
    path: str,
    task_id: str,
    attempt: str,
    any_model: bool,
    any_age: bool,
    despite_evidence: bool,
) -> str:
    """Settle an unknown submission, or bring its video in: the body of both flows."""
    account = await account_of(credentials)
    if resolution == "take_link" or resolution == "take_file":
        link = url.get_secret_value().strip() if resolution == "take_link" else ""
        file = path.strip() if resolution == "take_file" else ""
        return await _bring_in(intent, store, account, link, file, attempt, despite_evidence)

    def fetch(asked: str) -> VideoTask:
        with credentials.get_client() as client:
            return client.get_video(asked)

    by = flow_run.get_name() or ""
    journal = store.journal()
    entry = await threads.run(
        threads.SUBMISSIONS,
        resolve_unknown,
        journal,
        intent,
        resolution,
        task_id=task_id,
        attempt=attempt,
        by=by,
        any_model=any_model,
        any_age=any_age,
        despite_evidence=despite_evidence,
        fetch=fetch,
        ledgers=account.budget_store,
    )
    following = [*remarks(entry, resolution, journal.store_option), _next_step(entry)]
    log("create", f"Intent {entry.record.intent} is now {entry.state}. {' '.join(filter(None, following))}")
    await show_settled(entry.record, str(entry.state), following)
    return str(entry.state)


async def _bring_in(
    intent: str,
    store: VideoStore,
    account: Account,
    link: str,
    path: str,
    attempt: str,
    despite_evidence: bool,
) -> str:
    """Store a video that a person has."""
    destination = store.destination()
    cancelled = threading.Event()
    name = flow_run.get_name() or ""
    try:
        stored = await threads.run(
            threads.RELAYS,
            bring_in,
            Brought(link=link, path=path),
            intent,
            destination,
            attempt=attempt,
            by=name,
            policy=destination.media_for(account),
            despite_evidence=despite_evidence,
            run=Run(id=flow_run.get_id() or "", name=name),
            observer=run_observer("store"),
            cancelled=cancelled,
            ledgers=account.budget_store,
        )
    except ENDED:
        cancelled.set()
        raise
    log(
        "store",
        f"Intent {stored.intent} is now stored: {stored.uri}. It counts as paid for, and whoever asks for the "
        "same video finds it; nothing is paid then.",
        uri=stored.uri,
    )
    if found := await threads.run(threads.RECORDS, store.journal().read, stored.intent):
        said = "It counts as paid for. Whoever asks for the same video finds it, and pays nothing."
        await show_settled(found.record, str(State.STORED), [said], stored.uri)
    return str(State.STORED)


def _next_step(entry: Entry) -> str:
    """Return what a person does next with a record that was settled."""
    scope = entry.record.scope
    match entry.state:
        case State.READY:
            return f"{how_to_repeat(scope)}: it is submitted and paid for anew."
        case State.LOST:
            return "It is not submitted again; another take makes and pays for another video."
        case State.UNKNOWN:
            return ""
        case _:
            return how_to_go_on(scope)
