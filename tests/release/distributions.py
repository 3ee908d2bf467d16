"""What the tests of a release share: the distributions, and the interpreters that they are installed for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import metadata
from pathlib import Path

from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")


def uv(*arguments: str | Path) -> None:
    """Run uv, which fails with its own words."""
    done = subprocess.run([UV, *arguments], capture_output=True, text=True, timeout=110, env=plain_environment())
    assert done.returncode == 0, done.stderr[-3000:]


def plain_environment() -> dict[str, str]:
    """Return this environment without what would lead to the checkout."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def built_into(folder: Path) -> tuple[Path, Path]:
    """Build the source distribution, and the wheel from that; return both."""
    uv("build", "-q", "--python", sys.executable, "--out-dir", folder, ROOT)
    (source,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return source, wheel


@cache
def interpreters() -> dict[tuple[int, int], str]:
    """Return the CPythons of this machine that Prefect supports, by version: this one, those on PATH, and pyenv's."""
    supported = SpecifierSet(metadata("prefect")["Requires-Python"])
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    on_path = [shutil.which(f"python3.{minor}") for minor in range(11, 20)]
    found: dict[tuple[int, int], str] = {sys.version_info[:2]: sys.executable}
    for path in [*filter(None, on_path), *map(str, sorted(pyenv.glob("versions/3.*/bin/python3")))]:
        said = subprocess.run([path, "-V"], capture_output=True, text=True, check=False, timeout=20).stdout
        match = re.fullmatch(r"Python (3)\.(\d+)\.\d+\s*", said)  # no release candidates
        if match and supported.contains(f"{match[1]}.{match[2]}.0"):
            found.setdefault((int(match[1]), int(match[2])), path)
    return found
