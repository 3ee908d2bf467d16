"""Importing the package is cheap: a library that one feature needs is loaded when that feature is used.

Prefect imports every collection that is installed, on every start of its command line and its server.
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import pytest

HEAVY = frozenset({"boto3", "botocore", "av", "prefect_aws", "aiobotocore", "fastapi", "uvicorn", "sqlalchemy", "PIL"})
PREFECT_ALONE = "from prefect import flow, task; from prefect.blocks.core import Block; import httpx"


@cache
def modules_after(statement: str) -> frozenset[str]:
    """Names of all modules that a fresh interpreter has loaded after a statement."""
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True, timeout=100)
    return frozenset(output.stdout.splitlines()[-1].split())


def heavy_modules_added_by(statement: str) -> set[str]:
    """The heavy modules that a statement loads and that Prefect's own import does not."""
    return set((modules_after(statement) & HEAVY) - modules_after(PREFECT_ALONE))


@pytest.mark.parametrize(
    "statement",
    [
        "import prefect_seedance",
        "import prefect_seedance; prefect_seedance.VideoRequest",
        "import prefect_seedance; prefect_seedance.SeedanceCredentials",
        "import prefect_seedance; prefect_seedance.VideoStore",
        "import prefect_seedance; prefect_seedance.generate_video",
    ],
)
def test_no_heavy_library_is_loaded_before_it_is_used(statement: str) -> None:
    assert heavy_modules_added_by(statement) == set()


def test_the_client_alone_does_not_load_prefect() -> None:
    loaded = modules_after("from prefect_seedance import SeedanceClient, AsyncSeedanceClient, VideoRequest")
    assert not loaded & (HEAVY | {"prefect"})


def test_a_heavy_library_would_be_noticed() -> None:
    assert heavy_modules_added_by("import prefect_seedance, boto3") >= {"boto3", "botocore"}


def test_every_public_name_resolves() -> None:
    import prefect_seedance

    assert prefect_seedance.__all__
    missing = [name for name in prefect_seedance.__all__ if getattr(prefect_seedance, name, None) is None]
    assert missing == []
    assert set(prefect_seedance.__all__) <= set(dir(prefect_seedance))


def test_an_unknown_name_is_an_attribute_error() -> None:
    import prefect_seedance

    with pytest.raises(AttributeError, match="no_such_name"):
        _ = prefect_seedance.no_such_name  # type: ignore[attr-defined]
