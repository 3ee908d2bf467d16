"""Which run this is: read from Prefect once per run and process."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.runtime import flow_run

if TYPE_CHECKING:
    from prefect_seedance.journal.record import Run
    from prefect_seedance.pipeline.run_state import RunState

T = TypeVar("T")

_REMEMBERED = 1000


def _no_run() -> Run:
    from prefect_seedance.journal.record import Run

    return Run()


def _new_state() -> RunState:
    from prefect_seedance.pipeline.run_state import RunState

    return RunState()


@dataclass(frozen=True)
class CurrentRun:
    """A flow run and where it came from; all empty outside of a flow.

    Attributes:
        id: Of this flow run.
        run: For records: the root's id, this run's name, and its page.
        made_by_schedule: Whether Prefect's scheduler made the root run.
        begun_as: Id of the run that a person, a schedule or another deployment began, and that this one is a part of. A
            retried parent gives its subflows new ids, and a subflow that is a deployment may be on another machine.
        labels: Of that run, as they were read.
        is_retry: Whether this run, or one that it is a part of, was tried before.
        state: What the submissions of the root run share in this process.
    """

    id: str = ""
    run: Run = field(default_factory=_no_run)
    made_by_schedule: bool = False
    begun_as: str = ""
    labels: dict[str, str] = field(default_factory=dict[str, str])
    is_retry: bool = False
    state: RunState = field(default_factory=_new_state)

    @property
    def root_id(self) -> str:
        """Id of the outermost flow run."""
        return self.run.id


_runs: OrderedDict[str, CurrentRun] = OrderedDict()
_states: OrderedDict[str, RunState] = OrderedDict()


async def current_run() -> CurrentRun:
    """Return the flow run that this code is in.

    Prefect's server is asked for its parents only, and once: a top-level run is known from its context.
    """
    from prefect_seedance.journal.record import Run  # only a run needs it, and it takes a while

    run_id: str | None = flow_run.get_id()
    if not run_id:
        return CurrentRun()
    if run_id in _runs:
        return _runs[run_id]
    lineage = await _lineage(UUID(run_id))
    this, root = lineage[0], lineage[-1]
    begun = next((each for each in lineage if each.deployment_id), root)
    url = str(flow_run.ui_url or "")
    found = CurrentRun(
        id=run_id,
        # Without a configured UI, Prefect words the address "None/...".
        run=Run(id=str(root.id), name=this.name, url=url if url.startswith("http") else ""),
        made_by_schedule=root.auto_scheduled,
        begun_as=str(begun.id),
        labels={name: str(value) for name, value in begun.labels.items()},
        is_retry=any(each.run_count > 1 for each in lineage),
        state=_kept(_states, str(root.id), _new_state()),
    )
    return _kept(_runs, run_id, found)


async def _lineage(run_id: UUID) -> list[FlowRun]:
    """Return this run, its parent, and so on up to the root."""
    context = FlowRunContext.get()
    known = context.flow_run if context else None
    if known is not None and known.id == run_id and not known.parent_task_run_id:
        return [known]
    async with get_client() as client:
        runs = [known if known is not None and known.id == run_id else await client.read_flow_run(run_id)]
        while runs[-1].parent_task_run_id:
            parent = (await client.read_task_run(runs[-1].parent_task_run_id)).flow_run_id
            if parent is None:
                break
            runs.append(await client.read_flow_run(parent))
    return runs


def _kept(memory: OrderedDict[str, T], key: str, value: T) -> T:
    """Keep a value, or return the one that is there. Atomic: one call of C code."""
    found = memory.setdefault(key, value)
    while len(memory) > _REMEMBERED:
        memory.popitem(last=False)
    return found
