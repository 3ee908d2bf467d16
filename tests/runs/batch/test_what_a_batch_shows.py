"""What a batch shows in Prefect: its progress, its rows, its report. None of it holds up or fails a row."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.context import AsyncClientContext
from prefect.settings import PREFECT_API_URL

from prefect_seedance.batch.models import BatchReport, Outcome, RowResult
from prefect_seedance.runs.batch import api, progress
from prefect_seedance.runs.batch.api import wait_for_api
from prefect_seedance.runs.batch.page import show_report, show_rows
from prefect_seedance.runs.batch.progress import BatchProgress
from prefect_seedance.runs.pages.play_link import PlayLink
from tests.flows import shown
from tests.flows.another_process import run_there
from tests.flows.line_to_prefect import line_to_prefect
from tests.runs.batch.prefect_away import prefect_at, prefect_away

pytestmark = [pytest.mark.server]

SPREAD: dict[Outcome, int] = {"stored": 3, "unknown": 1}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LEAST_SECONDS", 0.2)


def written(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if "/artifacts" in line]


async def made_in_steps(steps: int, gap: float) -> None:
    bar = BatchProgress()
    await bar.start(steps)
    for step in range(1, steps + 1):
        bar.update({"stored": step}, steps - step, step / 4, datetime(2026, 11, 22, 10, 30, tzinfo=UTC))
        await asyncio.sleep(gap)
    await bar.finish({"stored": steps - 1, "unknown": 1}, 1.5)


def test_a_batch_has_one_progress_artifact_that_is_drawn_in_place(prefect_server: str, tmp_path: Path) -> None:
    @flow
    async def batch() -> None:
        await made_in_steps(60, 0.02)

    with line_to_prefect(prefect_server, tmp_path) as log:
        run = shown.run_of(asyncio.run(batch(return_state=True)))
    drawn = shown.artifact(run, "seedance-batch-progress")
    assert drawn.data == 100.0
    assert drawn.description == "60 of 60 rows done: 1 unknown, 59 stored. Paid so far: 1.5 coins."
    lines = written(log)
    assert [line.split()[0] for line in lines] == ["POST", *["PATCH"] * (len(lines) - 1)]
    assert 3 <= len(lines) <= 12, "sixty rows, and no more drawings than there are moments"


@pytest.mark.usefixtures("prefect_server")
def test_a_retried_batch_goes_on_with_its_artifact() -> None:
    @flow
    async def batch() -> None:
        await made_in_steps(3, 0.15)

    run = shown.run_of(asyncio.run(batch(return_state=True)))
    first = shown.artifact(run, "seedance-batch-progress")
    assert run_there(batch, run).is_completed()
    assert shown.artifact(run, "seedance-batch-progress").id == first.id


def test_a_drawing_that_was_refused_is_made_up_for(prefect_server: str, tmp_path: Path) -> None:
    @flow
    async def batch() -> None:
        await made_in_steps(4, 0.1)

    with line_to_prefect(prefect_server, tmp_path, refused=r"POST \S+/artifacts/", times=2):
        run = shown.run_of(asyncio.run(batch(return_state=True)))
    assert shown.artifact(run, "seedance-batch-progress").data == 100.0


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("how", ["refused", "silent"])
def test_nothing_that_is_shown_waits_long_for_prefect_or_raises(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LAST_SECONDS", 0.6)
    monkeypatch.setattr("prefect_seedance.runs.pages.run_page._SECONDS", 0.3)
    monkeypatch.setattr("prefect_seedance.runs.batch.page.PAUSES", (0.1,))
    monkeypatch.setattr(api, "_QUESTION_SECONDS", 0.2)
    ticks: list[int] = []

    async def rows() -> None:
        bar = BatchProgress()
        await bar.start(10)
        for step in range(10):
            bar.update({"stored": step}, 1, 0.0, None)
            await asyncio.sleep(0.05)
            ticks.append(step)
        await bar.finish({"stored": 10}, 1.0)
        await show_rows([RowResult(number=2, outcome="stored")])
        await show_report(BatchReport(rows=[]), None)
        await wait_for_api(0.5)

    @flow
    async def batch() -> None:
        with prefect_away(how):
            async with AsyncClientContext():  # instead of the run's, which goes on to the server that is there
                await rows()

    assert asyncio.run(batch(return_state=True)).is_completed()
    assert ticks == [*range(10)]


@pytest.mark.usefixtures("prefect_server")
def test_a_run_that_is_ended_leaves_no_drawing_behind() -> None:
    @flow
    async def batch() -> set[str]:
        bar = BatchProgress()
        await bar.start(10)
        drawing = bar.stop()
        assert drawing is not None
        await asyncio.wait([drawing])
        return {task.get_name() for task in asyncio.all_tasks()}

    assert progress.KEY not in asyncio.run(batch())


def test_outside_of_a_run_nothing_is_drawn() -> None:
    async def alone() -> None:
        await made_in_steps(2, 0.0)
        await wait_for_api()

    with prefect_away("refused"):
        asyncio.run(alone())


# The table.

HOSTILE = "<img src=x onerror=alert(1)> ![p](https://evil.example.com/p) [x](javascript:alert(1)) a\nb | c"


@pytest.mark.usefixtures("prefect_server")
def test_the_table_has_the_worst_rows_first_and_at_most_200(tmp_path: Path) -> None:
    stored = RowResult(number=0, outcome="stored", cost=0.25)
    rows = [stored.model_copy(update={"number": n, "uri": f"s3://b/{n}.mp4"}) for n in range(2, 302)]
    rows[250] = RowResult(number=252, outcome="unknown", name=HOSTILE, reason=f"{HOSTILE} {'x' * 500}")
    refused = "Task videos_11: a trademark"
    rows[9] = RowResult(number=11, outcome="moderated", task_id="videos_11", reason=refused)

    @flow
    async def batch() -> None:
        await show_rows(rows)

    run = shown.run_of(asyncio.run(batch(return_state=True)))
    found = shown.artifact(run, "seedance-batch-rows")
    table: list[dict[str, Any]] = json.loads(str(found.data))
    assert (found.type, found.description) == ("table", "200 of 300 rows, worst first.")
    assert [*table[0]] == ["row", "name", "outcome", "cost", "reason", "video", "task"]
    assert [row["row"] for row in table[:4]] == [252, 11, 2, 3] and len(table) == 200
    assert (table[1]["reason"], table[1]["task"]) == ("a trademark", "videos_11"), "no cell wraps: the reason first"
    # Markdown in the old UI: nothing in it draws, leads anywhere or breaks the row.
    name = str(table[0]["name"])
    assert "<img" not in name and "](" not in name and "://" not in name and "\n" not in name
    assert name.replace("\u200b", "") == " ".join(HOSTILE.split()), "and it still reads as it was"
    assert len(str(table[0]["reason"]).replace("\u200b", "")) <= 300
    assert table[2]["cost"] == 0.25 and table[2]["video"] == "s3://b/2.mp4"


# The page.

REPORT = BatchReport(
    source="https://data.example.com/m.csv?X-Amz-Signature=0123456789abcdef0123456789abcdef&X-Amz-Credential=AKIA",
    account="default",
    scope="always",
    part="2/8",
    started_at=datetime(2026, 11, 22, 10, 0, tzinfo=UTC),
    ended_at=datetime(2026, 11, 22, 11, 0, tzinfo=UTC),
    notices=["The manifest was read as gb18030. <b>"],
    stopped="3 submissions in a row are unknown",
    report_uri="s3://bucket/reports/2026-11-22/run/report.html",
    rows=[
        RowResult(number=2, outcome="stored", cost=0.5, name="boat", polls=14, made_seconds=600, late_seconds=12),
        RowResult(number=3, outcome="unknown", submissions=1, name=HOSTILE, reason=HOSTILE, advice="Settle it."),
        *[RowResult(number=number, outcome="not_started") for number in range(4, 40)],
    ],
)


@pytest.mark.usefixtures("prefect_server")
def test_the_page_has_sheet_totals_spend_report_and_what_to_look_into() -> None:
    sheet = b"\xff\xd8" + b"x" * 299_000

    @flow
    async def batch() -> None:
        url = "https://s3.example.com/report.html?X-Amz-Signature=abc"
        await show_report(
            REPORT, sheet, PlayLink(url, datetime(2026, 11, 22, 12, 0, tzinfo=UTC), use="open the report")
        )

    run = shown.run_of(asyncio.run(batch(return_state=True)))
    drawn = shown.artifact(run, "seedance-batch-report")
    assert "![Contact sheet](data:image/jpeg;base64," in str(drawn.description)
    page = str(drawn.data)
    for part in (
        "# 1 of 38 rows has its video",
        "what is paid for is not paid again. Edit 37 rows first.",
        "**Stopped:** 3 submissions in a row are unknown",
        "| Unknown | 1 |",
        "| Not started | 36 |",
        "| Paid now | 0.5 coins, and 1 video whose cost is not known |",
        "**Watched:** 14 status requests for 1 video, noticed 12 s after it was ready (2.0 % of the time it took)",
        "- **Row 4: not started.**\n- **Row 5: not started.**",
        "| Part | 2/8 |",
        "s3://bucket/reports/2026-11-22/run/report.html",
        "[Open the report](<https://s3.example.com/report.html?X-Amz-Signature=abc>)",
        "Whoever has this link can open the report until 2026-11-22 12:00 UTC.",
        "The manifest was read as gb18030.",
        "And 17 more, in the report.",
    ):
        assert part in page, part
    plain = page.replace("\\<", "").replace("\\](", "")
    assert "<img" not in plain and "](javascript" not in plain and "https://evil" not in plain
    assert "0123456789abcdef" not in page


def test_a_sheet_that_is_too_large_is_left_out() -> None:
    from prefect_seedance.runs.batch.page import report_description

    assert "Contact sheet" in report_description(REPORT, b"x" * 300_000)
    assert "Contact sheet" not in report_description(REPORT, b"x" * 300_001)


# The API at the end.


def test_a_run_waits_for_prefect_at_its_end_and_ends_completed(
    prefect_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(api, "_FIRST_PAUSE_SECONDS", 0.05)

    @flow
    async def batch() -> None:
        with prefect_at(PREFECT_API_URL.value()):
            async with AsyncClientContext():
                await wait_for_api()

    with line_to_prefect(prefect_server, tmp_path, refused=r"GET \S+/health", times=2) as log:
        assert asyncio.run(batch(return_state=True)).is_completed()
    asked = [line for line in log.read_text().splitlines() if line.endswith("/health")]
    assert len(asked) >= 3
    assert len([record for record in caplog.records if "The run waits up to" in record.getMessage()]) == 1


@pytest.mark.usefixtures("prefect_server")
def test_that_wait_ends_with_the_run() -> None:
    async def waiting() -> None:
        with prefect_away("refused"):
            # Another client than the run's, which would be handed on to whoever asks for one like it.
            async with AsyncClientContext(httpx_settings={"timeout": 5}):
                await wait_for_api()

    @flow
    async def batch() -> bool:
        task = asyncio.create_task(waiting())
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(batch())
