"""Several processes at once: on one request, and on many."""

from __future__ import annotations

import random

from prefect_seedance.simulator import Fault
from tests.chaos.harness import Chaos
from tests.storage.dishonest_s3 import Dishonest
from tests.storage.s3_proxy import faulty_line
from tests.storage.s3_servers import S3Server

RACES = 20
#: What a vendor and a media host may do to a race.
_FAULTS: tuple[tuple[Fault, ...], ...] = (
    (),
    (Fault(fault="rate_limited_http", retry_after=0.5),),
    (Fault(fault="rate_limited_http", retry_after=0.3, times=2),),
    (Fault(fault="slow_answer", seconds=1.5),),
    (Fault(fault="rate_limited_http", retry_after=0.2), Fault(fault="slow_answer", seconds=1.0)),
    (Fault(fault="slow_media", seconds=1.0, times=3),),
    (Fault(fault="query_5xx"), Fault(fault="expired_link")),
)


def race(chaos: Chaos, number: int) -> None:
    """Two or three processes run one request: one bill, and all of them end with the same stored video."""
    chance = random.Random(number)
    for _ in range(3):
        case = chaos.case(f"race {number}", *chance.choice(_FAULTS))
        delays = [chance.uniform(0, 0.5) for _ in range(chance.choice((2, 2, 3)))]
        children = [case.begin(delay_seconds=delay) for delay in delays]
        reports = [child.ended().report for child in children]
        assert len(case.bills()) == 1
        if all(report.ours for report in reports):  # else it was the machine that failed
            break
    case.assert_stored(*reports)
    assert [report.reused for report in reports].count(False) == 1, reports


def eight_takes(chaos: Chaos) -> None:
    """Eight processes make eight takes in one store."""
    case = chaos.case("eight takes")
    takes = [str(number) for number in range(1, 9)]
    children = {take: case.begin(take=take) for take in takes}
    reports = {take: child.ended().report for take, child in children.items()}
    reports = {take: report if report.ours else case.run(take=take) for take, report in reports.items()}
    assert [report.error for report in reports.values()] == [""] * 8
    records = {entry.record.take: entry.record for entry in case.journal.records()}
    assert {take: record.task_id for take, record in records.items()} == {
        take: report.task_id for take, report in reports.items()
    }
    assert {record.stored.sha256 for record in records.values() if record.stored} == {
        report.sha256 for report in reports.values()
    }
    assert sorted(case.bills()) == sorted(record.task_id for record in records.values())
    assert len(set(case.bills())) == 8
    assert not list(case.journal.open_records())


def race_through(manner: Dishonest, chaos: Chaos) -> None:
    """Three processes run one request on a store that does not keep its promises: one bill at most.

    Where the store is found out, nothing is sent at all.
    """
    assert chaos.bucket is not None
    with faulty_line(chaos.bucket.url) as line:
        line.manner = manner
        case = chaos.on(S3Server(line.url, conditions=True)).case("race on a dishonest store")
        children = [case.begin(delay_seconds=0.1 * number) for number in range(3)]
        reports = [child.ended().report for child in children]
        bills = case.bills()
        if manner.racy or manner.ignores:
            assert bills == [] and {report.error for report in reports if report.ours} <= {"ConditionsIgnored"}, reports
        assert len(bills) <= 1, reports
        assert {report.task_id for report in reports if report.task_id} <= {*bills}, reports


def equal_rows_through(manner: Dishonest, chaos: Chaos) -> None:
    """Three equal rows gathered in one process, on a store whose conditions are not to be relied on: one bill."""
    assert chaos.bucket is not None
    with faulty_line(chaos.bucket.url) as line:
        line.manner = manner
        case = chaos.on(S3Server(line.url, conditions=False)).case("equal rows")
        rows = case.order(prompts=(case.prompt,) * 3, store={**case.place.settings, "single_writer": "true"})
        reports = case.chaos.zygote.begin(rows).ended().reports()
        assert len(case.bills()) == 1, reports
        case.assert_stored(*(report for report in reports if report.ours))
