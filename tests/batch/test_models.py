"""What a batch says of itself adds up, and survives the ways on which it is handed on."""

from __future__ import annotations

import pickle

import pytest
from pydantic import ValidationError

from prefect_seedance.batch.errors import BatchIncomplete, UnusableManifest
from prefect_seedance.batch.models import HAVE_VIDEO, WORST_FIRST, BatchReport, Outcome, RowResult
from prefect_seedance.batch.options import BatchOptions


def report(**fields: object) -> BatchReport:
    rows = [
        RowResult(number=2, outcome="stored", cost=0.4, submissions=1),
        RowResult(number=3, outcome="stored", cost=0.4, submissions=1, shared_with=2),
        RowResult(number=4, outcome="moderated", submissions=1),
        RowResult(number=5, outcome="unknown", submissions=1, cost=0.25),
        RowResult(number=6, outcome="reused", cost=0.0),
    ]
    return BatchReport.model_validate({"rows": rows, **fields})


def test_the_report_adds_up() -> None:
    whole = report(report_uri="s3://shop/reports/report.html")
    assert sum(whole.counts.values()) == len(whole.rows)
    assert whole.spent == 0.65, "a video that two rows share is paid once"
    assert whole.of_unknown_cost == 1
    assert [row.number for row in whole.without_video] == [5, 4], "worst first"
    assert "s3://shop/reports/report.html" in whole.summary and "3 of 5 rows" in whole.summary


def test_polls_and_lateness_of_a_report_count_each_video_once_and_leave_out_what_is_not_known() -> None:
    rows = [
        RowResult(number=2, outcome="stored", polls=10, made_seconds=600, late_seconds=20),
        RowResult(number=3, outcome="stored", polls=10, made_seconds=600, late_seconds=20, shared_with=2),
        RowResult(number=4, outcome="stored", polls=4, made_seconds=200, late_seconds=4),
        RowResult(number=5, outcome="reused", polls=1, made_seconds=300),
        RowResult(number=6, outcome="failed", polls=2),
        RowResult(number=7, outcome="stored", polls=3, late_seconds=0),
        RowResult(number=8, outcome="invalid"),
    ]
    whole = BatchReport(rows=rows)
    assert (whole.polls, whole.mean_late_seconds, whole.late_share) == (20, 8.0, 0.03)
    words = (
        "20 status requests for 5 videos, noticed on average 8 s after they were ready (3.0 % of the time they took)"
    )
    assert whole.watched_words == words and words in whole.summary
    dumped = whole.model_dump(mode="json")
    assert {name: dumped[name] for name in ("polls", "mean_late_seconds", "late_share")} == {
        "polls": 20,
        "mean_late_seconds": 8.0,
        "late_share": 0.03,
    }
    assert BatchReport.model_validate(dumped) == whole


def test_a_video_that_is_noticed_at_once_is_said_to_be() -> None:
    row = RowResult(number=2, outcome="stored", polls=3, made_seconds=600, late_seconds=0)
    words = BatchReport(rows=[row]).watched_words
    assert words == "3 status requests for 1 video, noticed as soon as it was ready"


@pytest.mark.parametrize("rows", [[], [RowResult(number=2, outcome="invalid")]])
def test_a_report_of_which_nothing_was_asked_says_nothing_of_questions(rows: list[RowResult]) -> None:
    nothing = BatchReport(rows=rows)
    assert (nothing.polls, nothing.mean_late_seconds, nothing.late_share, nothing.watched_words) == (0, None, None, "")
    assert "request" not in nothing.summary


def test_nobody_is_told_to_run_again_what_only_an_edited_row_would_change() -> None:
    invalid = RowResult(number=2, outcome="invalid")
    failed = RowResult(number=3, outcome="failed", retryable=True)
    said = {
        name: BatchReport(rows=rows).summary
        for name, rows in {"invalid": [invalid], "failed": [failed], "both": [invalid, failed], "none": []}.items()
    }
    assert "again: what is paid" in said["invalid"] and "Edit 1 row first." in said["invalid"]
    assert "again to make what is missing" in said["failed"] and "Edit" not in said["failed"]
    assert "again to make what is missing" in said["both"] and "Edit 1 row first." in said["both"]
    assert "again" not in said["none"]


def test_what_is_submitted_is_not_missing_and_no_advice_pays_for_it_again() -> None:
    def of(*outcomes: Outcome, scope: str = "") -> BatchReport:
        numbered = enumerate(outcomes, 2)
        rows = [RowResult(number=number, outcome=each, retryable=each != "invalid") for number, each in numbered]
        return BatchReport(rows=rows, scope=scope)

    twelve = of(*["submitted"] * 12, *["stored"] * 3, *["not_started"] * 5)
    assert twelve.headline == "12 of 20 rows are submitted, 3 have their video"
    assert "collect_videos, or running the batch again, takes up what is submitted." in twelve.advice
    assert "again to make what is missing" in twelve.advice
    assert {row.outcome for row in twelve.missing} == {"not_started"} and len(twelve.without_video) == 17
    assert not of("submitted", "reused").missing and "to make what is missing" not in of("submitted").advice
    anew = of("submitted", scope="run:0198").summary
    assert "collect_videos takes up" in anew and "running the batch again" not in anew
    assert "with reuse_scope 'monday', takes up" in of("submitted", scope="scope:monday").advice


@pytest.mark.parametrize("error", [BatchIncomplete(report()), UnusableManifest("a.csv", "it is empty", "Add rows")])
def test_errors_of_a_batch_survive_pickling(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error)
    if isinstance(error, BatchIncomplete):
        assert again.report == error.report


def test_every_outcome_is_sorted() -> None:
    assert set(WORST_FIRST) == set(Outcome.__args__) and set(WORST_FIRST) >= HAVE_VIDEO


@pytest.mark.parametrize("part", ["0/8", "9/8", "2", "2/8/9", "a/b", "2 / 8", "-1/8", "2/0", "1/99999"])
def test_a_part_that_is_none_is_refused(part: str) -> None:
    with pytest.raises(ValidationError, match="part"):
        BatchOptions(part=part)


def test_a_batch_buys_a_row_once_unless_it_is_told_otherwise() -> None:
    assert BatchOptions().reuse == "always"
    with pytest.raises(ValidationError, match="reuse_scope"):
        BatchOptions(reuse="scope")
