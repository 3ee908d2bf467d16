"""Versions of this and other packages, read once per process: each reading costs milliseconds."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def version_of(package: str = "prefect-seedance") -> str:
    """Return the version of an installed package, "unknown" where it runs uninstalled."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
