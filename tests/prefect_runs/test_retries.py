"""Prefect's retries, of the task that pays, of the flow and of its parent: one bill each."""

from __future__ import annotations

import asyncio

import pytest
from prefect import flow

from prefect_seedance import RunOptions, SeedanceCredentials, StoredVideo, VideoStore, create_video, generate_video
from prefect_seedance.journal.errors import SubmissionUnknown
from prefect_seedance.simulator import Fault, Simulator
from tests.flows import shown
from tests.prefect_runs import api
from tests.prefect_runs.vendor import small, tasks

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.usefixtures("prefect_server"),
]


def test_a_retry_of_the_task_that_pays_sends_nothing_again(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.plan(Fault(fault="lost_answer", matching="task retried", times=5))

    @flow
    async def stubborn() -> None:
        await create_video.with_options(retries=2, retry_delay_seconds=0)(small("task retried"), credentials, store)

    with pytest.raises(SubmissionUnknown):
        asyncio.run(stubborn())
    assert "Retry 2/2" in caplog.text
    assert len(tasks(vendor, "task retried")) == 1


def test_a_retry_of_the_flow_takes_up_what_the_first_attempt_has_paid(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    vendor.plan(Fault(fault="not_a_video", matching="flow retried"))
    state = generate_video.with_options(retries=1)(small("flow retried"), credentials, store, return_state=True)
    stored: StoredVideo = state.result()  # type: ignore[assignment]
    run = shown.run_of(state)
    assert api.read(run).run_count == 2
    assert tasks(vendor, "flow retried") == [stored.task_id]
    assert shown.artifact(run, "seedance-progress-").data == 100, "both attempts have drawn in one place"
    assert not stored.reused, "it was this run that paid"


def test_a_retry_of_the_parent_takes_up_what_the_first_attempt_has_paid(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    seen: list[str] = []

    @flow(retries=1)
    def parent() -> None:
        options = RunOptions(reuse="run")
        seen.append(generate_video(small("parent retried"), credentials, store, options=options).task_id)
        if len(seen) == 1:
            raise RuntimeError("what comes after the video fails once")

    parent()
    assert len(seen) == 2
    assert [*set(seen)] == tasks(vendor, "parent retried")
