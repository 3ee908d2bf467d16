"""What keeps parts from running is refused before any of them is started, by what Prefect's server says."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse

from prefect_seedance.errors import PartsNotStarted
from prefect_seedance.runs.context.current_run import CurrentRun
from prefect_seedance.runs.parts.slots import Neighbourhood, neighbourhood, others_run_there, require_slots
from tests.client.wire_server import WireServer, answer
from tests.runs.batch.prefect_away import prefect_at

OURS, FLOW = uuid4(), uuid4()


def deployment(limit: int | None = None, *, strategy: str = "ENQUEUE", **fields: Any) -> DeploymentResponse:
    own = (
        None
        if limit is None
        else {"id": str(uuid4()), "name": "own", "limit": limit, "active": True, "active_slots": 0}
    )
    told = {"id": OURS, "name": "nightly", "flow_id": FLOW, "global_concurrency_limit": own}
    options = {"collision_strategy": strategy}
    return DeploymentResponse.model_validate({**told, "concurrency_options": options, **fields})


def run_of(**fields: Any) -> FlowRun:
    return FlowRun.model_validate({"flow_id": FLOW, **fields})


def require(place: Neighbourhood, parts: int, *answers: object) -> None:
    async def asked() -> None:
        async with get_client() as client:
            await require_slots(client, place, parts)

    with WireServer([answer(200, each) for each in answers or ({},)]) as server, prefect_at(f"{server.url}/api"):
        asyncio.run(asked())


@pytest.mark.parametrize(
    ("limit", "strategy", "parent_is_one", "parts", "refused"),
    [
        (2, "CANCEL_NEW", False, 3, "cancels what goes beyond its concurrency limit of 2"),
        (3, "CANCEL_NEW", True, 3, "cancels what goes beyond its concurrency limit of 3"),
        (3, "CANCEL_NEW", False, 3, ""),
        (1, "ENQUEUE", False, 2, "leaves one run at a time for the parts"),
        (2, "ENQUEUE", True, 2, "leaves one run at a time for the parts"),
        (1, "ENQUEUE", False, 1, ""),
        (1, "ENQUEUE", True, 1, "runs 1 at a time, and this run, which waits for the parts, holds that slot"),
        (2, "ENQUEUE", False, 8, ""),
        (None, "ENQUEUE", True, 8, ""),
    ],
)
def test_a_limit_of_the_deployment_s_own_must_leave_room_for_its_parts(
    limit: int | None, strategy: str, parent_is_one: bool, parts: int, refused: str
) -> None:
    place = Neighbourhood(deployment(limit, strategy=strategy), [run_of(deployment_id=OURS if parent_is_one else None)])
    if not refused:
        return require(place, parts)
    with pytest.raises(PartsNotStarted, match=refused):
        require(place, parts)


def test_a_work_queue_that_only_the_parent_fits_into_is_refused() -> None:
    pool = {"id": str(uuid4()), "name": "machines", "type": "process", "concurrency_limit": 8}
    queue = {"id": str(uuid4()), "name": "slow lane", "concurrency_limit": 1, "work_pool_id": pool["id"]}
    parts = deployment(work_pool_name="machines", work_queue_id=queue["id"])
    parent = run_of(work_pool_name="machines", work_queue_id=queue["id"])
    with pytest.raises(
        PartsNotStarted, match="the work queue 'slow lane' of the work pool 'machines' runs 1 at a time"
    ):
        require(Neighbourhood(parts, [parent]), 2, pool, queue)
    require(Neighbourhood(parts, []), 2, pool, queue)


def test_a_deployment_of_another_flow_is_refused_by_what_it_does_not_take() -> None:
    other = deployment(parameter_openapi_schema={"properties": {"manifest": {}, "store": {}, "options": {}}})

    async def asked() -> None:
        async with get_client() as client:
            await neighbourhood(client, "generate-video/nightly", CurrentRun())

    with (
        WireServer([answer(200, other.model_dump(mode="json"))]) as server,
        prefect_at(f"{server.url}/api"),
        pytest.raises(PartsNotStarted, match="does not take credentials, notify"),
    ):
        asyncio.run(asked())


def test_beside_what_serves_a_deployment_by_itself_nothing_is_asked_for() -> None:
    async def asked() -> bool:
        async with get_client() as client:
            return await others_run_there(client, Neighbourhood(deployment(), []))

    with WireServer([answer(500)]) as server, prefect_at(f"{server.url}/api"):
        assert not asyncio.run(asked())
        assert server.received == []
