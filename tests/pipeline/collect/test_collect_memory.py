"""5,000 open records in one process, with prompts as long as they may be: the memory that this takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from prefect_seedance.simulator import running_simulator
from tests.pipeline.collect.harness import Office, left_behind
from tests.pipeline.harness import account_at

RECORDS, MADE, MOST_KIB = 5_000, 1_000, 600 * 1024

pytestmark = [
    pytest.mark.skipif(not os.environ.get("RUN_LONG"), reason="takes long; set RUN_LONG=1"),
    pytest.mark.skipif(sys.platform != "linux", reason="the peak is in other units there"),
    pytest.mark.timeout(1800),
]


def test_5000_open_records_fit_into_one_process(tmp_path: Path) -> None:
    with running_simulator(seconds=0.2, balance=1e6) as simulator:
        office = Office(tmp_path / "store", account_at(simulator.url))
        for number in range(RECORDS):
            prompt = f"{number} " + "A paper boat crosses a puddle. " * 60
            record = left_behind(office, simulator, prompt, made=number < MADE)
            if number >= MADE:
                simulator.simulation.ledger.stick(record.task_id)
        settings = json.dumps([simulator.url, str(office.folder), 5.0])
        done = subprocess.run(
            [sys.executable, "-m", "tests.pipeline.collect.large_collection", settings],
            capture_output=True,
            text=True,
            timeout=1700,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=Path(__file__).parents[3],
        )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    print(seen)
    assert seen["kib"] <= MOST_KIB, seen
    assert sum(seen["became"].values()) == RECORDS and seen["became"]["stored"] > 0, seen
