"""The one notification at the end: short, plain, and nothing of others in it can be clicked or calls anybody."""

from __future__ import annotations

from prefect_seedance.batch.models import BatchReport, RowResult
from prefect_seedance.runs.batch.message import batch_message

RUN = "https://prefect.example.com/runs/1"
SIGNED = "https://s3.example.com/a.png?X-Amz-Signature=0123456789abcdef0123456789abcdef"


def test_it_says_counts_spend_the_worst_rows_and_where_to_look() -> None:
    rows = [
        *[RowResult(number=number, outcome="stored", cost=0.25) for number in range(2, 90)],
        RowResult(number=90, outcome="moderated", name="red shoe", reason="A trademark.", cost=0.0),
        RowResult(number=91, outcome="unknown", submissions=1, reason="no answer"),
        *[RowResult(number=number, outcome="not_started") for number in range(92, 102)],
    ]
    report = BatchReport(
        source="s3://bucket/m.csv", stopped="too many failures", report_uri="s3://bucket/reports/report.html", rows=rows
    )
    subject, body = batch_message(report, RUN)
    assert subject == "Batch: 88 of 100 rows have their video"
    assert body.replace("\u200b", "").splitlines() == [
        "Manifest: s3://bucket/m.csv",
        "Rows: 1 unknown, 1 moderated, 10 not started, 88 stored.",
        "Paid now: 22 coins, and 1 video whose cost is not known.",
        "Stopped: too many failures",
        "Row 91: unknown. no answer",
        "Row 90 (red shoe): moderated. A trademark.",
        "Row 92: not started.",
        "Row 93: not started.",
        "Row 94: not started.",
        "And 7 more without a video.",
        "Report: s3://bucket/reports/report.html",
        f"The run: {RUN}",
    ]


def test_the_words_of_others_are_short_unlinked_and_without_signatures() -> None:
    row = RowResult(number=2, outcome="failed", name=f"{SIGNED}\nx" * 50, reason=f"see {SIGNED} " * 50)
    report = BatchReport(source=SIGNED, rows=[row], stopped=SIGNED)
    subject, body = batch_message(report, RUN)
    assert "0123456789abcdef" not in subject + body
    assert "https://s3" not in body and len(body) < 1200
    assert body.count("https://") == 1, "the run alone is a link"


def test_a_batch_that_went_well_is_told_in_a_few_lines() -> None:
    report = BatchReport(rows=[RowResult(number=2, outcome="reused", cost=0.0)])
    assert batch_message(report, "") == ("Batch: 1 of 1 row has its video", "Rows: 1 reused.\nPaid now: 0 coins.")
