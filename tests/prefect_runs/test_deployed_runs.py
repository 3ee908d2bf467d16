"""Runs that Prefect starts, cancels and retries in processes of their own: under ``serve`` and under a process worker.

Starting such a process costs seconds, and Prefect gives a cancelled one 30 more; so all of it happens at once, before
the first test, and each test looks at what became of its part. ``HYPOTHESIS_PROFILE=thorough`` adds every combination.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeGuard
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.deployments.runner import EntrypointType
from prefect.schedules import RRule

from prefect_seedance import (
    RunOptions,
    SeedanceCredentials,
    StoredVideo,
    VideoStore,
    agenerate_video,
    generate_video,
    resolve_submission,
)
from prefect_seedance.journal.errors import SubmissionUnknown
from prefect_seedance.journal.states import State
from prefect_seedance.simulator import Fault, Simulator
from tests.prefect_runs import api
from tests.prefect_runs.conftest import settings_of
from tests.prefect_runs.deployed import several
from tests.prefect_runs.vendor import record, small, tasks
from tests.processes import Running, finished, until

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.usefixtures("prefect_server"),
]

#: How long a started run may take to come to its point: all of them share the cores.
PATIENCE = 300.0
#: When the vendor answers a POST that it has accepted, and when the run is cancelled meanwhile at the earliest: a
#: cancelled run waits 20 s for an answer, and Prefect's own limit between the polite signal and SIGKILL is 30 s. Also
#: on a busy machine there is time enough before the answer for whatever else has to be there.
ANSWERED, CANCELLED_AT, BEYOND = 45.0, 28.0, 120.0


@dataclass(frozen=True)
class Cancelling:
    """A run that is cancelled through the API, and when.

    Attributes:
        deployment: What runs.
        moments: Where each of its videos is at that moment: "post" (the vendor has accepted and answers within the
            30 s), "beyond" (it answers later), "wait".
        reuse: Of the run's options.
    """

    deployment: str
    moments: tuple[str, ...]
    reuse: Literal["auto", "run"] = "auto"

    @property
    def name(self) -> str:
        return f"{self.deployment} cancelled in {' and '.join(self.moments)}"

    def prompt(self, index: int) -> str:
        return f"{self.name}, number {index}"


CANCELLED = [
    Cancelling("several/served", ("post", "wait", "wait")),
    # With one that is answered too late Prefect kills the process; the others must not suffer.
    Cancelling("several/worker", ("beyond", "post", "wait")),
    Cancelling("generate-video/served", ("post",)),
]
RETRIED = Cancelling("generate-video/worker", ("wait",), "run")
if os.environ.get("HYPOTHESIS_PROFILE") == "thorough":
    known = {case.name for case in CANCELLED} | {RETRIED.name}
    every = [
        Cancelling(f"generate-video/{under}", (moment,))
        for under in ("served", "served-async", "worker", "worker-async")
        for moment in ("post", "wait", "beyond")
    ]
    CANCELLED += [case for case in every if case.name not in known]


@dataclass(frozen=True)
class Scene:
    """What the stories take place in."""

    vendor: Simulator
    credentials: SeedanceCredentials
    store: VideoStore
    served: Running
    worker: Running

    def parameters(self, **parameters: object) -> dict[str, Any]:
        """Parameters of a deployed run: blocks by reference, as the UI sends them."""
        blocks = {"credentials": "seedance-credentials/vendor", "store": "seedance-video-store/store"}
        return {**parameters, **{name: {"$ref": {"block_document_slug": slug}} for name, slug in blocks.items()}}

    def deploy(self, flow_to_deploy: Any, name: str, **settings: Any) -> UUID:
        """Deploy a flow by its module to the worker's pool."""
        deployment = flow_to_deploy.to_deployment(
            name, work_pool_name="processes", entrypoint_type=EntrypointType.MODULE_PATH, **settings
        )
        return UUID(str(deployment.apply()))


