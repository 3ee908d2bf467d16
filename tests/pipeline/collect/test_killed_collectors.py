"""Collectors as processes: killed with SIGKILL at every point of their way, and two of them at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from prefect_seedance.journal.codec import encode
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Record
from prefect_seedance.journal.states import State
from prefect_seedance.simulator import Simulator, running_simulator
from tests.pipeline.collect.harness import Office, a_lapsed_claim, left_behind
from tests.pipeline.collect.killed_collectors import Child
from tests.pipeline.harness import account_at
from tests.storage.s3_servers import S3Server, moto

__all__ = ["moto"]  # a fixture

POINTS = [
    *("poll.after", "completed.record.after", "relay.before", "commit.after", "provenance.after"),
    *("stored.record.before", "stored.record.after", "stored.marker.before"),
    *("failed.record.before", "failed.record.after", "outcome.record.before", "outcome.record.after"),
]


def ended(simulator: Simulator, told: Path, children: list[Child]) -> list[int]:
    settings = json.dumps([simulator.url, str(told), children])
    done = subprocess.run(
        [sys.executable, "-m", "tests.pipeline.collect.killed_collectors", settings],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr[-3000:]
    codes: list[int] = json.loads(done.stdout.splitlines()[-1])
    return codes


def leave(office: Office, simulator: Simulator, mark: str) -> dict[State, Record]:
    """A video that is made, one that failed, and a claim whose process is gone; each by what it is to become."""
    made = left_behind(office, simulator, f"made {mark}")
    failed = left_behind(office, simulator, f"failed {mark}", made=False)
    simulator.simulation.ledger.fail(failed.task_id, "TRADEMARK")
    return {State.STORED: made, State.FAILED: failed, State.UNKNOWN: a_lapsed_claim(office)}


def test_what_a_killed_collector_left_is_finished_by_the_next_one(tmp_path: Path) -> None:
    told = tmp_path / "told"
    with running_simulator(seconds=0.2) as simulator:
        offices = {point: Office(tmp_path / point, account_at(simulator.url)) for point in POINTS}
        left = {point: leave(office, simulator, point) for point, office in offices.items()}
        bills = len(simulator.bills())
        children: list[Child] = [
            {"point": point, "folder": str(office.folder), "s3": "", "prefix": ""} for point, office in offices.items()
        ]
        codes = ended(simulator, told, children)
        assert dict(zip(POINTS, codes, strict=True)) == dict.fromkeys(POINTS, -signal.SIGKILL)
        seen = [line.split() for line in told.read_text().splitlines()]
        for point, office in offices.items():
            office.age(3600.0)
            office.collected()
            states = {state: office.record(record.intent).state for state, record in left[point].items()}
            assert states == {state: state for state in states}, point
            stored = office.record(left[point][State.STORED].intent).stored
            assert stored is not None and office.videos() == [stored.key], point
            assert (office.folder / stored.key).stat().st_size == stored.bytes, point
            written = json.loads((office.folder / stored.key).with_suffix(".json").read_text())
            assert written["request"]["prompt"] == f"made {point}"
            assert [marker.partition(".")[0] for marker in office.markers()] == [left[point][State.UNKNOWN].intent]
            seen += [[event.intent, event.kind] for event in office.events]
            mine = {record.intent for record in left[point].values()} - {left[point][State.UNKNOWN].intent}
            times = Counter(kind for intent, kind in seen if intent in mine)
            assert max(times.values(), default=0) <= 1, (point, times)
        assert len(simulator.bills()) == bills and not simulator.requests().create_received, "nothing is paid for"


def test_two_collectors_of_two_processes_at_an_s3_store_of_which_one_dies(moto: S3Server, tmp_path: Path) -> None:
    told, settings = tmp_path / "told", moto.settings()
    store = moto.store_of(settings)
    with running_simulator(seconds=0.2) as simulator:
        office = Office(tmp_path / "unused", account_at(simulator.url))
        records = [left_behind(office, simulator, f"video {number}") for number in range(8)]
        for record in records:
            store.create(f"journal/open/{record.intent}.1", record.intent.encode())
            store.create(f"journal/records/{record.intent}.json", encode(record))
        points = ("provenance.after", "")
        children: list[Child] = [
            {"point": point, "folder": "", "s3": moto.url, "prefix": settings.prefix} for point in points
        ]
        assert ended(simulator, told, children) == [-signal.SIGKILL, 0]
        # What the dead one had told to be completed is its own for a while: it depends on who came first.
        for entry in Journal(store).records():
            if entry.record.state is State.COMPLETED:
                lapsed = entry.record.model_copy(update={"watch_seconds": 0.0})
                store.swap(f"journal/records/{lapsed.intent}.json", encode(lapsed), etag=entry.etag)
        assert ended(simulator, told, children[1:]) == [0]
        assert not simulator.requests().create_received
    found = {entry.record.intent: entry.record for entry in Journal(store).records()}
    assert {found[record.intent].state for record in records} == {State.STORED}
    assert list(store.list_keys("journal/open/")) == []
    videos = sorted(key for key in store.list_keys("videos/") if key.endswith(".mp4"))
    assert videos == sorted(f"videos/{record.task_id}.mp4" for record in records)
    assert all(store.stat(key.removesuffix(".mp4") + ".json") for key in videos)
    times = Counter(told.read_text().splitlines())
    assert max(times.values()) == 1, "each thing is told once"
