"""What the hosted checks, the release and the issue forms say exists, and a version is written in one place."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import metadata, version
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from packaging.specifiers import SpecifierSet

import prefect_seedance
from prefect_seedance import errors
from prefect_seedance.client.http import user_agent
from prefect_seedance.journal.states import STATES
from prefect_seedance.versions import version_of
from tests.release.distributions import ROOT
from tests.release.readiness import heading_of, problems
from tests.scripts.machine import SCRIPTS

Json = dict[str, Any]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in (ROOT / ".github/workflows").iterdir()}
FORMS = {
    path.name: yaml.safe_load(path.read_text())
    for path in (ROOT / ".github/ISSUE_TEMPLATE").iterdir()
    if path.name != "config.yml"
}
GITHUB = {path: path.read_text(encoding="utf-8") for path in (ROOT / ".github").rglob("*.yml")}


def jobs() -> list[tuple[str, Json]]:
    return [(f"{file} {name}", job) for file, each in WORKFLOWS.items() for name, job in each["jobs"].items()]


def steps() -> list[Json]:
    return [step for _, job in jobs() for step in job.get("steps", [])]


# --- The version ---


def test_the_version_is_written_in_one_place() -> None:
    said = PROJECT["version"]
    assert said == version_of() == prefect_seedance.__version__ == version("prefect-seedance")
    assert user_agent() == f"prefect-seedance/{said}"
    pattern = re.compile(rf"(?<![\d.]){re.escape(said)}(?![\d.])")
    sources = [path for path in (ROOT / "prefect_seedance").rglob("*.py") if pattern.search(path.read_text())]
    assert sources == []


def test_a_clone_that_is_not_installed_knows_its_version() -> None:
    script = "from prefect_seedance import versions; print(versions._of_the_clone(), versions.version_of('no-such'))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.split() == [PROJECT["version"], "unknown"]


def test_the_changelog_has_a_heading_for_the_version_and_it_stands_first() -> None:
    assert heading_of(CHANGELOG, PROJECT["version"]) is not None
    first = re.search(r"^## (\S+)", CHANGELOG, re.MULTILINE)
    assert first is not None and first[1] == PROJECT["version"]


def test_a_release_that_is_not_ready_is_told_all_that_is_missing(tmp_path: Path) -> None:
    found = problems("v2", "1.2.3", "## 1.2.3 (unreleased)\n", tmp_path, " M README.md")
    for text, words in zip(found, ("v1.2.3", "YYYY-MM-DD", "records.write", "README.md"), strict=True):
        assert words in text
    (tmp_path / "1.2.3/journal").mkdir(parents=True)
    assert problems("v1.2.3", "1.2.3", "# Changelog\n\n## 1.2.3 (2026-12-01)\n", tmp_path, "") == []


# --- What an index shows ---


def test_every_extra_that_users_install_is_described() -> None:
    pages = (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "CONTRIBUTING.md")
    text = "\n".join(path.read_text(encoding="utf-8") for path in pages)
    for extra in PROJECT["optional-dependencies"]:
        assert re.search(rf"`{extra}`|\[[\w,]*\b{extra}\b[\w,]*\]", text), extra


def test_the_classifiers_say_what_is_supported() -> None:
    oldest = PROJECT["requires-python"].removeprefix(">=")
    minors = [each.rpartition(" ")[2] for each in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", each)]
    assert minors[0] == oldest and minors == sorted(minors, key=lambda minor: int(minor.partition(".")[2]))


# --- What contributors read ---


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md"])
def test_the_files_links_and_errors_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    paths = re.findall(r"`((?:\.github|docs|prefect_seedance|scripts|tests)/[\w./-]*)`", text)
    links = re.findall(r"\]\((?!http)([^)#]+)", text)
    assert paths or links
    assert [each for each in (*paths, *links) if not (ROOT / each).exists()] == []
    raised = re.findall(r"`((?:Submission(?!Event)|Task|Record)[A-Z]\w+)`", text)
    assert [name for name in raised if not hasattr(errors, name)] == []


# --- The hosted checks ---


@pytest.mark.parametrize(("name", "job"), jobs(), ids=[name for name, _ in jobs()])
def test_a_job_has_an_end_and_no_more_rights_than_it_needs(name: str, job: Json) -> None:
    assert WORKFLOWS[name.split()[0]]["permissions"] == {"contents": "read"}
    if "uses" in job:
        assert (ROOT / job["uses"]).is_file()
        return
    assert 0 < job["timeout-minutes"] <= 60 and job["runs-on"] == "ubuntu-latest"
    writes = {right for right, level in job.get("permissions", {}).items() if level != "read"}
    assert writes == ({"id-token"} if name == "release.yml publish" else set())
    for step in job["steps"]:
        if str(step.get("uses", "")).startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False


def test_the_scripts_files_and_extras_that_they_name_exist() -> None:
    commands = " ".join(step.get("run", "") for step in steps())
    named = set(re.findall(r"(?<![\w/.-])(scripts/[\w-]+|tests/[\w./-]+|constraints[\w-]*\.txt)", commands))
    assert {"scripts/test", "scripts/release", "scripts/install", "constraints-floor.txt"} <= named
    assert all((ROOT / each).exists() for each in named)
    assert {ROOT / each for each in named if each.startswith("scripts/")} <= {*SCRIPTS}
    for extras in re.findall(r"\.\[([\w,]+)\]", commands):
        assert {*extras.split(",")} <= {*PROJECT["optional-dependencies"]}
    assert (ROOT / "Dockerfile").is_file()


def test_every_commit_is_tested_with_the_oldest_and_a_newer_python() -> None:
    job = WORKFLOWS["test.yml"]["jobs"]["test"]
    assert [step["run"] for step in job["steps"] if step.get("env")] == ["scripts/test"]
    oldest, *newer = job["strategy"]["matrix"]["python"]
    assert PROJECT["requires-python"] == f">={oldest}"
    supported = SpecifierSet(metadata("prefect")["Requires-Python"])
    assert newer and all(supported.contains(f"{each}.0") for each in newer)
    assert all(isinstance(each, str) for each in (oldest, *newer)), "3.10 without quotes would be 3.1"


def test_the_oldest_prefect_is_tested_as_the_whole_check_does() -> None:
    run = " ".join(WORKFLOWS["test.yml"]["jobs"]["oldest-prefect"]["steps"][-1]["run"].split())
    whole = " ".join((ROOT / ".ci/run").read_text(encoding="utf-8").replace("\\\n", " ").split())
    tests = run.partition("-m 'not newest' ")[2]
    assert tests and f"-m 'not newest' {tests} ||" in whole


def test_only_a_tag_publishes_and_only_what_was_tested_without_a_token() -> None:
    release = WORKFLOWS["release.yml"]
    assert release[True] == {"push": {"tags": ["v*"]}}  # YAML takes the word `on` for true
    publish = release["jobs"]["publish"]
    assert {*publish["needs"]} == {*release["jobs"]} - {"publish"} and publish["environment"]
    published = [step["run"] for step in steps() if "publish" in step.get("run", "")]
    assert len(published) == 1 and "--trusted-publishing always" in published[0]
    assert not [path for path, text in GITHUB.items() if re.search(r"secrets\.|PASSWORD|TOKEN:", text)]


def test_no_text_of_a_stranger_is_run_as_a_command() -> None:
    # A branch's name, a title or a comment that is pasted into `run:` would be executed.
    assert not [step["run"] for step in steps() if "${{" in step.get("run", "")]


# --- The issue forms ---


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_one_that_can_be_filled_in(name: str) -> None:
    form = FORMS[name]
    assert form["name"] and form["description"] and form["labels"]
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(ids) == len({*ids}) and any(part.get("validations", {}).get("required") for part in form["body"])
    for part in form["body"]:
        assert part["type"] in ("markdown", "dropdown", "textarea", "input", "checkboxes")
        options = part["attributes"].get("options", [])
        if part["type"] == "dropdown":
            assert options and all(isinstance(option, str) for option in options), part["id"]


def test_a_bug_says_how_the_video_ended_what_was_paid_and_the_version_and_no_key() -> None:
    parts = {part["id"]: part for part in FORMS["bug.yml"]["body"] if "id" in part}
    assert {str(state) for state in STATES} <= {*parts["outcome"]["attributes"]["options"]}
    assert "more than once" in " ".join(parts["money"]["attributes"]["options"])
    assert "prefect-seedance --version" in parts["versions"]["attributes"]["description"]
    assert all(cast(Json, parts[name])["validations"]["required"] for name in ("outcome", "money", "versions"))
    assert "Never paste an API key" in FORMS["bug.yml"]["body"][0]["attributes"]["value"]
    assert parts["clean"]["attributes"]["options"][0]["required"] is True
