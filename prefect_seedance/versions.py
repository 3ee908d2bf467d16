"""Versions of this and other packages, read once per process: each reading costs milliseconds.

That of this package stands in ``pyproject.toml`` and nowhere else. What is installed has it in its metadata; a clone
that runs without being installed (a deployment by the path of a file) has the file itself.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import cast

_THIS = "prefect-seedance"


@cache
def version_of(package: str = _THIS) -> str:
    """Return the version of an installed package, "unknown" where that cannot be told."""
    try:
        return version(package)
    except PackageNotFoundError:
        return _of_the_clone() if package == _THIS else "unknown"


def _of_the_clone() -> str:
    import tomllib  # only here: what is installed does without

    try:
        text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
        project = cast("dict[str, object]", tomllib.loads(text).get("project", {}))
    except (OSError, ValueError):
        return "unknown"
    return str(project.get("version", "unknown")) if project.get("name") == _THIS else "unknown"
