"""A run stays with the journal that it began with, wherever its retries run.

Another container may find an empty folder where the journal was, and would pay for everything again. So the run's own
labels in Prefect keep the journal's name, written before anything is submitted: at once and for certain, unlike task
runs, of which the server learns later, from events.
"""

from __future__ import annotations

import hashlib
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.pipeline import threads
from prefect_seedance.runs.current_run import CurrentRun


async def hold_to_its_journal(store: VideoStore, current: CurrentRun) -> str:
    """Refuse another journal than the one that this run began with. Outside of a flow any journal will do.

    Returns:
        The journal's name.

    Raises:
        JournalGone: The journal is gone, or it is another one; nothing is submitted.
        JournalUnavailable: The store does not answer.
    """
    label = journal_label(store.place)
    expected = current.labels.get(label, "")
    # A retry looks anew, also in a process that knows the journal: it may have been deleted since.
    anew = current.is_retry or (flow_run.get_run_count() or 0) > 1
    found = await threads.run(threads.RECORDS, store.journal_id, expected_id=expected, anew=anew)
    if current.id and not expected:
        async with get_client() as client:
            await client.update_flow_run_labels(UUID(current.begun_as), {label: found})
        current.labels[label] = found
    return found


def journal_label(place: str) -> str:
    """Name the label that keeps the journal's id of a store.

    Args:
        place: Of the store, as `VideoStore.place` returns it.

    Example:
        >>> journal_label("s3://bucket/videos")
        'seedance.journal.a502b1e9f316'
    """
    return f"seedance.journal.{hashlib.sha256(place.encode()).hexdigest()[:12]}"
