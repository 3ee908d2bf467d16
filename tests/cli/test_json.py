"""``--json``: one document on the standard output and nothing else, whatever comes of the command."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from prefect_seedance import SeedanceCredentials
from prefect_seedance.cli import main
from prefect_seedance.cli.error_report import report
from prefect_seedance.cli.terminal import documents_alone, say_document
from prefect_seedance.client.errors import VideoFailed
from prefect_seedance.client.outcome import Unknown
from prefect_seedance.journal.errors import SubmissionUnknown
from prefect_seedance.simulator import running_simulator
from tests.cli.test_commands import COMMAND, run
from tests.journal.harness import INTENT, World


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one document that was printed."""
    (line,) = capsys.readouterr().out.splitlines()
    return json.loads(line)


@pytest.fixture
def unknown(tmp_path: Path) -> World:
    world = World.in_folder(tmp_path / "my videos")
    world.vendor.script = [Unknown("lost")]
    with pytest.raises(SubmissionUnknown):
        world.run()
    return world


def test_the_journal_is_one_document(unknown: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journal", "--json", "--store", unknown.journal.location]) == 0
    found = document(capsys)
    assert found["location"] == unknown.journal.location
    (record,) = found["records"]
    assert (record["intent"], record["state"], record["task_id"]) == (INTENT, "unknown", "")
    assert [name[:2] for name in record["unsettled"]] == ["1-"] and record["prompt"] and record["submissions"] == 1


def test_a_journal_without_records_is_one_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journal", "--json", "--store", str(tmp_path)]) == 0
    assert document(capsys)["records"] == []


def test_what_is_settled_is_told_with_its_record(unknown: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resolve", INTENT, "--abandon", "--json", "--store", unknown.journal.location]) == 0
    found = document(capsys)
    assert (found["record"]["intent"], found["record"]["state"]) == (INTENT, "lost")
    assert isinstance(found["remarks"], list)


def test_an_error_is_a_document_with_its_type(unknown: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resolve", "0" * 32, "--abandon", "--json", "--store", unknown.journal.location]) == 1
    error = document(capsys)["error"]
    assert error["type"] == "ResolutionRefused" and error["message"] and error["task_id"] == ""


def test_an_error_about_a_task_names_it_and_no_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> int:
        print("a line of somebody's")
        raise VideoFailed("videos_1f", "TRADEMARK \x1b[2J", failure="moderation")

    assert report(fails, debug=False, as_json=True) == 1
    printed = capsys.readouterr()
    (line,) = printed.out.splitlines()
    error = json.loads(line)["error"]
    assert (error["type"], error["task_id"]) == ("VideoFailed", "videos_1f")
    assert "\x1b" not in error["message"]
    assert printed.err == "a line of somebody's\n", "what else is printed is kept from the documents"


def test_a_traceback_that_is_asked_for_stays_out_of_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> int:
        raise ValueError("location: not a folder")

    assert report(fails, debug=True, as_json=True) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["error"]["type"] == "ValueError" and "Traceback" in printed.err


def test_a_command_line_that_cannot_be_used_is_a_document_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["batch", "--json"])
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["error"]["message"].endswith("required: MANIFEST")
    assert "usage: prefect-seedance batch" in printed.err


def test_a_document_is_ascii_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    said = {"prompt": "a\n\u202eb\x9b\ud800"}
    with documents_alone():
        say_document(said)
    out = capsys.readouterr().out
    assert out.isascii() and out.count("\n") == 1 and json.loads(out) == said


def test_the_simulator_tells_a_program_where_it_is(tmp_path: Path) -> None:
    command = [*COMMAND, "simulator", "--port", "0", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = json.loads(process.stdout.readline())["simulator"]
        finally:
            process.kill()
    assert found["base_url"].startswith("http://127.0.0.1:") and found["api_key"] == "sk_simulator"
    assert found["bills"].startswith(found["base_url"])


@pytest.mark.server
@pytest.mark.slow
def test_a_video_is_one_document_and_so_is_what_stood_in_its_way(tmp_path: Path, prefect_server: str) -> None:
    with running_simulator(seconds=0.2) as vendor:
        environment = {
            "PREFECT_API_URL": prefect_server,
            "JIMMYAI_API_KEY": vendor.key,
            "JIMMYAI_BASE_URL": vendor.url,
        }
        asked = ("generate", "--json", "--model", "seedance2.0-mini", "--resolution", "480p", "--prompt", "A boat")
        made = run(*asked, "--duration", "4", cwd=tmp_path, **environment)
        assert made.returncode == 0, made.stderr
        found = json.loads(made.stdout)
        assert Path(found["video"]["uri"].removeprefix("file://")).stat().st_size == found["video"]["bytes"]
        assert found["took_seconds"]["wait"] >= 0 and isinstance(found["warnings"], list)
        nobody = run(*asked, "--credentials", "nobody", cwd=tmp_path, **environment)
        assert nobody.returncode == 1
        error = json.loads(nobody.stdout)["error"]
        assert error["type"] == "ConfigurationError" and "credentials nobody cannot be loaded" in error["message"]
        saved = SeedanceCredentials(api_key=SecretStr(vendor.key), base_url=vendor.url)
        saved.save("of-the-command-line", overwrite=True, _sync=True)
        without_key = {name: value for name, value in environment.items() if not name.startswith("JIMMYAI")}
        again = run(*asked, "--duration", "4", "--credentials", "of-the-command-line", cwd=tmp_path, **without_key)
        assert again.returncode == 0, again.stdout + again.stderr
        assert json.loads(again.stdout)["video"]["reused"] is True
        refused = run(*asked, "--duration", "99", cwd=tmp_path, **environment)
        assert refused.returncode == 1
        assert "Duration: 99 s" in json.loads(refused.stdout)["error"]["message"]
        assert vendor.key not in made.stdout + made.stderr + refused.stdout + refused.stderr
