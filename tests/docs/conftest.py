from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_seedance.simulator import Simulator, running_simulator
from tests.docs import world
from tests.docs.pages import PAGES
from tests.pipeline.conftest import destination, running, vendor
from tests.storage.s3_servers import S3Server, moto

__all__ = ["destination", "moto", "running", "vendor"]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running_simulator(seconds=0.2) as simulated:
        yield simulated


@pytest.fixture(scope="module")
def furnished(
    simulator: Simulator, moto: S3Server, prefect_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A folder in which the examples run, with everything that they speak of."""
    folder = tmp_path_factory.mktemp("reader")
    text = "\n".join(page.read_text() for page in PAGES)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in moto.environment.items():
            patch.setenv(name, value)
        patch.setenv("JIMMYAI_API_KEY", simulator.key)
        patch.setenv("JIMMYAI_BASE_URL", simulator.url)
        # Else each command that runs a flow in a process of its own would start a server of its own.
        patch.setenv("PREFECT_API_URL", prefect_server)
        patch.chdir(folder)
        world.furnish(folder, moto, world.buckets_in(text))
        world.save_blocks()
        yield folder
