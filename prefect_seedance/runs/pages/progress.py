"""The progress of a video on its run's page: a log line when the status changes, an artifact in place."""

from __future__ import annotations

import hashlib
import logging
import time
from typing import TYPE_CHECKING
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort
from prefect.runtime import flow_run, task_run

from prefect_seedance.asides import words_of
from prefect_seedance.runs.logs import log, note

if TYPE_CHECKING:
    from prefect_seedance.client.models import VideoTask
    from prefect_seedance.client.request.video_request import VideoRequest

#: The artifact is first drawn after this time, and drawn anew no more often: a video that is soon done needs none.
LEAST_SECONDS = 4.0


class ProgressArtifact:
    """What the reader of the run has been shown of one task.

    Args:
        request: What was asked for.
        price: What it is expected to cost, in words.
    """

    def __init__(self, request: VideoRequest, price: str = "") -> None:
        self._request, self._price = request, price
        self._status = ""
        self._progress: float = -1.0
        self._drawn: tuple[float, str] = (-1.0, "")
        self._drawn_at = time.monotonic()
        self._artifact: UUID | None = None

    async def update(self, answer: VideoTask, waited_seconds: float) -> None:
        """Show a change. What cannot be shown is logged and never stops the wait."""
        progress = 100.0 if answer.state == "completed" else float(answer.progress or 0)
        if answer.status != self._status:
            log(
                "wait",
                f"Task {answer.task_id} is {answer.status} after {waited_seconds:.0f} s.",
                task_id=answer.task_id,
                status=answer.status,
                progress=progress,
            )
        elif progress != self._progress:
            log("wait", f"{progress:.0f} %", level=logging.DEBUG, task_id=answer.task_id, progress=progress)
        self._status, self._progress = answer.status, progress
        last = self._artifact is not None and answer.state != "running"
        due = last or time.monotonic() - self._drawn_at >= LEAST_SECONDS
        if not due or self._drawn == (progress, answer.status):
            return
        self._drawn, self._drawn_at = (progress, answer.status), time.monotonic()
        try:
            # Here, as an import of the flow shows nothing.
            from prefect_seedance.runs.pages.run_page import asked_lines, described_lines

            # What a person recognises comes first: a card shows the beginning of a few lines.
            asked = asked_lines(self._request.prompt)
            described = described_lines([*asked, answer.status, self._price.capitalize(), f"Task {answer.task_id}"])
            await self._draw(answer.task_id, progress, described)
        except Exception as error:
            note(f"The progress artifact was not written: {words_of(error)}", level=logging.DEBUG)

    async def _draw(self, task_id: str, progress: float, description: str) -> None:
        from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact

        self._artifact = self._artifact or await _drawn_before(task_id)
        if self._artifact is None:
            key = progress_key(task_id)
            self._artifact = await acreate_progress_artifact(progress, key=key, description=description)
        else:
            await aupdate_progress_artifact(self._artifact, progress, description=description)


async def _drawn_before(task_id: str) -> UUID | None:
    """Find the artifact of an earlier try of this flow run: its page shows one, and it goes on in place."""
    run_id: str | None = flow_run.get_id()
    if run_id is None or ((flow_run.get_run_count() or 0) <= 1 and (task_run.get_run_count() or 0) <= 1):
        return None
    ours = ArtifactFilter(
        key=ArtifactFilterKey(any_=[progress_key(task_id)]),
        flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run_id)]),
    )
    async with get_client() as client:
        found = await client.read_artifacts(artifact_filter=ours, sort=ArtifactSort.UPDATED_DESC, limit=1)
    return found[0].id if found else None


def progress_key(task_id: str) -> str:
    """Return the key of a task's artifact: one that fits on its card, whatever the vendor's ids look like.

    Example:
        >>> progress_key("videos_1") == progress_key("Videos-1")
        False
    """
    return f"seedance-progress-{hashlib.sha256(task_id.encode()).hexdigest()[:12]}"
