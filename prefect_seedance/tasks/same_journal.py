"""A run stays with the journal that it began with, wherever its retries run.

Another container may find an empty folder where the journal was, and would pay for everything again. So the run's own
labels in Prefect keep the journal's name, written before anything is submitted: at once and for certain, unlike task
runs, of which the server learns later, from events.
"""

from __future__ import annotations

import hashlib
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.runtime import flow_run

from prefect_seedance.blocks.video_store import VideoStore


def hold_to_its_journal(store: VideoStore) -> None:
    """Refuse another journal than the one that this run began with. Blocking: call it in a thread.

    Outside of a flow there is nothing to hold to.

    Raises:
        JournalGone: The journal is gone, or it is another one; nothing is submitted.
        JournalUnavailable: The store does not answer.
    """
    run_id: str | None = flow_run.get_id()
    if not run_id:
        store.journal_id(expected_id="")
        return
    label = journal_label(store.place)
    with get_client(sync_client=True) as client:
        run = _begun_from_outside(client, UUID(run_id))
        expected = str(run.labels.get(label, ""))
        found = store.journal_id(expected_id=expected)
        if not expected:
            client.update_flow_run_labels(run.id, {label: found})


def journal_label(place: str) -> str:
    """Name the label that keeps the journal's id of a store.

    Args:
        place: Of the store, as `VideoStore.place` gives it.

    Example:
        >>> journal_label("s3://bucket/videos")
        'seedance.journal.a502b1e9f316'
    """
    return f"seedance.journal.{hashlib.sha256(place.encode()).hexdigest()[:12]}"


def _begun_from_outside(client: SyncPrefectClient, run_id: UUID) -> FlowRun:
    """Read the run that a person, a schedule or another deployment began, and that this one is a part of.

    A retried parent gives its subflows new ids. A subflow that is a deployment of its own may be on another machine.
    """
    run = client.read_flow_run(run_id)
    while run.parent_task_run_id and not run.deployment_id:
        parent = client.read_task_run(run.parent_task_run_id).flow_run_id
        if parent is None:
            break
        run = client.read_flow_run(parent)
    return run
