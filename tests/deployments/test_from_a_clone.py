"""A deployment by the path of the flow's file: the links at the top of a clone lead into the package."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse

from prefect_seedance import SeedanceCredentials, VideoStore
from prefect_seedance.journal.states import State
from prefect_seedance.simulator import Simulator
from tests.deployments.commands import README, ROOT, Command
from tests.prefect_runs import api
from tests.prefect_runs.vendor import record, small, tasks
from tests.processes import Running, finished

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.newest,
]

ENTRYPOINT = "flows/generate_video.py:generate_video"
#: The same file by its own path, for systems without links.
WITHOUT_LINKS = f"prefect_seedance/{ENTRYPOINT}"
NAME = "generate-video/from-clone"

#: With nothing but the clone on the path.
LOADING = f"""
from pathlib import Path

import prefect_seedance as package
from prefect.flows import load_flow_from_entrypoint

assert Path(package.__file__).is_relative_to(Path.cwd()), package.__file__
for entrypoint in ({ENTRYPOINT!r}, {WITHOUT_LINKS!r}):
    found = load_flow_from_entrypoint(entrypoint).fn.__annotations__
    assert found == {{
        "request": package.VideoRequest,
        "credentials": package.SeedanceCredentials,
        "store": package.VideoStore,
        "notify": list[str],
        "options": package.RunOptions,
        "return": package.StoredVideo,
    }}, found
"""


@pytest.fixture(scope="module")
def clone(folder: Path) -> Path:
    """What a run needs of the tree: the package and the links to it."""
    copy = folder / "clone"
    shutil.copytree(ROOT / "prefect_seedance", copy / "prefect_seedance", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("flows", "blocks", "tasks"):
        if not (ROOT / name).is_symlink():
            pytest.skip(f"{name} is a small text file on a system without links, which leads nowhere")
        shutil.copy(ROOT / name, copy / name, follow_symlinks=False)
    return copy


@dataclass(frozen=True)
class ByPath:
    deployment: DeploymentResponse
    run: FlowRun


@pytest.fixture(scope="module")
def by_path(
    clone: Path,
    worker: Running,
    environment: dict[str, str],
    blocks: tuple[SeedanceCredentials, VideoStore],
) -> Iterator[ByPath]:
    """The README's command in the root of a clone, and a run of it by a worker that stands elsewhere."""
    finished(*Command.DEPLOY_CLONE.arguments, environment=environment, folder=clone)
    parameters: dict[str, object] = {
        "request": small("from a clone").model_dump(mode="json"),
        "credentials": {"$ref": {"block_document_slug": "seedance-credentials/default"}},
        "store": {"$ref": {"block_document_slug": "seedance-video-store/default"}},
    }
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(NAME)
        yield ByPath(deployment, api.ended(api.start(NAME, parameters), by=worker, seconds=150))
        client.delete_deployment(deployment.id)


def test_a_deployment_by_path_goes_to_the_clone_and_loads_the_flow_through_the_link(
    by_path: ByPath, clone: Path
) -> None:
    shown = re.search(r"```yaml\n(pull:.*?)```", README, re.DOTALL)
    assert shown is not None
    said = yaml.safe_load(shown[1].replace("/path/to/prefect-seedance", str(clone)))
    (deployment,) = said["deployments"]
    assert by_path.deployment.entrypoint == deployment["entrypoint"] == ENTRYPOINT
    assert by_path.deployment.pull_steps == said["pull"]
    assert by_path.deployment.work_pool_name == deployment["work_pool"]["name"]
    assert f"`{WITHOUT_LINKS}`" in README


def test_a_run_of_it_stores_its_video(
    by_path: ByPath, vendor: Simulator, blocks: tuple[SeedanceCredentials, VideoStore]
) -> None:
    assert by_path.run.state_name == "Completed", by_path.run.state
    written = record(blocks[1], "from a clone").record
    assert (written.state, [written.task_id]) == (State.STORED, tasks(vendor, "from a clone"))


def test_the_flow_by_its_path_takes_the_classes_of_the_package(clone: Path) -> None:
    finished("-c", LOADING, environment={"PYTHONPATH": ""}, folder=clone)
