"""generate, journal and resolve as processes, against the simulator and a real Prefect server."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prefect_seedance.simulator import Fault, Simulator, running_simulator
from tests.cli.test_commands import run

pytestmark = [pytest.mark.server]

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def vendor() -> Iterator[Simulator]:
    with running_simulator(seconds=0.3) as simulator:
        yield simulator


@pytest.fixture
def command(vendor: Simulator, prefect_server: str, tmp_path: Path) -> Command:
    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        given = {
            "PREFECT_API_URL": prefect_server,
            "JIMMYAI_API_KEY": vendor.key,
            "JIMMYAI_BASE_URL": vendor.url,
            **environment,
        }
        return run(*arguments, cwd=tmp_path, **given)

    vendor.reset()
    return call


SMALL = ("--model", "seedance2.0-mini", "--resolution", "480p", "--duration", "4")


def test_the_same_command_again_is_the_same_video_and_another_take_is_another(
    command: Command, vendor: Simulator, tmp_path: Path
) -> None:
    first = command("generate", "--prompt", "A paper boat", *SMALL)
    assert first.returncode == 0, first.stderr
    second = command("generate", "--prompt", "A paper boat", *SMALL)
    assert "Reused" in second.stdout
    assert "set another take" in second.stdout
    third = command("generate", "--prompt", "A paper boat", "--take", "2", *SMALL)
    assert "Reused" not in third.stdout
    assert sum(bill.accepted for bill in vendor.bills()) == 2
    assert len(list((tmp_path / "seedance-videos").rglob("*.mp4"))) == 2
    listed = command("journal").stdout.splitlines()
    assert [line.split("\t")[1] for line in listed] == ["state", "stored", "stored"]


def test_an_unknown_submission_is_listed_and_settled(command: Command, vendor: Simulator) -> None:
    vendor.plan(Fault(fault="lost_answer"))
    unknown = command("generate", "--prompt", "A paper ship", *SMALL)
    assert unknown.returncode == 1
    assert "Traceback" not in unknown.stderr
    suggested = re.search(r"prefect-seedance (resolve [0-9a-f]{32} --store \S+) --task-id", unknown.stderr)
    assert suggested is not None
    assert vendor.key not in unknown.stderr + unknown.stdout

    again = command("generate", "--prompt", "A paper ship", *SMALL)
    assert again.returncode == 1
    assert "not known" in again.stderr
    assert vendor.requests().create_received == 1

    listed = command("journal", "--unknown").stdout
    assert listed.count("\n") == 2

    strange = command(*suggested[1].split(), "--task-id", "videos_" + "0" * 32)
    assert strange.returncode == 1
    assert "does not know" in strange.stderr

    task_id = vendor.bills()[0].task_ids[0]
    settled = command(*suggested[1].split(), "--task-id", task_id)
    assert settled.returncode == 0, settled.stderr
    done = command("generate", "--prompt", "A paper ship", *SMALL)
    assert done.returncode == 0, done.stderr
    assert task_id in done.stdout
    assert [bill.accepted for bill in vendor.bills()] == [1]
    assert command("journal", "--open").stdout.count("\n") == 1


def test_a_missing_key_is_said_before_anything_is_sent(command: Command, vendor: Simulator) -> None:
    done = command("generate", "--prompt", "A paper boat", JIMMYAI_API_KEY="")
    assert done.returncode == 1
    assert "JIMMYAI_API_KEY" in done.stderr
    assert vendor.requests().create_received == 0


def test_a_wrong_key_is_found_by_the_free_check(command: Command, vendor: Simulator) -> None:
    done = command("generate", "--prompt", "A paper boat", JIMMYAI_API_KEY="sk_wrong-key")
    assert done.returncode == 1
    assert "API key" in done.stderr
    assert "sk_wrong-key" not in done.stderr
    assert vendor.requests().create_received == 0
