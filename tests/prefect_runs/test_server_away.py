"""Prefect's server goes away in the middle of a batch and comes back: the batch has not noticed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from uuid import UUID

import pytest

from prefect_seedance.simulator import running_simulator
from tests.prefect_server import ask, running_prefect_server
from tests.processes import running, until

LONG = bool(os.environ.get("RUN_LONG"))
#: Rows, at the same time, seconds that each takes, and seconds without a server.
ROWS, IN_FLIGHT, SECONDS, AWAY = (100, 8, 12.0, 120.0) if LONG else (16, 4, 5.0, 6.0)

pytestmark = pytest.mark.slow


@pytest.mark.timeout(900 if LONG else 300)
def test_every_row_is_stored_the_run_completes_and_nothing_is_paid_twice(tmp_path: Path) -> None:
    report, environment = tmp_path / "report.json", {"PREFECT_HOME": str(tmp_path / "home")}
    with running_simulator(seconds=SECONDS) as vendor:
        with running_prefect_server(tmp_path / "server") as server:
            port = int(server.url.rpartition(":")[2])
            environment["PREFECT_API_URL"] = server.api_url
            store = str(tmp_path / "store")
            batch = running(
                "-m",
                "tests.prefect_runs.nightly_batch",
                *(vendor.url, vendor.key, store, str(ROWS), str(IN_FLIGHT), str(report)),
                log=tmp_path / "batch.log",
                environment=environment,
            )
            child = batch.__enter__()
            until(lambda: len(vendor.bills()) > IN_FLIGHT, "the second row of videos", alive=child)
        try:
            before = len(vendor.bills())
            time.sleep(AWAY)
            assert len(vendor.bills()) > before, "rows are submitted without Prefect's server"
            with running_prefect_server(tmp_path / "server", port=port) as again:
                child.process.wait(600 if LONG else 200)
                assert child.process.returncode == 0, child.tail()
                told = json.loads(report.read_text())
                run = UUID(told["run"])
                state = until(
                    lambda: (
                        (found := ask(f"{again.api_url}/flow_runs/{run}", None)["state"])["type"] == "COMPLETED"
                        and found
                    ),
                    "the end of the run on the server",
                )
                assert state["name"] == "Completed"
        finally:
            batch.__exit__(None, None, None)
        assert told["counts"] == {"stored": ROWS}
        assert len(vendor.bills()) == ROWS and all(bill.accepted == 1 for bill in vendor.bills())
