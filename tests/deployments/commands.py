"""The commands of the pages on deployments, which the tests run as they stand there."""

from __future__ import annotations

import io
import re
import runpy
import shlex
import sys
from contextlib import redirect_stdout
from enum import StrEnum
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("deployments", "schedule", "containers", "prefect-server")
README = "\n".join((ROOT / "docs" / "how-to" / f"{page}.md").read_text(encoding="utf-8") for page in PAGES)


class Command(StrEnum):
    SERVE = "python deployments/serve.py"
    RUN = (
        "prefect deployment run generate-video/generate-video --params "
        '\'{"request": {"prompt": "A paper boat", "model": "seedance2.0-mini", "resolution": "480p"}}\' --watch'
    )
    PLAN = "prefect deployment run plan-videos/plan-videos --param manifest=/data/catalogue.csv --watch"
    DEPLOY = "python deployments/deploy.py --pool seedance"
    DEPLOY_ON = "python deployments/deploy.py --pool seedance --schedules on"
    DEPLOY_TELLING = "python deployments/deploy.py --pool seedance --notify custom-webhook/team"
    WORKER = "prefect worker start --pool seedance --type process"
    DEPLOY_ALL = "prefect deploy --all"
    DEPLOY_CLONE = "prefect --no-prompt deploy flows/generate_video.py:generate_video --name from-clone --pool seedance"
    LIMIT = "prefect global-concurrency-limit create seedance-default --limit 8"
    AUTOMATIONS = (
        "python deployments/apply_automations.py --notify custom-webhook/team --downstream publish-video/publish-video"
    )

    @property
    def arguments(self) -> list[str]:
        """Its arguments for this Python: paths are the repository's, `prefect` is the module."""
        program, *arguments = shlex.split(self)
        if program == "prefect":
            return ["-m", "prefect", *arguments]
        script, *arguments = arguments
        return [str(ROOT / script), *arguments]


def done_here(script: str, *arguments: str) -> str:
    """Run a script in this process, which has Prefect imported and its settings; give what it printed.

    Raises:
        SystemExit: It ended itself, with what it says as the code.
    """
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.setattr(sys, "argv", [script, *arguments])
        patch.syspath_prepend(str(Path(script).parent))
        runpy.run_path(script, run_name="__main__")
    return printed.getvalue()


def promised() -> set[str]:
    """Every command line of the README that is not said to be not run."""
    said, languages, blocks = (re.split(r" *```(\w*)\n(.*?)```\n", README, flags=re.DOTALL)[n::3] for n in range(3))
    return {
        line
        for before, language, block in zip(said, languages, blocks, strict=False)
        if language == "sh" and "Not run here" not in before.strip().split("\n\n")[-1]
        for line in map(str.strip, block.strip().splitlines())
    }


def snippet(containing: str) -> str:
    """The Python block of the README that contains this."""
    (found,) = (block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if containing in block)
    return found
