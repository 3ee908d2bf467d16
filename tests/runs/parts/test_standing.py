"""What the state of a part's run means for its part, as a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from prefect.client.schemas.objects import StateType

from prefect_seedance.batch.models import BatchReport, Outcome, RowResult
from prefect_seedance.runs.parts.slots import SlotLimit
from prefect_seedance.runs.parts.standing import PartStanding, SeenRun, end_of, standing_of

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def ago(*seconds: float) -> list[datetime]:
    return [NOW - timedelta(seconds=each) for each in seconds]


@pytest.mark.parametrize(
    ("state", "since", "heartbeats", "standing"),
    [
        (StateType.SCHEDULED, 90_000, (), "waiting"),
        (StateType.PENDING, 1_700, (), "waiting"),
        (StateType.PENDING, 1_900, (), "dead"),
        (StateType.RUNNING, 90_000, (), "going_on"),  # heartbeats are off, or were not asked for
        (StateType.RUNNING, 600, (530, 710), "going_on"),
        (StateType.RUNNING, 900, (550, 730), "dead"),
        (StateType.RUNNING, 530, (530,), "going_on"),  # killed after its first one
        (StateType.RUNNING, 550, (550,), "dead"),
        (StateType.RUNNING, 300, (100, 130), "dead"),  # whoever sends more of them is missed sooner
        (StateType.RUNNING, 9_000, (1_700, 2_300), "going_on"),  # and who sends fewer, later
        (StateType.RUNNING, 300, (80, 80.1), "going_on"),  # a retry in the same process sends one at once
        (StateType.CANCELLING, 90_000, (), "going_on"),  # Prefect ends that itself
        (StateType.PAUSED, 90_000, (), "going_on"),
    ],
)
def test_a_run_that_has_not_ended(
    state: StateType, since: float, heartbeats: tuple[float, ...], standing: PartStanding
) -> None:
    assert standing_of(SeenRun(state, *ago(since), ago(*heartbeats)), NOW) == standing


def report(outcome: Outcome, *, retryable: bool = False) -> BatchReport:
    return BatchReport(rows=[RowResult(number=2, outcome=outcome, retryable=retryable)])


NONE: list[BatchReport] = []
WHOLE, LACKING, SETTLED = [report("stored")], [report("failed", retryable=True)], [report("moderated")]


@pytest.mark.parametrize(
    ("state", "reports", "now", "in_a_retry"),
    [
        (StateType.COMPLETED, WHOLE, "done", "done"),
        (StateType.COMPLETED, LACKING, "done", "to_run_again"),  # require_all was "none"
        (StateType.COMPLETED, NONE, "to_run_again", "to_run_again"),  # all is in the journal: it costs nothing
        (StateType.FAILED, LACKING, "done", "to_run_again"),  # BatchIncomplete: its report counts
        (StateType.FAILED, SETTLED, "done", "done"),
        (StateType.FAILED, NONE, "without_report", "to_run_again"),
        (StateType.CANCELLED, LACKING, "done", "to_run_again"),  # a person's word holds until a retry
        (StateType.CANCELLED, NONE, "without_report", "to_run_again"),
        (StateType.CRASHED, NONE, "to_run_again", "to_run_again"),
        (StateType.CRASHED, LACKING, "to_run_again", "to_run_again"),  # a worker that was told to end
        (StateType.CRASHED, WHOLE, "done", "done"),  # only its last word did not reach the server
        (None, NONE, "to_run_again", "to_run_again"),  # somebody has deleted the run
        (None, WHOLE, "done", "done"),
    ],
)
def test_a_run_that_has_ended(
    state: StateType | None, reports: list[BatchReport], now: PartStanding, in_a_retry: PartStanding
) -> None:
    run = SeenRun(state, NOW)
    assert run.ended
    assert end_of(run, reports, before_this_try=False) == now
    assert end_of(run, reports, before_this_try=True) == in_a_retry


def test_the_latest_report_of_a_part_counts() -> None:
    run = SeenRun(StateType.CRASHED, NOW)
    assert end_of(run, [*LACKING, *WHOLE], before_this_try=False) == "done"
    assert end_of(run, [*WHOLE, *LACKING], before_this_try=False) == "to_run_again"


@pytest.mark.parametrize(
    ("limit", "refused"),
    [
        (SlotLimit("P", None, 3), ""),
        (SlotLimit("P", 2, 1), ""),
        (SlotLimit("P", 1, 0), ""),
        (SlotLimit("P", 1, 1), "P runs 1 at a time, and this run, which waits for the parts, holds that slot"),
        (SlotLimit("P", 2, 2), "P runs 2 at a time, and this run, which waits for the parts, holds all of these slots"),
        (SlotLimit("P", 0, 0), "P has a limit of 0"),
        (SlotLimit("P", None, 0, paused=True), "P is paused"),
    ],
)
def test_a_limit_that_leaves_no_slot_for_a_part_is_refused(limit: SlotLimit, refused: str) -> None:
    assert (limit.refusal() or [""])[0] == refused
