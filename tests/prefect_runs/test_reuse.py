"""When the same request is the same video: by hand, within a run, within a scope."""

from __future__ import annotations

import asyncio

import pytest
from prefect import flow

from prefect_seedance import RunOptions, SeedanceCredentials, StoredVideo, VideoStore, create_video, generate_video
from prefect_seedance.simulator import Simulator
from tests.prefect_runs.vendor import small, tasks

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.usefixtures("prefect_server"),
]


def test_a_second_call_reuses_the_video_and_says_so_and_another_take_buys_another(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    request = small("twice")
    first = generate_video(request, credentials, store)
    state = generate_video(request, credentials, store, return_state=True)
    second: StoredVideo = state.result()  # type: ignore[assignment]
    assert state.message is not None
    assert state.message.startswith(f"Reused: task {first.task_id} was submitted and paid for by an earlier run")
    assert "another take" in state.message
    assert (first.reused, second.reused) == (False, True)
    assert (second.task_id, second.uri, second.submissions) == (first.task_id, first.uri, 1)
    assert tasks(vendor, "twice") == [first.task_id]
    other = generate_video(small("twice", take="2"), credentials, store)
    assert (other.reused, tasks(vendor, "twice")) == (False, [first.task_id, other.task_id])


def test_a_scope_buys_one_video(vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore) -> None:
    def within(scope: str) -> StoredVideo:
        options = RunOptions(reuse="scope", reuse_scope=scope)
        return generate_video(small("scoped"), credentials, store, options=options)

    monday, again, tuesday = within("monday"), within("monday"), within("tuesday")
    assert monday.task_id == again.task_id != tuesday.task_id
    assert [each.reused for each in (monday, again, tuesday)] == [False, True, False]
    assert len(tasks(vendor, "scoped")) == 2


def test_within_one_run_a_request_is_one_video_and_the_next_run_buys_its_own(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    @flow
    def catalogue() -> list[StoredVideo]:
        options = RunOptions(reuse="run")
        return [generate_video(small("per run"), credentials, store, options=options) for _ in range(2)]

    first, second = catalogue(), catalogue()
    assert first[0].task_id == first[1].task_id != second[0].task_id == second[1].task_id
    assert not any(each.reused for each in [*first, *second]), "each run has paid for its own"
    assert len(tasks(vendor, "per run")) == 2


@pytest.mark.filterwarnings("ignore:.*attempted to send logs to the API without a flow run id")
def test_reuse_within_a_run_is_refused_where_there_is_none(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    before = vendor.requests().create_received
    with pytest.raises(ValueError, match='reuse="run" needs a flow run'):
        asyncio.run(create_video(small("no run"), credentials, store, RunOptions(reuse="run")))
    assert vendor.requests().create_received == before
