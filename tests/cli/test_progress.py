"""What a terminal shows while a video is made: whatever the vendor says, it never stands in the way."""

import io
import logging

import pytest
from rich.console import Console

from prefect_seedance.cli.progress import RunProgress
from prefect_seedance.runs.logs import FACTS


@pytest.mark.parametrize("status", ["[/bold]", "[red]running", ":smile:"])
def test_a_status_of_the_vendor_is_shown_as_it_is(status: str) -> None:
    screen = io.StringIO()
    with RunProgress(Console(file=screen, force_terminal=True, width=120)) as progress:
        line = logging.makeLogRecord({"levelno": logging.DEBUG})
        setattr(line, FACTS, {"step": "wait", "status": status, "progress": 40})
        progress.emit(line)
    assert status in screen.getvalue()


def test_a_warning_that_two_steps_give_is_kept_once() -> None:
    with RunProgress(Console(file=io.StringIO())) as progress:
        for step in ("prepare", "create"):
            line = logging.makeLogRecord({"levelno": logging.WARNING, "msg": "images[0]: 20x20 px"})
            setattr(line, FACTS, {"step": step})
            progress.emit(line)
    assert progress.warnings == ["images[0]: 20x20 px"]
