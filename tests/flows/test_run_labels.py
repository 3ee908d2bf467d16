"""A retry finds in its run's labels what its first try has decided, whatever has become of the runs around it."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.deployments import run_deployment
from prefect.runtime import flow_run

from prefect_seedance import RunOptions, SeedanceCredentials, StoredVideo, VideoStore, create_video, generate_video
from prefect_seedance.errors import InvalidRequest, RunNotLabelled
from prefect_seedance.runs.context.current_run import CurrentRun, current_run
from prefect_seedance.runs.context.run_labels import RunLabels
from prefect_seedance.simulator import Fault, Simulator
from tests.flows import shown
from tests.flows.another_process import run_there
from tests.flows.line_to_prefect import line_to_prefect
from tests.flows.shown import small
from tests.media.test_links import png
from tests.prefect_server import ask

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]

BOAT = small("A paper boat")
WITHIN_RUN = RunOptions(reuse="run")


@pytest.fixture
def failing(vendor: Simulator) -> Simulator:
    """A vendor whose first video cannot be stored: it is paid for, and the run fails."""
    vendor.plan(Fault(fault="not_a_video"))
    return vendor


def deployed(each: Any, name: str) -> UUID:
    with get_client(sync_client=True) as client:
        return client.create_deployment(client.create_flow(each), name)


def delete(run: UUID) -> None:
    with get_client(sync_client=True) as client:
        client.delete_flow_run(run)


def test_a_subflow_whose_parent_is_deleted_stays_within_that_parent(
    failing: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    runs: list[State[Any]] = []

    @flow
    def parent() -> None:
        runs.append(generate_video(BOAT, credentials, store, options=WITHIN_RUN, return_state=True))

    outer = parent(return_state=True)
    assert runs[0].is_failed()
    delete(shown.run_of(outer))
    again = run_there(
        generate_video, shown.run_of(runs[0]), request=BOAT, credentials=credentials, store=store, options=WITHIN_RUN
    )
    assert again.is_completed()
    assert failing.requests().create_received == 1


@pytest.mark.parametrize("through", ["deployment", "another subflow"])
@pytest.mark.sample(every=2)
def test_so_does_one_that_is_further_down(
    through: str, failing: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    middle_runs: list[UUID] = []

    @flow
    def middle() -> StoredVideo:
        middle_runs.append(UUID(flow_run.get_id()))
        return generate_video(BOAT, credentials, store, options=WITHIN_RUN)

    @flow
    def parent() -> None:
        if through == "deployment":
            run_there(middle, run_deployment("middle/of-labels", timeout=0).id)
        else:
            middle(return_state=True)

    deployed(middle, "of-labels")
    outer = parent(return_state=True)
    delete(shown.run_of(outer))
    assert run_there(middle, middle_runs[0]).is_completed(), (
        "its own subflow is a new run, under a run without a parent"
    )
    assert failing.requests().create_received == 1


@pytest.mark.long
def test_the_scheduler_of_a_deleted_parent_is_not_forgotten(
    failing: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    runs: list[State[Any]] = []

    @flow
    def nightly() -> None:
        runs.append(generate_video(BOAT, credentials, store, return_state=True))

    deployment = deployed(nightly, "of-labels")
    with get_client(sync_client=True) as client:
        client.create_deployment_schedules(deployment, [(IntervalSchedule(interval=86_400), True)])  # type: ignore[arg-type]
        ask(f"{client.api_url}deployments/{deployment}/schedule", {"min_runs": 1})
        (scheduled, *_) = [run for run in client.read_flow_runs() if run.deployment_id == deployment]
    assert scheduled.auto_scheduled
    run_there(nightly, scheduled.id)
    delete(scheduled.id)
    again = run_there(generate_video, shown.run_of(runs[0]), request=BOAT, credentials=credentials, store=store)
    assert again.is_completed()
    assert failing.requests().create_received == 1
    # By hand, and so within "always": it is not the video of that night.
    assert not generate_video(BOAT, credentials, store).reused
    assert failing.requests().create_received == 2


def test_a_run_of_the_task_alone_is_held_too(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    runs: list[UUID] = []

    @flow
    async def of_another_team() -> None:
        runs.append(UUID(flow_run.get_id()))
        for take in ("1", "2"):
            await create_video(BOAT.model_copy(update={"take": take}), credentials, store, WITHIN_RUN)

    @flow
    def parent() -> None:
        asyncio.run(of_another_team())

    delete(shown.run_of(parent(return_state=True)))
    run_there(of_another_team, runs[0])
    assert vendor.requests().create_received == 2


@pytest.mark.parametrize("options", [RunOptions(), RunOptions(reuse="scope", reuse_scope="monday")], ids=str)
@pytest.mark.sample(every=2)
def test_a_retry_with_other_options_takes_up_what_the_first_try_has_paid(
    options: RunOptions, failing: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    first = generate_video(BOAT, credentials, store, options=WITHIN_RUN, return_state=True)
    run = shown.run_of(first)
    again = run_there(generate_video, run, request=BOAT, credentials=credentials, store=store, options=options)
    assert again.is_completed()
    assert failing.requests().create_received == 1
    assert "stays with it" in shown.logged(run, f"run:{run}")


@pytest.mark.parametrize("reuse", ["run", "auto", "always"])
@pytest.mark.sample(every=3)
def test_nothing_is_paid_for_before_the_labels_are_written(
    reuse: str,
    prefect_server: str,
    vendor: Simulator,
    credentials: SeedanceCredentials,
    store: VideoStore,
    tmp_path: Path,
) -> None:
    options = RunOptions.model_validate({"reuse": reuse})
    with line_to_prefect(prefect_server, tmp_path, refused=r"PATCH \S+/labels$"):
        state = generate_video(BOAT, credentials, store, options=options, return_state=True)
        with pytest.raises(RunNotLabelled, match=r"Nothing was sent.*503"):
            state.result()
    assert vendor.requests().create_received == 0
    run = shown.run_of(state)
    again = run_there(generate_video, run, request=BOAT, credentials=credentials, store=store, options=options)
    assert again.is_completed()
    assert vendor.requests().create_received == 1


def test_a_run_that_is_deleted_needs_no_labels(vendor: Simulator) -> None:
    @flow
    def gone() -> str:
        return str(flow_run.get_id())

    run = gone()
    delete(UUID(run))
    labels = RunLabels(run)
    asyncio.run(labels.write({"seedance.root": run}))
    assert labels.known == {"seedance.root": run}


def test_siblings_that_write_at_the_same_moment_lose_nothing(prefect_server: str, tmp_path: Path) -> None:
    names = [f"seedance.of-{number}" for number in range(40)]

    @flow
    async def parent() -> str:
        current: CurrentRun = await current_run()
        await asyncio.gather(*(current.lineage[0].write({name: "here"}) for name in names))
        return current.id

    with line_to_prefect(prefect_server, tmp_path) as log:
        run = UUID(asyncio.run(parent()))
    labels = shown.flow_run(run).labels
    assert [name for name in names if name not in labels] == []
    patches = [each for each in log.read_text().splitlines() if each.startswith("PATCH") and each.endswith("/labels")]
    assert len(patches) <= 3, "each request takes along what has come up meanwhile"


def test_a_value_that_changes_while_the_one_before_is_written_is_written_too(prefect_server: str) -> None:
    """A journal that has two addresses, for example: both writers name the same label."""

    @flow
    async def parent() -> str:
        current: CurrentRun = await current_run()
        labels = current.lineage[0]
        first = asyncio.create_task(labels.write({"seedance.of": "one"}))
        await asyncio.sleep(0)  # it is on its way
        await asyncio.gather(first, labels.write({"seedance.of": "two"}))
        return current.id

    assert shown.flow_run(UUID(asyncio.run(parent()))).labels["seedance.of"] == "two"


@pytest.mark.long
def test_a_failed_writer_takes_nobody_with_it(prefect_server: str, tmp_path: Path) -> None:
    """Whoever waits for another's request sees whether its own labels have arrived."""

    @flow
    async def parent() -> list[object]:
        labels = (await current_run()).lineage[0]
        several = (labels.write({f"seedance.of-{number}": "here"}) for number in range(3))
        return await asyncio.gather(*several, return_exceptions=True)

    with line_to_prefect(prefect_server, tmp_path, refused=r"PATCH \S+/labels$"):
        ends = asyncio.run(parent())
    assert [type(each) for each in ends] == [RunNotLabelled] * 3


def test_a_retry_stays_with_the_files_that_the_first_try_has_paid_with(
    failing: Simulator, credentials: SeedanceCredentials, store: VideoStore, tmp_path: Path
) -> None:
    picture = tmp_path / "mug.png"
    picture.write_bytes(png())
    request = small("A mug", images=[str(picture)])
    run = shown.run_of(generate_video(request, credentials, store, return_state=True))
    assert failing.requests().create_received == 1
    picture.unlink()
    again = run_there(generate_video, run, request=request, credentials=credentials, store=store)
    assert again.is_completed()
    assert failing.requests().create_received == 1


def test_a_retry_sends_no_file_that_the_first_try_has_not_seen(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, tmp_path: Path
) -> None:
    picture = tmp_path / "mug.png"
    picture.write_bytes(b"no picture")
    request = small("A mug", images=[str(picture)])
    run = shown.run_of(generate_video(request, credentials, store, return_state=True))
    picture.write_bytes(png())
    again = run_there(generate_video, run, request=request, credentials=credentials, store=store)
    with pytest.raises(InvalidRequest, match="start a new run, which pays"):
        again.result()
    assert vendor.requests().create_received == 0
