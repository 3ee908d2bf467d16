"""A batch in parts: process workers, a Prefect server on PostgreSQL, and one of the workers dies with its machine."""

from __future__ import annotations

import csv
import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments.runner import EntrypointType
from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter
from prefect.states import Crashed

from prefect_seedance import (
    BatchOptions,
    SeedanceCredentials,
    VideoStore,
    generate_videos,
    generate_videos_in_parts,
)
from prefect_seedance.batch.models import BatchReport
from prefect_seedance.journal.states import State
from prefect_seedance.simulator import Fault, Simulator, running_simulator
from tests.conftest import LoopbackOnly
from tests.prefect_runs.conftest import CLIENT_RETRIES, settings_of
from tests.prefect_runs.postgres import missing_postgres, running_postgres
from tests.prefect_server import running_prefect_server
from tests.processes import Running, descendants, running, until

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(bool(missing_postgres()), reason=missing_postgres()),
]

#: With it the parent has to notice the death itself, by heartbeats that are missing; they are 30 s apart at least.
LONG = bool(os.environ.get("RUN_LONG"))
ROWS, PARTS = (400, 4) if LONG else (20, 2)
NAME = "generate-videos/parts"
#: In the prompts of the second half of the rows.
HELD = ", in the fog"


@dataclass(frozen=True)
class Studio:
    vendor: Simulator
    credentials: SeedanceCredentials
    store: VideoStore
    workers: list[Running]
    api_url: str


@pytest.fixture(scope="module")
def studio(loopback_only: LoopbackOnly, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("parts")
    root = str(Path(__file__).parents[2])
    with ExitStack() as stack:
        vendor = stack.enter_context(running_simulator(seconds=1.0))
        database = stack.enter_context(running_postgres())
        server = stack.enter_context(
            running_prefect_server(folder / "server", environment={"PREFECT_SERVER_DATABASE_CONNECTION_URL": database})
        )
        stack.enter_context(settings_of(server.api_url))
        credentials = SeedanceCredentials(api_key=vendor.key, base_url=vendor.url)
        store = VideoStore(location=str(folder / "store"))
        credentials.save("vendor", _sync=True)
        store.save("store", _sync=True)
        environment = {
            "PREFECT_API_URL": server.api_url,
            "PREFECT_CLIENT_MAX_RETRIES": str(CLIENT_RETRIES),
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])),
        }
        command = ["-m", "prefect", "worker", "start", "--type", "process", "--pool", "parts"]
        # Each of the two workers has as many of the parts as the other.
        command += ["--limit", str(PARTS // 2)]
        workers = [
            stack.enter_context(running(*command, "--name", name, log=folder / f"{name}.log", environment=environment))
            for name in ("first", "second")
        ]
        for worker in workers:
            until(lambda worker=worker: "started!" in worker.log.read_text(), "a worker", seconds=150, alive=worker)
        generate_videos.to_deployment(
            "parts", work_pool_name="parts", entrypoint_type=EntrypointType.MODULE_PATH
        ).apply()
        yield Studio(
            vendor,
            SeedanceCredentials.load("vendor", _sync=True),
            VideoStore.load("store", _sync=True),
            workers,
            server.api_url,
        )


def manifest(folder: Path, rows: int, name: str) -> str:
    path = folder / f"{name}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "prompt", "model", "resolution", "duration"])
        for n in range(rows):
            prompt = f"{name}: boat {n}{HELD if n >= rows // 2 else ''}"
            writer.writerow([f"boat {n}", prompt, "seedance2.0-mini", "480p", 4])
    return str(path)


def parts_of(flow: str = "generate-videos") -> list[FlowRun]:
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])))


def beats(run: FlowRun) -> int:
    """How many heartbeats Prefect's server has of a run."""
    of_run = EventFilter(
        event=EventNameFilter(name=["prefect.flow-run.heartbeat"]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{run.id}"]),
    )
    with get_client(sync_client=True) as client:
        return client.read_events(of_run, limit=5).total


def die(worker: Running) -> set[int]:
    """Kill a worker with everything that it started, as the end of its machine does; gives whom.

    A worker that is killed alone leaves the processes of its runs, and these go on to their end.
    """
    killed = [worker.process.pid, *descendants(worker.process.pid)]
    for pid in killed:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return {*killed}


def test_a_worker_is_killed_and_every_row_is_stored_and_paid_for_once(studio: Studio, tmp_path: Path) -> None:
    table = manifest(tmp_path, ROWS, "spring")

    def whole() -> BatchReport:
        with settings_of(studio.api_url):
            return generate_videos_in_parts(
                table,
                studio.credentials,
                studio.store,
                PARTS,
                options=BatchOptions(max_in_flight=2),
                deployment=NAME,
            )

    # These rows stay at the vendor until the worker is dead. With two of them in flight in each part no submission is
    # on the wire: one that is would be unknown afterwards, for a person to settle.
    studio.vendor.plan(Fault(fault="unknown_status", matching=HELD, times=1_000_000))

    def all_wait() -> bool:
        states = Counter(entry.state for entry in studio.store.journal().records())
        return states[State.SUBMITTED] == 2 * PARTS and set(states) == {State.SUBMITTED, State.STORED}

    with ThreadPoolExecutor(1) as pool:
        parent = pool.submit(whole)
        try:
            until(lambda: parent.done() or all_wait(), "the middle", seconds=500, every=0.5)
            if LONG:  # which are what the parent goes by
                until(lambda: all(beats(run) > 1 for run in parts_of()), "two heartbeats of each part", seconds=300)
            killed = die(studio.workers[0])
            studio.vendor.simulation.faults.clear()
            dead = [run for run in parts_of() if run.infrastructure_pid and int(run.infrastructure_pid) in killed]
            assert dead and all(run.state and run.state.type is StateType.RUNNING for run in dead)
            if not LONG:
                # What the automation in deployments/automations does after three missing heartbeats.
                with get_client(sync_client=True) as client:
                    for run in dead:
                        client.set_flow_run_state(run.id, Crashed(message="No heartbeat."))
            report = parent.result(900)
        finally:
            studio.vendor.simulation.faults.clear()

    bills = Counter(str(bill.body["prompt"]) for bill in studio.vendor.bills() for _ in bill.task_ids)
    assert len(bills) == ROWS and set(bills.values()) == {1}
    assert [row.number for row in report.rows] == list(range(2, ROWS + 2))
    assert {row.outcome for row in report.rows} <= {"stored", "reused"}
    assert len({row.intent for row in report.rows}) == len([*studio.store.journal().records()]) == ROWS
    assert len(parts_of()) == PARTS + len(dead)
    assert any("was run again" in notice for notice in report.notices)
    written = json.loads(Path(report.report_uri.removeprefix("file://")).with_name("report.json").read_text())
    assert len(written["rows"]) == ROWS
