from __future__ import annotations

from collections.abc import Iterator

import pytest

from prefect_seedance.simulator import Simulator, running_simulator
from tests.simulator.vendor import Vendor


@pytest.fixture(scope="session")
def shared_simulator() -> Iterator[Simulator]:
    with running_simulator(seconds=0, asset_seconds=1000) as simulator:
        yield simulator


@pytest.fixture
def simulator(shared_simulator: Simulator) -> Simulator:
    """A simulator whose videos are ready at once, as if it had just been started."""
    shared_simulator.reset()
    return shared_simulator


@pytest.fixture
def vendor(simulator: Simulator) -> Iterator[Vendor]:
    with Vendor(simulator.url, simulator.key) as vendor:
        yield vendor
