"""A batch that is played: its engine is a script of events, all that the command line gets is real."""

from __future__ import annotations

import json
import sys
import time

from prefect_seedance.batch.errors import BatchIncomplete
from prefect_seedance.batch.followers import following
from prefect_seedance.batch.models import WORST_FIRST, BatchReport, RowResult
from prefect_seedance.cli.batch.batch_run import follow, left_behind

HOSTILE = "na[red]me\x1b[2J\u202e\n\tend"


def result(number: int, outcome: str = "stored", **fields: object) -> RowResult:
    given = {"name": f"{HOSTILE} {number}", "reason": f"{HOSTILE}.", "advice": "Edit it.", "cost": 0.4, **fields}
    return RowResult.model_validate({"number": number, "outcome": outcome, **given})


def play(rows: list[RowResult], *, pause: float = 0.0, interrupted_at: int = 0) -> BatchReport:
    """Tell the follower of each row, and return or raise as a batch does."""
    told = following()
    told.planned(len(rows))
    for row in rows:
        told.started(row.number, row.label)
    told.told(f"the vendor is busy {HOSTILE}")
    for row in rows:
        if row.number == interrupted_at:
            raise KeyboardInterrupt
        time.sleep(pause)
        told.ended(row)
    report = BatchReport(rows=rows, notices=[HOSTILE])
    if report.without_video:
        raise BatchIncomplete(report)
    return report


def follow_played(rows: list[RowResult], *, as_json: bool = False, pause: float = 0.0, interrupted_at: int = 0) -> int:
    return follow(
        lambda: play(rows, pause=pause, interrupted_at=interrupted_at),
        title=f"/data/{HOSTILE}.csv",
        as_json=as_json,
        interrupt=lambda standing: left_behind(standing, "/data/my videos", anew=False),
    )


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    every_outcome = [result(number, WORST_FIRST[number % len(WORST_FIRST)]) for number in range(2, 2 + given["rows"])]
    sys.exit(follow_played(every_outcome, as_json=given["as_json"], pause=given["pause"]))
