"""The package's own promises: what it loads, a storm that stays, a stopwatch that no sleep stops."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
import time

import pytest

import prefect_seedance.journal as journal
from prefect_seedance.journal.errors import TooManyUnknowns
from prefect_seedance.journal.submit.storm import UnknownStorm
from prefect_seedance.stopwatch import start_stopwatch


def test_importing_the_package_loads_nothing_else() -> None:
    script = "import prefect_seedance.journal, sys; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert not {"pydantic", "httpx", "prefect", "boto3"} & set(output.stdout.split())


def test_the_whole_journal_does_without_prefect_and_aws() -> None:
    modules = [f"prefect_seedance.journal.{module.name}" for module in pkgutil.iter_modules(journal.__path__)]
    script = f"import {', '.join(modules)}; import sys; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(output.stdout.split())
    assert loaded >= set(modules) and not {"prefect", "boto3", "fastapi"} & loaded


def test_a_storm_is_three_in_a_row_and_stays() -> None:
    storm = UnknownStorm()
    for answers in ("uu", "c", "uu"):
        for answer in answers:
            storm.unknown() if answer == "u" else storm.known()
        storm.check("/data/videos")
    storm.unknown()
    storm.known()
    with pytest.raises(TooManyUnknowns, match="prefect-seedance journal --unknown --store /data/videos"):
        storm.check("/data/videos")


def test_a_stopwatch_counts() -> None:
    elapsed = start_stopwatch()
    time.sleep(0.02)
    assert elapsed() >= 0.02


def test_a_stopwatch_goes_by_the_clock_that_says_most() -> None:
    now = {"a": 0.0, "b": 0.0}
    elapsed = start_stopwatch((lambda: now["a"], lambda: now["b"]))
    now.update(a=1.0, b=100.0)
    assert elapsed() == 100.0
