"""``prefect-seedance open``: where a video is, and who may see the link to it."""

from __future__ import annotations

import json
import logging
import webbrowser
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from prefect_seedance.cli import main
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.s3.store import S3Store
from tests.cli.videos.stored import Shelf
from tests.storage.s3_servers import ACCESS_KEY, SECRET_KEY, S3Server, moto

__all__ = ["moto"]

MUG = "3f9a1c04" + "0" * 24


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A desktop whose viewer writes down what it is to show."""
    shown, viewer = tmp_path / "shown", tmp_path / "viewer"
    viewer.write_text(f'#!/bin/sh\nprintf %s "$1" > {shown}\n')
    viewer.chmod(0o700)
    monkeypatch.setenv("BROWSER", f"{viewer} %s")
    monkeypatch.setattr(webbrowser, "_tryorder", None)  # it looks at the environment once per process
    return shown


@pytest.fixture
def headless(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bucket(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store in a bucket that is reached by the environment, with one video."""
    settings = moto.settings()
    Shelf(S3Store(settings)).add(MUG, "mug")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", moto.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return settings.location


def test_a_file_is_shown_by_the_desktop_and_its_path_is_printed(
    tmp_path: Path, desktop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Shelf(FolderStore(tmp_path / "my videos")).add(MUG, "mug")
    assert main(["open", "mug", "--store", str(tmp_path / "my videos")]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path.is_file() and desktop.read_text() == path.as_uri()
    desktop.unlink()
    assert main(["open", MUG, "--print", "--store", str(tmp_path / "my videos")]) == 0
    assert capsys.readouterr().out == f"{path}\n" and not desktop.exists()


@pytest.mark.usefixtures("headless")
def test_without_a_desktop_nothing_is_started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Shelf(FolderStore(tmp_path)).add(MUG, "mug")
    assert main(["open", "mug", "--store", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert said.out.strip().endswith(".mp4") and "no desktop here" in said.err
    (tmp_path / "videos" / "2026-11" / f"videos_{MUG}.mp4").unlink()
    assert main(["open", "mug", "--store", str(tmp_path)]) == 1


def test_a_link_is_shown_by_the_desktop_and_printed_only_where_that_is_asked(
    bucket: str, desktop: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "prefect_seedance")
    assert main(["open", "mug", "--store", bucket]) == 0
    said, link = capsys.readouterr(), desktop.read_text()
    assert said.out.startswith("s3://") and "Whoever has this link can watch the video until" in said.err
    assert httpx.get(link).content.startswith(b"the video")
    assert main(["open", "mug", "--json", "--store", bucket]) == 0
    document = capsys.readouterr()
    for secret in ("Signature", "X-Amz", ACCESS_KEY, "http://"):
        assert secret not in said.out + said.err + document.out + document.err + caplog.text
    assert json.loads(document.out)["video"]["link"] == ""


@pytest.mark.usefixtures("headless")
def test_a_link_that_is_asked_for_lives_as_long_as_is_said(bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["open", MUG[:8], "--print", "--hours", "24", "--store", bucket]) == 0
    said = capsys.readouterr()
    assert httpx.get(said.out.strip()).status_code == 200
    ends = datetime.now(UTC) + timedelta(hours=24)
    assert any(f"{moment:%Y-%m-%d %H:%M} UTC" in said.err for moment in (ends, ends - timedelta(minutes=1)))


def test_a_video_is_downloaded_from_a_bucket(bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download", "mug", "--to", str(tmp_path), "--store", bucket]) == 0
    (file,) = tmp_path.glob("*.mp4")
    assert file.read_bytes().startswith(b"the video")


def test_what_took_the_place_of_a_video_is_not_opened_as_the_video(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = Shelf(FolderStore(tmp_path)).add(MUG, "mug")
    assert record.stored is not None
    place = tmp_path / record.stored.key
    place.chmod(0o600)
    place.write_bytes(b"something else")
    assert main(["open", "mug", "--store", str(tmp_path), "--print"]) == 1
    said = capsys.readouterr()
    assert said.out == "" and "is not the video that was stored: its sizes differ" in said.err
