from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_seedance import SeedanceCredentials, VideoStore
from prefect_seedance.simulator import Simulator, running_simulator


@pytest.fixture
def vendor() -> Iterator[Simulator]:
    with running_simulator(seconds=0.2) as simulator:
        yield simulator


@pytest.fixture
def credentials(vendor: Simulator) -> SeedanceCredentials:
    return SeedanceCredentials(api_key=vendor.key, base_url=vendor.url)


@pytest.fixture
def store(tmp_path: Path) -> VideoStore:
    return VideoStore(location=str(tmp_path / "store"))
