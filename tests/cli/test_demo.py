"""What the demo tells a person to do next: lines that can be copied, and that the commands take."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

import pytest

from prefect_seedance import StoredVideo
from prefect_seedance.cli.arguments import parser
from prefect_seedance.cli.demo_run import next_steps


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with a space in its name, and its environment."""
    clone = tmp_path / "my clone"
    (clone / ".venv" / "bin").mkdir(parents=True)
    for name in ("python", "prefect", "prefect-seedance"):
        (clone / ".venv" / "bin" / name).write_text("#!/bin/sh\n")
        (clone / ".venv" / "bin" / name).chmod(0o755)
    (clone / "examples").mkdir()
    (clone / "examples" / "products.csv").touch()
    monkeypatch.chdir(clone)
    monkeypatch.setattr(sys, "executable", str(clone / ".venv" / "bin" / "python"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return clone


def said(video: Path) -> str:
    return next_steps(StoredVideo.model_construct(uri=video.as_uri()))


def commands(text: str) -> list[list[str]]:
    """The lines that begin as a shell's do, without what stands before them."""
    return [shlex.split(line) for line in text.splitlines() if line.startswith(" " * 16)]


def test_every_line_runs_where_the_demo_was_started(here: Path) -> None:
    text = said(here / "out" / "a.mp4")
    assert f"Next, in {here}\n" in text
    server, address, key, one, vendor, batch = commands(text)
    assert server == [".venv/bin/prefect", "server", "start"]
    assert address == ["export", "PREFECT_API_URL=http://127.0.0.1:4200/api"]
    assert key == ["export", "JIMMYAI_API_KEY=sk_..."]
    for command, *arguments in (one, vendor, batch):
        assert command == ".venv/bin/prefect-seedance"
        parser().parse_args(arguments)
    assert "--dry-run" in one and batch[1] == "plan", "nothing of it is paid for"
    assert Path(batch[2]).exists()
    assert text.count("\n") < 18


def test_the_video_is_opened_by_a_line_that_survives_spaces(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = here / "out" / "a é.mp4"
    assert f"any player, for example a browser: '{video}'\n" in said(video), "where there is no screen"
    (here / "xdg-open").touch(0o755)
    monkeypatch.setenv("PATH", str(here))
    monkeypatch.setenv("DISPLAY", ":0")
    assert f"Watch it      xdg-open '{video}'\n" in said(video)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert f"Watch it      open '{video}'\n" in said(video)


def test_a_command_on_the_path_goes_by_its_name_only_if_it_is_this_one(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(here / ".venv" / "bin"))
    assert commands(said(here / "a.mp4"))[-1][0] == "prefect-seedance"
    other = here / "other"
    shutil.copytree(here / ".venv" / "bin", other)
    monkeypatch.setenv("PATH", f"{other}:{here / '.venv' / 'bin'}")
    assert commands(said(here / "a.mp4"))[-1][0] == ".venv/bin/prefect-seedance"


def test_outside_a_clone_the_manifest_is_the_readers_own(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here.parent)
    *_, batch = commands(said(here / "a.mp4"))
    assert batch[:3] == ["my clone/.venv/bin/prefect-seedance", "plan", "YOUR.csv"]
