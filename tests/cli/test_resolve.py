"""journal and resolve in this process, over a record that no flow has made."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_seedance import SeedanceCredentials, VideoRequest
from prefect_seedance.cli import main
from prefect_seedance.client.outcome import Unclear
from prefect_seedance.journal.errors import SubmissionUnknown
from prefect_seedance.simulator import Simulator, running_simulator
from tests.journal.harness import INTENT, World


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running_simulator(seconds=0.3) as vendor:
        yield vendor


@pytest.fixture
def vendor(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    monkeypatch.setenv("JIMMYAI_API_KEY", simulator.key)
    monkeypatch.setenv("JIMMYAI_BASE_URL", simulator.url)
    return simulator


@pytest.fixture
def unclear(tmp_path: Path) -> World:
    world = World.in_folder(tmp_path / "my videos")
    world.vendor.script = [Unclear("lost")]
    with pytest.raises(SubmissionUnknown):
        world.run()
    return world


def test_a_task_of_another_model_is_taken_only_by_who_says_any_model(
    unclear: World, vendor: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    with SeedanceCredentials.model_validate({}).get_client() as client:
        task = client.create_video(VideoRequest(prompt="A paper plane", model="seedance2.0-mini"))
    command = ["resolve", INTENT, "--store", unclear.journal.location, "--task-id", task.task_id]
    assert main(command) == 1
    assert "--any-model" in capsys.readouterr().err
    assert main([*command, "--any-model"]) == 0
    assert capsys.readouterr().out == f"Intent {INTENT} is now submitted.\n"
    assert unclear.record().task_id == task.task_id
