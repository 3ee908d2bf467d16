from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_seedance import SeedanceCredentials, VideoStore
from prefect_seedance.simulator import Simulator, running_simulator
from tests.storage.s3_servers import moto, rclone

__all__ = ["moto", "rclone"]


@pytest.fixture(scope="module")
def shared_simulator() -> Iterator[Simulator]:
    with running_simulator(seconds=0.4) as simulator:
        yield simulator


@pytest.fixture
def vendor(shared_simulator: Simulator) -> Simulator:
    shared_simulator.reset()
    return shared_simulator


@pytest.fixture
def credentials(vendor: Simulator) -> SeedanceCredentials:
    return SeedanceCredentials(api_key=vendor.key, base_url=vendor.url)


@pytest.fixture
def store(tmp_path: Path) -> VideoStore:
    return VideoStore(location=str(tmp_path / "store"))


@pytest.fixture(autouse=True, scope="session")
def patient_pages() -> Iterator[None]:
    """What a run shows may come late here: only a run that Prefect is about to kill has to be quick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prefect_seedance.runs.pages.run_page._SECONDS", 200.0)
        # A simulated video is made at once: its progress would not be drawn.
        patch.setattr("prefect_seedance.runs.pages.progress.LEAST_SECONDS", 0.0)
        yield
