"""The two distributions are whole: the wheel is built from the source distribution, installs and makes a video."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email import message_from_string
from pathlib import Path

import pytest

from prefect_seedance.versions import version_of
from tests.release.distributions import ROOT, UV, built_into, interpreters, plain_environment, uv
from tests.test_architecture import LINKS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.newest,
    pytest.mark.skipif(not UV.exists(), reason="there is no uv here: scripts/install puts it beside the interpreter"),
]
STEM = f"prefect_seedance-{version_of()}"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The distributions: those that scripts/release is about to publish, or new ones."""
    if given := os.environ.get("SEEDANCE_DIST"):
        (source,), (wheel,) = (ROOT / given).glob("*.tar.gz"), (ROOT / given).glob("*.whl")
        return source, wheel
    return built_into(tmp_path_factory.mktemp("dist"))


def tracked() -> set[str]:
    """The files of the repository, but for the links at the top, which lead into the package."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=20)
    if done.returncode:
        pytest.skip("this is not a clone: only Git says which files belong to the project")
    return {name for name in done.stdout.split("\0") if name and name not in LINKS and (ROOT / name).exists()}


def test_the_source_distribution_has_every_file_of_the_repository(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = {member.name.removeprefix(f"{STEM}/") for member in archive.getmembers() if not member.isdir()}
    assert tracked() - names == set()
    assert {name for name in names - tracked() if "__pycache__" in name or name.startswith((".venv", "out"))} == set()
    assert not any(name.startswith(tuple(f"{link}/" for link in LINKS)) for name in names)


def test_the_wheel_is_the_package_and_nothing_else(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as archive:
        names = {*archive.namelist()}
    about = f"{STEM}.dist-info/"
    package = {name for name in tracked() if name.startswith("prefect_seedance/")}
    assert package - names == set()
    assert {name for name in names if not name.startswith(("prefect_seedance/", about))} == set()
    assert {f"{about}licenses/LICENSE", f"{about}entry_points.txt"} < names


def test_what_an_index_shows_is_complete(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as archive:
        said = message_from_string(archive.read(f"{STEM}.dist-info/METADATA").decode())
    assert (said["Name"], said["Version"], said["License-Expression"]) == (
        *("prefect-seedance", version_of(), "Apache-2.0"),
    )
    assert said["Summary"] and said["Keywords"] and said["Requires-Python"] == ">=3.11"
    assert said["Description-Content-Type"] == "text/markdown"
    # Pictures and links of the README that lead into the repository lead nowhere on an index.
    assert isinstance(said.get_payload(), str) and "# prefect-seedance" in str(said.get_payload())
    classifiers = said.get_all("Classifier") or []
    assert "Typing :: Typed" in classifiers and "Programming Language :: Python :: 3.11" in classifiers


@pytest.fixture(scope="module")
def demonstrations(
    built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[int, int], tuple[Path, subprocess.Popen[str]]]]:
    """The demo of the wheel, for the newest CPython that is here; with RUN_LONG at the same time for the oldest."""
    running: dict[tuple[int, int], tuple[Path, subprocess.Popen[str]]] = {}
    oldest = {min(interpreters())} if os.environ.get("RUN_LONG") else set[tuple[int, int]]()
    for version in sorted({max(interpreters())} | oldest):
        folder = tmp_path_factory.mktemp(f"python{version[1]}")
        uv("venv", "-q", "--python", interpreters()[version], folder / "env")
        uv(
            *("pip", "install", "-q", "-p", folder / "env", "-c", ROOT / "constraints.txt"),
            f"prefect-seedance[media] @ {built[1].as_uri()}",
        )
        command = [folder / "env/bin/prefect-seedance", "demo", "--store", "out", "--seconds", "0.1"]
        running[version] = (
            folder,
            subprocess.Popen(
                command,
                cwd=folder,
                env=plain_environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ),
        )
    yield running
    for _, process in running.values():
        process.terminate()
        process.wait(timeout=60)


_LOOK = """
import json, sys, av, prefect_seedance
from pathlib import Path
(video,) = Path("out").rglob("*.mp4")
with av.open(str(video)) as container:
    frames = sum(1 for _ in container.decode(video=0))
provenance = json.loads(video.with_suffix(".json").read_text())
print(frames, video.with_suffix(".jpg").stat().st_size, prefect_seedance.__version__, prefect_seedance.__file__)
print(json.dumps(provenance))
"""


@pytest.mark.timeout(240)
@pytest.mark.parametrize("which", ["newest", pytest.param("oldest", marks=pytest.mark.long)])
def test_the_wheel_makes_a_video_in_an_environment_of_its_own(
    demonstrations: dict[tuple[int, int], tuple[Path, subprocess.Popen[str]]], which: str
) -> None:
    if which == "oldest" and len(interpreters()) == 1:
        only = ".".join(map(str, sys.version_info[:2]))
        pytest.skip(f"CPython {only} is the only one here; .github/workflows/test.yml has a newer one as well")
    folder, process = demonstrations[min(demonstrations) if which == "oldest" else max(demonstrations)]
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 0, said
    looked = subprocess.run(
        [folder / "env/bin/python", "-c", _LOOK],
        **{"cwd": folder, "env": plain_environment(), "capture_output": True, "text": True, "timeout": 60},
    )
    assert looked.returncode == 0, looked.stderr
    facts, provenance = looked.stdout.splitlines()
    frames, poster, version, path = facts.split()
    assert int(frames) > 0 and int(poster) > 0 and version == version_of()
    assert Path(path).is_relative_to(folder)  # not the checkout
    assert f'"prefect-seedance": "{version_of()}"' in provenance
    assert re.search(r"\bCost\b", said) and os.sep in said
