"""Whether the parts can run beside their parent, which holds a slot of its own while it waits for them.

A limit that the parent and what it is a part of use up is refused before anything is started. What a worker was told by
``--limit`` is not known to Prefect's server: that is only seen when no part is started.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from prefect_seedance.batch.errors import PartsNotStarted
from prefect_seedance.runs.context.current_run import CurrentRun

#: What a deployment has to take for its runs to be parts.
_PARAMETERS = frozenset({"manifest", "credentials", "store", "notify", "options"})
_MOST_RUNS = 200


@dataclass(frozen=True)
class SlotLimit:
    """A limit of concurrent runs.

    Attributes:
        where: Whose it is, as a sentence begins with it.
        limit: How many runs; None for no limit.
        held: How many of them this run and what it is a part of hold.
        paused: Whether nothing is started there at all.
    """

    where: str
    limit: int | None
    held: int
    paused: bool = False

    def refusal(self) -> tuple[str, str] | None:
        """Return why no part would ever run, and what to do; None if one would.

        Example:
            >>> SlotLimit("the work pool 'small'", 1, 1).refusal()[0]
            "the work pool 'small' runs 1 at a time, and this run, which waits for the parts, holds that slot"
            >>> SlotLimit("the work pool 'small'", 2, 1).refusal()
        """
        if self.paused:
            return f"{self.where} is paused", "Resume it, and run this again"
        if self.limit is None or self.limit > self.held:
            return None
        if not self.held:
            return f"{self.where} has a limit of {self.limit}", "Raise the limit"
        held = "that slot" if self.limit == 1 else "all of these slots"
        return (
            f"{self.where} runs {self.limit} at a time, and this run, which waits for the parts, holds {held}",
            "Raise the limit, or run this flow on another work pool than its parts",
        )


@dataclass(frozen=True)
class Neighbourhood:
    """Where the parts run, and where their parent does.

    Attributes:
        deployment: That the parts are runs of.
        holders: This run and those that it is a part of, which all go on until the parts have ended.
    """

    deployment: DeploymentResponse
    holders: Sequence[FlowRun]

    @property
    def beside_parent(self) -> bool:
        """Whether parent and parts are started by the same workers, or by the same serving process."""
        return any(run.deployment_id and run.work_pool_name == self.deployment.work_pool_name for run in self.holders)

    @property
    def pool_words(self) -> str:
        """What starts the parts."""
        pool = self.deployment.work_pool_name
        return f"the work pool {pool!r}" if pool else f"what serves {self.deployment.name!r}"


async def neighbourhood(client: PrefectClient, name: str, current: CurrentRun) -> Neighbourhood:
    """Read where the parts of this run would be.

    Args:
        client: Of Prefect's server.
        name: Of the deployment, with its flow's: ``generate-videos/NAME``.
        current: This run.

    Raises:
        PartsNotStarted: There is no such deployment, or its runs cannot be parts of a batch.
    """
    try:
        deployment = await client.read_deployment_by_name(name)
    except (ObjectNotFound, ValueError):
        raise PartsNotStarted(
            f"deployment: there is no deployment {name!r}",
            "Deploy generate_videos, for example with deployments/deploy.py, and write the name of its flow and its "
            "own, such as generate-videos/generate-videos",
        ) from None
    schema = deployment.parameter_openapi_schema or {}
    if absent := _PARAMETERS - set(schema.get("properties") or {}):
        raise PartsNotStarted(
            f"deployment: {name!r} does not take {', '.join(sorted(absent))}", "Name a deployment of generate_videos"
        )
    ids = [UUID(run.run_id) for run in current.lineage]
    holders = await client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=ids)), limit=_MOST_RUNS)
    return Neighbourhood(deployment, holders)


async def require_slots(client: PrefectClient, place: Neighbourhood, parts: int) -> None:
    """Refuse parts that could not run while this run waits for them.

    Raises:
        PartsNotStarted: Says which limit, and what to do.
    """
    deployment = place.deployment
    options = deployment.concurrency_options
    own = deployment.global_concurrency_limit
    if own is not None and own.active:
        held = sum(run.deployment_id == deployment.id for run in place.holders)
        cancels = options is not None and options.collision_strategy == ConcurrencyLimitStrategy.CANCEL_NEW
        if cancels and parts > own.limit - held:
            raise PartsNotStarted(
                f"the deployment {deployment.name!r} cancels what goes beyond its concurrency limit of {own.limit}",
                "Raise the limit to the number of parts, or have it enqueue them",
            )
        if parts > 1 and own.limit - held == 1:
            raise PartsNotStarted(
                f"the deployment {deployment.name!r} leaves one run at a time for the parts, one after the other",
                "Raise its concurrency limit, or name a deployment without one",
            )
        _require(SlotLimit(f"the deployment {deployment.name!r}", own.limit, held))
    if not deployment.work_pool_name:
        return
    pool = await client.read_work_pool(deployment.work_pool_name)
    held = sum(run.work_pool_name == pool.name for run in place.holders)
    _require(SlotLimit(f"the work pool {pool.name!r}", pool.concurrency_limit, held, pool.is_paused))
    if deployment.work_queue_id:
        queue = await client.read_work_queue(deployment.work_queue_id)
        held = sum(run.work_queue_id == queue.id for run in place.holders)
        where = f"the work queue {queue.name!r} of the work pool {pool.name!r}"
        _require(SlotLimit(where, queue.concurrency_limit, held, queue.is_paused))


async def others_run_there(client: PrefectClient, place: Neighbourhood) -> bool:
    """Return whether runs of other flows run where the parts would: a slot becomes free when they end.

    Runs of this flow, and of those that it is a part of, do not count: they wait for parts themselves.
    """
    if not place.deployment.work_pool_name:
        return False
    running = await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING]))),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[place.deployment.work_pool_name])),
        limit=_MOST_RUNS,
    )
    waiting = {run.flow_id for run in place.holders}
    return any(run.flow_id not in waiting for run in running)


def _require(limit: SlotLimit) -> None:
    if refusal := limit.refusal():
        raise PartsNotStarted(*refusal)
