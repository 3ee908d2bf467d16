"""What a run says of how to go on is followed to the letter, for each reuse: it never pays for the video again."""

import asyncio
import re
from typing import Any

import pytest
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.flow_engine import run_flow
from prefect.states import Scheduled

from prefect_seedance import (
    RunOptions,
    SeedanceCredentials,
    VideoStore,
    generate_video,
    resolve_submission,
)
from prefect_seedance.flows.bodies.one_video import Progress, _standing
from prefect_seedance.journal.errors import SubmissionUnknown
from prefect_seedance.pipeline.errors import VideoNotStored
from prefect_seedance.pipeline.order import place_order
from prefect_seedance.simulator import Fault, Simulator
from tests.flows import shown
from tests.flows.shown import small

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]

BOAT = small("A paper boat")
ALWAYS, RUN = RunOptions(reuse="always"), RunOptions(reuse="run")
NAMED = RunOptions(reuse="scope", reuse_scope="monday")


def followed(advice: str, parameters: dict[str, Any]) -> State[Any]:
    """Do what the advice says, as a person would: retry the run that it names, or run the same request again."""
    retry = re.search(r"prefect flow-run retry ([0-9a-f-]{36})", advice)
    if retry is None:
        assert "Run the same request again" in advice
        scope = re.search(r"with reuse_scope '(\w+)'", advice)
        options = RunOptions(reuse="scope", reuse_scope=scope[1]) if scope else RunOptions()
        return generate_video(**{**parameters, "options": options}, return_state=True)
    with get_client(sync_client=True) as client:
        # As the command does for a run without a deployment.
        client.set_flow_run_state(retry[1], Scheduled(name="AwaitingRetry"), force=True)
        run = client.read_flow_run(retry[1])
    again: Flow[..., Any] = generate_video
    state = run_flow(again, flow_run=run, parameters=parameters, return_type="state")
    assert isinstance(state, State)
    return state


@pytest.mark.parametrize("options", [ALWAYS, RUN, NAMED], ids=["always", "run", "scope"])
@pytest.mark.sample(every=2)
def test_a_video_that_was_not_stored_is_stored_by_doing_what_the_error_says(
    options: RunOptions, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    vendor.plan(Fault(fault="not_a_video"))
    parameters = {"request": BOAT, "credentials": credentials, "store": store, "options": options}
    error = generate_video(**parameters, return_state=True).result(raise_on_failure=False)
    assert isinstance(error, VideoNotStored)
    stored = followed(str(error), parameters).result()
    assert stored.task_id == error.task_id
    assert [bill.accepted for bill in vendor.bills()] == [1]


@pytest.mark.parametrize("options", [ALWAYS, RUN], ids=["always", "run"])
@pytest.mark.sample(every=2)
def test_a_task_that_was_attached_is_taken_up_by_doing_what_the_log_says(
    options: RunOptions, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    vendor.plan(Fault(fault="lost_answer"))
    parameters = {"request": BOAT, "credentials": credentials, "store": store, "options": options}
    error = generate_video(**parameters, return_state=True).result(raise_on_failure=False)
    assert isinstance(error, SubmissionUnknown)
    (task_id,) = vendor.bills()[0].task_ids
    state = resolve_submission(error.intent, store, credentials, "attach", task_id, return_state=True)
    advice = shown.logged(shown.run_of(state), "is now submitted", "takes the task up")
    assert followed(advice, parameters).result().task_id == task_id
    assert [bill.accepted for bill in vendor.bills()] == [1]


def test_the_task_that_goes_on_is_the_one_of_the_journal_not_of_an_earlier_result(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    """Prefect's persisted result may be of an attempt that failed since."""
    stored = generate_video(BOAT, credentials, store)

    def standing(take: str) -> str:
        order = place_order(
            BOAT.model_copy(update={"take": take}),
            scope="",
            account=credentials.account,
            key_template=store.key_template,
        )
        progress = Progress(order, task_id="videos_of-an-attempt-that-failed")
        return asyncio.run(_standing(progress, store)).task_id

    assert standing(take="1") == stored.task_id
    assert standing(take="2") == "videos_of-an-attempt-that-failed", "all that is known"
