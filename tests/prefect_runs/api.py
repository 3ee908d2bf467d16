"""What the tests ask of the Prefect server, through its API."""

from __future__ import annotations

from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun, Log
from prefect.client.schemas.sorting import LogSort
from prefect.states import Cancelling

from tests.processes import Running, until

#: Seconds between two questions: the server shares the cores with what is waited for.
ASK_EVERY = 0.5


def start(deployment: str, parameters: dict[str, object]) -> UUID:
    """Have a deployment run now."""
    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name(deployment)
        return client.create_flow_run_from_deployment(found.id, parameters=parameters).id


def read(run: UUID) -> FlowRun:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run)


def ended(run: UUID, *, by: Running | None = None, seconds: float = 90.0) -> FlowRun:
    """Wait for the end of a run."""
    with get_client(sync_client=True) as client:

        def final() -> FlowRun | None:
            found = client.read_flow_run(run)
            return found if found.state is not None and found.state.is_final() else None

        return until(final, f"the end of flow run {run}", seconds=seconds, every=ASK_EVERY, alive=by)


def cancel(run: UUID) -> None:
    """Ask for the end of a run, as the button in the UI does."""
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Cancelling())


def cancelled_at(run: UUID) -> float:
    """When the cancelling was asked for, in Unix seconds."""
    with get_client(sync_client=True) as client:
        states = client.read_flow_run_states(run)
    return next(each.timestamp.timestamp() for each in states if each.is_cancelling())


def logs(run: UUID | None = None) -> list[Log]:
    """Everything that was logged, by one run (its subflows are runs of their own) or by all."""
    found: list[Log] = []
    of_run = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run])) if run else LogFilter()
    with get_client(sync_client=True) as client:
        while page := client.read_logs(of_run, limit=200, offset=len(found), sort=LogSort.TIMESTAMP_ASC):
            found.extend(page)
    return found


def logged(*words: str, run: UUID | None = None) -> str:
    """Wait for a message with all these words, and give it: logs arrive in batches."""

    def found() -> str | None:
        return next((each.message for each in logs(run) if all(word in each.message for word in words)), None)

    return until(found, f"a log message with {words}", seconds=120, every=ASK_EVERY)
