"""The pipeline knows neither Prefect nor AWS."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOADED = """
import importlib, pkgutil, sys
import prefect_seedance.pipeline as pipeline
modules = [each.name for each in pkgutil.walk_packages(pipeline.__path__, pipeline.__name__ + ".")]
for module in modules:
    importlib.import_module(module)
assert "prefect_seedance.pipeline.watch.watcher" in modules, modules
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.parametrize("library", ["prefect", "boto3", "botocore", "av"])
def test_all_of_the_pipeline_is_imported_without(library: str) -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=100)
    assert "prefect_seedance" in done.stdout.split() and library not in done.stdout.split()
