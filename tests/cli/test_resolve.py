"""journal and resolve in this process, over a record that no flow has made."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore
from prefect_seedance.cli import main
from prefect_seedance.client.outcome import Unknown
from prefect_seedance.journal.errors import SubmissionUnknown, TooManyUnknowns
from prefect_seedance.journal.identity import ALWAYS, identify
from prefect_seedance.simulator import Simulator, running_simulator
from tests.journal.harness import INTENT, World

OTHER = identify(VideoRequest(prompt="another"), scope=ALWAYS, account="default")
LISTING = re.compile(r"prefect-seedance (journal --unknown[^)\n]*)")


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
def unknown(tmp_path: Path) -> World:
    world = World.in_folder(tmp_path / "my videos")
    world.vendor.script = [Unknown("lost")]
    with pytest.raises(SubmissionUnknown):
        world.run()
    return world


def test_a_task_of_another_model_is_taken_only_by_who_says_any_model(
    unknown: World, vendor: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    with SeedanceCredentials.model_validate({}).get_client() as client:
        task = client.create_video(VideoRequest(prompt="A paper plane", model="seedance2.0-mini"))
    command = ["resolve", INTENT, "--store", unknown.journal.location, "--task-id", task.task_id]
    assert main(command) == 1
    assert "--any-model" in capsys.readouterr().err
    assert main([*command, "--any-model"]) == 0
    assert capsys.readouterr().out == f"Intent {INTENT} is now submitted.\n"
    assert unknown.record().task_id == task.task_id


def test_the_command_that_lists_the_unknown_ones_is_ready_to_be_copied(
    unknown: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert main(["resolve", "0" * 32, "--store", unknown.journal.location, "--abandon"]) == 1
    of_a_refusal = LISTING.search(capsys.readouterr().err)
    for _ in range(3):
        unknown.storm.unknown()
    with pytest.raises(TooManyUnknowns) as stopped:
        unknown.run(identity=OTHER)
    of_a_storm = LISTING.search(str(stopped.value))
    for command in (of_a_refusal, of_a_storm):
        assert command is not None
        assert main(shlex.split(command[1])) == 0
        assert capsys.readouterr().out.count(INTENT) == 1


@pytest.mark.server
@pytest.mark.usefixtures("prefect_server")
def test_a_store_may_be_a_saved_one(unknown: World, capsys: pytest.CaptureFixture[str]) -> None:
    VideoStore(location=unknown.journal.location).save("with-a-record", overwrite=True)
    assert main(["journal", "--store", "seedance-video-store/with-a-record"]) == 0
    assert capsys.readouterr().out.count(INTENT) == 1


@pytest.mark.server
@pytest.mark.usefixtures("prefect_server")
def test_a_store_that_is_not_saved_is_said_and_not_taken_for_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["journal", "--store", "seedance-video-store/nobody"]) == 1
    said = capsys.readouterr()
    assert "nobody" in said.err
    assert "for a folder write ./seedance-video-store/nobody." in said.err
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []
    assert main(["journal", "--store", "./seedance-video-store/nobody"]) == 0
