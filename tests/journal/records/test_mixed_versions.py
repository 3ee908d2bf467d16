"""An older worker beside a newer one in one bucket: either takes up what the other left, and nothing is paid for twice.

The older one is this version. The newer one is this version with what a later one may bring: more fields, or records
in a shape of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import VERSION
from prefect_seedance.journal.states import State
from prefect_seedance.simulator import running_simulator
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.versions import version_of
from tests.pipeline.collect.harness import Office
from tests.pipeline.harness import account_at

ROOT = Path(__file__).parents[3]
NEWER = "999.0.0"
#: Nobody can know what became of a submission whose process died there, and what it was billed for.
UNKNOWN = {"claim.record.after": 0, "accepted.record.before": 1}
#: Where another process takes it up.
TAKEN_UP = (
    *("claim.record.before", "accepted.record.after", "completed.record.before", "commit.after"),
    *("stored.record.before", "stored.record.after"),
)
#: What an older worker says where it may not write the record, by how far it came; the task goes on.
NOT_WRITTEN = ("RecordTooNew", "WaitStopped", "VideoNotStored")
#: By file, what a newer version has there instead; each must be found once.
Changes = dict[str, list[tuple[str, str]]]
_REGION = ('    credentials: str = ""\n', '    region: str = "eu"\n    credentials: str = ""\n')
_PRIORITY = ("    watch_seconds: float = 0.0\n", '    priority: str = "high"\n    watch_seconds: float = 0.0\n')
FIELDS: Changes = {
    "versions.py": [("return version(package)", f'return "{NEWER}" if package == _THIS else version(package)')],
    "journal/record.py": [_REGION, _PRIORITY],
}
SHAPE: Changes = {
    **FIELDS,
    "journal/record.py": [_REGION, _PRIORITY, (f"VERSION = {VERSION}\n", f"VERSION = {VERSION + 1}\n")],
}


def newer_package(folder: Path, changes: Changes) -> Path:
    shutil.copytree(
        ROOT / "prefect_seedance", folder / "prefect_seedance", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name, replacements in changes.items():
        path = folder / "prefect_seedance" / name
        for before, after in replacements:
            text = path.read_text()
            assert text.count(before) == 1, f"{name} no longer has {before!r}"
            path.write_text(text.replace(before, after))
    return folder


def started(path: Path, url: str, folder: Path, points: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.journal.records.worker", json.dumps([url, str(folder), points])],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(path), str(ROOT)]), "PYTHONSAFEPATH": "1"},
        cwd=folder.parent,
    )


def said_by(worker: subprocess.Popen[str], version: str) -> dict[str, tuple[int, str]]:
    said = json.loads(worker.communicate(timeout=100)[0].splitlines()[-1])
    assert said["version"] == version
    return {prompt: (code, word) for prompt, (code, word) in said["ended"].items()}


def told_all(
    paths: dict[str, Path], url: str, folder: Path, points_of: Callable[[str], dict[str, str]]
) -> dict[str, dict[str, tuple[int, str]]]:
    """Tell each version, at the same time, what to make, and return what it says of each video."""
    workers = {version: started(path, url, folder, points_of(version)) for version, path in paths.items()}
    return {version: said_by(worker, version) for version, worker in workers.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "points"),
    [(FIELDS, (*UNKNOWN, *TAKEN_UP)), (SHAPE, ("accepted.record.after", "commit.after", "stored.record.after"))],
    ids=["more fields", "a shape of its own"],
)
@pytest.mark.sample(every=2)
def test_either_takes_up_what_the_other_left_and_nothing_is_paid_for_twice(
    tmp_path: Path, changes: Changes, points: tuple[str, ...]
) -> None:
    older, folder = version_of(), tmp_path / "store"
    paths = {older: ROOT, NEWER: newer_package(tmp_path / "newer", changes)}
    videos = {f"{version} {point}": (version, point) for version in paths for point in points}
    with running_simulator(seconds=0.2) as simulator:

        def up_to_its_death(version: str) -> dict[str, str]:
            return {name: point for name, (by, point) in videos.items() if by == version}

        for ended in told_all(paths, simulator.url, folder, up_to_its_death).values():
            assert {code for code, _ in ended.values()} == {-signal.SIGKILL}
        office = Office(folder, account_at(simulator.url))
        office.age(3600.0)  # leases and watches are over
        # Now both are told to make all of these videos, at the same time.
        ended = told_all(paths, simulator.url, folder, lambda version: dict.fromkeys(videos, ""))
        billed = {str(bill.body["prompt"]): bill.accepted for bill in simulator.bills()}
    assert {name: billed.get(name, 0) for name in videos} == {
        name: UNKNOWN.get(point, 1) for name, (_, point) in videos.items()
    }
    for entry in Journal(FolderStore(folder)).records():
        record, name = entry.record, str(entry.record.request["prompt"])
        said, (by, point) = {version: each[name][1] for version, each in ended.items()}, videos[name]
        if point in UNKNOWN:
            assert entry.state is State.UNKNOWN and {*said.values()} == {"SubmissionUnknown"}
            continue
        assert record.state is State.STORED and said[NEWER] == record.task_id
        # What the older one may not write it says so of; it pays for nothing, and takes nothing away.
        too_new = record.version > VERSION
        assert said[older] in (record.task_id, *(NOT_WRITTEN if too_new else ()))
        if by == NEWER and point != "claim.record.before":
            # The newer one's fields are there, whoever wrote last.
            assert record.model_extra == {"priority": "high"}
            assert record.attempts[0].model_extra == {"region": "eu"}
            assert too_new is (changes is SHAPE)
    assert len(office.videos()) == sum(point in TAKEN_UP for _, point in videos.values())
