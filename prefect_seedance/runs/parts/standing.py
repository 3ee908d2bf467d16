"""What the state of a part's run means for its part. Decided from values alone.

Prefect's server does not notice by itself that the process of a run is gone: the run stays Running. A run sends
heartbeats, which are events, every 180 s by default; three missing ones mean that it is dead. A run that only seems so
goes on beside the next one of its part, and the journal keeps the two from paying twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from prefect.client.schemas.objects import StateType

from prefect_seedance.batch.models import BatchReport

PartStanding = Literal["waiting", "going_on", "dead", "done", "to_run_again", "without_report"]

#: Prefect's default, for a run that has sent one only.
HEARTBEAT_SECONDS = 180.0
#: So many heartbeats in a row must be missing.
_MISSING_HEARTBEATS = 3
#: How long a worker may take to bring a run up that it has taken. Images are pulled meanwhile.
_PENDING_SECONDS = 1800.0
_ENDED = frozenset({StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED})


@dataclass(frozen=True)
class SeenRun:
    """What Prefect says of a run.

    Attributes:
        state: Its type; None if Prefect has deleted the run.
        since: When it came into this state.
        heartbeats: When it last sent some, as far as that was asked; the latest first.
    """

    state: StateType | None
    since: datetime
    heartbeats: Sequence[datetime] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state is None or self.state in _ENDED


def standing_of(run: SeenRun, now: datetime) -> PartStanding:
    """Return how a part stands whose run has not ended.

    Example:
        >>> started = datetime(2026, 11, 27, 12)
        >>> standing_of(SeenRun(StateType.RUNNING, started, [started]), started + timedelta(minutes=8))
        'going_on'
        >>> standing_of(SeenRun(StateType.RUNNING, started, [started]), started + timedelta(minutes=10))
        'dead'
    """
    match run.state:
        case StateType.SCHEDULED:
            return "waiting"
        case StateType.PENDING:
            return "dead" if now - run.since > timedelta(seconds=_PENDING_SECONDS) else "waiting"
        case StateType.RUNNING if run.heartbeats and now - run.heartbeats[0] > _silence(run.heartbeats):
            return "dead"
        case _:
            return "going_on"


def end_of(run: SeenRun, reports: Sequence[BatchReport], *, before_this_try: bool) -> PartStanding:
    """Return what becomes of a part whose run has ended.

    Args:
        run: Which has ended.
        reports: What it has left in the store, the latest last.
        before_this_try: Whether it had ended when this try of the parent began: then the try is there to make what is
            missing, as that of any batch is.
    """
    missing = not reports or any(row.retryable for row in reports[-1].without_video)
    if before_this_try:
        return "to_run_again" if missing else "done"
    match run.state:
        case None | StateType.CRASHED:
            return "to_run_again" if missing else "done"
        case StateType.COMPLETED:
            # Its report could not be written: all of it is in the journal, and a further run costs nothing.
            return "done" if reports else "to_run_again"
        case _:  # it failed, or a person cancelled it; the same again would help nobody
            return "done" if reports else "without_report"


def _silence(heartbeats: Sequence[datetime]) -> timedelta:
    """Return how long a run that sent these may say nothing."""
    gap = (heartbeats[0] - heartbeats[1]).total_seconds() if len(heartbeats) > 1 else HEARTBEAT_SECONDS
    return timedelta(seconds=_MISSING_HEARTBEATS * max(gap, 30.0))
