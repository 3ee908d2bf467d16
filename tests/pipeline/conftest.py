from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prefect_seedance import failpoints
from prefect_seedance.pipeline import prices
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.simulator import Simulator, running_simulator
from tests.pipeline.counter import counted
from tests.pipeline.harness import Followed, Vendor, account_at, destination_in


@pytest.fixture(scope="session")
def running() -> Iterator[Simulator]:
    with running_simulator(seconds=600.0) as simulator:
        yield simulator


@pytest.fixture
def vendor(running: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    """A vendor who needs ten minutes for a video, unless time is let pass. Nobody has asked for the prices yet."""
    running.reset()
    monkeypatch.setattr(prices, "_catalogs", prices._Catalogs())  # an earlier counter may have had the same port
    with counted(running.url) as counter:
        yield Vendor(running, counter, account_at(counter.url))


@pytest.fixture
def destination(tmp_path: Path) -> Destination:
    return destination_in(tmp_path / "store")


@pytest.fixture
def other_process(tmp_path: Path) -> Destination:
    """The same folder, as another process has it."""
    return destination_in(tmp_path / "store")


@pytest.fixture
def followed() -> Followed:
    return Followed()


@pytest.fixture
def listen() -> Iterator[Callable[[Callable[[str], None]], None]]:
    """Have a function called at every named point, until the test ends."""
    before = failpoints._listener
    yield failpoints.listen
    failpoints.listen(before)
