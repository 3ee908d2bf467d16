from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.simulator import Simulator, running_simulator
from tests.pipeline.conftest import followed, other_process, running, vendor
from tests.pipeline.harness import account_at, destination_in
from tests.storage.s3_servers import moto

__all__ = ["followed", "moto", "other_process", "running", "vendor"]


@pytest.fixture(scope="session")
def quick_vendor() -> Iterator[Simulator]:
    with running_simulator(seconds=0.2) as simulator:
        yield simulator


@pytest.fixture
def simulator(quick_vendor: Simulator) -> Simulator:
    """A vendor who makes a video in a moment."""
    quick_vendor.reset()
    return quick_vendor


@pytest.fixture
def account(simulator: Simulator) -> Account:
    return account_at(simulator.url)


@pytest.fixture
def destination(tmp_path: Path) -> Destination:
    return destination_in(tmp_path / "store")
