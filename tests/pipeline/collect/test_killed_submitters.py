"""Whoever submitted is killed with SIGKILL, at every point of the way: the collector finishes what is paid for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.states import State
from prefect_seedance.simulator import running_simulator
from prefect_seedance.storage.folder.store import FolderStore
from tests.pipeline.collect.harness import Office
from tests.pipeline.harness import account_at

NO_RECORD = ["claim.marker.before", "claim.marker.after", "claim.record.before"]
BEFORE_THE_ANSWER = [
    *("claim.record.after", "post.before", "post.after", "accepted.logged", "accepted.record.before"),
]
WITH_A_TASK = [
    *("accepted.record.after", "poll.before", "poll.after", "completed.record.before", "completed.record.after"),
    *("relay.before", "commit.before", "commit.after", "relay.after", "provenance.after", "stored.record.before"),
]
STORED = ["stored.record.after", "stored.marker.before", "stored.marker.after"]


def test_what_killed_submitters_left_is_finished(tmp_path: Path) -> None:
    points, folder = NO_RECORD + BEFORE_THE_ANSWER + WITH_A_TASK + STORED, tmp_path / "store"
    with running_simulator(seconds=0.2) as simulator:
        settings = json.dumps([simulator.url, str(folder), points])
        done = subprocess.run(
            [sys.executable, "-m", "tests.pipeline.collect.killed_submitters", settings],
            capture_output=True,
            text=True,
            timeout=200,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=Path(__file__).parents[3],
        )
        assert done.returncode == 0, done.stderr[-3000:]
        ended = json.loads(done.stdout.splitlines()[-1])
        assert ended == dict.fromkeys(points, -signal.SIGKILL), ended
        office = Office(folder, account_at(simulator.url))
        office.age(3600.0)  # leases and watches are over
        report = office.collected()
        records = {str(each.record.request["prompt"]): each.record for each in Journal(FolderStore(folder)).records()}
        states = {point: record.state for point, record in records.items()}
        unknown, stored = dict.fromkeys(BEFORE_THE_ANSWER, State.UNKNOWN), WITH_A_TASK + STORED
        assert states == unknown | dict.fromkeys(stored, State.STORED)
        assert sorted(video.became for video in report.videos) == ["stored"] * len(WITH_A_TASK) + ["unknown"] * 5
        bills = {str(bill.body["prompt"]): bill.accepted for bill in simulator.bills()}
        assert {bills[point] for point in stored} == {1} and set(bills.values()) == {1}
        for point in stored:
            facts = records[point].stored
            assert facts is not None and (folder / facts.key).stat().st_size == facts.bytes
            assert json.loads((folder / facts.key).with_suffix(".json").read_text())["request"]["prompt"] == point
        assert len(office.videos()) == len(stored)
        assert office.kinds().count("stored") == len(WITH_A_TASK) and office.kinds().count("unknown") == 5
        assert office.collected().videos == []
