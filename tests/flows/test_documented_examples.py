"""What is documented and what it costs: docstring examples, the lines with a key, and the first five steps.

That the code of each page runs at all is held by tests/docs.
"""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prefect_seedance import (
    RunOptions,
    SeedanceCredentials,
    VideoStore,
    agenerate_video,
    create_video,
    generate_video,
    resolve_submission,
)
from prefect_seedance.journal.errors import SubmissionUnknown
from prefect_seedance.simulator import Fault, Simulator
from tests.flows.shown import small

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
COMMAND = f"""#!/bin/sh
exec {sys.executable} -c 'import sys; from prefect_seedance.cli import main; sys.exit(main())' "$@"
"""


@pytest.fixture(autouse=True)
def saved(credentials: SeedanceCredentials, store: VideoStore) -> None:
    credentials.save("studio", overwrite=True)
    store.save("catalogue", overwrite=True)


def example(text: str) -> str:
    """The first block of Python in a text."""
    found = re.search(r"```python\n(.*?)```", inspect.cleandoc(text), re.DOTALL)
    assert found is not None
    return inspect.cleandoc(found[1])


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, "example", "exec"), names)
    return names


def blocks(text: str, language: str) -> list[str]:
    """All blocks of one language, in order."""
    return re.findall(rf"```{language}\b.*\n((?:.*\n)*?)```", text)


def in_a_shell(lines: str, folder: Path, server: str, vendor: Simulator) -> str:
    """Run lines of a page in an empty folder, with the servers of the tests in place of those that the page starts."""
    command = folder / "bin" / "prefect-seedance"
    if not command.exists():
        command.parent.mkdir()
        command.write_text(COMMAND)
        command.chmod(0o755)
    for shown, here in [
        ("sk_...", f"{vendor.key} JIMMYAI_BASE_URL={vendor.url}"),
        ("http://127.0.0.1:8765", vendor.url),
        ("sk_simulator", vendor.key),
        ("http://127.0.0.1:4200/api", server),
        (". .venv/bin/activate", f"PATH={command.parent}:$PATH"),
    ]:
        lines = lines.replace(shown, here)
    path = f"{command.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "PREFECT_API_URL": server}
    done = subprocess.run(
        ["sh", "-eu", "-c", lines], cwd=folder, env=environment, capture_output=True, text=True, timeout=170
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("documented", "videos"),
    [(generate_video, 1), (agenerate_video, 2), (create_video, 1)],
    ids=["generate_video", "agenerate_video", "create_video"],
)
@pytest.mark.sample(every=3)
def test_the_example_of_a_flow_or_a_task_stores_its_videos(
    documented: Any, videos: int, vendor: Simulator, store: VideoStore, capsys: pytest.CaptureFixture[str]
) -> None:
    run(example(str(documented.__doc__)))
    assert capsys.readouterr().out.count("file://") == videos
    assert len(list(Path(store.location).rglob("*.mp4"))) == sum(bill.accepted for bill in vendor.bills()) == videos


def test_the_example_that_settles_a_submission_lets_it_be_made(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, capsys: pytest.CaptureFixture[str]
) -> None:
    vendor.plan(Fault(fault="drop_before"))
    error = generate_video(small("A boat"), credentials, store, return_state=True).result(raise_on_failure=False)
    assert isinstance(error, SubmissionUnknown)
    run(example(str(resolve_submission.__doc__)).replace("INTENT", error.intent))
    assert "ready" in capsys.readouterr().out
    assert generate_video(small("A boat"), credentials, store, options=RunOptions()).bytes > 0


@pytest.mark.slow
@pytest.mark.long
def test_the_five_lines_with_a_key_pay_once(prefect_server: str, vendor: Simulator, tmp_path: Path) -> None:
    (lines,) = blocks(README.read_text().partition("## Now with your key")[2].partition("\n## ")[0], "sh")
    assert lines.count("\n") == 5
    said = in_a_shell(lines, tmp_path, prefect_server, vendor)
    assert "nothing is paid" in said and "Price" in said, "the dry run comes first"
    assert [bill.accepted for bill in vendor.bills()] == [1]
    assert len(list(tmp_path.rglob("*.mp4"))) == 1
    assert re.search(r"\bstored\b", said.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.long
def test_getting_started_ends_in_a_catalogue(
    prefect_server: str, vendor: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JIMMYAI_API_KEY", vendor.key)  # as the page's exports do
    monkeypatch.setenv("JIMMYAI_BASE_URL", vendor.url)
    page = (ROOT / "docs" / "getting-started.md").read_text()
    (table,) = blocks(page, "csv")
    assert table == (ROOT / "examples" / "products.csv").read_text()
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "products.csv").write_text(table)
    *_, exports, catalogue, looking = blocks(page, "sh")
    for code in blocks(page, "python"):
        run(code)
    assert len(vendor.bills()) == 1
    said = in_a_shell(exports + catalogue, tmp_path, prefect_server, vendor)
    assert "3 of 3 rows have their video" in said
    assert sum(bill.accepted for bill in vendor.bills()) == len(list((tmp_path / "catalogue").rglob("*.mp4"))) == 4
    _, download = looking.splitlines()  # the first one opens a window
    in_a_shell(f"{exports}{download}", tmp_path, prefect_server, vendor)
    assert len(list((tmp_path / "approved").glob("*.mp4"))) == 1