def cancelled(case: Cancelling, scene: Scene) -> FlowRun:
    """Start a run, cancel it when each of its videos is where it shall be, and wait for its end."""
    vendor = scene.vendor
    requests = [small(case.prompt(index)) for index in range(len(case.moments))]
    for request, moment in zip(requests, case.moments, strict=True):
        if moment != "wait":
            seconds = BEYOND if moment == "beyond" else ANSWERED
            vendor.plan(Fault(fault="slow_answer", matching=request.prompt, seconds=seconds))
        # The vendor is not done before the run is cancelled, however long that takes.
        vendor.plan(Fault(fault="unknown_status", matching=request.prompt, times=100_000))
    asked: list[object] = [request.model_dump(mode="json") for request in requests]
    if len(asked) > 1:
        parameters = scene.parameters(requests=asked)
    else:
        parameters = scene.parameters(request=asked[0], options=RunOptions(reuse=case.reuse).model_dump(mode="json"))
    run = api.start(case.deployment, parameters)

    accepted_at: dict[str, float] = {}
    places = [*zip(requests, case.moments, strict=True)]

    def there() -> bool:
        polls = vendor.requests().polls
        made = {request.prompt: task_id for request, _ in places for task_id in tasks(vendor, request.prompt)}
        for prompt in made:
            accepted_at.setdefault(prompt, time.monotonic())
        waited = [request.prompt for request, moment in places if moment == "wait"]
        return len(made) == len(places) and all(polls.get(made[prompt], 0) > 1 for prompt in waited)

    by = scene.served if "served" in case.deployment else scene.worker
    until(there, case.name, seconds=PATIENCE, alive=by)
    if held := [accepted_at[request.prompt] for request, moment in places if moment == "post"]:
        time.sleep(max(0.0, max(held) + CANCELLED_AT - time.monotonic()))
    api.cancel(run)
    return api.ended(run, by=by, seconds=PATIENCE)


def deploy_nightly(scene: Scene) -> UUID:
    """Deploy fixed parameters with a schedule that makes two runs, soon."""
    # A scheduler that comes late makes no runs for the past, and here it has to share the cores.
    first = datetime.now(UTC) + timedelta(seconds=60)
    schedule = RRule(f"DTSTART:{first:%Y%m%dT%H%M%SZ}\nRRULE:FREQ=SECONDLY;INTERVAL=2;COUNT=2")
    parameters = scene.parameters(request=small("nightly").model_dump(mode="json"))
    return scene.deploy(generate_video, "nightly", schedule=schedule, parameters=parameters)


def scheduled(deployment: UUID, scene: Scene) -> list[FlowRun]:
    """Wait for the two runs that Prefect's scheduler makes, and for their end."""
    with get_client(sync_client=True) as client:

        def runs() -> list[FlowRun]:
            of_deployment = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
            found = client.read_flow_runs(deployment_filter=of_deployment)
            return found if len(found) == 2 else []

        made = until(runs, "the scheduler's two runs", seconds=PATIENCE, every=api.ASK_EVERY)
    return [api.ended(run.id, by=scene.worker, seconds=PATIENCE) for run in made]


def by_hand(scene: Scene) -> tuple[StoredVideo, FlowRun]:
    """Run one request from Python, then as a deployment."""
    request = small("by hand")
    stored = generate_video(request, scene.credentials, scene.store)
    run = run_deployment(
        "generate-video/served",
        parameters=scene.parameters(request=request.model_dump(mode="json")),
        as_subflow=False,
        poll_interval=1,
        timeout=PATIENCE,
    )
    return stored, run


def stored_at_the_second_try(scene: Scene) -> StoredVideo:
    """The media host is down for longer than a relay is patient, so that Prefect's own retry of the task goes on."""
    request = small("stored at the second try")
    scene.vendor.plan(Fault(fault="media_5xx", matching=request.prompt, times=7))
    return generate_video(request, scene.credentials, scene.store)


