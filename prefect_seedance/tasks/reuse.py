"""Telling that a video is another run's, paid for before."""

from __future__ import annotations

from prefect_seedance.journal.record import Run
from prefect_seedance.tasks.events import emit
from prefect_seedance.tasks.logs import log
from prefect_seedance.tasks.messages import reuse_message
from prefect_seedance.tasks.models import SubmittedVideo


def reuse_told(submitted: SubmittedVideo, run: Run) -> SubmittedVideo:
    """Mark what another run than this one submitted (a cached result does not know who asks), and log it."""
    if not (submitted["reused"] or submitted["run_id"] != run.id):
        return submitted
    if not submitted["reused"]:  # Prefect's persisted result answered, so the journal was not asked
        emit(
            "attached", submitted["intent"], task_id=submitted["task_id"], decision="attach", reason="persisted result"
        )
    by = f" (by {submitted['run_name']})" if submitted["run_name"] else ""
    log("create", f"{reuse_message(submitted['task_id'])}{by}", task_id=submitted["task_id"])
    return {**submitted, "reused": True}
