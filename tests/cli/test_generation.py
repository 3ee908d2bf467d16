"""What a person is told once a video is made: where it is, what it cost, and how that is known."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from prefect_seedance import RunOptions, SeedanceCredentials, StoredVideo, VideoRequest, VideoStore
from prefect_seedance.cli import generation
from prefect_seedance.cli.batch import plan_run
from prefect_seedance.cli.batch.plan_run import run_plan
from prefect_seedance.cli.generate_run import _interrupted
from prefect_seedance.cli.generation import _cost, make, reach_prefect
from prefect_seedance.client.errors import ConfigurationError
from prefect_seedance.simulator import Simulator, running_simulator

pytestmark = [pytest.mark.server]
REQUEST = VideoRequest(prompt="A paper boat", model="seedance2.0-mini", resolution="480p", duration=4)


@pytest.fixture(scope="module")
def vendor() -> Iterator[Simulator]:
    with running_simulator(seconds=0.2) as simulator:
        yield simulator


def made(url: str, folder: Path, *, as_json: bool = False) -> int:
    credentials = SeedanceCredentials(api_key="sk_simulator", base_url=url)  # type: ignore[arg-type]
    return make(
        REQUEST,
        credentials,
        VideoStore(location=str(folder / "my store")),
        RunOptions(),
        as_json=as_json,
        interrupted=_interrupted,
        afterwards=lambda stored: f"Look at {stored.task_id}.",
    )


STORED = StoredVideo.model_construct(
    uri="file:///my%20store/boat.mp4",
    provenance_uri="file:///my%20store/boat.json",
    poster_uri="",
    task_id="videos_1",
    intent="a" * 32,
    width=864,
    height=480,
    seconds=4.0,
    bytes=949408,
    sha256="f" * 64,
    cost=0.2,
    cost_source="vendor",
    submissions=1,
    reused=False,
)


def told(stored: StoredVideo, folder: Path, monkeypatch: pytest.MonkeyPatch, *, as_json: bool = False) -> None:
    """Have a video told that another test has made: see test_generate for the whole way."""
    monkeypatch.setattr(generation, "reach_prefect", lambda: None)
    monkeypatch.setattr(generation, "generate_video", lambda *asked, **options: stored)
    assert made("http://127.0.0.1:9", folder, as_json=as_json) == 0


def test_a_made_video_is_told_with_its_place_and_its_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told(STORED, tmp_path, monkeypatch)
    lines = capsys.readouterr().out.splitlines()
    assert "Video       /my store/boat.mp4" in lines, "as a path, not as an address"
    assert "Provenance  /my store/boat.json" in lines
    assert "Poster      none: install prefect-seedance[media]" in lines
    assert "Cost        0.2 coins" in lines and not [line for line in lines if line.startswith("Note")]
    assert lines[-1] == "Look at videos_1."


def test_a_video_that_was_paid_for_before_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told(STORED.model_copy(update={"reused": True}), tmp_path, monkeypatch)
    assert "Note        Reused: task videos_1 was submitted and paid for" in capsys.readouterr().out


def test_a_program_reads_the_video_as_a_document_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told(STORED, tmp_path, monkeypatch, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["video"]["uri"] == STORED.uri and document["warnings"] == []


@pytest.mark.usefixtures("prefect_server")
def test_a_plan_is_printed_in_words_and_pays_nothing(
    vendor: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"JIMMYAI_API_KEY": vendor.key, "JIMMYAI_BASE_URL": vendor.url}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "rows.csv").write_text("name,prompt,model,resolution,duration\nmug,A mug,seedance2.0-mini,480p,4\n")
    assert run_plan(planning(tmp_path)) == 0
    said = capsys.readouterr().out
    assert "mug" in said and "coins" in said and "\x1b" not in said, "piped, it has no colours"
    assert vendor.requests().create_received == 0


def planning(folder: Path) -> argparse.Namespace:
    asked = {"manifest": str(folder / "rows.csv"), "credentials": None, "store": str(folder / "store"), "options": {}}
    return argparse.Namespace(**asked, as_json=False)


def test_an_interrupted_plan_says_that_nothing_is_paid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JIMMYAI_API_KEY", "sk_simulator")
    monkeypatch.setattr(plan_run, "reach_prefect", interrupt)
    assert run_plan(planning(tmp_path)) == 130
    assert "Nothing was submitted, and nothing is paid." in capsys.readouterr().err


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"cost": None, "cost_source": "unknown"}, "not known"),
        ({"cost": 0.5, "cost_source": "vendor"}, "0.5 coins"),
        ({"cost": 0.5, "cost_source": "catalog"}, "0.5 coins expected (catalog); the vendor reports none"),
        ({"cost": 0.5, "cost_source": "vendor", "submissions": 2}, "0.5 coins; one earlier submission failed, and"),
        (
            {"cost": None, "cost_source": "", "submissions": 4},
            "not known; 3 earlier submissions failed, and the vendor's",
        ),
    ],
)
def test_a_cost_says_how_it_is_known_and_what_else_may_have_been_charged(facts: dict[str, object], words: str) -> None:
    assert _cost(StoredVideo.model_construct(**{"submissions": 1, **facts})).startswith(words)


def test_an_interrupt_before_the_submission_says_what_the_same_command_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generation, "reach_prefect", interrupt)
    assert made("http://127.0.0.1:9", tmp_path) == 130
    said = " ".join(capsys.readouterr().err.split())
    assert "it submits only if nothing was accepted, and says so if that is not known" in said
    assert "Task videos_1 goes on at the vendor and is paid for" in _interrupted("videos_1")
    assert "it takes up this task and pays nothing" in _interrupted("videos_1")


def test_a_home_in_which_prefect_s_own_server_could_keep_nothing_is_said_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        temporary_settings({PREFECT_HOME: tmp_path / "file" / "home"}, restore_defaults={PREFECT_API_URL}),
        pytest.raises(ConfigurationError, match="cannot be written"),
    ):
        reach_prefect()