def retried(run: UUID, scene: Scene, api_url: str, folder: Path) -> FlowRun:
    """Have the command line retry a run that has ended, and wait for its new end."""
    environment = {"PREFECT_API_URL": api_url}
    for _ in range(3):
        finished("-m", "prefect", "flow-run", "retry", str(run), environment=environment, folder=folder)
        again = api.ended(run, by=scene.worker, seconds=PATIENCE)
        # A worker that hears late of the end of the cancelled process takes it for a crash of the run that is to be
        # retried, before it has begun: the user would see it, and retry once more.
        if again.run_count > 1 or again.state is None or not again.state.is_crashed():
            return again
    raise AssertionError("the worker never ran it again")


Stories = dict[str, Future[Any]]
CANCELLING_TEST = "test_what_a_cancelled_run_has_submitted_is_taken_up_by_the_next_run"


@pytest.fixture(scope="module")
def stories(
    request: pytest.FixtureRequest,
    own_server: str,
    vendor: Simulator,
    credentials: SeedanceCredentials,
    store: VideoStore,
    served: Running,
    worker: Running,
    folder: Path,
) -> Iterator[Stories]:
    scene = Scene(vendor, credentials, store, served, worker)
    with settings_of(own_server):
        credentials.save("vendor")
        store.save("store")
        scene.deploy(generate_video, "worker")
        scene.deploy(agenerate_video, "worker-async")
        scene.deploy(several, "worker")
        nightly = deploy_nightly(scene)

    told: dict[str, Callable[[], object]] = {"scheduled": partial(scheduled, nightly, scene)}
    cases = {RETRIED, *(item.callspec.params["case"] for item in request.session.items if is_cancelling(item))}
    told |= {case.name: partial(cancelled, case, scene) for case in cases}
    told |= {story.__name__: partial(story, scene) for story in (stored_at_the_second_try, by_hand)}

    def tell(story: Callable[[], object]) -> object:
        with settings_of(own_server):
            return story()

    with ThreadPoolExecutor(6) as pool:
        stories = {name: pool.submit(tell, story) for name, story in told.items()}
        wait(stories.values())
        vendor.simulation.faults.clear()
        if stories[RETRIED.name].exception() is None:
            run: FlowRun = stories[RETRIED.name].result()
            stories["retried"] = pool.submit(tell, partial(retried, run.id, scene, own_server, folder))
        yield stories


def is_cancelling(item: pytest.Item) -> TypeGuard[pytest.Function]:
    """Tell whether a test that was selected looks at one of `CANCELLED`."""
    return isinstance(item, pytest.Function) and item.originalname == CANCELLING_TEST


@pytest.mark.parametrize("case", CANCELLED, ids=lambda case: case.name)
@pytest.mark.sample(every=3)
def test_what_a_cancelled_run_has_submitted_is_taken_up_by_the_next_run(
    case: Cancelling,
    stories: Stories,
    served: Running,
    worker: Running,
    vendor: Simulator,
    credentials: SeedanceCredentials,
    store: VideoStore,
) -> None:
    run: FlowRun = stories[case.name].result()
    by = served if "served" in case.deployment else worker
    for index, moment in enumerate(case.moments):
        request = small(case.prompt(index))
        if moment == "beyond":
            check_that_it_is_unknown(case, index, run, vendor, credentials, store)
            continue
        check_that_it_is_submitted(case, index, run, by, vendor, store)
        (task_id,) = tasks(vendor, request.prompt)
        following = generate_video(request, credentials, store)
        assert (following.task_id, following.reused) == (task_id, True)
        assert tasks(vendor, request.prompt) == [task_id]


def check_that_it_is_submitted(
    case: Cancelling, index: int, run: FlowRun, by: Running, vendor: Simulator, store: VideoStore
) -> None:
    assert run.state is not None and run.state.is_cancelled()
    prompt, moment = case.prompt(index), case.moments[index]
    (task_id,) = tasks(vendor, prompt)
    written = record(store, prompt).record
    assert (written.state, written.task_ids) == (State.SUBMITTED, (task_id,))
    (attempt,) = written.attempts
    assert attempt.answered_at is not None
    answered_late = attempt.answered_at.timestamp() > api.cancelled_at(run.id)
    assert answered_late == (moment == "post"), "the run was not cancelled where it should have been"
    assert_that_it_says_what_goes_on(by, task_id)


