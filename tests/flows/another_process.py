"""What a process remembers of runs and journals, forgotten: as if the next step ran on another machine."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow_async, run_flow_sync
from prefect.states import Scheduled, State

from prefect_seedance.blocks import video_store
from prefect_seedance.runs.context import current_run, last_journal


def forget() -> None:
    """Forget what a new process does not know."""
    for memory in (
        current_run._runs,
        current_run._states,
        current_run._labels,
        video_store._journal_ids,
        last_journal._compared,
    ):
        memory.clear()


def run_there(flow: Flow[..., Any], run: UUID, **parameters: Any) -> State[Any]:
    """Run, or retry, a flow run that the server has, as ``prefect flow-run retry`` and a worker do."""
    forget()
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Scheduled(), force=True)
        known = client.read_flow_run(run)
    if flow.isasync:
        return asyncio.run(run_flow_async(flow, flow_run=known, parameters=parameters, return_type="state"))
    return run_flow_sync(flow, flow_run=known, parameters=parameters, return_type="state")
