"""What is installed is whole: data, entry points, and constraints that anybody can use."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from prefect_seedance.pipeline.films.joining import OLDEST_PYAV
from tests.test_architecture import LINKS

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
CONSTRAINTS, FLOOR = (
    [
        Requirement(line)
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    for name in ("constraints.txt", "constraints-floor.txt")
)
BOTH = pytest.mark.parametrize("constraints", [CONSTRAINTS, FLOOR], ids=["newest", "floor"])


def installed() -> None:
    """Skip where the checkout is on the path without being installed."""
    try:
        distribution("prefect-seedance")
    except PackageNotFoundError:
        pytest.skip("prefect-seedance is not installed in this environment")


@pytest.mark.parametrize("path", ["py.typed", "client/request/routes.json"])
def test_the_package_has_its_data(path: str) -> None:
    assert files("prefect_seedance").joinpath(path).is_file()


@BOTH
def test_every_constraint_is_one_exact_version_without_an_address(constraints: list[Requirement]) -> None:
    for constraint in constraints:
        assert constraint.url is None
        assert [clause.operator for clause in constraint.specifier] == ["=="], str(constraint)


@BOTH
def test_the_constraints_satisfy_what_the_project_asks_for(constraints: list[Requirement]) -> None:
    pinned: dict[str, list[str]] = {}
    for constraint in constraints:
        version = next(iter(constraint.specifier)).version
        pinned.setdefault(constraint.name, []).append(version)
    optional: dict[str, list[str]] = PROJECT["optional-dependencies"]
    asked = [*PROJECT["dependencies"], *(text for extra in optional.values() for text in extra)]
    for requirement in map(Requirement, asked):
        versions = pinned.get(requirement.name)
        assert versions, f"{requirement.name} is not there"
        assert all(requirement.specifier.contains(version) for version in versions), str(requirement)


def test_the_floor_is_the_oldest_prefect_that_the_project_takes() -> None:
    requirement = next(r for r in map(Requirement, PROJECT["dependencies"]) if r.name == "prefect")
    (oldest,) = (Version(clause.version) for clause in requirement.specifier if clause.operator == ">=")
    (floor,) = (Version(next(iter(r.specifier)).version) for r in FLOOR if r.name == "prefect")
    assert floor.release == (*oldest.release, 0)


def test_the_oldest_pyav_that_the_project_takes_is_one_that_is_tested_and_that_joins() -> None:
    (requirement,) = map(Requirement, PROJECT["optional-dependencies"]["media"])
    (oldest,) = (Version(clause.version) for clause in requirement.specifier)
    pinned = [Version(next(iter(r.specifier)).version) for r in CONSTRAINTS + FLOOR if r.name == "av"]
    assert oldest.release[:2] == min(pinned).release[:2] and oldest.release >= OLDEST_PYAV


@pytest.mark.parametrize(
    ("name", "first_broken"),
    [("fastapi", "0.151.0"), ("sqlalchemy", "2.1.0")],
)
def test_releases_that_break_prefects_server_are_kept_out(name: str, first_broken: str) -> None:
    requirement = next(r for r in map(Requirement, PROJECT["dependencies"]) if r.name == name)
    assert not requirement.specifier.contains(first_broken)


def linters_files() -> list[Path]:
    """Every file that the linter reads when it is given the root."""
    ruff = [sys.executable, "-m", "ruff", "check", "--show-files", "."]
    done = subprocess.run(ruff, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return [Path(line) for line in done.stdout.splitlines()]


def test_nobody_walks_the_links_at_the_top() -> None:
    tools = PYPROJECT["tool"]
    named = [*tools["pyright"]["include"], *tools["pytest"]["ini_options"]["testpaths"]]
    named += tools["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert not LINKS & {*named}
    assert not LINKS & {file.relative_to(ROOT).parts[0] for file in linters_files()}


def test_the_source_distribution_is_not_looked_for_by_way_of_the_links() -> None:
    # For `include` hatchling walks the root, follows links, and takes a folder only under the name it meets first: if
    # that is flows/, then prefect_seedance/flows/ is left out, and flows/ is not asked for. `only-include` walks the
    # named folders alone.
    sdist = PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]
    assert "include" not in sdist
    assert not LINKS & {path.strip("/") for path in sdist["only-include"]}


def test_the_command_is_installed() -> None:
    installed()
    commands = distribution("prefect-seedance").entry_points.select(group="console_scripts")
    assert [command.name for command in commands] == ["prefect-seedance"]
    assert callable(next(iter(commands)).load())
