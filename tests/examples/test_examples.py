"""The flows that other teams would write, on a real Prefect server and against the simulator."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey, FlowFilter, FlowFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.flow_runs import aresume_flow_run

from examples.four_takes_with_approval import four_takes_with_approval
from prefect_seedance import SeedanceCredentials, StoredVideo, VideoRequest, VideoStore, generate_video
from prefect_seedance.simulator import Simulator
from tests.processes import running, until

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.server, pytest.mark.slow]

TABLE = """name,prompt,model,resolution,duration,ratio
mug,A ceramic mug,seedance2.0-mini,480p,4,1:1
lamp,A desk lamp,seedance2.0-mini,480p,99,9:16
chair,A wooden chair,seedance2.0-mini,480p,4,16:9
"""


def environment(api_url: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PREFECT_API_URL": api_url, "PREFECT_RUNNER_POLL_FREQUENCY": "1", "PYTHONPATH": path}


def runs_of(flow: str) -> list[FlowRun]:
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])))


def test_a_table_becomes_videos_within_the_accounts_limit_and_a_bad_row_spoils_nothing(
    prefect_server: str, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    table.write_text(TABLE)
    account = credentials.model_copy(update={"account": "limited"})
    account.save("products", overwrite=True, _sync=True)
    store.save("products", overwrite=True, _sync=True)
    with get_client(sync_client=True) as client:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name="seedance-limited", limit=1))
    script = str(ROOT / "examples" / "products_to_videos.py")
    done = subprocess.run(
        [sys.executable, script, str(table), "--credentials", "products", "--store", "products"],
        env=environment(prefect_server),
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    mug, lamp, chair = done.stdout.strip().splitlines()[-3:]
    assert mug.startswith("mug: file://")
    assert chair.startswith("chair: file://")
    assert "duration" in lamp and "4-15" in lamp
    assert len(vendor.bills()) == 2

    (parent,) = runs_of("products-to-videos")
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["products"])))
    (artifact,) = (each for each in found if each.flow_run_id == parent.id)
    assert [row["product"] for row in json.loads(str(artifact.data))] == ["mug", "lamp", "chair"]


def test_the_table_that_comes_with_the_example_is_sound() -> None:
    with (ROOT / "examples" / "products.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            assert row.pop("name")
            VideoRequest.model_validate(row)


async def paused_run(not_in: set[UUID]) -> FlowRun:
    """Wait for a run of the example that is paused and has not been before."""
    while True:
        async with get_client() as client:
            found = await client.read_flow_runs(
                flow_filter=FlowFilter(name=FlowFilterName(any_=["four-takes-with-approval"]))
            )
        for run in found:
            if run.id not in not_in and run.state is not None and run.state.is_paused():
                return run
        await asyncio.sleep(0.2)


async def resume(run: UUID, answer: dict[str, Any]) -> None:
    """Answer; Prefect says that a run is paused a moment before it has written down what may be answered."""
    while True:
        try:
            return await aresume_flow_run(run, run_input=answer)
        except RuntimeError as error:
            if "schema not found" not in str(error):
                raise
        await asyncio.sleep(0.2)


@pytest.mark.usefixtures("prefect_server")
async def test_only_a_persons_word_starts_the_expensive_route(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    answered: set[UUID] = set()

    async def asked(answer: dict[str, Any]) -> list[StoredVideo]:
        flow = asyncio.create_task(four_takes_with_approval("A paper boat", credentials, store))
        run = await paused_run(answered)
        answered.add(run.id)
        await resume(run.id, answer)
        return await flow

    drafts = await asked({"go_on": False, "prompt": "A paper boat"})
    assert [bill.body["model"] for bill in vendor.bills()] == ["seedance2.0-mini"]
    assert len({draft.task_id for draft in drafts}) == sum(bill.accepted for bill in vendor.bills()) == 4

    videos = await asked({"go_on": True, "prompt": "A paper boat, at dawn"})
    assert [video.task_id for video in videos[:4]] == [draft.task_id for draft in drafts]
    assert videos[4].height == 1080
    assert [(bill.body["prompt"], bill.accepted) for bill in vendor.bills()] == [
        ("A paper boat", 4),
        ("A paper boat, at dawn", 1),
    ]

    silence = await four_takes_with_approval("A paper boat", credentials, store, wait_hours=1 / 3600)
    assert len(silence) == 4
    assert sum(bill.accepted for bill in vendor.bills()) == 5


def test_a_flow_of_another_team_is_started_once_per_stored_video(
    prefect_server: str, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, tmp_path: Path
) -> None:
    script = str(ROOT / "examples" / "on_video_stored.py")
    with running(script, log=tmp_path / "serve.log", environment=environment(prefect_server)) as serving:
        until(lambda: "publish-video" in serving.log.read_text(), "the example", alive=serving)
        request = VideoRequest(prompt="A paper boat", model="seedance2.0-mini", resolution="480p", duration=4)
        stored = generate_video(request, credentials, store)
        assert generate_video(request, credentials, store).reused

        def published() -> list[FlowRun]:
            return [run for run in runs_of("publish-video") if run.state is not None and run.state.is_final()]

        (run,) = until(published, "the run of the example", seconds=120, alive=serving)
    assert run.state_name == "Completed"
    assert run.parameters == {"uri": stored.uri, "task_id": stored.task_id}
    assert len(runs_of("publish-video")) == 1
