from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from prefect_seedance import SeedanceCredentials, VideoStore
from prefect_seedance.simulator import Simulator, running_simulator
from tests.conftest import LoopbackOnly
from tests.prefect_server import running_prefect_server
from tests.processes import Running, running, until

#: Part of every API key here, and looked for at the end in everything that was written anywhere.
SECRET = "7d1f0c55e2a94b0db1c0ffee"
#: Where a dozen processes share two busy cores, a server on SQLite answers now and then that its database is locked.
CLIENT_RETRIES = 8


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prefect-runs")


@pytest.fixture(scope="package")
def own_server(loopback_only: LoopbackOnly, folder: Path) -> Iterator[str]:
    """With the scheduler, which the test harness's server does without."""
    soon = {
        # Sooner than its 60 and 5 seconds.
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
        "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "2",
    }
    with running_prefect_server(folder / "server", environment=soon) as server:
        yield server.api_url


@pytest.fixture
def prefect_server(own_server: str) -> Iterator[str]:
    """The real server instead of the harness's, while a test of this folder runs."""
    with settings_of(own_server):
        yield own_server


def settings_of(api_url: str) -> AbstractContextManager[object]:
    """Prefect's settings for what runs in this process."""
    return temporary_settings({PREFECT_API_URL: api_url, PREFECT_CLIENT_MAX_RETRIES: CLIENT_RETRIES})


@pytest.fixture(scope="package")
def vendor() -> Iterator[Simulator]:
    with running_simulator(seconds=0.2, key=f"sk_{SECRET}") as simulator:
        yield simulator


@pytest.fixture(scope="package")
def credentials(vendor: Simulator) -> SeedanceCredentials:
    return SeedanceCredentials(api_key=vendor.key, base_url=vendor.url)


@pytest.fixture(scope="package")
def store(folder: Path) -> VideoStore:
    return VideoStore(location=str(folder / "store"))


@pytest.fixture(scope="package")
def child_environment(own_server: str) -> dict[str, str]:
    """For processes that run flows."""
    root = str(Path(__file__).parents[2])
    return {
        "PREFECT_API_URL": own_server,
        "PREFECT_CLIENT_MAX_RETRIES": str(CLIENT_RETRIES),
        "PREFECT_RUNNER_POLL_FREQUENCY": "2",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])),
    }


@pytest.fixture(scope="package")
def served(child_environment: dict[str, str], folder: Path) -> Iterator[Running]:
    """A process that serves the flows, as ``generate_video.serve()`` does."""
    script = str(Path(__file__).with_name("deployed.py"))
    with running(script, log=folder / "serve.log", environment=child_environment) as serving:
        until(lambda: "several/served" in serving.log.read_text(), "serve", seconds=150, alive=serving)
        yield serving


@pytest.fixture(scope="package")
def worker(child_environment: dict[str, str], folder: Path) -> Iterator[Running]:
    """A process worker, with a work pool of its own."""
    command = ["-m", "prefect", "worker", "start", "--type", "process", "--pool", "processes", "--name", "worker"]
    with running(*command, log=folder / "worker.log", environment=child_environment) as working:
        until(lambda: "started!" in working.log.read_text(), "the worker", seconds=150, alive=working)
        yield working


@pytest.fixture(autouse=True, scope="session")
def quick_progress() -> Iterator[None]:
    """A simulated video is made at once: its progress would not be drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prefect_seedance.runs.pages.progress.LEAST_SECONDS", 0.0)
        yield
