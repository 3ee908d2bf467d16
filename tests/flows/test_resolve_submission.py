"""Settling an unknown submission as a flow: a real Prefect server, the simulator over HTTP, real files."""

import asyncio
from collections.abc import Callable

import pytest

from prefect_seedance import (
    SeedanceCredentials,
    VideoRequest,
    VideoStore,
    aresolve_submission,
    generate_video,
    resolve_submission,
)
from prefect_seedance.journal.errors import ResolutionRefused, SubmissionUnknown
from prefect_seedance.simulator import Fault, Simulator

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]

REQUEST = VideoRequest(prompt="A paper boat", model="seedance2.0-mini", resolution="480p", duration=4)


def in_an_async_script(*arguments: object, **more: object) -> str:
    return asyncio.run(aresolve_submission(*arguments, **more))


@pytest.mark.parametrize("resolve", [resolve_submission, in_an_async_script])
def test_a_task_of_another_model_is_taken_only_by_who_says_any_model(
    resolve: Callable[..., str], vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    vendor.plan(Fault(fault="lost_answer"))
    with pytest.raises(SubmissionUnknown) as unknown:
        generate_video(REQUEST, credentials, store)
    with credentials.get_client() as client:
        other = client.create_video(VideoRequest(prompt="A paper plane", model="seedance2.0-fast-i2v"))

    settle = (unknown.value.intent, store, credentials, "attach", other.task_id)
    with pytest.raises(ResolutionRefused, match=r"is of model seedance2\.0-fast-i2v, and seedance2\.0-mini was asked"):
        resolve(*settle)
    assert [entry.state for entry in store.journal().records()] == ["unknown"]
    assert resolve(*settle, any_model=True) == "submitted"
    assert generate_video(REQUEST, credentials, store).task_id == other.task_id
