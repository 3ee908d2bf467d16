"""All scenarios of a session are begun at once, a few at a time, since each spends most of its time waiting."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from prefect_seedance.simulator import Simulator, running_simulator
from tests.chaos.harness import Chaos, running_chaos
from tests.chaos.report import Table
from tests.chaos.scenarios import Scenario
from tests.conftest import LoopbackOnly
from tests.storage.s3_proxy import S3Proxy, faulty_line
from tests.storage.s3_servers import S3Server, moto

__all__ = ["moto"]  # a fixture

#: With more, Prefect's SQLite becomes the bottleneck.
AT_ONCE = 3
_SLEEPERS_AT_ONCE = 20

_tables = pytest.StashKey[dict[str, Table]]()


@pytest.fixture(scope="module")
def vendor() -> Iterator[Simulator]:
    """A vendor whose videos are not done while a test runs."""
    with running_simulator(seconds=600.0) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def line(moto: S3Server) -> Iterator[S3Proxy]:
    """A line to S3 that can be made dishonest."""
    with faulty_line(moto.url) as proxy:
        yield proxy


@pytest.fixture(scope="package")
def chaos(request: pytest.FixtureRequest, loopback_only: LoopbackOnly) -> Iterator[Chaos]:
    """The world of the suite. Its files are some hundred megabytes, so they do not stay."""
    with (
        tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder,
        running_chaos(Path(folder)) as world,
    ):
        request.config.stash[_tables] = {"kills": world.table}
        yield world


@pytest.fixture(scope="package")
def chaos_on_s3(request: pytest.FixtureRequest, chaos: Chaos, moto: S3Server) -> Chaos:
    """The same world, with the stores in a bucket."""
    world = chaos.on(moto)
    request.config.stash[_tables]["kills, on S3"] = world.table
    return world


@pytest.fixture(scope="package")
def played(request: pytest.FixtureRequest, chaos: Chaos, chaos_on_s3: Chaos) -> Iterator[Callable[[Scenario], None]]:
    """Play a scenario to its end; all that were selected are under way as soon as the first is asked for."""
    busy, patient = ThreadPoolExecutor(AT_ONCE), ThreadPoolExecutor(_SLEEPERS_AT_ONCE)
    futures: dict[Scenario, Future[object]] = {}

    def begin(scenario: Scenario) -> Future[object]:
        if scenario not in futures:
            world = chaos_on_s3 if scenario.bucket else chaos
            futures[scenario] = (patient if scenario.sleeps else busy).submit(scenario.play, world)
        return futures[scenario]

    selected = [getattr(item, "callspec", None) for item in request.session.items]
    for scenario in [callspec.params.get("scenario") for callspec in selected if callspec is not None]:
        if isinstance(scenario, Scenario):
            begin(scenario)
    try:
        yield lambda scenario: begin(scenario).result() and None
    finally:
        for pool in (busy, patient):
            pool.shutdown(wait=False, cancel_futures=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what the kills have shown."""
    for title, table in config.stash.get(_tables, {}).items():
        if table.outcomes:
            terminalreporter.section(title)
            for line in table.lines():
                terminalreporter.write_line(line)
