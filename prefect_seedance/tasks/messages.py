"""What people are told: short, and honest about the money."""

from __future__ import annotations

from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.client.request import VideoRequest
from prefect_seedance.journal.record import Run
from prefect_seedance.tasks.logs import log
from prefect_seedance.tasks.models import StoredVideo, SubmittedVideo


def reuse_message(task_id: str) -> str:
    """Say that a video was paid for before, and how to get another one."""
    return (
        f"Reused: task {task_id} was submitted and paid for by an earlier run of the same request; nothing was paid "
        "now. For another video of it set another take."
    )


def reuse_told(submitted: SubmittedVideo, run: Run) -> SubmittedVideo:
    """Mark what another run than this one submitted (a cached result does not know who asks), and log it."""
    if not (submitted["reused"] or submitted["run_id"] != run.id):
        return submitted
    by = f" (by {submitted['run_name']})" if submitted["run_name"] else ""
    log("create", f"{reuse_message(submitted['task_id'])}{by}", task_id=submitted["task_id"])
    return {**submitted, "reused": True}


def success_message(stored: StoredVideo, request: VideoRequest) -> tuple[str, str]:
    """Give subject and body for a stored video."""
    lines = [request.prompt[:200], stored.uri, f"{stored.model}, task {stored.task_id}. {cost_words(stored)}"]
    if stored.reused:
        lines.append(reuse_message(stored.task_id))
    return f"Video stored: {stored.task_id}", "\n".join(lines)


def failure_message(error: SeedanceError, request: VideoRequest) -> tuple[str, str]:
    """Give subject and body for a run that ended without a video."""
    return f"No video: {type(error).__name__}", f"{request.prompt[:200]}\n{error}"


def cost_words(stored: StoredVideo) -> str:
    """Say what a video cost, and how that is known."""
    if stored.cost is None:
        cost = "Its cost is not known"
    elif stored.cost_source == "vendor":
        cost = f"It cost {stored.cost:g} coins"
    else:
        cost = f"It should have cost {stored.cost:g} coins ({stored.cost_source})"
    return f"{cost}, in {stored.submissions} submission{'s' if stored.submissions != 1 else ''}."
