"""plan, batch and gallery as processes, against the simulator and a real Prefect server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from prefect_seedance.simulator import Fault, Simulator, running_simulator
from tests.cli.test_commands import COMMAND, run
from tests.processes import until

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(300)]

ROWS = """name,prompt,model,resolution,duration
mug,A mug turns,seedance2.0-mini,480p,4
cup,A cup turns,seedance2.0-mini,480p,4
"""
INVALID = "jug,A jug turns,seedance2.0-mini,480p,99\n"
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def vendor() -> Iterator[Simulator]:
    with running_simulator(seconds=0.3) as simulator:
        yield simulator


@pytest.fixture
def environment(vendor: Simulator, prefect_server: str) -> dict[str, str]:
    vendor.reset()
    return {"PREFECT_API_URL": prefect_server, "JIMMYAI_API_KEY": vendor.key, "JIMMYAI_BASE_URL": vendor.url}


@pytest.fixture
def command(environment: dict[str, str], tmp_path: Path) -> Command:
    return lambda *arguments: run(*arguments, "--store", "store", cwd=tmp_path, **environment)


def documents(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_batch_pays_once_and_only_for_what_is_missing(command: Command, vendor: Simulator, tmp_path: Path) -> None:
    manifest = tmp_path / "rows.csv"
    manifest.write_text(ROWS + INVALID)
    planned = command("plan", "rows.csv", "--json")
    assert planned.returncode == 0, planned.stderr
    plan = documents(planned)[0]["plan"]
    assert [row["standing"] for row in plan["rows"]] == ["new", "new", "invalid"]
    assert plan["total"] > 0 and vendor.requests().create_received == 0

    first = command("batch", "rows.csv")
    assert first.returncode == 3, first.stderr
    assert "stored: row 2 (mug)" in first.stdout and "invalid: row 4 (jug)" in first.stdout
    assert "2 of 3 rows have their video" in first.stdout and "report.html" in first.stdout

    again = command("batch", "rows.csv", "--require", "none", "--json")
    assert again.returncode == 0, again.stderr
    *events, report = documents(again)
    assert {each["event"] for each in events} >= {"planned", "ended"}
    assert (report["counts"], report["spent"]) == ({"invalid": 1, "reused": 2}, 0)
    assert vendor.requests().create_received == 2

    page = command("gallery", "--json")
    assert page.returncode == 0, page.stderr
    assert documents(page)[0]["gallery"].endswith(".html")


@pytest.mark.long
def test_rows_are_submitted_now_and_collected_later(command: Command, vendor: Simulator, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(ROWS + INVALID)
    submitted = command("submit", "rows.csv")
    assert submitted.returncode == 3, submitted.stderr
    assert "submitted: row 2 (mug)" in submitted.stdout and "2 of 3 rows are submitted" in submitted.stdout
    collected = command("collect", "--minutes", "1", "--json")
    assert collected.returncode == 0, collected.stdout + collected.stderr
    *events, report = documents(collected)
    assert {each["event"] for each in events} >= {"completed", "stored"} and report["counts"] == {"stored": 2}
    again = command("submit", "rows.csv", "--require", "none", "--json")
    assert documents(again)[-1]["counts"] == {"invalid": 1, "reused": 2}
    assert vendor.requests().create_received == 2
    refused = command("collect", "--minutes", "0")
    assert refused.returncode == 1 and "minutes" in refused.stderr


@pytest.mark.long
def test_an_interrupt_leaves_what_the_same_command_takes_up(
    environment: dict[str, str], command: Command, vendor: Simulator, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    vendor.plan(Fault(fault="unknown_status", times=100_000))
    process = subprocess.Popen(
        [*COMMAND, "batch", "rows.csv", "--store", "store"],
        cwd=tmp_path, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # Tests in the background of a script inherit that interrupts are ignored.
        start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        until(lambda: len(vendor.requests().polls) == 2, "the polls of both tasks")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=90)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Stopped: 0 of 2 rows have their video. 2 more are under way" in said and "Traceback" not in said
    vendor.simulation.faults.clear()
    again = command("batch", "rows.csv")
    assert again.returncode == 0, again.stdout + again.stderr
    assert vendor.requests().create_received == 2
