"""The runs of the parts at Prefect's server: started once each, looked at together, and cancelled.

Every question is repeated until the server answers: the parts go on without it, and so does whoever waits for them. The
key of a run holds what was asked, the part and the attempt. For a used key Prefect returns the run that is there, so
that a lost answer, a retry of the parent or a killed parent starts nothing twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterIdempotencyKey
from prefect.client.schemas.objects import FlowRun
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventOrder, EventResourceFilter
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Cancelling, Crashed, Pending, Scheduled
from prefect.tasks import Task

from prefect_seedance.asides import words_of
from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.runs.logs import note
from prefect_seedance.runs.parts.standing import SeenRun

T = TypeVar("T")

#: Most parts of a batch: as many runs as Prefect's server tells of in one answer.
MOST_PARTS = 200
#: Longest that one question may take, and the longest pause before it is repeated.
_QUESTION_SECONDS, _LONGEST_PAUSE_SECONDS = 30.0, 30.0
#: How often it is said that the server is still missing.
_TOLD_EVERY_SECONDS = 600.0
#: Longest that the cancelling of all parts may take: a cancelled run is killed after 30 s.
_CANCELLING_SECONDS = 15.0
_HEARTBEAT = "prefect.flow-run.heartbeat"


def _part() -> None:
    """Stand for the run of a part in the graph of the run that waits for it."""


async def persistently(question: Callable[[PrefectClient], Awaitable[T]], what: str) -> T:
    """Ask Prefect's server until it answers.

    Args:
        question: Asks once.
        what: What for, as words after "to".

    Raises:
        PrefectHTTPStatusError, ObjectNotFound: It refuses.
        SeedanceError: The question itself has found that the parts cannot run.
    """
    pause, waited, told = 1.0, 0.0, -_TOLD_EVERY_SECONDS
    while True:
        limit = asyncio.timeout(_QUESTION_SECONDS)
        try:
            async with limit, get_client() as client:
                return await question(client)
        except (ObjectNotFound, SeedanceError):
            raise
        except Exception as error:
            if isinstance(error, PrefectHTTPStatusError) and _is_an_answer(error.response.status_code):
                raise
            why = f"no answer within {_QUESTION_SECONDS:g} s" if limit.expired() else words_of(error)
        if waited - told >= _TOLD_EVERY_SECONDS:
            told = waited
            note(f"Prefect's server is asked again to {what}: {why}", level=logging.WARNING)
        await asyncio.sleep(pause)
        waited, pause = waited + pause, min(_LONGEST_PAUSE_SECONDS, pause * 1.5)


@dataclass
class PartRuns:
    """The runs of the parts of one batch.

    Attributes:
        deployment: That they are runs of.
        parent: Id of the run that waits for them.
        key: What all of their idempotency keys begin with.
        parts: How many there are.
        parameters: Of each, without its part.
        labels: Of each: root and journal, so that no part begins with another one, wherever it runs.
    """

    deployment: UUID
    parent: UUID
    key: str
    parts: int
    parameters: Callable[[str], dict[str, object]]
    labels: Mapping[str, str]
    _task: Task[[], None] = field(default_factory=lambda: Task(_part, name="part"))

    async def started_before(self) -> dict[int, list[FlowRun]]:
        """Return the runs that earlier tries of this run have started, by part in the order of their attempts."""
        found: dict[int, list[FlowRun]] = {number: [] for number in range(1, self.parts + 1)}
        attempt = 1
        while True:
            keys = {self._key(number, attempt): number for number in found if len(found[number]) == attempt - 1}
            only = FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=[*keys]))
            runs = await persistently(
                lambda client, only=only: client.read_flow_runs(flow_run_filter=only, limit=MOST_PARTS),
                "find the parts that were started before",
            )
            for run in runs:
                found[keys[str(run.idempotency_key)]].append(run)
            if not runs:
                return found
            attempt += 1

    async def start(self, number: int, attempt: int) -> FlowRun:
        """Start a part, or find the run that was started for this attempt."""
        part = f"{number}/{self.parts}"

        async def create(client: PrefectClient) -> FlowRun:
            # What Prefect's own `run_deployment` does, with two more things: labels, and keys that stay the same
            # whichever part is started first.
            stands_for = await client.create_task_run(
                self._task,
                flow_run_id=self.parent,
                dynamic_key=f"{part}-{attempt}",
                name=f"part {part}",
                state=Pending(),
            )
            return await client.create_flow_run_from_deployment(
                self.deployment,
                parameters=self.parameters(part),
                state=Scheduled(),
                idempotency_key=self._key(number, attempt),
                parent_task_run_id=stands_for.id,
                labels={**self.labels},
            )

        return await persistently(create, f"start part {part}")

    async def seen(self, runs: Sequence[UUID]) -> dict[UUID, FlowRun]:
        """Return runs as they are now, all with one question. One that was deleted is left out."""
        only = FlowRunFilter(id=FlowRunFilterId(any_=[*runs]))
        found = await persistently(
            lambda client: client.read_flow_runs(flow_run_filter=only, limit=MOST_PARTS), "say how the parts stand"
        )
        return {run.id: run for run in found}

    async def heartbeats(self, run: UUID) -> list[datetime]:
        """Return when a run last sent its two latest heartbeats; none where that cannot be told."""
        of_run = EventFilter(
            event=EventNameFilter(name=[_HEARTBEAT]),
            resource=EventResourceFilter(id=[f"prefect.flow-run.{run}"]),
            # Clocks differ, and the default ends at ours.
            occurred=EventOccurredFilter.model_validate({"until": datetime.now(UTC) + timedelta(hours=1)}),
            order=EventOrder.DESC,
        )
        try:
            async with asyncio.timeout(_QUESTION_SECONDS), get_client() as client:
                page = await client.read_events(of_run, limit=2)
        except Exception as error:  # a server that is away says nothing of the part
            note(f"No heartbeats were read: {words_of(error)}", level=logging.DEBUG)
            return []
        return [event.occurred for event in page.events]

    async def mark_crashed(self, run: UUID, why: str) -> None:
        """Tell Prefect that the process of a run is gone, which frees its slots."""
        await persistently(
            lambda client: client.set_flow_run_state(run, Crashed(message=why)), "mark a part as crashed"
        )

    async def cancel(self, runs: Iterable[UUID]) -> None:
        """Cancel runs, in the little time that a cancelled parent has. Never raises.

        Those of a parent that is killed before are cancelled by Prefect's server, once the parent counts as cancelled.
        """

        async def cancelled(run: UUID) -> None:
            async with get_client() as client:
                await client.set_flow_run_state(run, Cancelling(message="The run that waits for this part has ended."))

        try:
            async with asyncio.timeout(_CANCELLING_SECONDS):
                ended = await asyncio.gather(*map(cancelled, runs), return_exceptions=True)
        except TimeoutError as error:
            ended = [error]
        if faults := [each for each in ended if isinstance(each, Exception)]:
            note(f"Not all parts could be cancelled: {words_of(faults[0])}", level=logging.WARNING)

    def _key(self, number: int, attempt: int) -> str:
        return f"{self.key}-part-{number}-of-{self.parts}-attempt-{attempt}"


def seen_run(run: FlowRun | None, heartbeats: Sequence[datetime] = ()) -> SeenRun:
    """Return what a run says of itself; None for one that was deleted."""
    state = run.state if run else None
    return SeenRun(state.type if state else None, state.timestamp if state else datetime.now(UTC), heartbeats)


def _is_an_answer(status: int) -> bool:
    """Return whether asking again would be answered in the same way. Parameters that do not fit a form are a 409."""
    return 400 <= status < 500 and status not in (408, 425, 429)
