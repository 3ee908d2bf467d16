"""What the Prefect server has of a run: read through its API, as the UI does."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import Artifact, FlowRun, State, TaskRun
from prefect.client.schemas.sorting import ArtifactSort

from prefect_seedance import VideoRequest
from tests.prefect_server import ask

T = TypeVar("T")


def small(prompt: str, **fields: object) -> VideoRequest:
    """The cheapest request."""
    asked = {"prompt": prompt, "model": "seedance2.0-mini", "resolution": "480p", "duration": 4, **fields}
    return VideoRequest.model_validate(asked)


def until(condition: Callable[[], T | None], what: str, *, seconds: float = 120.0) -> T:
    """Wait for something that comes with a delay: logs and events arrive in batches."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.2)
    return found


def run_of(state: State[Any]) -> UUID:
    """The flow run that ended so."""
    assert state.state_details.flow_run_id is not None
    return state.state_details.flow_run_id


def flow_run(run: UUID) -> FlowRun:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run)


def task_runs(run: UUID, count: int) -> list[TaskRun]:
    """The task runs of a flow run: the server learns of them from events."""

    def found() -> list[TaskRun] | None:
        with get_client(sync_client=True) as client:
            runs = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run])))
        return runs if len(runs) >= count else None

    return until(found, f"{count} task runs")


def artifacts(run: UUID) -> list[Artifact]:
    """The artifacts on a run's page, oldest first."""
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run])))
    return sorted(found, key=lambda each: each.created or datetime.min)


def artifact(run: UUID, beginning: str) -> Artifact:
    """The one artifact whose key begins so."""
    found = [each for each in artifacts(run) if str(each.key).startswith(beginning)]
    assert len(found) == 1, f"{[(each.key, each.type, each.created) for each in found]}\n{messages(run)}"
    return found[0]


def latest(key: str) -> str:
    """The newest artifact of a key, of whichever run."""
    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        (found,) = client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC, limit=1)
    return str(found.data)


def messages(run: UUID) -> list[str]:
    """What a run has logged."""
    with get_client(sync_client=True) as client:
        of_run = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run]))
        return [each.message for each in client.read_logs(of_run, limit=200)]


def logged(run: UUID, *words: str) -> str:
    """Wait for a message with all these words, and give it."""

    def found() -> str | None:
        return next((each for each in messages(run) if all(word in each for word in words)), None)

    return until(found, f"a log message with {words}")


def events(api_url: str, *, resource: str, prefix: str = "seedance.") -> list[dict[str, Any]]:
    """The events of this package, or others, about a resource, oldest first."""
    asked = {
        "filter": {"event": {"prefix": [prefix]}, "any_resource": {"id": [resource]}, "order": "ASC"},
        "limit": 50,
    }
    return ask(f"{api_url}/events/filter", asked)["events"]
