"""One report of many parts: each row once, what was paid in all, and what nobody knows said so."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from prefect_seedance.batch.models import BatchReport, RowResult
from prefect_seedance.batch.report.joined_report import days_of, find_reports, join_reports
from prefect_seedance.batch.report.report_files import folder_name, report_json
from prefect_seedance.storage.folder.store import FolderStore

RUN, OTHER = "0197a3b2-9d1c-7c3e-8f00-2e5b2ced3957", "0197a3b2-9d1c-7c3e-8f00-00002ced3957"
WHOLE = BatchReport(source="spring.csv", run_id="parent", rows=[])
DAY = date(2026, 11, 27)


def row(number: int, outcome: str, **fields: Any) -> RowResult:
    return RowResult.model_validate({"number": number, "outcome": outcome, "intent": f"{number:032x}", **fields})


def of(*rows: RowResult, **fields: Any) -> BatchReport:
    return BatchReport(rows=list(rows), **fields)


def joined(parts: dict[str, list[BatchReport]], **more: Any) -> BatchReport:
    return join_reports(parts, WHOLE, **{"missing": {}, **more})


def test_each_row_stands_once_in_the_order_of_the_manifest() -> None:
    report = joined({"1/2": [of(row(4, "stored"), row(2, "failed"))], "2/2": [of(row(3, "stored"))]})
    assert [each.number for each in report.rows] == [2, 3, 4]
    assert report.run_id == "parent"


def test_takes_of_one_row_are_rows_of_their_own() -> None:
    first, second = row(2, "stored", take="1"), row(2, "stored", take="2", intent="f" * 32)
    assert joined({"1/2": [of(second)], "2/2": [of(first)]}).rows == [first, second]


def test_what_an_earlier_run_of_a_part_bought_was_bought_by_this_batch() -> None:
    bought = row(2, "stored", task_id="t", submissions=1, cost=0.4, price=0.4, cost_source="vendor")
    again = row(2, "reused", task_id="t", cost=0.0, price=0.0, cost_source="paid for before", uri="file:///v")
    (found,) = joined({"1/1": [of(bought), of(again)]}).rows
    assert (found.outcome, found.cost, found.submissions, found.price, found.uri) == (
        "stored",
        0.4,
        1,
        0.4,
        "file:///v",
    )


def test_both_runs_of_a_part_have_paid_and_the_sum_says_so() -> None:
    failed = row(2, "failed", task_id="a", submissions=1, cost=0.3)
    stored = row(2, "stored", task_id="b", submissions=1, cost=0.4)
    report = joined({"1/1": [of(failed), of(stored)]})
    assert (report.spent, report.rows[0].submissions, report.rows[0].outcome) == (0.7, 2, "stored")


def test_a_run_of_a_part_that_bought_nothing_leaves_all_to_the_later_one() -> None:
    later = row(2, "stored", task_id="b", submissions=1, cost=0.4)
    report = joined({"1/1": [of(row(2, "not_started")), of(later)]})
    assert (report.rows, report.spent) == ([later], 0.4)


def test_a_submission_of_unknown_cost_stays_unknown() -> None:
    waited = row(2, "failed", task_id="t", submissions=1, cost=None)
    report = joined({"1/1": [of(waited), of(row(2, "reused", task_id="t", cost=0.0))]})
    assert (report.of_unknown_cost, report.rows[0].cost, report.rows[0].outcome) == (1, None, "stored")


def test_a_row_that_one_part_could_not_read_and_another_could_stands_once() -> None:
    unread = row(3, "not_started", intent="")
    assert [each.outcome for each in joined({"1/2": [of(unread)], "2/2": [of(row(3, "stored"))]}).rows] == ["stored"]
    assert [each.outcome for each in joined({"1/2": [of(unread)], "2/2": [of(row(2, "stored"))]}).rows] == [
        "stored",
        "not_started",
    ]


def test_parts_of_an_edited_manifest_are_told() -> None:
    report = joined({"1/2": [of(manifest_sha256="a")], "2/2": [of(manifest_sha256="b")]})
    assert any("was changed while its parts read it" in notice for notice in report.notices)
    # Both videos of the row were paid for, and neither is kept back.
    two = joined({"1/2": [of(row(2, "stored"))], "2/2": [of(row(2, "stored", intent="e" * 32))]})
    assert len(two.rows) == 2


def test_a_part_without_a_report_and_one_that_was_run_again_are_told() -> None:
    parts = {"1/3": [], "2/3": [of(row(2, "stored"))], "3/3": [of(row(3, "stored"))]}
    report = joined(parts, missing={"1/3": "it is gone."}, silent=["2/3"])
    assert report.notices[0] == "Part 1/3: it is gone."
    assert report.notices[1].startswith("Part 2/3 was run again")


def test_why_parts_stopped_is_said_once_for_all_of_them() -> None:
    paused, other = of(stopped="All spending is paused"), of(stopped="Too many failures.")
    report = joined({"1/3": [paused], "2/3": [other], "3/3": [paused]})
    assert report.stopped == "Part 1/3, 3/3: All spending is paused. Part 2/3: Too many failures."


def test_a_notice_that_all_parts_have_stands_once() -> None:
    part = of(notices=["The folder is inside a container."])
    assert joined({"1/2": [part], "2/2": [part]}).notices == ["The folder is inside a container."]


def written(store: FolderStore, report: BatchReport, folder: str) -> BatchReport:
    store.create(f"reports/{DAY}/{folder}/report.json", report_json(report))
    return report


def test_a_report_is_found_by_the_id_of_its_run_in_all_of_its_tries(tmp_path: Path) -> None:
    store, folder = FolderStore(tmp_path), folder_name("batch: a 1/2", RUN)
    tries = [of(run_id=RUN, part="1/2", ended_at=datetime(2026, 11, 27, hour, tzinfo=UTC)) for hour in (9, 7)]
    written(store, tries[0], f"{folder}-2")
    written(store, tries[1], folder)
    # The ends of two ids may be the same, and a folder may hold anything.
    written(store, of(run_id=OTHER), f"other-{folder[-8:]}")
    store.create(f"reports/{DAY}/{folder}-3/report.json", b"{half")
    days = [date(2026, 11, 26), DAY]
    assert find_reports(store, RUN, "batch: a 1/2", days) == tries[::-1]
    assert find_reports(store, RUN, "renamed by a person", days) == tries[::-1]
    assert find_reports(store, RUN, "batch: a 1/2", [date(2026, 11, 25)]) == []
    assert find_reports(store, OTHER, "anything", days) == [of(run_id=OTHER)]


def test_a_clock_that_differs_by_a_day_does_not_hide_a_report() -> None:
    moment = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    assert days_of(moment, moment) == [date(2026, 12, 30), date(2026, 12, 31), date(2027, 1, 1)]
