"""What a batch prints: lines when piped, JSON where that is asked for, and a live table on a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from prefect_seedance.batch.followers import followed_by, following
from prefect_seedance.batch.models import BatchReport, RowResult
from prefect_seedance.cli.batch.batch_run import _MOST_PRINTED, follow, left_behind, words_of_report
from prefect_seedance.cli.batch.tally import Tally
from prefect_seedance.cli.exit_codes import LOOK
from tests.cli.batch.played import follow_played, result

ROOT = Path(__file__).parents[3]
#: What moves the cursor of a terminal to its upper left corner: each picture of the table begins so.
HOME = b"\x1b[H"


def documents(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_when_piped_each_event_is_one_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert follow_played([result(2), result(3, "moderated", task_id="videos_1f")]) == LOOK == 3
    out = capsys.readouterr().out
    assert all(each.isprintable() for each in out.splitlines())
    events = [line for line in out.splitlines() if re.match(r"\d\d:\d\d:\d\dZ ", line)]
    said = [line.split(" ", 1)[1] for line in events]
    assert said[0] == "planned 2 rows"
    assert said[1].startswith("started row 2 (na[red]me")
    assert said[3].startswith("note: the vendor is busy")
    assert said[4].startswith("[1/2] stored: row 2 (na[red]me") and "0.4 coins" in said[4]
    assert said[5].startswith("[2/2] moderated: row 3 ") and "task videos_1f" in said[5] and "Edit it." in said[5]
    assert out.splitlines()[-1].startswith("1 of 2 rows has its video")


def test_a_whole_batch_ends_with_zero(capsys: pytest.CaptureFixture[str]) -> None:
    assert follow_played([result(2), result(3, "reused", cost=0)]) == 0


def test_as_json_each_event_is_a_document_and_the_report_is_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [result(2), result(3, "unknown", cost=None, submissions=1)]
    assert follow_played(rows, as_json=True) == 3
    events = documents(capsys)
    assert [each["event"] for each in events] == ["planned", *["started"] * 2, "told", *["ended"] * 2, "report"]
    assert events[0]["total"] == 2
    assert events[1]["number"] == 2
    assert events[5]["row"] == rows[1].model_dump(mode="json")
    report = events[-1]
    assert (report["exit_code"], report["counts"]) == (3, {"unknown": 1, "stored": 1})
    assert (report["spent"], report["of_unknown_cost"], len(report["report"]["rows"])) == (0.4, 1, 2)


def test_a_notice_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    def make() -> BatchReport:
        following().told("The folder is inside a container.")
        return BatchReport(rows=[result(2)], notices=["The folder is inside a container.", "Only told at the end."])

    assert follow(make, title="rows.csv", as_json=False, interrupt=lambda status: "") == 0
    said = capsys.readouterr().out
    assert said.count("The folder is inside a container.") == said.count("Only told at the end.") == 1


def test_an_interrupt_says_what_goes_on_and_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [result(2), result(3), result(4)]
    assert follow_played(rows, interrupted_at=3) == 130
    said = capsys.readouterr().err
    assert "Stopped: 1 of 3 rows has its video. 2 more are under way" in said and "is paid for" in said
    assert "prefect-seedance journal --open --store '/data/my videos'" in said
    assert "Run the same command again" in said
    assert follow_played(rows, interrupted_at=3, as_json=True) == 130
    assert documents(capsys)[-1]["error"]["type"] == "Interrupted"


def test_an_interrupt_of_a_run_that_buys_anew_does_not_advise_to_pay_twice() -> None:
    said = left_behind(Tally().now(), "/data", anew=True)
    assert "would pay for all rows anew" in said and "Run the same command again" not in said


class Picture:
    """What a terminal was shown, picture by picture.

    Attributes:
        pictures: Of the live table, as lines.
        after: What was printed when it had ended.
    """

    def __init__(self, output: bytes) -> None:
        table, _, after = output.partition(b"\x1b[?1049l")
        self.pictures = [plain(each) for each in table.split(HOME)[1:]]
        self.after = plain(after)


def plain(output: bytes) -> list[str]:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.decode(errors="replace")).replace("\r", "").split("\n")


def size(terminal: int, lines: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def on_a_terminal(sizes: list[tuple[int, int]], **given: object) -> tuple[int, bytes]:
    """Follow a batch on a terminal that is resized whenever the table was drawn twice at one size."""
    master, slave = pty.openpty()
    size(master, *sizes[0])
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cli.batch.played", json.dumps({"as_json": False, **given})],
        stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, env={**environment, "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(slave)
    output, left, seen = b"", sizes[1:], 0
    try:
        while piece := os.read(master, 65_536):
            output += piece
            if left and output.count(HOME) >= seen + 3:
                seen = output.count(HOME)
                size(master, *left.pop(0))
    except OSError:
        pass  # the terminal is gone with its last process
    finally:
        code = process.wait(60)
        os.close(master)
    return code, output


def test_a_terminal_shows_how_far_it_is_at_any_size() -> None:
    code, output = on_a_terminal([(24, 100), (12, 50), (8, 20), (40, 200)], rows=90, pause=0.06)
    assert code == 3
    shown = Picture(output)
    for lines, columns in ((24, 100), (12, 50), (8, 20), (40, 200)):
        of_this_size = [each for each in shown.pictures if (len(each), len(each[0])) == (lines, columns)]
        assert of_this_size, f"never drawn at {lines} x {columns}"
        assert {len(line) for each in of_this_size for line in each if line.isascii()} == {columns}
    whole = "\n".join(shown.pictures[-1])
    for words in ("of 90 rows", "stored", "over budget", "paid ", "expected end", "worst first", "finished last"):
        assert words in whole
    assert whole.index("unknown     row") < whole.index("failed      row"), "worst first"
    assert "na[red]me" in whole, "plain: rich's markup in a name is none"
    assert "of 90 rows are submitted" in "\n".join(shown.after)
    assert b"\x1b[2J" not in output, "nothing is erased, so nothing flickers, and no name is obeyed"
    assert output.rindex(b"\x1b[?25h") > output.rindex(b"\x1b[?25l"), "the cursor is back"


def test_as_json_a_terminal_gets_documents_alone() -> None:
    code, output = on_a_terminal([(24, 80)], rows=2, pause=0, as_json=True)
    assert code == 3
    assert {json.loads(line)["event"] for line in output.splitlines()} >= {"planned", "report"}


def test_a_follower_that_fails_costs_its_line_and_no_row() -> None:
    class Failing(Tally):
        def started(self, number: int, label: str) -> None:
            raise BrokenPipeError

    tally = Failing()
    with followed_by(tally):
        told = following()
        told.started(2, "mug")
        told.ended(result(2))
    assert tally.now().ended == 1
    following().ended(result(3))
    assert tally.now().ended == 1, "nobody follows any more"


def test_the_tally_counts_a_shared_video_once_and_tells_the_end_by_its_pace() -> None:
    moments = iter([0.0, 0.0, 30.0, 30.0])
    tally = Tally(lambda: next(moments, 30.0))
    tally.planned(10)
    for number in (2, 3, 4):
        tally.started(number, f"row {number}")
    for number in (2, 3):
        tally.ended(result(number))
    assert tally.now().seconds_left is None, "two are too few to tell"
    tally.ended(result(4))
    tally.ended(result(5, shared_with=4))
    standing = tally.now()
    assert (standing.spent, standing.ended, standing.in_flight) == (1.2, 4, ())
    assert standing.seconds_left == pytest.approx(60.0)


def test_of_many_rows_without_a_video_the_first_are_said_and_why_the_batch_stopped() -> None:
    rows = [RowResult(number=number, outcome="failed") for number in range(2, _MOST_PRINTED + 5)]
    lines = [*words_of_report(BatchReport(rows=rows, stopped="The balance is used up."))]
    assert lines[_MOST_PRINTED] == "and 3 more rows without a video: see the report"
    assert lines[_MOST_PRINTED + 1] == "Stopped     The balance is used up."
