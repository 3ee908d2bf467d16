"""When to ask again: what each answer of the vendor means while a video is being made.

Pure functions of values. The vendor's ways that are tolerated, each within bounds (``api-contract``, section 3):
"no such task" right after the create, ``completed`` before the link is there, an unknown status (still running),
rate limits and faults of the network. The time limit is the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from prefect_seedance.client.errors import (
    AuthenticationFailed,
    ConfigurationError,
    InvalidRequest,
    MediaUnavailable,
    RateLimited,
    SeedanceError,
    TaskNotFound,
    VideoFailed,
)
from prefect_seedance.client.failures import classify_failure
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.task.links import is_whole_link, names_video
from prefect_seedance.client.task.status import may_be_failed
from prefect_seedance.pipeline.errors import WaitStopped

#: Seconds between two questions. Others were rate-limited at 3 to 5 s; the vendor's own client asks every 10 s.
POLL_SECONDS = 10.0
#: The same against a simulator on this machine.
LOCAL_POLL_SECONDS = 0.25

#: A task's row is written a moment after its create is answered; later "no such task" is meant.
MAXIMUM_NOT_FOUND = 12
#: Faults in a row: with 10 s between them, ten minutes of outage. Nothing below repeats a question; what ends the wait
#: and may pass is waited for once more as a whole, by Prefect.
MAXIMUM_FAULTS = 60
#: Answers in a row that say "completed" and give no link that can be used.
MAXIMUM_WITHOUT_LINK = 30
#: Answers in a row with a word that may mean a failure, or a fault that passes.
MAXIMUM_DOUBTFUL = 30
#: Longest that one answer may take, and the least that the last one before the limit is given.
ANSWER_SECONDS, LAST_ANSWER_SECONDS = 60.0, 10.0
#: Longest gap after rate limits.
MAXIMUM_GAP_SECONDS = 120.0

_WITH_LINK = "yet the answer links to a video: look at the task in the vendor's console"


@dataclass(frozen=True)
class Tolerated:
    """What has been tolerated so far, in a row."""

    faults: int = 0
    not_found: int = 0
    without_link: int = 0
    doubtful: int = 0
    rate_limits: int = 0


@dataclass(frozen=True)
class Next:
    """What to do after an answer: go on waiting, or hand over the completed task."""

    kind: Literal["wait", "done"]
    tolerated: Tolerated
    gap_seconds: float
    note: str = ""


def after_answer(task: VideoTask, tolerated: Tolerated, gap_seconds: float, advice: str) -> Next:
    """Judge a proper answer. ``advice`` is for the error: how to take the task up.

    Raises:
        VideoFailed: The vendor ended the task without a video.
        MediaUnavailable: It says "completed" again and again without a link that can be used.
        WaitStopped: It says again and again what may be a failure; no verdict, since that may cost another payment.

    Example:
        >>> running = VideoTask(task_id="videos_1", status="processing", progress=40)
        >>> after_answer(running, Tolerated(faults=3), 10.0, "Run it again.").tolerated.faults
        0
    """
    if task.state in ("failed", "canceled"):
        words = task.error_message or ("it was canceled" if task.state == "canceled" else "")
        if names_video(task.video_url) or task.rival_links:
            # It contradicts itself: no reason to pay again by itself.
            raise VideoFailed(task.task_id, f"{words or 'no reason given'} ({_WITH_LINK})", "unknown")
        # Nor is what something in between says in its own way: the task may still be running behind it.
        raise VideoFailed(task.task_id, words, classify_failure(words) if task.by_vendor else "unknown")
    if task.state == "running":
        count = tolerated.doubtful + 1 if may_be_failed(task.status) else 0
        if count >= MAXIMUM_DOUBTFUL:
            raise WaitStopped(task.task_id, _doubt(task), advice)
        return Next("wait", Tolerated(doubtful=count), gap_seconds)
    if is_whole_link(task.video_url):
        return Next("done", Tolerated(), 0.0)
    count = tolerated.without_link + 1
    what = "a link without a host" if task.video_url else "no link"
    if task.rival_links:
        what = f"{len(task.rival_links)} links, of which none is in its documented place: {', '.join(task.rival_links)}"
    if count >= MAXIMUM_WITHOUT_LINK:
        raise MediaUnavailable(task.task_id, f"the vendor says completed and gives {what}", advice)
    return Next("wait", Tolerated(without_link=count), gap_seconds, f"completed, but with {what} yet")


def _doubt(task: VideoTask) -> str:
    """Return in words that a task has perhaps failed."""
    words = task.error_message
    said = f"{task.unknown_status!r}{f' ({words})' if words else ''}"
    return (
        f"the vendor says {said} again and again, a word for a failure as well as for a fault that passes. Look at the "
        "task in the vendor's console."
    )


def after_fault(error: SeedanceError, task_id: str, tolerated: Tolerated, gap_seconds: float, advice: str) -> Next:
    """Judge a question that got no proper answer. ``advice`` is for the error: how to take the task up.

    Raises:
        WaitStopped: Asking again cannot help; carries the task id.
    """
    if isinstance(error, AuthenticationFailed | ConfigurationError | InvalidRequest):
        raise WaitStopped(task_id, error, advice) from error
    if isinstance(error, TaskNotFound):
        count = tolerated.not_found + 1
        if count > MAXIMUM_NOT_FOUND:
            raise WaitStopped(task_id, error, advice) from error
        return Next("wait", replace(tolerated, not_found=count), gap_seconds, "the vendor does not know the task yet")
    if isinstance(error, RateLimited):
        count = tolerated.rate_limits + 1
        slower = min(gap_seconds * 2**count, MAXIMUM_GAP_SECONDS)
        asked = min(error.retry_after or 0.0, MAXIMUM_GAP_SECONDS)
        return Next("wait", replace(tolerated, rate_limits=count), max(slower, asked), "the vendor asks for patience")
    count = tolerated.faults + 1
    if count > MAXIMUM_FAULTS:
        raise WaitStopped(task_id, error, advice) from error
    return Next("wait", replace(tolerated, faults=count), gap_seconds, f"no answer: {type(error).__name__}")