def assert_that_it_says_what_goes_on(by: Running, task_id: str) -> None:
    """Either way will do: Prefect may kill a process before its lines are sent, or printed by its worker."""
    printed = " ".join(by.log.read_text(errors="replace").split())  # the console breaks lines
    if not re.search(rf"cancelled\.[^|]* {task_id} goes on at the vendor and is paid for", printed):
        assert "goes on at the vendor and is paid for" in api.logged("cancelled", task_id)


def check_that_it_is_unknown(
    case: Cancelling,
    index: int,
    run: FlowRun,
    vendor: Simulator,
    credentials: SeedanceCredentials,
    store: VideoStore,
) -> None:
    assert run.state is not None and run.state.is_cancelled()
    request = small(case.prompt(index))
    (task_id,) = tasks(vendor, request.prompt)
    entry = record(store, request.prompt)
    assert entry.record.state is State.SENDING
    assert entry.record.holder is not None
    # Its lease is minutes long, and others wait for that long. The file system's clock is the store's: instead of
    # waiting, the record is made as old.
    path = Path(store.location) / store.journal().record_key(entry.record.intent)
    past = time.time() - entry.record.holder.lease_seconds
    os.utime(path, (past, past))
    assert record(store, request.prompt).state is State.UNKNOWN

    with pytest.raises(SubmissionUnknown, match="not known") as stopped:
        generate_video(request, credentials, store)
    assert run.name in str(stopped.value) or len(case.moments) > 1, "it says which run has sent it"
    assert tasks(vendor, request.prompt) == [task_id]

    resolve_submission(entry.record.intent, store, credentials, "attach", task_id)
    assert generate_video(request, credentials, store).task_id == task_id
    assert tasks(vendor, request.prompt) == [task_id]


def test_a_cancelled_run_that_is_retried_from_the_command_line_pays_once(
    stories: Stories, worker: Running, vendor: Simulator, store: VideoStore
) -> None:
    run: FlowRun = stories[RETRIED.name].result()
    again: FlowRun = stories["retried"].result()
    assert (run.state_name, run.run_count) == ("Cancelled", 1)
    assert (again.state_name, again.run_count) == ("Completed", 2)
    (task_id,) = tasks(vendor, RETRIED.prompt(0))
    assert_that_it_says_what_goes_on(worker, task_id)
    assert record(store, RETRIED.prompt(0)).state is State.STORED


def test_a_schedule_with_fixed_parameters_buys_one_video_per_scheduled_run(stories: Stories, vendor: Simulator) -> None:
    runs: list[FlowRun] = stories["scheduled"].result()
    assert [run.auto_scheduled for run in runs] == [True, True]
    assert [run.state_name for run in runs] == ["Completed", "Completed"]
    assert len(tasks(vendor, "nightly")) == 2


def test_the_same_request_by_hand_buys_one_video_in_all(stories: Stories, vendor: Simulator) -> None:
    stored, run = stories["by_hand"].result()
    assert not stored.reused
    assert run.state is not None and run.state.is_completed()
    assert (run.state.message or "").startswith(f"Reused: task {stored.task_id}")
    assert tasks(vendor, "by hand") == [stored.task_id]
    assert api.logged("Reused", stored.task_id, run=run.id)


def test_prefects_retry_of_the_store_task_pays_once(stories: Stories, vendor: Simulator) -> None:
    stored: StoredVideo = stories["stored_at_the_second_try"].result()
    assert "Retry 1/3" in api.logged("Task run failed", stored.task_id)
    assert tasks(vendor, "stored at the second try") == [stored.task_id]
