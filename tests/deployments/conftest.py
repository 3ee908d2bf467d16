from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_seedance import SeedanceCredentials, VideoStore
from prefect_seedance.simulator import Simulator, running_simulator
from tests.conftest import LoopbackOnly
from tests.deployments.commands import ROOT, Command, snippet
from tests.prefect_server import running_prefect_server
from tests.processes import Running, running, until


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("deployments")


@pytest.fixture(scope="package")
def own_server(loopback_only: LoopbackOnly, folder: Path) -> Iterator[str]:
    soon = {
        # Sooner than its 60 and 5 seconds.
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
        "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "1",
        "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT1S",
    }
    with (
        running_prefect_server(folder / "server", environment=soon) as server,
        temporary_settings({PREFECT_API_URL: server.api_url}),
    ):
        yield server.api_url


@pytest.fixture(scope="package")
def vendor() -> Iterator[Simulator]:
    with running_simulator(seconds=0.2) as simulator:
        yield simulator


@pytest.fixture(scope="package")
def environment(own_server: str) -> dict[str, str]:
    """For processes: the commands of the README, and what they start."""
    return {
        "PREFECT_API_URL": own_server,
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }


@pytest.fixture(scope="package")
def blocks(own_server: str, vendor: Simulator, folder: Path) -> tuple[SeedanceCredentials, VideoStore]:
    """The blocks that the README saves, with the simulator's key and a folder for the bucket."""
    code = snippet("VideoStore(").replace("s3://bucket/prefix", str(folder / "store"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JIMMYAI_API_KEY", vendor.key)
        patch.setenv("JIMMYAI_BASE_URL", vendor.url)
        exec(code, {})
    return SeedanceCredentials.load("default", _sync=True), VideoStore.load("default", _sync=True)


@pytest.fixture(scope="package")
def worker(environment: dict[str, str], folder: Path) -> Iterator[Running]:
    """A process worker, which makes its pool."""
    with running(*Command.WORKER.arguments, log=folder / "worker.log", environment=environment) as working:
        until(lambda: "started!" in working.log.read_text(), "the worker", seconds=150, alive=working)
        yield working
