"""What apply_automations.py says when it cannot go on: one line, and the automation is not made."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.deployments.commands import ROOT, Command, done_here

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.newest]


@pytest.mark.parametrize(
    ("file", "option", "name", "said"),
    [
        ("run-on-stored", "--downstream", "publish", "'publish' is not a valid name of a deployment: write FLOW/NAME."),
        ("run-on-stored", "--downstream", "a/b/c", "'a/b/c' is not a valid name of a deployment: write FLOW/NAME."),
        ("run-on-stored", "--downstream", "no/body", "There is no deployment no/body."),
        ("failed", "--notify", "team", "'team' is not a valid name of a saved block: write TYPE/NAME."),
        (
            "failed",
            "--notify",
            "slack-webhook/",
            "'slack-webhook/' is not a valid name of a saved block: write TYPE/NAME.",
        ),
        ("failed", "--notify", "slack-webhook/nobody", "There is no saved block slack-webhook/nobody."),
    ],
)
@pytest.mark.usefixtures("own_server")
def test_a_name_that_leads_nowhere_is_told_in_one_line(
    file: str, option: str, name: str, said: str, tmp_path: Path
) -> None:
    shutil.copy(ROOT / f"deployments/automations/{file}.yaml", tmp_path)
    script, *_ = Command.AUTOMATIONS.arguments
    with pytest.raises(SystemExit) as ended:
        done_here(script, "--folder", str(tmp_path), option, name)
    assert ended.value.code == f"{file}.yaml: {said}"
