"""What `scripts/demo` and `scripts/test` run, and what they say when something is missing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.scripts.machine import SCRIPTS, Machine

BOTH = pytest.mark.parametrize("script", ["demo", "test"])

FIRST = "--ignore tests/deployments --ignore tests/prefect_runs --ignore tests/examples"
SECOND = "tests/deployments tests/prefect_runs tests/examples"
LINTERS = ["ruff check .", "ruff format --check .", "pyright "]
COLLECTING = "python -m pytest --collect-only -qq"


def after_installing(machine: Machine) -> list[str]:
    """Return what was called once the environment was there, but for what runs beside the type checker."""
    installed = max(number for number, call in enumerate(machine.calls) if call.startswith("uv pip install"))
    return [call for call in machine.calls[installed + 1 :] if call != COLLECTING]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_is_plain_shell_that_anybody_can_start(script: Path) -> None:
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n", script], check=True, timeout=60)
    assert "sudo" not in script.read_text()


# --- The interpreter and the environment ---


@BOTH
@pytest.mark.parametrize("version", ["2.7", "3.9", "3.10"])
def test_an_older_interpreter_is_refused_in_one_line(machine: Machine, script: str, version: str) -> None:
    (machine.commands / "version").write_text(f"{version}\n")
    ended = machine.run(script, SKIP_BROWSER_TESTS="1")
    assert ended.returncode == 1 and machine.calls == []
    assert ended.stderr == (
        f"python3 is Python {version}, but 3.11 or newer is needed: PYTHON=/path/to/python3 names one\n"
    )


@BOTH
def test_an_interpreter_that_is_not_there_is_told_in_one_line(machine: Machine, script: str) -> None:
    ended = machine.run(script, SKIP_BROWSER_TESTS="1", PYTHON="python3.99")
    assert ended.returncode == 1 and machine.calls == []
    assert ended.stderr.startswith("python3.99 was not found") and ended.stderr.count("\n") == 1


def test_the_interpreter_can_be_chosen(machine: Machine) -> None:
    chosen = machine.folder / "python3"
    (machine.commands / "python3").rename(chosen)
    (machine.folder / "version").write_text("3.13\n")
    assert machine.run("demo", PYTHON=str(chosen)).returncode == 0
    assert machine.calls[0] == "python3 -m venv .venv"


def test_the_demo_installs_once_and_passes_its_arguments_on(machine: Machine) -> None:
    assert machine.run("demo", "--prompt", "two words").returncode == 0
    command = "prefect-seedance demo --store out --prompt two words"
    assert machine.calls == [
        "python3 -m venv .venv",
        "python -m pip install -q --disable-pip-version-check uv",
        "uv pip install -q -p .venv -c constraints.txt --reinstall-package prefect-seedance .[media]",
        command,
    ]
    ended = machine.run("demo", "--prompt", "two words")
    assert machine.calls == [command]
    assert (ended.stdout, ended.stderr) == ("prefect-seedance: output\n", ""), "a second time it only runs"


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt", "prefect_seedance/a.py"])
def test_the_demo_installs_again_what_has_changed(machine: Machine, changed: str) -> None:
    machine.run("demo")
    (machine.clone / changed).write_text("changed\n")
    machine.run("demo")
    assert [call.partition(" ")[0] for call in machine.calls] == ["python", "uv", "prefect-seedance"]


def test_the_tests_read_the_package_where_it_stands(machine: Machine) -> None:
    machine.run("test", "tests/client")
    assert machine.calls[:3] == [
        "python3 -m venv .venv-test",
        "python -m pip install -q --disable-pip-version-check uv",
        "uv pip install -q -p .venv-test -c constraints.txt --reinstall-package prefect-seedance "
        "-e .[media,aws,docs,test]",
    ]
    (machine.clone / "prefect_seedance" / "a.py").write_text("changed\n")
    machine.run("test", "tests/client")
    assert machine.calls == ["pytest -n 2 tests/client"]


def test_an_installation_that_failed_is_made_again(machine: Machine) -> None:
    assert machine.run("demo", FAILING="uv python").returncode == 3
    assert machine.run("demo").returncode == 0
    assert machine.calls[-2:] == [
        "uv pip install -q -p .venv -c constraints.txt --reinstall-package prefect-seedance .[media]",
        "prefect-seedance demo --store out",
    ]


def test_without_an_index_it_is_said_what_pip_needs(machine: Machine) -> None:
    ended = machine.run("demo", FAILING="python")
    assert ended.returncode == 3 and machine.calls[-1].startswith("python -m pip")
    assert "HTTPS_PROXY or PIP_INDEX_URL" in ended.stderr


def test_where_uv_cannot_reach_the_index_pip_goes_its_own_way(machine: Machine) -> None:
    assert machine.run("demo", FAILING="uv").returncode == 0
    assert machine.calls[-2:] == [
        "python -m pip install -q --disable-pip-version-check -c constraints.txt .[media]",
        "prefect-seedance demo --store out",
    ]


def test_an_environment_of_another_python_is_made_anew(machine: Machine) -> None:
    machine.run("demo")
    (machine.commands / "version").write_text("3.12\n")
    assert machine.run("demo").returncode == 0
    assert machine.calls[0] == "python3 -m venv .venv"


def test_an_environment_that_somebody_else_made_is_not_removed(machine: Machine) -> None:
    mine = machine.clone / ".venv" / "mine"
    mine.parent.mkdir()
    mine.touch()
    ended = machine.run("demo")
    assert ended.returncode == 1 and machine.calls == [] and mine.exists()
    assert ended.stderr == ".venv is not an environment of Python 3.11: remove it, or set PYTHON\n"


def test_as_root_on_debian_the_part_of_python_that_makes_environments_is_installed(machine: Machine) -> None:
    (machine.folder / "no-ensurepip").touch()
    assert machine.run("demo", UID_OF_THE_USER="0").returncode == 0
    assert machine.calls[:3] == [
        "apt-get update -qq",
        "apt-get install -qq -y --no-install-recommends python3.11-venv",
        "python3 -m venv .venv",
    ]


@pytest.mark.parametrize("who", [{"UID_OF_THE_USER": "1000"}, {"UID_OF_THE_USER": "0", "DISTRIBUTION": "ubuntu"}])
def test_elsewhere_it_is_said_in_one_line_what_to_run_for_it(machine: Machine, who: dict[str, str]) -> None:
    (machine.folder / "no-ensurepip").touch()
    ended = machine.run("demo", **who)
    assert ended.returncode == 1 and machine.calls == []
    assert ended.stderr == "Run as root, on Debian: apt-get install --no-install-recommends python3.11-venv\n"


# --- The site ---


def test_the_site_is_built_strictly_in_the_environment_of_the_tests(machine: Machine) -> None:
    assert machine.run("docs").returncode == 0
    assert machine.calls[-1] == "python -m zensical build --strict --clean"
    machine.run("test", "tests/client")
    assert machine.calls == ["pytest -n 2 tests/client"], "it is one environment"
    machine.run("docs", "--serve")
    assert machine.calls == ["python -m zensical serve"]


# --- What is tested ---


def test_everything_is_linted_checked_and_tested_in_two_calls(machine: Machine) -> None:
    machine.add("chromium")
    assert machine.run("test").returncode == 0
    assert after_installing(machine) == [*LINTERS, f"pytest -n 4 {FIRST}", f"pytest -n 2 {SECOND}"]
    assert machine.calls.count(COLLECTING) == 1, "which compiles the tests once for all workers"
    assert machine.seen == "SKIP_BROWSER_TESTS= LONG=,"


def test_fast_leaves_the_slow_tests_out_in_one_call_and_needs_no_browser(machine: Machine) -> None:
    ended = machine.run("test", "--fast")
    assert after_installing(machine) == [*LINTERS, "pytest -n 4 -m not slow"]
    assert "browser" not in ended.stdout + ended.stderr


def test_long_adds_random_cases_and_kills(machine: Machine) -> None:
    machine.add("chromium")
    assert machine.run("test", "--long").returncode == 0
    assert after_installing(machine) == [
        *LINTERS,
        "python -m benchmarks.chaos --rounds 500",
        f"pytest -n 4 {FIRST} --timeout 3600",
        f"pytest -n 2 {SECOND} --timeout 3600",
    ]
    assert machine.seen == "SKIP_BROWSER_TESTS= LONG=1,thorough"


def test_one_part_of_the_tests_is_run_without_the_other(machine: Machine) -> None:
    machine.add("chromium")
    assert machine.run("test", "--others").returncode == 0
    assert after_installing(machine) == [*LINTERS, f"pytest -n 4 {FIRST}"]
    assert machine.run("test", "--deployments", "--long").returncode == 0
    assert machine.calls == [f"pytest -n 2 {SECOND} --timeout 3600"], "neither linted nor looked for a browser"


@pytest.mark.parametrize("more", ["--deployments", "--fast", "tests/client"])
def test_a_part_of_the_tests_excludes_what_would_make_another_of_it(machine: Machine, more: str) -> None:
    ended = machine.run("test", "--others", more)
    assert ended.returncode == 1 and machine.calls == []
    assert "takes --others or --deployments, not both, and neither with --fast or tests" in ended.stderr


def test_fast_and_long_exclude_each_other(machine: Machine) -> None:
    ended = machine.run("test", "--fast", "--long")
    assert ended.returncode == 1 and machine.calls == []
    assert ended.stderr == "scripts/test takes --fast or --long, not both\n"


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [
        ("tests/journal -k claim", "tests/journal -k claim"),
        ("tests/journal --fast -x", "-m not slow tests/journal -x"),
        ("--long tests/journal", "--timeout 3600 tests/journal"),
    ],
)
def test_other_arguments_are_pytests_and_only_these_tests_run(machine: Machine, given: str, passed_on: str) -> None:
    assert machine.run("test", *given.split()).returncode == 0
    assert after_installing(machine) == [f"pytest -n 2 {passed_on}"]


def test_help_says_how_to_call_it(machine: Machine) -> None:
    ended = machine.run("test", "--help")
    assert ended.returncode == 0 and machine.calls == []
    assert ended.stdout.startswith("Lint, check the types and run the tests.\n")
    assert all(option in ended.stdout for option in ("--fast", "--long", "PYTHON", "REQUIRE_BROWSER"))
    assert "set -eu" not in ended.stdout


def test_coverage_is_that_of_all_processes_together(machine: Machine) -> None:
    assert machine.run("coverage", "tests/journal", "-x").returncode == 0
    runs = ["erase", "run -m pytest -n 2 tests/journal -x", "combine -q", "report"]
    assert after_installing(machine) == [f"python -m coverage {run}" for run in runs]
    assert machine.run("coverage", "--help").stdout.startswith("Run the tests, and report which lines")


@pytest.mark.parametrize("failing", ["ruff", "pyright"])
def test_what_a_linter_finds_fails_before_the_tests(machine: Machine, failing: str) -> None:
    machine.add("chromium")
    assert machine.run("test", FAILING=failing).returncode == 3
    assert not any(call.startswith("pytest") for call in machine.calls)


@pytest.mark.parametrize("arguments", [[], ["--fast"], ["--long"], ["tests/client"]], ids=" ".join)
def test_a_failed_test_fails_the_script_and_its_last_line_is_pytests(machine: Machine, arguments: list[str]) -> None:
    machine.add("chromium")
    ended = machine.run("test", *arguments, FAILING="pytest")
    assert ended.returncode == 3
    assert ended.stdout.splitlines()[-1] == "pytest: output"


def test_a_failure_of_the_first_call_does_not_hide_that_of_the_second(machine: Machine) -> None:
    machine.add("chromium")
    machine.run("test", FAILING="pytest")
    assert machine.calls[-1] == f"pytest -n 2 {SECOND}"


# --- The browser ---


def test_as_root_on_debian_the_browser_is_installed(machine: Machine) -> None:
    assert machine.run("test", UID_OF_THE_USER="0", REQUIRE_BROWSER="1").returncode == 0
    assert machine.calls[:2] == [
        "apt-get update -qq",
        "apt-get install -qq -y --no-install-recommends chromium fonts-liberation",
    ]
    assert machine.seen == "SKIP_BROWSER_TESTS= LONG=,"


@pytest.mark.parametrize(
    "who",
    [
        {"UID_OF_THE_USER": "1000"},
        {"UID_OF_THE_USER": "0", "DISTRIBUTION": "ubuntu"},
        {"UID_OF_THE_USER": "0", "FAILING": "apt-get"},
    ],
    ids=["not root", "not Debian", "apt-get fails"],
)
def test_without_a_browser_its_tests_are_left_out_loudly_or_it_is_an_error(
    machine: Machine, who: dict[str, str]
) -> None:
    ended = machine.run("test", **who)
    assert ended.returncode == 0
    assert machine.seen == "SKIP_BROWSER_TESTS=1 LONG=,"
    if "FAILING" not in who:
        assert ended.stderr == (
            "Run as root, on Debian: apt-get install --no-install-recommends chromium fonts-liberation\n"
        )
    note = "#######  NOT TESTED: the forms and pages in a browser (there is no chromium)"
    assert ended.stdout.splitlines().count(note) == 2
    assert ended.stdout.splitlines()[-1] == "pytest: output"

    ended = machine.run("test", **who, REQUIRE_BROWSER="1")
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "there is no chromium, but REQUIRE_BROWSER=1"
    assert not any(call.startswith("pytest") for call in machine.calls)


def test_the_browser_can_be_left_out_on_purpose(machine: Machine) -> None:
    machine.add("chromium")
    ended = machine.run("test", SKIP_BROWSER_TESTS="1")
    assert ended.returncode == 0 and machine.seen == "SKIP_BROWSER_TESTS=1 LONG=,"
    assert "NOT TESTED: the forms and pages in a browser (SKIP_BROWSER_TESTS is set)" in ended.stdout
    ended = machine.run("test", SKIP_BROWSER_TESTS="1", REQUIRE_BROWSER="1")
    assert ended.returncode == 1
    assert ended.stderr == "SKIP_BROWSER_TESTS is set, but REQUIRE_BROWSER=1\n"
