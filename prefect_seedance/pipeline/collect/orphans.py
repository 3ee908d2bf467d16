"""Open records that a person should look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from prefect_seedance.journal.commands import how_to_go_on, how_to_resolve
from prefect_seedance.journal.states import State
from prefect_seedance.pipeline.collect.models import Orphan
from prefect_seedance.pipeline.collect.standing import DYING
from prefect_seedance.pipeline.options import RunOptions

#: Worst first: what is lost soonest, then what only a person can settle.
_WORST_FIRST = ("link_dying", "not_stored", "unknown", "late")
#: Videos take longer than usual now and then; so many times as long, and something is wrong.
_TIMES_USUAL = 3.0


@dataclass(slots=True)
class OpenVideo:
    """What is kept of an open record: little, since there may be thousands.

    Attributes:
        intent: Identity of the video.
        name: What the user calls it.
        model: The model.
        clip: What it is, as `History` takes it.
        scope: What it is shared within.
        state: As the record reads.
        attempt: Name of the attempt in question, "" if there is none.
        task_id: Its task, "" if there is none.
        since: When it was submitted.
        link_dies_at: When its link is expected to die; None without a task.
        is_completed: Whether the vendor has its video, as far as the record says.
        is_watched: Whether a run is at it.
        is_foreign: Whether its task is at another host than is asked.
        reason: What stood in the way, if anything did.
    """

    intent: str
    name: str
    model: str
    clip: tuple[str, str, int]
    scope: str
    state: State
    attempt: str = ""
    task_id: str = ""
    since: datetime | None = None
    link_dies_at: datetime | None = None
    is_completed: bool = False
    is_watched: bool = False
    is_foreign: bool = False
    reason: str = ""


def orphans_of(
    videos: Iterable[OpenVideo],
    now: datetime,
    *,
    usual_seconds: Callable[[OpenVideo], float | None],
    store_option: str,
) -> list[Orphan]:
    """Return what a person should look at, worst first; one entry a task at most.

    Args:
        videos: What is open.
        now: By the worker's clock.
        usual_seconds: Returns how long such a video usually takes; None if that is not known.
        store_option: What ``--store`` of the command line takes for the store.
    """
    found = [orphan for video in videos if (orphan := _orphan(video, now, usual_seconds, store_option))]

    def order(orphan: Orphan) -> tuple[int, float]:
        moment = orphan.link_dies_at or orphan.since
        return _WORST_FIRST.index(orphan.kind), moment.timestamp() if moment else 0.0

    return sorted(found, key=order)


def _orphan(
    video: OpenVideo, now: datetime, usual_seconds: Callable[[OpenVideo], float | None], store_option: str
) -> Orphan | None:
    orphan = partial(Orphan, intent=video.intent, name=video.name, task_id=video.task_id, since=video.since)
    why = f" {video.reason}" if video.reason else ""
    if video.is_foreign:
        why = f"{why} Its task is at another host than these credentials are for; collect it with those that sent it."
    if video.state is State.UNKNOWN:
        advice = how_to_resolve(video.intent, store_option, video.attempt, briefly=True)
        return orphan(kind="unknown", reason=f"Perhaps accepted, perhaps billed.{why}", advice=advice)
    dies_at = video.link_dies_at
    if dies_at is None:
        return None
    orphan = partial(orphan, link_dies_at=dies_at, advice=how_to_go_on(video.scope))
    if dies_at - now < DYING:
        when = "dies" if dies_at > now else "died"
        reason = f"The link to its video {when} at about {dies_at:%Y-%m-%d %H:%M} UTC.{why}"
        return orphan(kind="link_dying", reason=reason)
    if video.is_completed:
        return None if video.is_watched else orphan(kind="not_stored", reason=f"Paid for, and not in the store.{why}")
    usual = usual_seconds(video)
    expected = RunOptions().wait_seconds(video.clip[2]) if usual is None else _TIMES_USUAL * usual
    open_for = (now - video.since).total_seconds() if video.since else 0.0
    if open_for <= expected:
        return None
    longer = f"Open for {open_for / 60:.0f} minutes, and such videos take at most {expected / 60:.0f}.{why}"
    return orphan(kind="late", reason=longer)
