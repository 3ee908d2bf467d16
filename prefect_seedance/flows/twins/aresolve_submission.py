"""Settle an unknown submission, for asynchronous callers: the twin of ``resolve_submission``, under the same flow name.

A module of its own, so that importing the one flow does not make Prefect work out the form of the other.
"""

# No `from __future__ import annotations` here: `flow.serve` pickles the function, and its annotations must be objects.
from prefect import flow
from pydantic import SecretStr

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.flows.form import with_titles
from prefect_seedance.journal.resolution import Resolution
from prefect_seedance.runs.ends.state import told_in_state


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
        intent: The identity of the video.
        store: The saved store that has the journal.
        credentials: The saved credentials of the account that submitted the video.
        resolution: How it is settled: attach, not_billed, abandon, restore, take_link or take_file.
        task_id: For attach. The id of the task in the vendor's console.
        attempt: The attempt that is settled; "" while there has been only one.
        any_model: For attach. Take the task even if the vendor names another model for it.
        any_age: For attach. Take the task even if it was made at another time than the attempt.
        despite_evidence: For not_billed: even if the balance fell by exactly the expected price. For take_link and
            take_file: even if the video does not look whole.
        url: For take_link. Where the video can be downloaded.
        path: For take_file. The path of the MP4 or MOV file on the machine of the run.

    Returns:
        The state of the record afterwards.

    Raises:
        SeedanceError, StorageError: As `resolve_submission` does.
    """
    from prefect_seedance.flows.bodies.settling import resolve

    how = (task_id, attempt, any_model, any_age, despite_evidence)
    return await told_in_state(resolve(intent, store, credentials, resolution, url, path, *how))
