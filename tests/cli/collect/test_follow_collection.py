"""What a collection prints: lines when piped, JSON where that is asked for. Its engine is a script of events."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from rich.console import Console

from prefect_seedance.cli.collect.collect_run import follow_collection
from prefect_seedance.cli.collect.screen import CollectionScreen
from prefect_seedance.cli.collect.tally import CollectionTally
from prefect_seedance.pipeline.collect.models import CollectedVideo, CollectReport, Orphan
from prefect_seedance.pipeline.observer import Event
from prefect_seedance.runs.collect.followers import collection_follower

HOSTILE = "na[red]me\x1b[2J\u202e\n\tend"
STORED = CollectedVideo(intent="1" * 32, name=HOSTILE, became="stored", task_id="videos_1", uri="s3://shop/1.mp4")
FAILED = CollectedVideo(intent="2" * 32, name="jug", became="failed", reason=f"Broken {HOSTILE}.", advice="Edit it.")
ORPHAN = Orphan(intent="3" * 32, name="cup", kind="link_dying", reason=HOSTILE, since=datetime.now(UTC))


def follow(report: CollectReport, *, as_json: bool = False, interrupted: bool = False) -> int:
    def make() -> CollectReport:
        told = collection_follower()
        told.moved(HOSTILE, Event("stored", "1" * 32, "videos_1", "s3://shop/1.mp4?X-Amz-Signature=0f1e2d3c4b5a"))
        told.told(f"2 open records {HOSTILE}")
        if interrupted:
            raise KeyboardInterrupt
        return report

    return follow_collection(make, title="/data", store="/data/my videos", minutes=4, as_json=as_json)


def test_each_event_is_one_plain_line_and_the_whole_comes_last(capsys: pytest.CaptureFixture[str]) -> None:
    assert follow(CollectReport(videos=[STORED, FAILED], orphans=[ORPHAN], left_alone={"watched": 2}, polls=7)) == 3
    lines = capsys.readouterr().out.splitlines()
    assert all(line.isprintable() for line in lines) and "0f1e2d3c4b5a" not in "".join(lines)
    assert "stored: na[red]me" in lines[0] and "task videos_1" in lines[0] and "note: 2 open records" in lines[1]
    assert lines[2].startswith("failed: jug. Broken") and lines[2].endswith("Edit it.")
    assert lines[3].startswith("Orphan") and "link dies within a day: cup" in lines[3]
    assert lines[4].startswith(
        "1 failed, 1 stored, 2 left to a run that waits; 1 orphan. The vendor was asked 7 times."
    )


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (CollectReport(), 0),
        (CollectReport(videos=[STORED, STORED.model_copy(update={"became": "open"})]), 0),
        (CollectReport(videos=[FAILED]), 3),
        (CollectReport(videos=[STORED.model_copy(update={"became": "trouble"})]), 3),
        (CollectReport(orphans=[ORPHAN]), 3),
    ],
)
def test_the_exit_code_says_whether_a_person_should_look(report: CollectReport, code: int) -> None:
    assert follow(report) == code


def test_as_json_each_event_is_a_document_and_the_report_is_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    assert follow(CollectReport(videos=[STORED]), as_json=True) == 0
    moved, told, report = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (moved["event"], moved["task_id"], told["event"]) == ("stored", "videos_1", "told")
    assert (report["event"], report["exit_code"], report["counts"]) == ("report", 0, {"stored": 1})
    assert CollectReport.model_validate(report["report"]) == CollectReport(videos=[STORED])


def test_an_interrupt_says_that_nothing_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    assert follow(CollectReport(), interrupted=True) == 130
    said = capsys.readouterr().err
    assert "not lost" in said and "prefect-seedance journal --open --store '/data/my videos'" in said


def test_a_terminal_of_any_size_shows_how_far_it_is() -> None:
    tally = CollectionTally()
    for number in range(9):
        tally.moved(f"{HOSTILE} {number}", Event("stored", "1" * 32, f"videos_{number}"))
    tally.told("3 open records")
    for height in (3, 5, 8, 30):
        console = Console(file=io.StringIO(), width=60, height=height, force_terminal=True, color_system=None)
        console.print(CollectionScreen(tally, f"/data {HOSTILE}", 4, console))
        text = console.file.getvalue()  # type: ignore[attr-defined]
        assert len(text.splitlines()) <= height and "9 stored" in text and "0:04:00 at most" in text
        assert "na[red]me" in text and "\u202e" not in text
    assert "3 open records" in text and "videos_8" in text
