"""Settle an unknown submission, or bring in a video: what a person runs after looking into the vendor's console."""

# No `from __future__ import annotations` here: `flow.serve` pickles the function, and its annotations must be objects.
import threading
from typing import TYPE_CHECKING

from prefect import flow
from prefect.runtime import flow_run
from pydantic import SecretStr

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.models import VideoTask
from prefect_seedance.flows.form import with_titles
from prefect_seedance.flows.sync_flow import run_to_end
from prefect_seedance.journal.commands import how_to_go_on, how_to_repeat
from prefect_seedance.journal.record import Entry
from prefect_seedance.journal.resolution import Resolution, remarks, resolve_unknown
from prefect_seedance.journal.states import State
from prefect_seedance.pipeline import threads
from prefect_seedance.runs.cancellation import ENDED
from prefect_seedance.runs.ends.settled_page import show_settled
from prefect_seedance.runs.ends.state import told_in_state
from prefect_seedance.runs.events import run_observer
from prefect_seedance.runs.logs import log
from prefect_seedance.runs.money.accounts import account_of

if TYPE_CHECKING:
    from prefect_seedance.pipeline.parties import Account


@with_titles
@flow(name="resolve-submission", flow_run_name="resolve-submission: {resolution} {intent}", persist_result=True)
def resolve_submission(
    intent: str,
    store: VideoStore,
    credentials: SeedanceCredentials,
    resolution: Resolution,
    task_id: str = "",
    attempt: str = "",
    any_model: bool = False,
    any_age: bool = False,
    despite_evidence: bool = False,
    url: SecretStr = SecretStr(""),
    path: str = "",
) -> str:
    """Settle a submission that the vendor may or may not have accepted, or bring in its video by hand.

    Args:
        intent: The identity of the video, as the error and the journal name it. It has 32 hexadecimal digits.
        store: The saved store that has the journal.
        credentials: The saved credentials of the account that submitted the video. They are used to look the task up
            when you attach one.
        resolution: Choose attach if the vendor's console shows the task: it is taken up. Choose not_billed if there is
            no task and no bill: the video may be submitted again. Choose abandon to give the video up. Choose restore
            if its record is damaged or gone: what can still be read is written as unknown, and nothing is sent before
            that is settled. Choose take_link or take_file if you have the video itself: it is stored as the video of
            this intent, whatever the record says, and nothing is paid.
        task_id: The id of the task in the vendor's console. It is needed for attach, and left empty otherwise.
        attempt: The attempt that you settle, as the error and the run's page name it, for example 2-3f9a1c04. No other
            attempt is settled. It may be left empty while there has been only one.
        any_model: For attach. Take the task even if the vendor names another model for it than was asked for.
        any_age: For attach. Take the task even if it was made before the attempt was sent, or after the next one was.
        despite_evidence: For not_billed: settle it even if the account's balance fell by exactly the expected price,
            which is what a billed video looks like. Without this such a run is refused and changes nothing. For
            take_link and take_file: take the video even if its structure says that it is not whole.
        url: For take_link. Where the video can be downloaded. Prefect keeps what is typed here as it is, so whoever can
            see the run's parameters can download the video for as long as the link lives. No log, record or page
            repeats it. In Python pass a SecretStr, of which Prefect keeps asterisks only.
        path: For take_file. The path of the MP4 or MOV file on the machine of the run.

    Returns:
        The state of the record afterwards.

    Raises:
        BalanceContradicts: Not billed, and the balance fell by exactly the expected price; nothing was changed.
        ResolutionRefused: The resolution cannot be right; nothing was changed.
        KeyTaken: Another video is in the place of the one that was to be brought in.
        NotAVideo: The link leads to something else, which is kept in quarantine.
        StorageError: The link cannot be followed, or the store does not work.
        ConfigurationError: The budget store of the credentials cannot be used; nothing was changed.

    Examples:
        The vendor's console shows no task of that minute, and no bill:
        ```python
        from prefect_seedance import SeedanceCredentials, VideoStore, resolve_submission

        intent = "INTENT"  # from the error, the run's page or prefect-seedance journal --unknown
        store, credentials = VideoStore.load("catalogue"), SeedanceCredentials.load("studio")
        print(resolve_submission(intent, store, credentials, "not_billed"))
        ```
    """
    how = (task_id, attempt, any_model, any_age, despite_evidence)
    return run_to_end(lambda: _resolve(intent, store, credentials, resolution, url, path, *how))


@with_titles
@flow(name="resolve-submission", flow_run_name="resolve-submission: {resolution} {intent}")
async def aresolve_submission(
    intent: str,
    store: VideoStore,
    credentials: SeedanceCredentials,
    resolution: Resolution,
    task_id: str = "",
    attempt: str = "",
    any_model: bool = False,
    any_age: bool = False,
    despite_evidence: bool = False,
    url: SecretStr = SecretStr(""),
    path: str = "",
) -> str:
    """Settle an unknown submission: `resolve_submission` for asynchronous callers.

    Args:
        intent: The identity of the video, as the error and the journal name it. It has 32 hexadecimal digits.
        store: The saved store that has the journal.
        credentials: The saved credentials of the account that submitted the video. They are used to look the task up
            when you attach one.
        resolution: Choose attach if the vendor's console shows the task: it is taken up. Choose not_billed if there is
            no task and no bill: the video may be submitted again. Choose abandon to give the video up. Choose restore
            if its record is damaged or gone: what can still be read is written as unknown, and nothing is sent before
            that is settled. Choose take_link or take_file if you have the video itself: it is stored as the video of
            this intent, whatever the record says, and nothing is paid.
        task_id: The id of the task in the vendor's console. It is needed for attach, and left empty otherwise.
        attempt: The attempt that you settle, as the error and the run's page name it, for example 2-3f9a1c04. No other
            attempt is settled. It may be left empty while there has been only one.
        any_model: For attach. Take the task even if the vendor names another model for it than was asked for.
        any_age: For attach. Take the task even if it was made before the attempt was sent, or after the next one was.
        despite_evidence: For not_billed: settle it even if the account's balance fell by exactly the expected price,
            which is what a billed video looks like. Without this such a run is refused and changes nothing. For
            take_link and take_file: take the video even if its structure says that it is not whole.
        url: For take_link. Where the video can be downloaded. Prefect keeps what is typed here as it is, so whoever can
            see the run's parameters can download the video for as long as the link lives. No log, record or page
            repeats it. In Python pass a SecretStr, of which Prefect keeps asterisks only.
        path: For take_file. The path of the MP4 or MOV file on the machine of the run.

    Returns:
        The state of the record afterwards.

    Raises:
        BalanceContradicts: Not billed, and the balance fell by exactly the expected price; nothing was changed.
        ResolutionRefused: The resolution cannot be right; nothing was changed.
        KeyTaken: Another video is in the place of the one that was to be brought in.
        NotAVideo: The link leads to something else, which is kept in quarantine.
        StorageError: The link cannot be followed, or the store does not work.
        ConfigurationError: The budget store of the credentials cannot be used; nothing was changed.
    """
    how = (task_id, attempt, any_model, any_age, despite_evidence)
    return await told_in_state(_resolve(intent, store, credentials, resolution, url, path, *how))


async def _resolve(
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
    account: "Account",
    link: str,
    path: str,
    attempt: str,
    despite_evidence: bool,
) -> str:
    """Store a video that a person has."""
    # Here, as an import of the flow brings nothing in.
    from prefect_seedance.journal.record import Run
    from prefect_seedance.pipeline.by_hand import Brought, bring_in

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
    """Say what to do with a record that was settled."""
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
