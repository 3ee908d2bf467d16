"""The examples of the README, the flows and the tasks run as they stand there, against the simulator."""

import inspect
import re
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

README = Path(__file__).parents[2] / "README.md"


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


@pytest.mark.parametrize(
    ("documented", "videos"),
    [(generate_video, 1), (agenerate_video, 2), (create_video, 1)],
    ids=["generate_video", "agenerate_video", "create_video"],
)
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


def test_the_example_of_the_readme_is_a_flow_that_works(vendor: Simulator, store: VideoStore) -> None:
    names = run(example(README.read_text().partition("## Use it")[2]))
    assert names["product_page"]("A mug").startswith(f"file://{store.location}")
    assert [bill.accepted for bill in vendor.bills()] == [1]


def test_the_examples_of_batches_run_one_after_the_other(
    vendor: Simulator,
    credentials: SeedanceCredentials,
    store: VideoStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("JIMMYAI_API_KEY", credentials.api_key.get_secret_value())
    monkeypatch.setenv("JIMMYAI_BASE_URL", credentials.base_url)
    header = "name,prompt,model,resolution,duration"
    manifest = tmp_path / "catalogue.csv"
    manifest.write_text(f"{header}\nmug,A mug,seedance2.0-mini,480p,4\nlamp,A lamp,seedance2.0-mini,480p,99\n")
    batches = (README.parent / "docs" / "how-to" / "batches.md").read_text()
    in_order = [example(README.read_text().partition("## Batches")[2])]
    in_order += [inspect.cleandoc(block) for block in re.findall(r"```python\n(.*?)```", batches, re.DOTALL)]
    loaded = 'credentials, store = SeedanceCredentials.load("studio"), VideoStore.load("catalogue")'
    code = "\n".join([*in_order[:-1], loaded, in_order[-1]])
    run(code.replace("s3://shop/catalogue.csv", str(manifest)).replace('["slack-webhook/team"]', "[]"))
    said = capsys.readouterr().out
    assert "1 of 2 rows has its video" in said and "lamp invalid duration: 99 s" in said and "[3]" in said
    assert sum(bill.accepted for bill in vendor.bills()) == 1
