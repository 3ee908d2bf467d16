from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_seedance.simulator import Simulator, running_simulator
from tests.costs.child import Settings
from tests.costs.counting_proxy import CountedLine, counted_line
from tests.storage.s3_servers import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server, moto

__all__ = ["moto"]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running_simulator(seconds=0.4) as running:
        yield running


@pytest.fixture(scope="module")
def line_to_prefect(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CountedLine]:
    with counted_line(prefect_server, tmp_path_factory.mktemp("line") / "prefect.log") as line:
        yield line


@pytest.fixture(scope="module")
def line_to_s3(moto: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CountedLine]:
    with counted_line(moto.url, tmp_path_factory.mktemp("line") / "s3.log") as line:
        yield line


def settings_for(vendor: Simulator, s3_url: str, prefix: str, logs: dict[str, str] | None = None) -> Settings:
    """Build the settings of a child whose store is under this prefix of the tests' bucket."""
    return Settings(
        vendor=vendor.url,
        key=vendor.key,
        s3=s3_url,
        location=f"s3://{BUCKET}/{prefix}",
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
        logs=logs or {},
    )


def environment_for(prefect_url: str, folder: Path) -> dict[str, str]:
    """Build the environment of a child with a Prefect home of its own."""
    return {
        "PREFECT_API_URL": prefect_url,
        "PREFECT_HOME": str(folder / "home"),
        # Logs go out once every two seconds, so that a slow machine sends more of them.
        "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "60",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
