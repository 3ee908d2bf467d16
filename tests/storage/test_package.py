from __future__ import annotations

import ast
import doctest
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from prefect_seedance import storage

ROOT = Path(__file__).parents[2]


def test_importing_the_package_costs_neither_httpx_nor_pyav_nor_boto3() -> None:
    script = (
        "import sys, prefect_seedance.storage as storage; storage.FolderStore; storage.StorageError;"
        "print(sorted({'httpx', 'av', 'boto3', 'prefect'} & set(sys.modules)))"
    )
    output = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert output.stdout.strip() == "[]"


def test_every_public_name_resolves_and_is_the_one_that_type_checkers_see() -> None:
    assert storage.__file__ is not None
    tree = ast.parse(Path(storage.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("prefect_seedance.storage")
        for alias in node.names
    }
    assert set(seen) == set(storage.__all__)
    for name, module in seen.items():
        assert module is not None
        assert getattr(storage, name) is getattr(importlib.import_module(module), name)
    with pytest.raises(AttributeError):
        _ = storage.no_such_name  # type: ignore[attr-defined]


@pytest.mark.parametrize("module", ["folder", "keys", "policy", "poster", "sniff"])
def test_the_examples_in_the_documentation_run(module: str) -> None:
    tested = importlib.import_module(f"prefect_seedance.storage.{module}")
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    failed, attempted = doctest.testmod(tested, optionflags=flags)
    assert attempted > 0 and failed == 0
