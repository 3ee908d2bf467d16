"""Settle an unknown submission: what a person runs after looking into the vendor's console."""

# No `from __future__ import annotations` here: `flow.serve` pickles the function, and its annotations must be objects.
from prefect import flow
from prefect.runtime import flow_run

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.models import VideoTask
from prefect_seedance.flows.sync_flow import run_to_end
from prefect_seedance.journal.commands import how_to_go_on, how_to_repeat
from prefect_seedance.journal.resolution import Resolution, resolve_unknown
from prefect_seedance.pipeline import threads
from prefect_seedance.runs.logs import log


@flow(name="resolve-submission", flow_run_name="resolve-submission: {resolution} {intent}")
def resolve_submission(
    intent: str,
    store: VideoStore,
    credentials: SeedanceCredentials,
    resolution: Resolution,
    task_id: str = "",
    any_model: bool = False,
) -> str:
    """Settle a submission that the vendor may or may not have accepted.

    Args:
        intent: Identity of the video, as the error and the journal name it: 32 hex digits.
        store: The store with the journal.
        credentials: Whose task it is; asked for the task when one is attached.
        resolution: attach: the task is in the vendor's console, take it up. not_billed: there is no task and no bill,
            it may be submitted again. abandon: give it up.
        task_id: For attach: the task id from the vendor's console.
        any_model: For attach: take the task even if the vendor names another model for it than was asked for.

    Returns:
        The state of the record afterwards.

    Raises:
        ResolutionRefused: The resolution cannot be right; nothing was changed.

    Example:
        The vendor's console shows no task of that minute, and no bill:
        ```python
        from prefect_seedance import SeedanceCredentials, VideoStore, resolve_submission

        intent = "INTENT"  # from the error, the run's page or prefect-seedance journal --unknown
        store, credentials = VideoStore.load("catalogue"), SeedanceCredentials.load("studio")
        print(resolve_submission(intent, store, credentials, "not_billed"))
        ```
    """
    return run_to_end(lambda: _resolve(intent, store, credentials, resolution, task_id, any_model))


@flow(name="resolve-submission", flow_run_name="resolve-submission: {resolution} {intent}")
async def aresolve_submission(
    intent: str,
    store: VideoStore,
    credentials: SeedanceCredentials,
    resolution: Resolution,
    task_id: str = "",
    any_model: bool = False,
) -> str:
    """Settle an unknown submission: `resolve_submission` for asynchronous callers.

    Args:
        intent: Identity of the video, as the error and the journal name it: 32 hex digits.
        store: The store with the journal.
        credentials: Whose task it is; asked for the task when one is attached.
        resolution: attach, not_billed or abandon.
        task_id: For attach: the task id from the vendor's console.
        any_model: For attach: take the task even if the vendor names another model for it than was asked for.

    Returns:
        The state of the record afterwards.

    Raises:
        ResolutionRefused: The resolution cannot be right; nothing was changed.
    """
    return await _resolve(intent, store, credentials, resolution, task_id, any_model)


async def _resolve(
    intent: str,
    store: VideoStore,
    credentials: SeedanceCredentials,
    resolution: Resolution,
    task_id: str,
    any_model: bool,
) -> str:
    def fetch(asked: str) -> VideoTask:
        with credentials.get_client() as client:
            return client.get_video(asked)

    by = flow_run.get_name() or ""
    entry = await threads.run(
        threads.SUBMISSIONS,
        resolve_unknown,
        store.journal(),
        intent.strip(),
        resolution,
        task_id=task_id,
        by=by,
        any_model=any_model,
        fetch=fetch,
    )
    scope = entry.record.scope
    following = {
        "attach": how_to_go_on(scope),
        "not_billed": f"{how_to_repeat(scope)}: it is submitted anew.",
        "abandon": "It is not submitted again; another take makes another video.",
    }
    log("create", f"Intent {intent} is now {entry.state}. {following[resolution]}")
    return str(entry.state)
