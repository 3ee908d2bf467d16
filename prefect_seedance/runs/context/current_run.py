"""Which run this is: read from Prefect once per run and process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.utilities.urls import url_for

from prefect_seedance.runs.context.run_labels import RunLabels

if TYPE_CHECKING:
    from prefect_seedance.journal.record import Run
    from prefect_seedance.pipeline.submit.run_state import RunState

T = TypeVar("T")

_REMEMBERED = 1000

#: Labels of every run with a video in it: id of the outermost run, and whether Prefect's scheduler made that one. Once
#: Prefect has deleted it, its subflows look like outermost runs themselves.
ROOT, SCHEDULED = "seedance.root", "seedance.scheduled"


def _no_run() -> Run:
    from prefect_seedance.journal.record import Run

    return Run()


def _new_state() -> RunState:
    from prefect_seedance.pipeline.submit.run_state import RunState

    return RunState()


@dataclass(frozen=True)
class CurrentRun:
    """A flow run and where it came from; all empty outside of a flow.

    Attributes:
        id: Of this flow run.
        run: For records: the root's id, this run's name, and its page.
        made_by_schedule: Whether Prefect's scheduler made the root run.
        lineage: The labels of this run, of its parent, and so on up to the outermost one.
        one_deployment: Of these, the part that runs in one place: up to the first that is the run of a deployment.
        tried_before: Whether this run, or one that it is a part of, had been tried before when this process met it.
        state: What the submissions of the root run share in this process.
    """

    id: str = ""
    run: Run = field(default_factory=_no_run)
    made_by_schedule: bool = False
    lineage: tuple[RunLabels, ...] = ()
    one_deployment: tuple[RunLabels, ...] = ()
    tried_before: bool = False
    state: RunState = field(default_factory=_new_state)

    @property
    def root_id(self) -> str:
        """Id of the outermost flow run, as it was at the first try."""
        return self.run.id

    @property
    def is_retry(self) -> bool:
        """Whether this is not the first try of the run, or of one that it is a part of."""
        return self.tried_before or (flow_run.get_run_count() or 0) > 1

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of this run."""
        return self.lineage[0].known if self.lineage else {}


_runs: OrderedDict[str, CurrentRun] = OrderedDict()
_states: OrderedDict[str, RunState] = OrderedDict()
_labels: OrderedDict[str, RunLabels] = OrderedDict()


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
    runs = await _lineage(UUID(run_id))
    lineage = tuple(_labels_of(each) for each in runs)
    this, root = runs[0], runs[-1]
    nothing: Mapping[str, str] = {}
    told = next((each.known for each in lineage if ROOT in each.known), nothing)
    root_id = told.get(ROOT, str(root.id))
    deployed = next((index for index, each in enumerate(runs) if each.deployment_id), len(runs))
    found = CurrentRun(
        id=run_id,
        run=Run(id=root_id, name=this.name, url=run_url()),
        made_by_schedule=told[SCHEDULED] == str(True) if SCHEDULED in told else root.auto_scheduled,
        lineage=lineage,
        one_deployment=lineage[: deployed + 1],
        tried_before=any(each.run_count > 1 for each in runs),
        state=_kept(_states, root_id, _new_state()),
    )
    return _kept(_runs, run_id, found)


def run_url() -> str:
    """Return the address of this run's page; "" outside of a flow, and where Prefect knows no UI."""
    run_id: str | None = flow_run.get_id()
    try:
        return (url_for("flow-run", run_id) or "") if run_id else ""
    except ValueError:  # the address of the UI is not one
        return ""


async def _lineage(run_id: UUID) -> list[FlowRun]:
    """Return this run, its parent, and so on up to the root."""
    context = FlowRunContext.get()
    known = context.flow_run if context else None
    if known is not None and (known.id != run_id or known.run_count > 1):
        known = None  # a try before may have written labels since this was read
    if known is not None and not known.parent_task_run_id:
        return [known]
    async with get_client() as client:
        runs = [known or await client.read_flow_run(run_id)]
        while runs[-1].parent_task_run_id:
            try:
                parent = (await client.read_task_run(runs[-1].parent_task_run_id)).flow_run_id
                if parent is None:
                    break
                runs.append(await client.read_flow_run(parent))
            except ObjectNotFound:  # being deleted just now
                if not any(ROOT in each.labels for each in runs):
                    raise  # then nothing was paid yet, and the way up is not known
                break
    return runs


def _labels_of(run: FlowRun) -> RunLabels:
    labels = _kept(_labels, str(run.id), RunLabels(str(run.id)))
    labels.learn({name: str(value) for name, value in run.labels.items()})
    return labels


def _kept(memory: OrderedDict[str, T], key: str, value: T) -> T:
    """Keep a value, or return the one that is there. Atomic: one call of C code."""
    found = memory.setdefault(key, value)
    while len(memory) > _REMEMBERED:
        memory.popitem(last=False)
    return found
