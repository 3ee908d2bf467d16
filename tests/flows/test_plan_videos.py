"""The flow that plans a batch: a real Prefect server, the simulator over HTTP, and nothing is paid."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import Artifact
from prefect.states import State

from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore, aplan_videos, generate_video, plan_videos
from prefect_seedance.batch.errors import UnusableManifest
from prefect_seedance.batch.models import BatchPlan
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.simulator import Simulator

pytest.importorskip("prefect_seedance.batch.manifest.reading")
pytest.importorskip("prefect_seedance.pipeline.watch.history")

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]

HOSTILE = "[click](javascript:alert(1)) <img src=x onerror=y> |"


def asked(prompt: str = "A paper boat") -> VideoRequest:
    return VideoRequest(prompt=prompt, model="seedance2.0-mini", resolution="480p", duration=4)


def in_a_script(*arguments: object, **named: object) -> BatchPlan:
    return plan_videos(*arguments, **named)


def in_an_async_parent(*arguments: object, **named: object) -> BatchPlan:
    @flow
    async def parent() -> BatchPlan:
        return await aplan_videos(*arguments, **named)

    return asyncio.run(parent())


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    path = tmp_path / "spring.csv"
    lines = ["name,prompt,model,resolution,duration", f'"{HOSTILE}",{HOSTILE},seedance2.0-mini,480p,4']
    lines += ["there,A paper boat,seedance2.0-mini,480p,4", "wrong,A boat,seedance2.0-mini,480p,99"]
    path.write_text("\n".join([*lines, "again,A paper boat,seedance2.0-mini,480p,4", ""]))
    return str(path)


async def shown_by(run_id: str) -> list[Artifact]:
    async with get_client() as client:
        ours = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]))
        return await client.read_artifacts(artifact_filter=ours)


def test_a_manifest_is_planned_and_shown_and_nothing_is_paid(
    manifest: str, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    generate_video(asked(), credentials, store)
    bills = len(vendor.bills())
    state: State[BatchPlan] = plan_videos(manifest, credentials, store, return_state=True)
    plan = state.result()
    assert [row.standing for row in plan.rows] == ["new", "stored", "invalid", "duplicate"]
    assert (plan.total, plan.balance is not None, plan.account) == (pytest.approx(0.12), True, "default")
    assert plan.scope.startswith("always")
    assert len(vendor.bills()) == bills == 1

    artifacts = {each.key: each for each in asyncio.run(shown_by(str(state.state_details.flow_run_id)))}
    page, rows = artifacts["seedance-plan"], artifacts["seedance-plan-rows"]
    assert "nothing was paid" in str(page.data) and "public catalog; as of 20" in str(page.data)
    assert "](javascript:" not in f"{page.data}{rows.data}" and "<img" not in f"{page.data}{rows.data}"
    table = json.loads(str(rows.data))
    assert [row["standing"] for row in table] == ["invalid", "new", "stored", "duplicate"]
    assert "99" in table[0]["what"]


@pytest.mark.parametrize("run", [in_a_script, in_an_async_parent])
def test_a_list_of_requests_is_planned_as_a_manifest_is(
    run: Callable[..., BatchPlan], vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    options = BatchOptions(takes=2, reuse="run")
    plan = run("", credentials, store, requests=[asked("a"), asked("b")], options=options)
    assert [row.standing for row in plan.rows] == ["new"] * 4
    assert plan.total == pytest.approx(0.48)
    assert "every new run buys all rows anew" in plan.scope
    assert vendor.bills() == []


def test_both_a_manifest_and_requests_or_neither_is_refused(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    with pytest.raises(UnusableManifest, match="requests are given as well") as caught:
        plan_videos("https://x.org/a.csv?X-Amz-Signature=abc", credentials, store, requests=[asked()])
    assert "abc" not in str(caught.value)
    with pytest.raises(UnusableManifest, match="neither"):
        plan_videos(" ", credentials, store)
