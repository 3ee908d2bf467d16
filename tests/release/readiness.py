"""What must be so before a version is released: ``python -m tests.release.readiness v0.1.0``."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date
from pathlib import Path

from prefect_seedance.versions import version_of
from tests.journal.records.write import STORES
from tests.release.distributions import ROOT


def heading_of(changelog: str, version: str) -> str | None:
    """Return what stands behind a version in its heading, None if it has none."""
    found = re.search(rf"^## {re.escape(version)} \((.*)\)$", changelog, re.MULTILINE)
    return found and found[1]


def problems(tag: str, version: str, changelog: str, stores: Path, changed: str) -> list[str]:
    """Return what keeps a tag from being released, in words that say what to do.

    Args:
        tag: As it is pushed.
        version: Of the package.
        changelog: Text of CHANGELOG.md.
        stores: Where the records of released versions are kept.
        changed: What Git says is not committed.
    """
    found: list[str] = []
    if tag != f"v{version}":
        found.append(f"The tag is {tag}, and pyproject.toml says {version}: the tag must be v{version}.")
    said = heading_of(changelog, version)
    try:
        date.fromisoformat(said or "")
    except ValueError:
        found.append(f"CHANGELOG.md needs the heading `## {version} (YYYY-MM-DD)` with the day of the release.")
    if not (stores / version / "journal").is_dir():
        found.append("The records of this version are not kept: run python -m tests.journal.records.write.")
    if changed:
        found.append(f"These files are not committed:\n{changed}")
    return found


def main() -> None:
    """Say what is missing, and end with 1 if anything is."""
    git = ["git", "status", "--porcelain"]
    changed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout.rstrip()
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sys.exit("\n".join(problems(sys.argv[1], version_of(), changelog, STORES, changed)) or 0)


if __name__ == "__main__":
    main()
